"""Whoever does not read makes the other side wait: memory stays bounded, both ways."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from time import monotonic

from dblink.gateway import Running
from pgwire.net.readiness import wait_writable
from pgwire.protocol.frontend import Query
from pgwire.testing.peer import Peer
from pgwire.testing.script import ScriptedServer, close, expect, login, ready, send, stall
from tests.dblink.gateway.relay.wire import PATIENCE, Wire

FRAME = b"d" + (4 + 995).to_bytes(4) + b"x" * 995
BLOCK = FRAME * 1000
TOTAL = 64 * len(BLOCK)
BOUND = 1 << 20
"""Bytes that a gateway may hold for one session; there is more on the way in the sockets."""

STUCK = 0.5
"""Seconds in which nothing moves any more when all buffers are full."""


def pour(sock: socket.socket) -> int:
    """Send frames until nobody takes any more; how much went."""
    sock.setblocking(False)
    view = memoryview(BLOCK)
    sent = 0
    while sent < TOTAL and wait_writable(sock, monotonic() + STUCK):
        sent += sock.send(view[sent % len(BLOCK) :])
    sock.settimeout(PATIENCE)
    return sent


def drained(sock: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        received += sock.recv(1 << 20)
    return bytes(received)


def poured(count: int) -> bytes:
    return (BLOCK * (count // len(BLOCK) + 1))[:count]


def held(relay: Running) -> int:
    """Bytes that the gateway holds because somebody does not take them."""
    legs = list(relay.gateway.room.legs)
    return sum(leg.transport.get_write_buffer_size() for leg in legs if leg.transport)


class Script:
    """A server that pours, or that does not read, before it goes on."""

    def __init__(self) -> None:
        self.poured = 0
        self.over = threading.Event()

    def pour(self, peer: Peer) -> None:
        self.poured = pour(peer._sock)
        peer._sock.setblocking(False)
        self.over.set()

    def wait(self, peer: Peer) -> None:
        assert self.over.wait(PATIENCE)


def test_a_client_that_does_not_read_makes_the_server_wait(
    relaying: Callable[..., Running],
) -> None:
    script = Script()
    with (
        ScriptedServer([login(), expect(Query), script.pour]) as server,
        Wire((relay := relaying(server.conninfo())).addresses[0]) as wire,
    ):
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert script.over.wait(PATIENCE)
        assert 0 < held(relay) < BOUND
        assert script.poured < TOTAL, "somebody has taken it all"
        assert drained(wire.socket, script.poured) == poured(script.poured)


def test_a_server_that_does_not_read_makes_the_client_wait(
    relaying: Callable[..., Running],
) -> None:
    script = Script()
    with (
        ScriptedServer([login(), expect(Query), script.wait]) as server,
        Wire((relay := relaying(server.conninfo())).addresses[0]) as wire,
    ):
        wire.log_in()
        wire.send(Query(b"x").encode())
        sent = pour(wire.socket)
        assert 0 < held(relay) < BOUND
        script.over.set()
        assert sent < TOTAL, "somebody has taken it all"
        wire.socket.close()
        server.join()
        assert bytes(server.peers[0].input).endswith(Query(b"x").encode() + poured(sent))


CALL = b"SINFO\0VINFO\0CDBL01\0Mno call\0\0"
CALL = b"N" + (4 + len(CALL)).to_bytes(4) + CALL
ROW = b"D\0\0\0\x06\0\0"


def test_what_came_with_a_call_does_not_wait_for_its_end(relaying: Callable[..., Running]) -> None:
    script = [login(), expect(Query), send(ROW + CALL), expect(Query), send(ROW + CALL), stall()]
    with (
        ScriptedServer(script) as server,
        Wire(relaying(server.conninfo()).addresses[0]) as wire,
    ):
        wire.log_in()
        for _ in range(2):
            wire.send(Query(b"x").encode())
            assert wire.exactly(len(ROW)) == ROW


def test_what_came_with_calls_comes_in_order_and_goes_before_the_end(
    relaying: Callable[..., Running],
) -> None:
    many = b"".join(ROW[:-2] + n.to_bytes(2) for n in range(3000))
    pieces = [many[start : start + 70] + CALL for start in range(0, len(many), 70)]
    script = [
        *(login(), expect(Query), *map(send, pieces), ready(), expect(Query)),
        *(send(ROW + CALL), close()),
    ]
    with (
        ScriptedServer(script) as server,
        Wire(relaying(server.conninfo()).addresses[0]) as wire,
    ):
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert wire.exactly(len(many)) == many
        assert wire.frame()[:1] == b"Z"
        wire.send(Query(b"x").encode())
        assert wire.rest() == ROW
