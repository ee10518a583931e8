"""Real servers hold real conversations: every message they send must be legal for the automaton,
decode, and encode again to the very bytes that came."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from pgwire import errors
from pgwire.protocol import backend, frontend
from pgwire.protocol.constants import PROTOCOL_3_2
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.md5 import md5_response
from pgwire.protocol.message import Message
from pgwire.protocol.scram import ScramClient
from pgwire.protocol.state import ConnectionState
from pgwire.testing.cluster import Cluster

TIMEOUT = 30  # seconds
USER = {b"scram": "scram-sha-256", b"md5": "md5", b"plain": "scram-sha-256"}
PASSWORD = "pa\u00a0ssw\u00f6rd".encode()


class Peer:
    """A client that can do nothing but send messages and take them."""

    def __init__(self, cluster: Cluster, *, tcp: bool = False) -> None:
        if tcp:
            self.socket = socket.create_connection((cluster.tcp_host, cluster.port), TIMEOUT)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(TIMEOUT)
            self.socket.connect(f"{cluster.host}/.s.PGSQL.{cluster.port}")
        self.frames = FrameBuffer()
        self.state = ConnectionState()
        self.seen: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.state.sent(message)
        self.socket.sendall(b"".join(message.encode() for message in messages))

    def receive(self) -> Message:
        while (frame := self.frames.next_frame()) is None:
            count = self.socket.recv_into(self.frames.writable())
            assert count, "the server has closed the connection"
            self.frames.wrote(count)
        kind, start, end = frame
        self.state.received(kind, self.frames.data, start, end)
        raw = bytes(self.frames.data[start - 5 : end])
        message = backend.decode(kind, raw[5:])
        assert message.encode() == raw
        self.seen.append(message)
        return message

    def until(self, *types: type[Message]) -> Message:
        while type(message := self.receive()) not in types:
            pass
        return message

    def reply(self) -> str:
        """The letters of what comes, up to ReadyForQuery, asynchronous messages left out."""
        self.seen.clear()
        self.until(backend.ReadyForQuery)
        return self.letters()

    def letters(self) -> str:
        return b"".join(m.type for m in self.seen if m.type not in (b"N", b"A", b"S")).decode()

    def error(self) -> bytes:
        """The SQLSTATE of the error that was seen last."""
        return [m for m in self.seen if isinstance(m, backend.ErrorResponse)][-1].fields["C"]


@pytest.fixture
def peer(cluster: Cluster) -> Iterator[Peer]:
    with Peer(cluster) as client:
        start(client, cluster)
        yield client


def start(client: Peer, cluster: Cluster, **parameters: str) -> None:
    parameters = {"user": cluster.superuser, "database": "postgres", **parameters}
    encoded = {name.encode(): value.encode() for name, value in parameters.items()}
    client.send(frontend.StartupMessage(encoded))
    assert client.reply() == "RKZ"
    assert client.state.transaction_status == "I"


def extended(sql: bytes, *values: bytes | None, max_rows: int = 0) -> tuple[Message, ...]:
    return (
        frontend.Parse(b"", sql),
        frontend.Bind(b"", b"", (), values, ()),
        frontend.Describe(b"P", b""),
        frontend.Execute(b"", max_rows),
    )


SIMPLE = {
    b"select 1, null": "TDCZ",
    b"select from generate_series(1, 2)": "TDDCZ",
    b"": "IZ",
    b" ; -- nothing": "IZ",
    b"select 1; ; create temp table t (a int); select 2 where false": "TDCCTCZ",
    b"select 1; select 1/0; select 2": "TDCTEZ",
    b"syntax error": "EZ",
    b"begin; select 1/0; rollback": "CTEZ",
    b"do $$begin raise notice 'hello'; end$$": "CZ",
    b"listen a; notify a, 'x'": "CCZ",
    b"begin; declare c binary cursor for select 1::int8; fetch c; rollback": "CCTDCCZ",
    b"copy (select 1) to stdout; select 2; copy (select 3) to stdout (format binary)": (
        "HdcCTDCHddcCZ"
    ),
    b"copy (select 1 / (3 - i) from generate_series(1, 5) i) to stdout": "HddEZ",
}


@pytest.mark.parametrize("sql", SIMPLE, ids=bytes.decode)
def test_simple_queries(peer: Peer, sql: bytes) -> None:
    peer.send(frontend.Query(sql))
    letters = peer.reply()
    if "TE" in SIMPLE[sql]:
        # Whether 1/0 fails before or after the description of its result, the planner decides.
        letters = letters.replace("TE", "E").replace("E", "TE")
    assert letters == SIMPLE[sql]
    peer.send(frontend.Query(b"rollback; select 1"))
    assert peer.reply() == "CTDCZ"
    assert peer.state.phase == "READY"


def test_transaction_status(peer: Peer) -> None:
    for sql, status in ((b"begin", "T"), (b"select 1/0", "E"), (b"rollback", "I")):
        peer.send(frontend.Query(sql))
        peer.reply()
        assert peer.state.transaction_status == status


@pytest.mark.parametrize(
    ("sql", "values", "letters"),
    [
        (b"select $1::int", (b"1",), "12TDCZ"),
        (b"select $1::text", (None,), "12TDCZ"),
        (b"create temp table t (a int)", (), "12nCZ"),
        (b"", (), "12nIZ"),
        (b"copy (select 1) to stdout", (), "12nHdcCZ"),
        (b"copy pg_temp.missing from stdin", (), "12nEZ"),
        (b"syntax error", (), "EZ"),
        (b"select $1::int", (b"x",), "1EZ"),
        (b"select $1::int", (), "1EZ"),
        (b"select 1/(3-i) from generate_series(1, 5) i", (), "12TDDEZ"),
    ],
)
def test_extended_queries(
    peer: Peer, sql: bytes, values: tuple[bytes | None, ...], letters: str
) -> None:
    peer.send(*extended(sql, *values), frontend.Sync())
    assert peer.reply() == letters
    assert peer.state.phase == "READY"


def test_statements_are_described_and_closed(peer: Peer) -> None:
    peer.send(
        frontend.Parse(b"s", b"select $1::int4, $2::text", (23,)),
        frontend.Describe(b"S", b"s"),
        frontend.Close(b"S", b"s"),
        frontend.Close(b"P", b"missing"),
        frontend.Sync(),
    )
    assert peer.reply() == "1tT33Z"
    assert backend.ParameterDescription((23, 25)) in peer.seen


def test_row_limits(peer: Peer) -> None:
    peer.send(*extended(b"select generate_series(1, 5)", max_rows=2), frontend.Flush())
    peer.seen.clear()
    peer.until(backend.PortalSuspended)
    assert peer.letters() == "12TDDs"
    peer.send(frontend.Execute(b"", 3), frontend.Execute(b"", 3), frontend.Sync())
    assert peer.reply() == "DDDsCZ"


def test_pipelines(peer: Peer) -> None:
    good, bad = extended(b"select 1"), extended(b"select 1/0")
    sync = frontend.Sync()
    peer.send(*good, sync, *bad, *good, sync, sync, *good, *good, sync)
    assert peer.state.outstanding_syncs == 4
    assert peer.reply() == "12TDCZ"
    letters = peer.reply()
    assert letters in ("1EZ", "12TEZ")  # constants are folded when it is planned
    assert peer.reply() == "Z"
    assert peer.state.phase == "EXTENDED"
    assert peer.reply() == "12TDC12TDCZ"
    assert peer.state.phase == "READY"


def test_what_follows_an_error_is_skipped_up_to_sync(peer: Peer) -> None:
    peer.send(frontend.Parse(b"", b"syntax error"), frontend.Flush())
    peer.until(backend.ErrorResponse)
    peer.send(*extended(b"select 1"), frontend.Flush(), frontend.Sync())
    assert peer.reply() == "Z"


TABLE = b"create temp table t (a int)"


def test_simple_copy_in(peer: Peer) -> None:
    peer.send(frontend.Query(TABLE + b"; copy t from stdin; select count(*) from t"))
    peer.until(backend.CopyInResponse)
    assert peer.state.phase == "COPY_IN"
    peer.send(frontend.CopyData(b"1\n2"), frontend.CopyData(b"\n"), frontend.CopyDone())
    assert peer.reply() == "CTDCZ"
    assert backend.DataRow((b"2",)) in peer.seen


def test_simple_copy_in_that_fails(peer: Peer) -> None:
    peer.send(frontend.Query(TABLE))
    peer.reply()
    peer.send(frontend.Query(b"copy t from stdin"))
    peer.until(backend.CopyInResponse)
    peer.send(frontend.CopyFail(b"no more"))
    assert peer.reply() == "EZ"
    assert peer.error() == b"57014"
    peer.send(frontend.Query(b"copy t from stdin"))
    peer.until(backend.CopyInResponse)
    peer.send(frontend.CopyData(b"x\n"), frontend.CopyData(b"1\n" * 100_000))
    peer.until(backend.ErrorResponse)
    peer.send(frontend.CopyData(b"2\n"), frontend.CopyDone())  # too late, and harmless
    assert peer.reply() == "Z"
    peer.send(frontend.Query(b"select count(*) from t"))
    assert peer.reply() == "TDCZ"
    assert backend.DataRow((b"0",)) in peer.seen


@pytest.mark.parametrize("syncs", [0, 1, 2])
@pytest.mark.parametrize("end", ["done", "given up", "bad data", "bad data seen early"])
def test_extended_copy_in_loses_the_syncs_before_it(peer: Peer, syncs: int, end: str) -> None:
    peer.send(frontend.Query(TABLE))
    peer.reply()
    tail: list[Message] = [frontend.Sync()] * syncs or [frontend.Flush()]
    peer.send(*extended(b"copy t from stdin"), *tail)
    peer.until(backend.CopyInResponse)
    assert peer.state.outstanding_syncs == 0
    if end == "done":
        peer.send(frontend.CopyData(b"1\n"), frontend.CopyDone())
    elif end == "given up":
        peer.send(frontend.CopyFail(b"no"))
    else:
        peer.send(frontend.CopyData(b"x\n1\n2\n"))
        if end == "bad data seen early":
            peer.until(backend.ErrorResponse)
        peer.send(frontend.CopyDone())
    peer.send(frontend.Sync())
    assert peer.reply() == {"done": "CZ", "bad data seen early": "Z"}.get(end, "EZ")
    assert peer.state.phase == "READY"
    peer.send(frontend.Query(b"select count(*) from t"))
    assert peer.reply() == "TDCZ"


def test_function_calls(peer: Peer) -> None:
    forty_two = [struct.pack("!i", 2), struct.pack("!i", 40)]
    peer.send(frontend.FunctionCall(177, (1,), forty_two, 1))
    assert peer.reply() == "VZ"
    assert backend.FunctionCallResponse(struct.pack("!i", 42)) in peer.seen
    peer.send(frontend.FunctionCall(177, (1,), (forty_two[0], None), 1))
    assert peer.reply() == "VZ"
    assert backend.FunctionCallResponse(None) in peer.seen
    peer.send(frontend.FunctionCall(0, (), ()))
    assert peer.reply() == "EZ"


def test_asynchronous_messages(peer: Peer) -> None:
    peer.send(
        frontend.Query(
            b"set timezone to 'Asia/Tokyo'; listen a; notify a, 'payload';"
            b"do $$begin raise warning 'hello'; end$$"
        )
    )
    peer.reply()
    types = {type(message) for message in peer.seen}
    assert {
        backend.ParameterStatus,
        backend.NotificationResponse,
        backend.NoticeResponse,
    } <= types
    assert backend.ParameterStatus(b"TimeZone", b"Asia/Tokyo") in peer.seen


def test_names_as_long_as_a_server_takes(peer: Peer) -> None:
    longest = frontend.Close(b"P", b"x" * 9_994)
    peer.send(longest, frontend.Sync())
    assert peer.reply() == "3Z"
    # One byte more, past our own check, and the server hangs up.
    raw = bytearray(longest.encode())
    raw[1:5] = struct.pack("!i", 10_001)
    raw.insert(6, ord("x"))
    peer.socket.sendall(raw)
    with pytest.raises((AssertionError, OSError)):
        peer.until(backend.ReadyForQuery)


def test_the_end_of_a_session(peer: Peer, cluster: Cluster) -> None:
    (key,) = [m for m in peer.seen if isinstance(m, backend.BackendKeyData)]
    with Peer(cluster) as other:
        start(other, cluster)
        other.send(frontend.Query(b"select pg_terminate_backend(%d)" % key.process_id))
        other.reply()
    peer.until(backend.ErrorResponse)
    assert peer.error() == b"57P01"
    assert peer.state.phase == "CLOSED"
    assert peer.socket.recv(1) == b""


def test_cancel(peer: Peer, cluster: Cluster) -> None:
    (key,) = [m for m in peer.seen if isinstance(m, backend.BackendKeyData)]
    running = b"do $$begin raise notice 'running'; perform pg_sleep(600); end$$"
    peer.send(frontend.Query(running))
    peer.until(backend.NoticeResponse)
    with Peer(cluster) as other:
        other.send(frontend.CancelRequest(key.process_id, key.secret_key))
        assert other.socket.recv(1) == b""
        assert other.state.phase == "CLOSED"
    assert peer.reply() == "EZ"
    assert peer.error() == b"57014"


def test_protocol_negotiation(cluster: Cluster) -> None:
    with Peer(cluster) as client:
        parameters = {b"user": cluster.superuser.encode(), b"_pq_.unheard_of": b"1"}
        client.send(frontend.StartupMessage(parameters, PROTOCOL_3_2))
        assert client.reply() == "vRKZ"
        assert isinstance(client.seen[0], backend.NegotiateProtocolVersion)
        assert client.seen[0].unrecognized == (b"_pq_.unheard_of",)


def test_physical_replication(cluster: Cluster) -> None:
    with Peer(cluster) as client:
        start(client, cluster, replication="true")
        client.send(frontend.Query(b"IDENTIFY_SYSTEM"))
        assert client.reply() == "TDCZ"
        (row,) = [m for m in client.seen if isinstance(m, backend.DataRow)]
        assert row.values[2] is not None
        high, low = row.values[2].split(b"/")
        segment = b"%s/%X" % (high, int(low, 16) & ~0xFFFFFF)  # its beginning: there is data
        client.send(frontend.Query(b"START_REPLICATION PHYSICAL " + segment))
        client.until(backend.CopyBothResponse)
        assert client.state.phase == "COPY_BOTH"
        client.until(backend.CopyData)
        client.send(frontend.CopyDone())
        assert client.reply().replace("d", "") == "cCCZ"
        assert client.state.phase == "READY"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A server that asks for passwords on TCP."""
    hba = ["local all all trust"]
    hba += [f"host all {user.decode()} 127.0.0.1/32 {method}" for user, method in USER.items()]
    hba[-1] = "host all plain 127.0.0.1/32 password"
    with Cluster(hba=hba) as cluster:
        with Peer(cluster) as client:
            start(client, cluster)
            for user, method in USER.items():
                client.send(
                    frontend.Query(
                        b"set password_encryption = '%s'; create role %s login password '%s'"
                        % (method.encode(), user, PASSWORD)
                    )
                )
                assert client.reply() == "CCZ"
        yield cluster


def answer_scram(client: Peer, request: Message, password: bytes) -> Message:
    assert isinstance(request, backend.AuthenticationSASL)
    scram = ScramClient(password, mechanisms=request.mechanisms)
    client.send(frontend.SASLInitialResponse(scram.mechanism, scram.client_first()))
    challenge = client.receive()
    assert isinstance(challenge, backend.AuthenticationSASLContinue)
    scram.receive_first(challenge.data)
    client.send(frontend.SASLResponse(scram.client_final()))
    final = client.receive()
    if isinstance(final, backend.AuthenticationSASLFinal):
        scram.verify_final(final.data)
        assert scram.finished
        return client.receive()
    return final


def answer_md5(client: Peer, request: Message, password: bytes) -> Message:
    assert isinstance(request, backend.AuthenticationMD5Password)
    client.send(frontend.PasswordMessage(md5_response(b"md5", password, request.salt)))
    return client.receive()


def answer_plain(client: Peer, request: Message, password: bytes) -> Message:
    assert request == backend.AuthenticationCleartextPassword()
    client.send(frontend.PasswordMessage(password))
    return client.receive()


@pytest.mark.parametrize("right", [True, False], ids=["right password", "wrong password"])
@pytest.mark.parametrize(
    ("user", "answer"),
    [(b"scram", answer_scram), (b"md5", answer_md5), (b"plain", answer_plain)],
    ids=["scram", "md5", "plain"],
)
def test_passwords(
    guarded: Cluster, user: bytes, answer: Callable[[Peer, Message, bytes], Message], right: bool
) -> None:
    with Peer(guarded, tcp=True) as client:
        client.send(frontend.StartupMessage({b"user": user, b"database": b"postgres"}))
        outcome = answer(client, client.receive(), PASSWORD if right else b"wrong")
        if right:
            assert outcome == backend.AuthenticationOk()
            assert client.reply() == "KZ"
        else:
            assert isinstance(outcome, backend.ErrorResponse)
            assert outcome.fields["C"] == b"28P01"
            assert client.state.phase == "CLOSED"


def test_a_server_that_does_not_know_the_password_is_not_believed(guarded: Cluster) -> None:
    with Peer(guarded, tcp=True) as client:
        client.send(frontend.StartupMessage({b"user": b"scram", b"database": b"postgres"}))
        request = client.receive()
        assert isinstance(request, backend.AuthenticationSASL)
        scram = ScramClient(PASSWORD, mechanisms=request.mechanisms)
        client.send(frontend.SASLInitialResponse(scram.mechanism, scram.client_first()))
        challenge = client.receive()
        assert isinstance(challenge, backend.AuthenticationSASLContinue)
        scram.receive_first(challenge.data)
        scram.client_final()
        with pytest.raises(errors.OperationalError, match="incorrect server signature"):
            scram.verify_final(b"v=" + b"A" * 43 + b"=")
