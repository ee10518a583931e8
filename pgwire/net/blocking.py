"""The blocking body: runs a flow over a socket. Everything that may wait has a deadline."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Generator
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.net.clock import SLACK, Deadline, seconds_until
from pgwire.net.interrupts import here
from pgwire.net.lost import CLOSED_UNEXPECTEDLY, lost_reason
from pgwire.net.readiness import reader, wait_either

if TYPE_CHECKING:
    import socket

_T = TypeVar("_T")
_Step = TypeVar("_Step")

_CHUNK = 256 * 1024
"""Bytes to offer to the socket at a time: PyPy copies what is offered, not only what is taken."""


def drive(steps: Generator[_Step, Any, _T], perform: Callable[[_Step], Any]) -> _T:
    """Perform the steps of a generator one after the other; returns its result.

    What a step gives is sent back into the generator, what it raises is thrown in: also an
    interruption, from which the generator has to recover.
    """
    given: Any = None
    raised: BaseException | None = None
    try:
        while True:
            try:
                step = steps.send(given) if raised is None else steps.throw(raised)
                raised = None
                given = perform(step)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            except BaseException as error:
                if getattr(steps, "gi_frame", None) is None:
                    raise  # the generator itself has ended so
                given, raised = None, error
    finally:
        del raised  # its traceback holds this frame


class BlockingTransport:
    """A connected socket and the channel that it feeds."""

    __slots__ = (
        "_asked",
        "_busy",
        "_readable",
        "_send_error",
        "channel",
        "intact",
        "server",
        "sock",
        "spin",
        "unsent",
    )

    def __init__(self, sock: socket.socket, channel: Channel, server: str) -> None:
        """`server` is what an error calls the other side: `server at "h" (ip), port p`."""
        sock.setblocking(False)
        self.sock = sock
        self.channel = channel
        self.server = server
        self._send_error: OSError | None = None
        self.unsent = memoryview(b"")
        """What an earlier flow wanted to send, and could not before its deadline."""
        self.intact = True
        """False if an interrupt came just when bytes went in or out, so that nobody knows how
        many: then the connection must be given up."""
        self.spin = 0
        """How often to look whether an answer has come before going to sleep until it has. Waking
        up costs more than a short query; looking costs the processor that might run the server."""
        self._asked = False
        """Whether something has been sent and nothing received since: no answer can be here yet."""
        self._busy = allocate_lock()
        self._readable = reader(sock)

    def run(self, flow: Flow[_T], deadline: Deadline = None) -> _T:
        """Run `flow` to its end and return its result.

        Raises TimeoutExpired at the `deadline` (the flow is left where it was: the caller decides
        whether the connection can be saved), ConnectionLost when the peer is gone, and what
        the flow raises. A second thread, or a callback, that comes in between is refused.
        """
        if not self._busy.acquire(blocking=False):
            raise errors.InterfaceError(
                "the connection is busy: another thread, or the code that called this "
                "notice handler, is using it"
            )
        phase = self.channel.state.phase
        try:
            if self.unsent:
                self._flush(deadline)  # what an earlier run had to leave when its deadline passed
            if self.channel.frames.pending:
                self.channel.take_unasked()
            need = next(flow)
            while True:
                if need is None:
                    self._receive(deadline)
                    need = next(flow)
                elif isinstance(need, bytes):
                    self._send(need, deadline)
                    need = next(flow)
                else:
                    need = flow.send(need())
        except StopIteration as stop:
            result: _T = stop.value
            return result
        except errors.ProtocolError as error:
            if error.diagnostics.detail is None:
                error.diagnostics.detail = f"in phase {phase}"
            raise
        finally:
            self._busy.release()

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def _receive(self, deadline: Deadline) -> None:
        if self._asked:
            self._asked = False
            self._wait(deadline)
        while True:
            room = self.channel.room()
            self.intact = False
            try:
                count = self.sock.recv_into(room)
            except BlockingIOError:
                self.intact = True
                self._wait(deadline)
                continue
            except OSError as error:
                raise self._lost(lost_reason("receive data from", error)) from error
            if count == 0:
                if self._send_error is not None:
                    raise self._lost(lost_reason("send data to", self._send_error))
                raise self._lost(CLOSED_UNEXPECTEDLY)
            self.channel.took(count)
            self.intact = True
            if deadline is not None and monotonic() > deadline + SLACK:
                raise errors.TimeoutExpired("timeout expired")
            block = here.block
            if block is not None:
                block.look()  # what keeps coming in never waits
            return

    def _wait(self, deadline: Deadline) -> None:
        """Wait until there is something to receive. Raises TimeoutExpired at the `deadline`."""
        readable = self._readable
        for _ in range(self.spin):
            if readable(0):
                return
        seconds = seconds_until(deadline)
        block = here.block
        if not (readable(seconds) if block is None else block.wait(readable, seconds)):
            raise errors.TimeoutExpired("timeout expired")

    def _send(self, data: bytes, deadline: Deadline) -> None:
        if len(data) > _CHUNK:
            self.unsent = memoryview(data)
            self._flush(deadline)
            return
        self.intact = False
        try:
            count = self.sock.send(data)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._give_up_sending(error)
            return
        self._asked = True
        if count < len(data):
            self.unsent = memoryview(data)[count:]
        self.intact = True
        if self.unsent:
            self._flush(deadline)

    def _flush(self, deadline: Deadline) -> None:
        """Send what is to be sent, taking in what the server says meanwhile: it may not read on
        before it has been listened to."""
        while self.unsent:
            self.intact = False
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent[:_CHUNK]) :]
                self._asked = self.intact = True
            except BlockingIOError:
                self.intact = True
                readable, writable = wait_either(self.sock, deadline)
                if readable:
                    self._asked = False
                    self._receive(deadline)
                elif not writable:
                    raise errors.TimeoutExpired("timeout expired") from None
            except OSError as error:
                self._give_up_sending(error)

    def _give_up_sending(self, error: OSError) -> None:
        # The server's last words may still be on the way: let the flow read them.
        self._send_error = error
        self.unsent = memoryview(b"")
        self.intact = True

    def _lost(self, reason: str) -> errors.ConnectionLost:
        return errors.ConnectionLost(
            reason, server=self.server, phase=self.channel.state.phase.lower()
        )
