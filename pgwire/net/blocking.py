"""The blocking body: runs a flow over a socket. Everything that may wait has a deadline."""

from __future__ import annotations

import socket
from _thread import allocate_lock
from collections.abc import Callable, Generator
from time import monotonic
from typing import Any, TypeVar

from pgwire import errors
from pgwire.flows import Flow, Need
from pgwire.flows.channel import Channel
from pgwire.net.clock import SLACK, Deadline
from pgwire.net.lost import CLOSED_UNEXPECTEDLY, lost_reason
from pgwire.net.readiness import wait_either, wait_readable

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

    __slots__ = ("_busy", "_send_error", "channel", "intact", "server", "sock", "unsent")

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
        self._busy = allocate_lock()

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
            self._flush(deadline)  # what an earlier run had to leave when its deadline passed
            need = next(flow)
            while True:
                need = flow.send(self._serve(flow, need, deadline))
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

    def _serve(self, flow: Flow[_T], need: Need, deadline: Deadline) -> bytes | None:
        if need is None:
            self._receive(deadline)
        elif isinstance(need, bytes):
            self.unsent = memoryview(need)
            self._flush(deadline)
        else:
            return need()
        return None

    def _receive(self, deadline: Deadline) -> None:
        while True:
            room = self.channel.room()
            self.intact = False
            try:
                count = self.sock.recv_into(room)
            except BlockingIOError:
                self.intact = True
                if not wait_readable((self.sock,), deadline):
                    raise errors.TimeoutExpired("timeout expired") from None
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
            return

    def _flush(self, deadline: Deadline) -> None:
        """Send what is to be sent, taking in what the server says meanwhile: it may not read on
        before it has been listened to."""
        while self.unsent:
            self.intact = False
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent[:_CHUNK]) :]
                self.intact = True
            except BlockingIOError:
                self.intact = True
                readable, writable = wait_either(self.sock, deadline)
                if readable:
                    self._receive(deadline)
                elif not writable:
                    raise errors.TimeoutExpired("timeout expired") from None
            except OSError as error:
                # The server's last words may still be on the way: let the flow read them.
                self._send_error = error
                self.unsent = memoryview(b"")
                self.intact = True

    def _lost(self, reason: str) -> errors.ConnectionLost:
        return errors.ConnectionLost(
            reason, server=self.server, phase=self.channel.state.phase.lower()
        )
