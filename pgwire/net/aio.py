"""The asyncio body: runs a flow over a transport of the event loop, whichever loop it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Generator
from inspect import isawaitable
from time import monotonic
from typing import Any, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.net.clock import SLACK, Deadline, seconds_until
from pgwire.net.lost import CLOSED_UNEXPECTEDLY, lost_reason

_T = TypeVar("_T")
_Step = TypeVar("_Step")

_ENOUGH = 192 * 1024
"""Bytes that may wait in the buffer before the server is made to wait. They may all be tiny
messages, and no deadline is looked at between those: going through them must not take long."""

_POLLS = 3
"""Turns of the event loop that are sure to look once at what has arrived, on any loop."""


async def drive(
    steps: Generator[_Step, Any, _T],
    perform: Callable[[_Step], Awaitable[Any]],
    abandon: Callable[[], object],
) -> _T:
    """Perform the steps of a generator one after the other; returns its result.

    What a step gives is sent back into the generator, what it raises is thrown in: also the
    cancelling of the task, from which the generator has to recover. The steps that it takes then
    are awaited by the cancelled task itself, so that nobody meets it half recovered. A task that is
    thrown away cannot await any more: then `abandon` is called.
    """
    given: Any = None
    raised: BaseException | None = None
    try:
        while True:
            try:
                step = steps.send(given) if raised is None else steps.throw(raised)
                raised = None
                given = await perform(step)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            except BaseException as error:
                if getattr(steps, "gi_frame", None) is None:
                    raise  # the generator itself has ended so
                if isinstance(error, GeneratorExit):
                    abandon()
                given, raised = None, error
    finally:
        del raised  # its traceback holds this frame


async def call(function: Callable[..., _T | Awaitable[_T]], *arguments: object) -> _T:
    """Call what may take its time: a coroutine function in this task, any other in a thread, and
    await what that returns if it can be awaited."""
    made: Any
    if asyncio.iscoroutinefunction(function):
        made = function(*arguments)
    else:
        made = await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
    result: _T = await made if isawaitable(made) else made
    return result


async def within(awaitable: Awaitable[_T], deadline: Deadline) -> _T:
    """Await until the `deadline`, then cancel and raise TimeoutExpired."""
    # asyncio's own time-outs cancel the task that waits, and confuse that with being cancelled
    # from outside in some versions.
    future = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait((future,), timeout=seconds_until(deadline))
    except GeneratorExit:
        future.cancel()
        raise
    except BaseException:
        await _cancel(future)
        raise
    if future.done():
        return future.result()
    await _cancel(future)
    raise errors.TimeoutExpired("timeout expired")


async def _cancel(future: asyncio.Future[_T]) -> None:
    """Cancel, and wait until it has ended: what it uses may be closed then."""
    future.cancel()
    await asyncio.wait((future,))
    if not future.cancelled():
        future.exception()  # it has been looked at


class AsyncTransport(asyncio.BufferedProtocol):
    """A connection of the event loop and the channel that it feeds.

    The loop receives straight into the channel's buffer, and only between the steps of a flow; so
    the bounds that a flow holds stay good while it holds them. What is sent is the loop's at once,
    in whole: whoever is interrupted, no message is ever cut.
    """

    intact = True
    unsent = memoryview(b"")

    def __init__(self, channel: Channel, server: str) -> None:
        """`server` is what an error calls the other side: `server at "h" (ip), port p`."""
        self.channel = channel
        self.server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed = self._loop.create_future()
        self._arrived = False
        self._waiter: asyncio.Future[bool] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._ended: str | None = None
        self._cause: OSError | None = None
        self._failure: errors.Error | None = None
        self._reading = True
        self._busy = False

    async def run(self, flow: Flow[_T], deadline: Deadline = None) -> _T:
        """Run `flow` to its end and return its result.

        Raises TimeoutExpired at the `deadline` (the flow is left where it was: the caller decides
        whether the connection can be saved), ConnectionLost when the peer is gone, and what
        the flow raises. A second task, or a callback, that comes in between is refused.
        """
        if self._busy:
            raise errors.InterfaceError(
                "the connection is busy: another task, or the code that called this "
                "notice handler, is using it"
            )
        self._busy = True
        phase = self.channel.state.phase
        try:
            if self.channel.frames.pending:
                self.channel.take_unasked()
            need = next(flow)
            while True:
                if need is None:
                    silent = not (self._arrived or self._failure or self._ended)
                    if deadline is None and silent and self._reading:
                        # As `_receive`, without a coroutine of its own: most queries are here.
                        waiter = self._waiter = self._loop.create_future()
                        try:
                            await waiter
                        finally:
                            self._waiter = None
                        self._arrived = False
                        if self._failure is not None:
                            raise self._failure
                    else:
                        await self._receive(deadline)
                    need = next(flow)
                elif isinstance(need, bytes):
                    # What cannot be sent: the server's last words may be in the buffer, let the
                    # flow read them.
                    if self._transport is not None and self._ended is None:
                        self._transport.write(need)
                        if self._writable is not None:
                            await self._drain(deadline)
                    need = next(flow)
                else:
                    # Password hashing, for one: it must not hold up everybody else on the loop.
                    need = flow.send(await within(call(need), deadline))
        except StopIteration as stop:
            result: _T = stop.value
            return result
        except errors.ProtocolError as error:
            if error.diagnostics.detail is None:
                error.diagnostics.detail = f"in phase {phase}"
            raise
        finally:
            self._busy = False

    def close(self) -> None:
        """Close the connection at once."""
        self._end(CLOSED_UNEXPECTEDLY)
        if self._transport is not None:
            self._transport.abort()

    async def end(self, deadline: Deadline) -> None:
        """Close the connection after what has been sent, or at the `deadline`."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            await asyncio.wait((self._closed,), timeout=seconds_until(deadline))
        finally:
            self._transport.abort()

    def hand_over(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Give the connection away: its bytes are those of `protocol` from now on.

        The channel's `layer`, if there is one, goes with it. Returns the loop's transport. Raises
        ConnectionLost if there is no connection any more, or if something has been received that
        no flow has asked for.
        """
        transport = self._transport
        if transport is None or self._ended is not None or self.channel.frames.pending:
            raise self._lost(self._ended or CLOSED_UNEXPECTEDLY) from self._cause
        transport.set_protocol(protocol)
        self._transport = None
        return transport

    def fileno(self) -> int:
        """Descriptor of the socket; -1 if it is closed."""
        sock: socket.socket | None = None
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
        return -1 if sock is None else sock.fileno()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has connected us."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of other classes

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop may receive into."""
        return self.channel.room()

    def buffer_updated(self, nbytes: int) -> None:
        """The loop has received."""
        self._arrived = True
        try:
            self.channel.took(nbytes)
        except errors.Error as error:
            self._failure = error
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)
        # While we are sending the server may not read on before it has been listened to.
        elif self._writable is None and self.channel.frames.pending > _ENOUGH:
            self._set_reading(False)

    def eof_received(self) -> bool:
        """The server has ended the stream."""
        self._end(CLOSED_UNEXPECTEDLY)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        if isinstance(exc, OSError):
            self._cause = exc
            self._end(lost_reason("receive data from", exc))
        else:
            self._end(CLOSED_UNEXPECTEDLY)
        self.resume_writing()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """The loop's send buffer is full."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """The loop's send buffer has room again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # What a flow needs.

    async def _receive(self, deadline: Deadline) -> None:
        # What came while something was being sent may be what the flow is waiting for.
        if not self._arrived:
            if self._failure is not None:
                raise self._failure
            if self._ended is not None:
                raise self._lost(self._ended) from self._cause
            self._set_reading(True)
            if not await self._wait(deadline):
                raise errors.TimeoutExpired("timeout expired")
        self._arrived = False
        if self._failure is not None:
            raise self._failure
        if deadline is not None and monotonic() > deadline + SLACK:
            raise errors.TimeoutExpired("timeout expired")

    async def _wait(self, deadline: Deadline) -> bool:
        """Wait for input, or for its end; false at the `deadline`."""
        seconds = seconds_until(deadline)
        if seconds == 0:
            for _ in range(_POLLS):
                await asyncio.sleep(0)
            return self._arrived or self._ended is not None
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = None if seconds is None else self._loop.call_later(seconds, self._wake, False)
        try:
            return await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    async def _drain(self, deadline: Deadline) -> None:
        """Wait until the loop's send buffer has room again, taking in what the server says."""
        self._set_reading(True)
        while self._writable is not None:
            seconds = seconds_until(deadline)
            if seconds == 0:
                raise errors.TimeoutExpired("timeout expired")
            await asyncio.wait((self._writable,), timeout=seconds)

    def _wake(self, arrived: bool = True) -> None:
        """Wake who is waiting for input."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(arrived)

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
        self._wake()

    def _set_reading(self, wanted: bool) -> None:
        if self._reading is wanted or self._transport is None or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _lost(self, reason: str) -> errors.ConnectionLost:
        return errors.ConnectionLost(
            reason, server=self.server, phase=self.channel.state.phase.lower()
        )
