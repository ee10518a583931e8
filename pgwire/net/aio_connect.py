"""From a connection string to a session, in the asyncio body; and cancelling what it runs."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
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
from pgwire.net.aio import AsyncTransport, call, drive, within
from pgwire.net.clock import Deadline, deadline_after, seconds_until
from pgwire.net.opened import Opened, connect_timeout, server_name, wish
from pgwire.net.sockets import (
    adopt,
    as_addresses,
    dialling,
    known_addresses,
    looking_up,
    numeric_addresses,
    opening,
)

if TYPE_CHECKING:
    import ssl

HANGING_UP = 1.0
"""Seconds that the last bytes get to leave when an attempt is given up."""


async def open_connection(
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
) -> Opened[AsyncTransport]:
    """Try the targets of the connection string one after the other; see `pgwire.connect_async`."""
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
        body = Body(wanted.settings, on_notice)
        try:
            connected = await drive(connecting(wanted), body.perform, body.close)
        except BaseException:
            body.close()
            raise
        return Opened(cast(AsyncTransport, connected.transport), connected, wanted.settings)


async def send_cancel_request(opened: Opened[AsyncTransport], deadline: Deadline) -> None:
    """Ask the server to cancel what the session `opened` is running; see `cancelling`."""
    body = Body(opened.settings, None, deadline)
    direct = opened.settings["sslnegotiation"] == "direct"
    try:
        await drive(cancelling(opened.connected, direct=direct), body.perform, body.close)
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
        self._current: AsyncTransport | None = None

    def close(self) -> None:
        """Close what has been dialled last."""
        if self._current is not None:
            self._current.close()

    async def perform(self, step: Step) -> Any:
        """Perform one step."""
        if isinstance(step, Converse):
            return await _own(step.transport).run(step.flow, self._deadline)
        if isinstance(step, HangUp):
            return await _own(step.transport).end(deadline_after(HANGING_UP))
        if isinstance(step, FetchToken):
            return await call(step.callback, step.request)
        if isinstance(step, Vet):
            return await call(step.check, step.target, step.address)
        if isinstance(step, LookUp):
            self._restart()
            return await self._addresses(step)
        if step.restart:
            self._restart()
        return await self._transport(step)

    async def _addresses(self, step: LookUp) -> list[Address]:
        target = step.target
        known = known_addresses(target)
        if known is not None:
            return known
        port = target.port_number()
        with looking_up(target):
            try:
                if step.resolve is not None:
                    found = await within(call(step.resolve, target.host, port), self._deadline)
                    return numeric_addresses(found, port)
                loop = asyncio.get_running_loop()
                asked = loop.getaddrinfo(target.lookup_name, port, type=socket.SOCK_STREAM)
                return as_addresses(await within(asked, self._deadline))
            except errors.TimeoutExpired:
                raise OSError(errno.ETIMEDOUT, "timeout expired") from None

    async def _transport(self, step: Dial) -> AsyncTransport:
        loop = asyncio.get_running_loop()
        sock = await self._socket(step, loop)
        server = server_name(step.target, step.address)
        transport = AsyncTransport(Channel(self._on_notice), server)
        self._current = transport
        if sock.family == getattr(socket, "AF_UNIX", None):
            await loop.create_unix_connection(lambda: transport, sock=sock)
        else:
            await loop.create_connection(lambda: transport, sock=sock)
        return transport

    async def _socket(self, step: Dial, loop: asyncio.AbstractEventLoop) -> socket.socket:
        dial = step.address.dial
        if dial is not None:
            with dialling():
                made = call(dial, step.target, seconds_until(self._deadline))
                handed_over: socket.socket = await within(made, self._deadline)
                adopt(handed_over, self._settings)
            return handed_over
        with opening(step.target, step.address, self._settings) as sock:
            try:
                await within(loop.sock_connect(sock, step.address.sockaddr), self._deadline)
            except OSError as error:
                # asyncio has words of its own for what the system says.
                if isinstance(error, errors.Error) or not error.errno:
                    raise
                raise OSError(error.errno, os.strerror(error.errno)) from error
        return sock

    def _restart(self) -> None:
        self._deadline = deadline_after(connect_timeout(self._settings))


def _own(transport: object) -> AsyncTransport:
    return cast(AsyncTransport, transport)
