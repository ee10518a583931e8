"""Waiting for sockets, by poll() where there is one, else by select(). What waits here can be
interrupted: see `pgwire.net.interrupts`."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING

from pgwire.net import interrupts
from pgwire.net.clock import Deadline, seconds_until

if TYPE_CHECKING:
    import socket

if hasattr(select, "poll"):
    # An error or a hang-up shows as neither in nor out: using the socket tells what it is.
    _IN = select.POLLIN | select.POLLERR | select.POLLHUP
    _OUT = select.POLLOUT | select.POLLERR | select.POLLHUP

    def _wait(
        readers: Sequence[socket.socket], writers: Sequence[socket.socket], seconds: float | None
    ) -> tuple[list[socket.socket], list[socket.socket]]:
        poll = select.poll()
        wanted = dict.fromkeys((sock.fileno() for sock in readers), select.POLLIN)
        for sock in writers:
            wanted[sock.fileno()] = wanted.get(sock.fileno(), 0) | select.POLLOUT
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        ready = dict(interrupts.wait(lambda left: poll.poll(_milliseconds(left)), seconds))
        return (
            [sock for sock in readers if ready.get(sock.fileno(), 0) & _IN],
            [sock for sock in writers if ready.get(sock.fileno(), 0) & _OUT],
        )

    def reader(sock: socket.socket) -> Callable[[float | None], object]:
        """A function that waits so many seconds (None: as long as it takes) until `sock` has
        something to receive, and tells whether it has; whoever calls it sees to interruptions. Made
        once for a socket that is waited for again and again; it must not be used any more when
        the socket has been closed."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        events = poll.poll

        def wait(seconds: float | None) -> object:
            # An error or a hang-up counts, too: receiving tells what it is.
            return events(_milliseconds(seconds))

        return wait

    def _milliseconds(seconds: float | None) -> int | None:
        # Rounded up, as CPython does and PyPy does not: nothing times out before its deadline.
        return None if seconds is None else ceil(seconds * 1000)

else:

    def _wait(
        readers: Sequence[socket.socket], writers: Sequence[socket.socket], seconds: float | None
    ) -> tuple[list[socket.socket], list[socket.socket]]:
        ready = interrupts.wait(lambda left: _select(readers, writers, left), seconds)
        return ready or ([], [])

    def _select(
        readers: Sequence[socket.socket], writers: Sequence[socket.socket], seconds: float | None
    ) -> tuple[list[socket.socket], list[socket.socket]] | None:
        # On Windows a connection that has been refused shows in the third list.
        readable, writable, failed = select.select(readers, writers, writers, seconds)
        return (readable, [*writable, *failed]) if readable or writable or failed else None

    def reader(sock: socket.socket) -> Callable[[float | None], object]:
        """A function that waits so many seconds (None: as long as it takes) until `sock` has
        something to receive, and tells whether it has; whoever calls it sees to interruptions."""
        return lambda seconds: _select((sock,), (), seconds)


def wait_readable(sockets: Sequence[socket.socket], deadline: Deadline) -> list[socket.socket]:
    """Those of `sockets` that have something to receive; waits for one, none at the `deadline`."""
    return _wait(sockets, (), seconds_until(deadline))[0]


def wait_writable(sock: socket.socket, deadline: Deadline) -> bool:
    """Whether `sock` takes data, has connected or has failed to; false at the `deadline`."""
    return bool(_wait((), (sock,), seconds_until(deadline))[1])


def wait_either(sock: socket.socket, deadline: Deadline) -> tuple[bool, bool]:
    """Whether `sock` has something to receive, and whether it takes data; neither at the
    `deadline`."""
    readable, writable = _wait((sock,), (sock,), seconds_until(deadline))
    return bool(readable), bool(writable)
