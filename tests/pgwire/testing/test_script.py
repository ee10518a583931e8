"""The scripted server, seen from a bare socket and from a client."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

import pgwire
from pgwire.protocol.backend import CommandComplete, ErrorResponse, ReadyForQuery
from pgwire.protocol.frontend import (
    CancelRequest,
    GSSENCRequest,
    PasswordMessage,
    Query,
    SSLRequest,
    StartupMessage,
    Terminate,
)
from pgwire.testing.logins import cleartext, md5, scram
from pgwire.testing.peer import Peer
from pgwire.testing.script import (
    PARAMETERS,
    ScriptedServer,
    ScriptError,
    close,
    drip,
    expect,
    login,
    ready,
    reset,
    send,
    stall,
)

STARTUP = StartupMessage({b"user": b"u"})


def dial(server: ScriptedServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def everything(sock: socket.socket) -> bytes:
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("way", [cleartext, md5, scram])
def test_a_client_logs_in(way: type, unix: bool) -> None:
    answer = [expect(Query), send(CommandComplete(b"HELLO")), ready(b"T")]
    with ScriptedServer([way("geheim"), answer], unix=unix) as server:
        with pgwire.connect(server.conninfo(password="geheim")) as connection:
            assert connection.execute("hello") == "HELLO"
            assert connection.info.transaction_status == "T"
            assert connection.info.parameters == PARAMETERS
        server.join()
        peer = server.peers[0]
        assert peer.received[-1] == Query(b"hello")
        assert peer.input.endswith(Query(b"hello").encode() + Terminate().encode())
        assert peer.client_closed
        assert peer.startup is not None and peer.startup.parameters[b"user"] == b"alice"
    folder = Path(server.host)
    assert not (unix and folder.exists())


@pytest.mark.parametrize("way", [cleartext, md5, scram])
def test_a_wrong_password_is_refused(way: type) -> None:
    with (
        ScriptedServer(way("geheim")) as server,
        pytest.raises(pgwire.errors.error_class("28P01")),
    ):
        pgwire.connect(server.conninfo(password="wrong"))


def test_requests_for_encryption_are_declined_or_expected() -> None:
    declining = [expect(StartupMessage), close()]
    asking = [expect(SSLRequest), send(b"S"), close()]
    with ScriptedServer(declining, asking) as server:
        with dial(server) as sock:
            for request in (SSLRequest(), GSSENCRequest()):
                sock.sendall(request.encode())
                assert sock.recv(10) == b"N"
            sock.sendall(STARTUP.encode())
            assert everything(sock) == b""
        with dial(server) as sock:
            sock.sendall(SSLRequest().encode())
            assert everything(sock) == b"S"
        server.join()
        assert server.peers[0].received == [SSLRequest(), GSSENCRequest(), STARTUP]


def test_bytes_that_arrive_in_pieces_and_together() -> None:
    with ScriptedServer([expect(StartupMessage), expect(Query), expect(Query), close()]) as server:
        with dial(server) as sock:
            data = STARTUP.encode() + Query(b"a").encode() + Query(b"b").encode()
            for start in range(0, len(data), 7):
                sock.sendall(data[start : start + 7])
            assert everything(sock) == b""
        assert server.peers[0].received == [STARTUP, Query(b"a"), Query(b"b")]


def test_a_drip_is_slow_and_whole() -> None:
    with (
        ScriptedServer(
            [expect(StartupMessage), drip(b"0123456789", chunk=4, interval=0.02), close()]
        ) as server,
        dial(server) as sock,
    ):
        begun = monotonic()
        sock.sendall(STARTUP.encode())
        assert everything(sock) == b"0123456789"
        assert monotonic() - begun >= 0.06


def test_a_reset_is_one() -> None:
    with ScriptedServer([expect(StartupMessage), reset()]) as server, dial(server) as sock:
        sock.sendall(STARTUP.encode())
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_stall_ends_with_the_client_or_the_server() -> None:
    with ScriptedServer(stall(), stall()) as server:
        with dial(server) as first:
            first.sendall(b"anything")
        second = dial(server)
        while len(server.peers) < 2 or not server.peers[0].client_closed:
            pass
        assert server.peers[0].input == b"anything"
    with second:
        assert everything(second) == b""
    assert not server.peers[1].client_closed


def test_a_script_may_be_a_function_and_a_generator() -> None:
    def conversation(peer: Peer) -> None:
        query = peer.expect(Query)
        assert isinstance(query, Query)
        peer.send(CommandComplete(query.sql.upper()), ReadyForQuery(b"I"))

    with (
        ScriptedServer(step for step in (login(), conversation, [[conversation]])) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        assert connection.execute("one") == "ONE"
        assert connection.execute("two") == "TWO"


def test_a_second_connection_has_its_own_script() -> None:
    cancelled = threading.Event()
    error = ErrorResponse({"S": b"ERROR", "C": b"57014", "M": b"canceled"})
    first = [
        login(),
        expect(Query),
        lambda peer: cancelled.wait(10),
        send(error),
        ready(),
    ]
    second = [expect(CancelRequest), lambda peer: cancelled.set(), close()]
    with (
        ScriptedServer(first, second) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        reply = connection.send("SELECT 1")
        connection.cancel()
        failed = reply.finish()
        assert failed is not None and failed.sqlstate == "57014"
        with pytest.raises(pgwire.OperationalError):
            pgwire.connect(server.conninfo())  # there is no third script


FAULTS = {
    "another message": (Query(b"x").encode(), "expected Terminate, but the client sent Query"),
    "nothing more": (b"", "hung up instead of sending Terminate"),
    "half a message": (b"Q\0\0", "hung up instead of sending Terminate"),
    "nonsense": (b"\x00\x00\x00\x00\x00", "broke the protocol: invalid frontend message type 0"),
    "too long": (struct.pack("!ci", b"X", 1 << 30), "broke the protocol: lost synchronization"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_client_that_breaks_the_script_is_told_of(name: str) -> None:
    data, text = FAULTS[name]
    with (
        pytest.raises(ScriptError, match=text),
        ScriptedServer([expect(StartupMessage), expect(Terminate)]) as server,
    ):
        with dial(server) as sock:
            sock.sendall(STARTUP.encode() + data)
        server.join()


def test_a_script_that_takes_too_long_has_failed() -> None:
    with (
        pytest.raises(ScriptError, match="timed out waiting for StartupMessage"),
        ScriptedServer(expect(StartupMessage), timeout=0.05) as server,
        dial(server),
    ):
        server.join()


def test_the_error_of_the_client_comes_first() -> None:
    with (
        pytest.raises(ZeroDivisionError) as caught,
        ScriptedServer(expect(PasswordMessage)) as server,
        dial(server) as sock,
    ):
        sock.sendall(STARTUP.encode())
        with suppress(ScriptError):
            server.join()
        raise ZeroDivisionError
    assert caught.value.__notes__ == [
        "scripted server: expected PasswordMessage, but the client sent "
        "StartupMessage(parameters={b'user': b'u'}, version=196608)"
    ]


def test_a_server_that_nobody_visits_closes() -> None:
    with ScriptedServer(login()) as server:
        address = (server.host, server.port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=10)
    server.close()  # no harm
