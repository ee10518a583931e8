"""The blocking body and its sockets: who may use it, and what goes wrong below the protocol."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.net.blocking import BlockingTransport
from pgwire.net.clock import Stopwatch, deadline_after, seconds_until
from pgwire.net.readiness import wait_either, wait_readable, wait_writable
from pgwire.net.sockets import numeric_addresses
from pgwire.protocol.frontend import CancelRequest
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, close, expect, login, send, stall


@pytest.fixture
def pair() -> Iterator[tuple[BlockingTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield BlockingTransport(ours, Channel(), 'connection to server at "h"'), theirs


def take(count: int, channel: Channel) -> Flow[bytes]:
    while channel.frames.pending < count:
        yield None
    return bytes(channel.frames.data[:count])


def test_a_flow_is_given_what_it_needs(pair: tuple[BlockingTransport, socket.socket]) -> None:
    transport, theirs = pair

    def flow() -> Flow[tuple[bytes, bytes]]:
        yield b"question"
        computed = yield lambda: b"computed"
        assert computed is not None
        theirs.sendall(b"answer")
        answer = yield from take(6, transport.channel)
        return computed, answer

    assert transport.run(flow()) == (b"computed", b"answer")
    assert theirs.recv(100) == b"question"


def test_a_deadline_leaves_the_flow_where_it_was(
    pair: tuple[BlockingTransport, socket.socket],
) -> None:
    transport, theirs = pair
    begun = monotonic()
    with pytest.raises(errors.TimeoutExpired):
        transport.run(take(2, transport.channel), deadline_after(0.02))
    assert 0.02 <= monotonic() - begun < 2
    theirs.sendall(b"ab")
    assert transport.run(take(2, transport.channel), deadline_after(5)) == b"ab"


def test_what_could_not_be_sent_goes_first_the_next_time(
    pair: tuple[BlockingTransport, socket.socket],
) -> None:
    transport, theirs = pair
    large = bytes(range(256)) * 20_000

    def send_all(data: bytes) -> Flow[None]:
        yield data

    with pytest.raises(errors.TimeoutExpired):
        transport.run(send_all(large), deadline_after(0.01))
    assert transport.unsent and transport.intact
    got = bytearray()

    def read() -> None:
        while len(got) < len(large) + 4:
            got.extend(theirs.recv(1 << 20))

    reader = threading.Thread(target=read)
    reader.start()
    transport.run(send_all(b"next"), deadline_after(10))
    reader.join()
    assert got == large + b"next"


def test_a_peer_that_talks_while_it_is_talked_to(
    pair: tuple[BlockingTransport, socket.socket],
) -> None:
    """Both have more to say than the sockets hold: who does not listen meanwhile would wait for
    ever."""
    transport, theirs = pair
    size = 3 << 20
    received = bytearray()

    def talk() -> None:
        theirs.sendall(bytes(size))
        while len(received) < size:
            received.extend(theirs.recv(1 << 20))

    talker = threading.Thread(target=talk)
    talker.start()

    def flow() -> Flow[int]:
        yield bytes(size)
        return len((yield from take(size, transport.channel)))

    assert transport.run(flow(), deadline_after(10)) == size
    talker.join()


def test_the_end_of_the_peer_is_told_with_server_and_phase(
    pair: tuple[BlockingTransport, socket.socket],
) -> None:
    transport, theirs = pair
    theirs.close()
    with pytest.raises(errors.ConnectionLost) as caught:
        transport.run(take(1, transport.channel))
    assert caught.value.message.startswith(
        'connection to server at "h" lost in phase startup: server closed the connection'
    )


def test_a_second_thread_is_refused(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo()) as connection:
        told: list[BaseException] = []

        def intrude() -> None:
            for use in (
                lambda: connection.query("SELECT 'intruder'"),
                lambda: connection.query("SELECT 'intruder'", []),
                lambda: connection.describe("SELECT 'intruder'"),
            ):
                try:
                    use()
                except errors.InterfaceError as error:
                    told.append(error)

        # While another thread waits for notifications …
        connection.execute("LISTEN c")
        listener = threading.Thread(target=lambda: list(connection.notifies(timeout=1)))
        listener.start()
        while not connection._transport._busy.locked():
            pass
        intrude()
        listener.join()
        assert len(told) == 3 and all("busy" in str(error) for error in told)
        # … and while it runs a query.
        query = threading.Thread(target=lambda: connection.query("SELECT pg_sleep(0.3)"))
        query.start()
        while not connection._transport._busy.locked():
            pass
        intrude()
        query.join()
        assert len(told) == 6
        assert connection.query("SELECT 'mine'").scalar() == "mine"


def test_a_cancel_request_is_bounded_and_tells_what_failed() -> None:
    ignored = [expect(CancelRequest), stall()]
    answered = [expect(CancelRequest), send(b"?"), close()]
    with (
        ScriptedServer(login(), ignored, answered) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        with pytest.raises(errors.TimeoutExpired, match="cancel request timed out"):
            connection.cancel(timeout=0.05)
        with pytest.raises(errors.OperationalError, match="unexpected response from server"):
            connection.cancel()
        assert not connection.closed


@pytest.mark.parametrize(
    ("shown", "private"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("192.127.0.1", False),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_where_nobody_can_listen_in(shown: str, private: bool) -> None:
    (address,) = numeric_addresses(shown, 5432)
    assert address.private is private


def test_waiting(pair: tuple[BlockingTransport, socket.socket]) -> None:
    transport, theirs = pair
    sock = transport.sock
    assert wait_readable((sock,), deadline_after(0)) == []
    assert wait_writable(sock, None)
    assert wait_either(sock, None) == (False, True)
    theirs.sendall(b"x")
    assert wait_readable((theirs, sock), None) == [sock]
    assert wait_either(sock, None) == (True, True)


def test_time() -> None:
    assert deadline_after(None) is None and seconds_until(None) is None
    assert seconds_until(monotonic() - 5) == 0.0
    assert Stopwatch(None).remaining is None and not Stopwatch(None).expired
    assert Stopwatch(0).expired and not Stopwatch(60).expired


class Syscalls:
    """A socket that counts what is asked of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.calls: list[str] = []

    def send(self, data: bytes | memoryview) -> int:
        self.calls.append("send")
        return self._sock.send(data)

    def recv_into(self, room: memoryview) -> int:
        self.calls.append("recv")
        return self._sock.recv_into(room)

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


def test_a_short_query_asks_little_of_the_system(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo()) as connection:
        connection.query("SELECT 1")
        transport = connection._transport
        counting = Syscalls(transport.sock)
        transport.sock = counting  # type: ignore[assignment]
        waits: list[float | None] = []
        wait = transport._readable

        def waiting(seconds: float | None) -> object:
            waits.append(seconds)
            return wait(seconds)

        transport._readable = waiting
        assert connection.query("SELECT 1").scalar() == 1
        # No look into the empty buffer before the answer can be there.
        assert (counting.calls, waits) == (["send", "recv"], [None])


def test_spinning_looks_before_it_sleeps(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo(), spin=1_000_000) as connection:
        transport = connection._transport
        waits: list[float | None] = []
        wait = transport._readable

        def waiting(seconds: float | None) -> object:
            waits.append(seconds)
            return wait(seconds)

        transport._readable = waiting
        assert connection.query("SELECT 1").scalar() == 1
        assert set(waits) == {0}  # it never slept
        transport.spin = 2
        waits.clear()
        connection.query("SELECT pg_sleep(0.1)")
        assert waits == [0, 0, None]
        waits.clear()
        with pytest.raises(pgwire.TimeoutExpired):
            connection.query("SELECT pg_sleep(10)", timeout=0.05)
        assert waits[:2] == [0, 0] and waits[2] is not None and 0 < waits[2] <= 0.05
        assert connection.query("SELECT 2").scalar() == 2


@pytest.mark.parametrize("spin", [-1, 1.5, "60", True])
def test_what_is_no_number_of_tries(cluster: Cluster, spin: Any) -> None:
    with pytest.raises(pgwire.ProgrammingError, match=r"spin must be .* not"):
        pgwire.connect(cluster.conninfo(), spin=spin)
