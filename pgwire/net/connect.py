"""From a connection string to a session, in the blocking body."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.flows.attempts import (
    Address,
    Connected,
    Converse,
    Dial,
    FetchToken,
    HangUp,
    LookUp,
    Step,
    connecting,
)
from pgwire.flows.channel import Channel
from pgwire.flows.oauth import TokenCallback
from pgwire.net.blocking import BlockingTransport
from pgwire.net.clock import Deadline, deadline_after
from pgwire.net.opened import Opened, connect_timeout, server_name, wish
from pgwire.net.sockets import addresses, open_socket

if TYPE_CHECKING:
    import ssl

Dialler = Callable[[Target, "float | None"], socket.socket]


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
    dial: Dialler | None = None,
) -> Opened[BlockingTransport]:
    """Try the targets of the connection string one after the other; see `pgwire.connect`."""
    wanted = wish(
        conninfo,
        options,
        environ=environ,
        scram_iterations=scram_iterations,
        ssl_context=ssl_context,
        oauth_token=oauth_token,
        secure=secure,
    )
    body = _Body(wanted.settings, on_notice, dial)
    steps = connecting(wanted)
    try:
        step = next(steps)
        while True:
            try:
                done = body.perform(step)
            except errors.Error as error:
                step = steps.throw(error)
            else:
                step = steps.send(done)
    except StopIteration as stop:
        connected: Connected = stop.value
        assert body.current is not None
        return Opened(body.current, connected, wanted.settings)
    except BaseException:
        body.close()
        raise


class _Body:
    """Performs the steps of `connecting`, and keeps the clock."""

    def __init__(
        self,
        settings: Settings,
        on_notice: Callable[[errors.Diagnostics], None] | None,
        dial: Dialler | None,
    ) -> None:
        self._settings = settings
        self._on_notice = on_notice
        self._dial = dial
        self._deadline: Deadline = None
        self.current: BlockingTransport | None = None

    def close(self) -> None:
        """Close what has been dialled last."""
        if self.current is not None:
            self.current.close()

    def perform(self, step: Step) -> Any:
        if isinstance(step, Converse):
            transport: Any = step.transport
            return transport.run(step.flow, self._deadline)
        if isinstance(step, HangUp):
            transport = step.transport
            transport.close()
            return None
        if isinstance(step, FetchToken):
            return step.callback(step.request)
        if isinstance(step, LookUp):
            self._restart()
            if self._dial is not None:
                return [Address(socket.AF_UNSPEC, None, None, private=False)]
            return addresses(step.target, self._deadline)
        if step.restart:
            self._restart()
        return self._transport(step)

    def _transport(self, step: Dial) -> BlockingTransport:
        if self._dial is not None:
            sock = self._dial(step.target, connect_timeout(self._settings))
        else:
            sock = open_socket(step.target, step.address, self._settings, self._deadline)
        server = server_name(step.target, step.address)
        self.current = BlockingTransport(sock, Channel(self._on_notice), server)
        return self.current

    def _restart(self) -> None:
        self._deadline = deadline_after(connect_timeout(self._settings))
