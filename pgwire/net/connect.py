"""From a connection string to a session, in the blocking body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from pgwire import errors
from pgwire.conninfo import Settings
from pgwire.flows.attempts import (
    Address,
    Converse,
    Dial,
    FetchToken,
    HangUp,
    Hooks,
    LookUp,
    Step,
    Vet,
    connecting,
)
from pgwire.flows.cancel import cancelling
from pgwire.flows.channel import Channel
from pgwire.flows.oauth import TokenCallback
from pgwire.net.blocking import BlockingTransport, drive
from pgwire.net.clock import Deadline, deadline_after, seconds_until
from pgwire.net.opened import Opened, checked_spin, connect_timeout, server_name, wish
from pgwire.net.sockets import (
    addresses,
    adopt,
    dialling,
    known_addresses,
    looking_up,
    numeric_addresses,
    open_socket,
)

if TYPE_CHECKING:
    import socket
    import ssl


def open_connection(
    conninfo: str | None,
    options: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    on_notice: Callable[[errors.Diagnostics], None] | None,
    scram_iterations: tuple[int, int],
    ssl_context: ssl.SSLContext | None = None,
    oauth_token: TokenCallback | None = None,
    secure: bool = False,
    ambient: bool = True,
    hooks: Hooks | None = None,
    spin: int = 0,
) -> Opened[BlockingTransport]:
    """Try the targets of the connection string one after the other; see `pgwire.connect`."""
    with closing(hooks if hooks is not None else Hooks()) as hooks:
        wanted = wish(
            conninfo,
            options,
            environ=environ,
            scram_iterations=scram_iterations,
            ssl_context=ssl_context,
            oauth_token=oauth_token,
            secure=secure,
            ambient=ambient,
            hooks=hooks,
        )
        spin = checked_spin(spin)
        body = Body(wanted.settings, on_notice)
        try:
            connected = drive(connecting(wanted), body.perform)
        except BaseException:
            body.close()
            raise
        transport = cast(BlockingTransport, connected.transport)
        transport.spin = spin
        return Opened(transport, connected, wanted.settings)


def send_cancel_request(opened: Opened[BlockingTransport], deadline: Deadline) -> None:
    """Ask the server to cancel what the session `opened` is running; see `cancelling`."""
    body = Body(opened.settings, None, deadline)
    direct = opened.settings["sslnegotiation"] == "direct"
    try:
        drive(cancelling(opened.connected, direct=direct), body.perform)
    finally:
        body.close()


class Body:
    """Performs the steps of connecting and of cancelling, and keeps the clock."""

    def __init__(
        self,
        settings: Settings,
        on_notice: Callable[[errors.Diagnostics], None] | None,
        deadline: Deadline = None,
    ) -> None:
        self._settings = settings
        self._on_notice = on_notice
        self._deadline = deadline
        self._dialled: socket.socket | None = None

    def close(self) -> None:
        """Close what has been dialled last."""
        if self._dialled is not None:
            self._dialled.close()

    def perform(self, step: Step) -> Any:
        """Perform one step."""
        if isinstance(step, Converse):
            return cast(BlockingTransport, step.transport).run(step.flow, self._deadline)
        if isinstance(step, HangUp):
            return cast(BlockingTransport, step.transport).close()
        if isinstance(step, FetchToken):
            return step.callback(step.request)
        if isinstance(step, Vet):
            return step.check(step.target, step.address)
        if isinstance(step, LookUp):
            self._restart()
            return self._addresses(step)
        if step.restart:
            self._restart()
        return self._transport(step)

    def _addresses(self, step: LookUp) -> list[Address]:
        target = step.target
        if step.resolve is None:
            return addresses(target, self._deadline)
        known = known_addresses(target)
        if known is not None:
            return known
        port = target.port_number()
        with looking_up(target):
            return numeric_addresses(step.resolve(target.host, port), port)

    def _transport(self, step: Dial) -> BlockingTransport:
        dial = step.address.dial
        if dial is None:
            sock = open_socket(
                step.target, step.address, self._settings, self._deadline, self._keep
            )
        else:
            with dialling():
                sock = dial(step.target, seconds_until(self._deadline))
                adopt(sock, self._settings)
            self._keep(sock)
        server = server_name(step.target, step.address)
        return BlockingTransport(sock, Channel(self._on_notice), server)

    def _keep(self, sock: socket.socket) -> None:
        self._dialled = sock

    def _restart(self) -> None:
        self._deadline = deadline_after(connect_timeout(self._settings))
