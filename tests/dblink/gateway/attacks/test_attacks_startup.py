"""Clients that do not want a session: they take nothing away from those that do."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dblink.gateway import Gateway, running
from pgwire.protocol.frontend import CancelRequest, Query, StartupMessage
from pgwire.testing.script import ScriptedServer, login, send
from tests.dblink.gateway.attacks.arena import BOUND, Arena, Victim
from tests.dblink.gateway.attacks.rawclient import RawClient
from tests.dblink.kit import eventually

Address = tuple[str, int]

TIMEOUT = 1.0
SSL = bytes((0, 0, 0, 8, 4, 210, 22, 47))
GSS = bytes((0, 0, 0, 8, 4, 210, 22, 48))
START = StartupMessage({b"user": b"mallory", b"database": b"here"}).encode()


@pytest.fixture(scope="module")
def hasty(arena: Arena) -> Iterator[Gateway]:
    """A gateway that waits for nobody long, and lets few in."""
    with running(arena.local, arena.side, startup_timeout=TIMEOUT, max_clients=8) as gateway:
        yield gateway


def test_half_open_clients(arena: Arena, hasty: Gateway) -> None:
    address = hasty.addresses[0]
    silent = [RawClient(address) for _ in range(100)]
    for number, client in enumerate(silent):
        client.send(START[: number % len(START)], b"")
    victim = Victim(arena, address)  # there is a place for who says something
    start = time.monotonic()
    for client in silent:
        client.ended(TIMEOUT + BOUND)
        client.close()
    assert time.monotonic() - start < TIMEOUT + BOUND
    victim.still_works()
    victim.end()


def test_a_byte_at_a_time(arena: Arena, hasty: Gateway) -> None:
    """Who says something all the time is too slow as well."""
    client, over = RawClient(hasty.addresses[0]), threading.Event()

    def drip() -> None:
        for byte in START[:-1] + bytes(1000):
            try:
                client.socket.send(bytes((byte,)))
            except OSError:
                return
            if over.wait(0.1):
                return

    thread = threading.Thread(target=drip)
    start = time.monotonic()
    thread.start()
    try:
        client.ended(TIMEOUT + BOUND)
        assert TIMEOUT * 0.9 < time.monotonic() - start < TIMEOUT + BOUND
    finally:
        over.set()
        thread.join()
        client.close()


def test_who_does_not_answer_the_question_for_a_password(arena: Arena, hasty: Gateway) -> None:
    client = RawClient(hasty.addresses[0])
    client.send(StartupMessage({b"user": b"app", b"database": b"here"}))
    client.ended(TIMEOUT + BOUND)
    client.close()


def test_too_many_clients(arena: Arena, hasty: Gateway) -> None:
    clients = [RawClient(hasty.addresses[0]) for _ in range(12)]
    begun = [client.start("mallory", "here") for client in clients]
    assert [answer.status for answer in begun].count("I") == 8
    refused = next(answer for answer in begun if not answer.status)
    assert (refused.sqlstate, refused.message) == ("53300", "sorry, too many clients already")
    for client in clients:
        client.close()
    eventually(lambda: admitted(hasty.addresses[0]))


def admitted(address: Address) -> bool:
    client = RawClient(address)
    try:
        return client.start("mallory", "here").status == "I"
    finally:
        client.close()


STUFFED = {
    "SSLRequest and more": SSL + START,
    "SSLRequest twice": SSL + SSL,
    "GSSENCRequest and more": GSS + START,
    "TLS without TLS": b"\x16\x03\x01" + bytes(100),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a huge packet": b"\x7f\xff\xff\xff" + bytes(20),
    "a negative length": b"\xff\xff\xff\xff" + bytes(20),
    "no length": bytes(8),
    "protocol 2": bytes((0, 0, 0, 9, 0, 2, 0, 0, 0)),
    "an unknown code": bytes((0, 0, 0, 8, 4, 210, 22, 99)),
    "a cancel request without a key": bytes((0, 0, 0, 12, 4, 210, 22, 46, 0, 0, 0, 1)),
    "a cancel request with a long one": bytes((0, 0, 3, 232, 4, 210, 22, 46)) + bytes(992),
    "a startup packet without an end": (9 + 9000).to_bytes(4) + b"\0\3\0\0" + b"u" * 9001,
    "a query": Query(b"SELECT 1").encode(),
}


@pytest.mark.parametrize("data", STUFFED.values(), ids=STUFFED)
def test_stuffed(arena: Arena, hasty: Gateway, data: bytes) -> None:
    client = RawClient(hasty.addresses[0])
    client.send(data)
    said = client.ended(TIMEOUT + BOUND)
    client.close()
    assert b"R\0\0\0\x08\0\0\0\0" not in said  # AuthenticationOk
    assert len(said) < 1000


def test_requests_for_encryption_one_after_the_other(arena: Arena, hasty: Gateway) -> None:
    """One of each is answered; the server's own answer to more of them is the end."""
    client = RawClient(hasty.addresses[0])
    for request in (SSL, GSS):
        client.send(request)
        assert client.socket.recv(10) == b"N"
    client.send(SSL)
    assert client.ended()[:1] in (b"E", b"")
    client.close()


def test_guessing_keys(arena: Arena, gate: Address) -> None:
    """A flood of cancel requests for a session, with keys that are not its own."""
    victim = Victim(arena, gate)
    victim.client.send_query(
        "SELECT * FROM dblink('c', 'SELECT pg_sleep(2), 9') AS t(a text, b int)"
    )
    eventually(lambda: arena.waits("application_name", victim.marker, "PgSleep"))
    dice = random.Random(5)
    key = victim.client.key
    guesses = [dice.randbytes(len(key)) for _ in range(60)]
    guesses += [key[:-1], key + b"\0", key[:-1] + bytes((key[-1] ^ 1,)), bytes(len(key))]
    for guess in guesses:
        other = RawClient(gate)
        other.send(CancelRequest(victim.client.pid, guess or b"\0"))
        other.close()
    answer = victim.client.answer()
    assert answer.rows == [("", "9")], answer
    victim.still_works()
    victim.end()


def test_a_flood_of_the_right_cancel_requests(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            other = RawClient(gate)
            other.send(CancelRequest(victim.client.pid, victim.client.key))
            other.ended()
            other.close()

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(40):
            answer = victim.client.query("SELECT * FROM dblink('c', 'SELECT 6') AS t(a int)")
            assert answer.rows == [("6",)] or answer.sqlstate in ("57014", "08000"), answer
            assert answer.status == "I"
    finally:
        over.set()
        thread.join()
    eventually(lambda: victim.client.query("SELECT 1").rows == [("1",)])
    victim.still_works()
    victim.end()


GARBAGE = {
    "zeros": bytes(50),
    "an unknown message": b"~\0\0\0\x04",
    "a length of nothing": b"Q\0\0\0\0",
    "a length beyond all bounds": b"Q\x7f\xff\xff\xff" + bytes(100),
    "half a query": Query(b"SELECT 1").encode()[:-3],
    "COPY data that nobody wants": b"d\0\0\0\x08abcd" * 1000,
    "a password that nobody asked for": b"p\0\0\0\x08abc\0",
    "random": random.Random(6).randbytes(5000),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("phase", ["idle", "in a call"])
def test_garbage(arena: Arena, gate: Address, phase: str, data: bytes) -> None:
    """It is the server's to judge; whatever it does, nothing is left when the client has gone."""
    victim = Victim(arena, gate)
    if phase == "in a call":
        victim.client.send_query("SELECT dblink_exec('c', 'SELECT pg_sleep(60)')")
        eventually(lambda: arena.waits("application_name", victim.marker, "PgSleep"))
    victim.client.send(data)
    victim.end()


# A server that lies, in place of the local one.

LIES = {
    "a frame too short": b"D\0\0\0\3",
    "a negative length": b"N\xff\xff\xff\xff" + bytes(100),
    "a notice without an end": b"N\0\0\0\x20SINFO\0VINFO\0CDBL01\0M" + b"x" * 12,
    "a call without a session": b"N\0\0\0\x1bSINFO\0VINFO\0CDBL01\0Mxyz\0",
    "an error that is none": b"E\0\0\0\x05\0" + b"Z\0\0\0\x05I",
    "two keys": b"K\0\0\0\x0c\0\0\0\1abcd" * 2 + b"Z\0\0\0\x05I",
    "a status that is none": b"Z\0\0\0\x05?" + b"Z\0\0\0\x04",
    "noise": random.Random(7).randbytes(3000),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lying_server(arena: Arena, lie: bytes) -> None:
    with (
        ScriptedServer([login(), send(lie)], login()) as server,
        running(server.conninfo(), arena.side, startup_timeout=TIMEOUT) as gateway,
    ):
        client = RawClient(gateway.addresses[0])
        client.send(START)
        client.socket.settimeout(0.3)
        try:
            while client.socket.recv(65536):
                pass
        except OSError:
            pass
        client.close()
        another = RawClient(gateway.addresses[0])
        assert another.start("mallory", "here").status == "I"
        another.close()


@settings(max_examples=int(os.environ.get("GATEWAY_EXAMPLES", "25")))
@given(
    st.lists(st.binary(min_size=1, max_size=200) | st.sampled_from([SSL, GSS, START]), max_size=5)
)
def test_any_bytes_to_begin_with(hasty_address: Address, pieces: list[bytes]) -> None:
    client = RawClient(hasty_address)
    try:
        for piece in pieces:
            client.send(piece)
    except OSError:
        pass
    client.reset()


@pytest.fixture(scope="module")
def hasty_address(hasty: Gateway) -> Iterator[Address]:
    """Where it listens; at the end it still lets somebody in."""
    yield hasty.addresses[0]
    eventually(lambda: admitted(hasty.addresses[0]))
