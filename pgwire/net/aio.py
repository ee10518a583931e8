"""The asyncio body: runs a flow over a transport of the event loop, whichever loop it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from pgwire import errors
from pgwire.flows import Flow, Need
from pgwire.flows.channel import Channel
from pgwire.net.clock import Deadline, seconds_until
from pgwire.net.lost import CLOSED_UNEXPECTEDLY, lost_reason

_T = TypeVar("_T")

_ENOUGH = 1024 * 1024
"""Bytes that may wait in the buffer before the server is made to wait."""


class AsyncTransport(asyncio.BufferedProtocol):
    """A connection of the event loop and the channel that it feeds.

    It receives straight into the channel's buffer, and only between the steps of a flow; so the
    bounds that a flow holds stay good while it holds them.
    """

    def __init__(self, channel: Channel, server: str) -> None:
        """`server` is what an error calls the other side."""
        self.channel = channel
        self.server = server
        self.intact = True
        self.unsent = memoryview(b"")
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended: str | None = None
        self._failure: errors.Error | None = None
        self._paused_reading = False
        self._writable: asyncio.Future[None] | None = None
        self._busy = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has connected us."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop may receive into."""
        return self.channel.room()

    def buffer_updated(self, nbytes: int) -> None:
        """The loop has received."""
        try:
            self.channel.took(nbytes)
        except errors.Error as error:
            self._failure = error
        if self.channel.frames.pending > _ENOUGH and self._waiter is None:
            self._pause()
        self._wake()

    def eof_received(self) -> bool:
        """The server has ended the stream."""
        self._ended = CLOSED_UNEXPECTEDLY
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has lost the connection."""
        if self._ended is None:
            self._ended = (
                lost_reason("receive data from", exc)
                if isinstance(exc, OSError)
                else CLOSED_UNEXPECTEDLY
            )
        self.resume_writing()
        self._wake()

    def pause_writing(self) -> None:
        """The loop's send buffer is full."""
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """The loop's send buffer has room again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # What connections call.

    async def run(self, flow: Flow[_T], deadline: Deadline = None) -> _T:
        """Run `flow` to its end and return its result; raises as `BlockingTransport.run` does."""
        if self._busy:
            raise errors.InterfaceError("the connection is busy: another task is using it")
        self._busy = True
        phase = self.channel.state.phase
        try:
            need = next(flow)
            while True:
                need = flow.send(await self._serve(need, deadline))
        except StopIteration as stop:
            result: _T = stop.value
            return result
        except errors.ProtocolError as error:
            if error.diagnostics.detail is None:
                error.diagnostics.detail = f"in phase {phase}"
            raise
        finally:
            self._busy = False

    async def wait_readable(self, deadline: Deadline) -> bool:
        """Wait until something has been received; False at the `deadline`."""
        if self.channel.frames.pending:
            return True
        try:
            await self._receive(deadline)
        except errors.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Close the connection, after what has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def sock(self) -> socket.socket | None:
        """The socket, if the loop shows it."""
        return None if self._transport is None else self._transport.get_extra_info("socket")

    async def _serve(self, need: Need, deadline: Deadline) -> bytes | None:
        if need is None:
            await self._receive(deadline)
        elif isinstance(need, bytes):
            await self._send(need, deadline)
        else:
            # Password hashing, for one: it must not hold up everybody else on the loop.
            return await self._within(self._loop.run_in_executor(None, need), deadline)
        return None

    async def _receive(self, deadline: Deadline) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended is not None:
            raise self._lost(self._ended)
        self._waiter = self._loop.create_future()
        self._resume()
        try:
            await self._within(self._waiter, deadline)
        finally:
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    async def _send(self, data: bytes, deadline: Deadline) -> None:
        if self._transport is None or self._ended is not None:
            return  # the server's last words may be in the buffer: let the flow read them
        self._transport.write(data)
        while self._writable is not None:
            await self._within(asyncio.shield(self._writable), deadline)

    async def _within(self, awaitable: asyncio.Future[_T], deadline: Deadline) -> _T:
        """Await until the `deadline`. The loop's own time-out would cancel from a callback."""
        try:
            return await asyncio.wait_for(awaitable, seconds_until(deadline))
        except TimeoutError as error:
            if isinstance(error, errors.Error):
                raise
            raise errors.TimeoutExpired("timeout expired") from None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause(self) -> None:
        if not self._paused_reading and self._transport is not None:
            self._paused_reading = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused_reading and self._transport is not None:
            self._paused_reading = False
            self._transport.resume_reading()

    def _lost(self, reason: str) -> errors.ConnectionLost:
        return errors.ConnectionLost(
            reason, server=self.server, phase=self.channel.state.phase.lower()
        )


Protocols = Callable[[], AsyncTransport]
