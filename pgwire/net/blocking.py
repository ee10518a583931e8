"""The blocking body: runs a flow over a socket. Everything that may wait has a deadline."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Sequence
from typing import TypeVar

from pgwire import errors
from pgwire.flows import Flow, Need
from pgwire.flows.channel import Channel
from pgwire.net.clock import Deadline, remaining

_T = TypeVar("_T")

CLOSED_UNEXPECTEDLY = (
    "server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request."
)


class BlockingTransport:
    """A connected socket and the channel that it feeds."""

    __slots__ = ("_busy", "_send_error", "_unsent", "channel", "server", "sock")

    def __init__(self, sock: socket.socket, channel: Channel, server: str) -> None:
        """`server` is what an error calls the other side: `server at "h" (ip), port p`."""
        sock.setblocking(False)
        self.sock = sock
        self.channel = channel
        self.server = server
        self._send_error: OSError | None = None
        self._unsent = memoryview(b"")
        self._busy = threading.Lock()

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
        try:
            self._flush(deadline)  # what an earlier run had to leave when its deadline passed
            need = next(flow)
            while True:
                need = flow.send(self._serve(flow, need, deadline))
        except StopIteration as stop:
            result: _T = stop.value
            return result
        finally:
            self._busy.release()

    def take_available(self) -> bool:
        """Take in what has arrived, without waiting. False when the peer has closed."""
        while True:
            try:
                count = self.sock.recv_into(self.channel.frames.writable())
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                return False
            if count == 0:
                return False
            self.channel.frames.wrote(count)

    def wait_readable(self, deadline: Deadline) -> bool:
        """Wait until there is something to receive; False at the `deadline`."""
        return bool(wait_any_readable([self.sock], deadline))

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def _serve(self, flow: Flow[_T], need: Need, deadline: Deadline) -> bytes | None:
        if need is None:
            self._receive(deadline)
        elif isinstance(need, bytes):
            self._unsent = memoryview(need)
            self._flush(deadline)
        else:
            return need()
        return None

    def _receive(self, deadline: Deadline) -> None:
        while True:
            try:
                count = self.sock.recv_into(self.channel.frames.writable())
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)
                continue
            except OSError as error:
                raise self._lost(f"could not receive data from server: {error.strerror}") from error
            if count == 0:
                if self._send_error is not None:
                    reason = self._send_error.strerror
                    raise self._lost(f"could not send data to server: {reason}")
                raise self._lost(CLOSED_UNEXPECTEDLY)
            self.channel.frames.wrote(count)
            return

    def _flush(self, deadline: Deadline) -> None:
        """Send what is to be sent, taking in what the server says meanwhile: it may not read on
        before it has been listened to."""
        while self._unsent:
            try:
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
            except BlockingIOError:
                if self._wait(select.POLLIN | select.POLLOUT, deadline) & select.POLLIN:
                    self._receive(deadline)
            except OSError as error:
                # The server's last words may still be on the way: let the flow read them.
                self._send_error = error
                self._unsent = memoryview(b"")

    def _wait(self, events: int, deadline: Deadline) -> int:
        poll = select.poll()
        poll.register(self.sock, events)
        left = remaining(deadline)
        ready = poll.poll(None if left is None else left * 1000)
        if not ready:
            raise errors.TimeoutExpired("timeout expired")
        # An error or hang-up shows as neither: receiving tells what it is.
        return ready[0][1] if ready[0][1] & events else select.POLLIN

    def _lost(self, reason: str) -> errors.ConnectionLost:
        return errors.ConnectionLost(
            reason, server=self.server, phase=self.channel.state.phase.lower()
        )


def wait_any_readable(sockets: Sequence[socket.socket], deadline: Deadline) -> list[socket.socket]:
    """Those of `sockets` that have something to receive; waits for one until `deadline`."""
    poll = select.poll()
    by_descriptor = {sock.fileno(): sock for sock in sockets}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    try:
        left = remaining(deadline)
    except errors.TimeoutExpired:
        left = 0.0
    ready = poll.poll(None if left is None else left * 1000)
    return [by_descriptor[descriptor] for descriptor, _ in ready]
