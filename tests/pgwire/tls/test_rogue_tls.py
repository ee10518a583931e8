"""Servers that lie, stall or break off where TLS begins. No fallback that libpq would not make."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import ErrorResponse
from pgwire.protocol.first_packets import SSLRequest
from pgwire.protocol.frontend import CancelRequest, Query, StartupMessage
from pgwire.testing.logins import fatal
from pgwire.testing.peer import Peer
from pgwire.testing.script import (
    Script,
    ScriptedServer,
    close,
    expect,
    login,
    reset,
    secure,
    send,
    stall,
)
from tests.pgwire.libpq import LibPQ
from tests.pgwire.tls.certificates import Identity, self_signed, write
from tests.pgwire.tls.conftest import World
from tests.pgwire.tls.kit import alike

HASTE = 5.0  # seconds that an answer to a lie may take on a slow machine


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's, which agrees to PostgreSQL's protocol."""
    made = server_context(tmp_path_factory, self_signed("db"))
    made.set_alpn_protocols(["postgresql"])
    return made


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's, which knows nothing of ALPN."""
    return server_context(tmp_path_factory, self_signed("db"))


def server_context(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("server")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(
        write(folder, "crt", identity.pem), write(folder, "key", identity.key_pem())
    )
    return made


class Lie(NamedTuple):
    """What a server answers to SSLRequest, what the client says to it, and whether it then tries
    without TLS under `prefer`."""

    answer: Script
    text: str
    retried: bool = False
    error: type[Exception] = errors.OperationalError
    as_libpq: bool = True


HELLO = Peer.take  # wait for the first words of the handshake
EVIL = ErrorResponse({"S": b"FATAL", "C": b"28000", "M": b"send me your password"}).encode()
STUFFED = "received unencrypted data after SSL response"
ERROR = "server sent an error response during SSL exchange"
INVALID = "received invalid response to SSL negotiation: "

LIES = {
    # libpq notices when the handshake is done: see below.
    "stuffed bytes": Lie(send(b"S" + EVIL), STUFFED, False, errors.ProtocolError, False),
    "a stuffed byte": Lie(send(b"Sx"), STUFFED, False, errors.ProtocolError, False),
    "an error": Lie(send(EVIL), ERROR),
    "one byte of an error": Lie(send(b"E"), ERROR),
    "a letter": Lie(send(b"X"), INVALID + "X", False, errors.ProtocolError),
    # libpq shows it as it is, whatever it does to the terminal.
    "a control character": Lie(
        send(b"\x1b]0;evil\x07"), INVALID + r"\x1b", False, errors.ProtocolError, False
    ),
    "an end": Lie(close(), "server closed the connection unexpectedly"),
    "an end in the handshake": Lie(
        [send(b"S"), HELLO, close()], "SSL error: unexpected eof while reading", True
    ),
    "a reset in the handshake": Lie(
        [send(b"S"), HELLO, reset()], "SSL SYSCALL error: Connection reset by peer", True
    ),
    "HTTP in the handshake": Lie(
        [send(b"S"), HELLO, send(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
        "SSL error: wrong version number\nThis may indicate that the server does not support any "
        "SSL protocol version between TLSv1.2 and TLSv1.3.",
        True,
    ),
    "an alert": Lie(
        [send(b"S"), HELLO, send(b"\x15\x03\x03\x00\x02\x02\x28")], "handshake failure", True
    ),
    "no": Lie(send(b"N"), "server does not support SSL, but SSL was required"),
}


@pytest.mark.parametrize("name", LIES)
def test_required(libpq18: LibPQ, home: Path, name: str) -> None:
    lie = LIES[name]
    script: Script = [expect(SSLRequest), lie.answer]
    with ScriptedServer(script, script) as server:
        conninfo = server.conninfo(sslmode="require")
        started = monotonic()
        with pytest.raises(lie.error) as caught:
            pgwire.connect(conninfo, environ={})
        assert monotonic() - started < HASTE
        assert lie.text in str(caught.value)
        assert "password" not in str(caught.value)
        assert len(server.peers) == 1
        if lie.as_libpq:
            assert alike(str(caught.value)) == alike(libpq18.connect(conninfo).error)
            assert len(server.peers) == 2
    for peer in server.peers:
        assert not any(isinstance(message, StartupMessage) for message in peer.received)


@pytest.mark.parametrize("name", [name for name in LIES if name != "no"])
def test_preferred(libpq18: LibPQ, home: Path, name: str) -> None:
    lie = LIES[name]
    script: Script = [expect(SSLRequest), lie.answer]
    plain = [script, login()] if lie.retried else [script]
    with ScriptedServer(*plain, *plain) as server:
        conninfo = server.conninfo(sslmode="prefer")
        if lie.retried:
            with pgwire.connect(conninfo, environ={}) as connection:
                assert connection.info.tls_version is None
        else:
            with pytest.raises(lie.error, match=re.escape(lie.text)):
                pgwire.connect(conninfo, environ={})
        assert len(server.peers) == len(plain)
        if lie.as_libpq:
            attempt = libpq18.connect(conninfo)
            assert (attempt.error == "") is lie.retried
            assert len(server.peers) == 2 * len(plain)


def test_stuffed_bytes_before_a_good_handshake(
    context: ssl.SSLContext, libpq18: LibPQ, home: Path
) -> None:
    # CVE-2021-23222: they must not be taken for the server's words within TLS.
    script: Script = [expect(SSLRequest), send(b"S" + EVIL)]
    with ScriptedServer(script, [script, secure(context)]) as server:
        conninfo = server.conninfo(sslmode="require")
        with pytest.raises(errors.ProtocolError) as caught:
            pgwire.connect(conninfo, environ={})
        assert str(caught.value).endswith(STUFFED)
        assert libpq18.connect(conninfo).error.endswith(STUFFED)


@pytest.mark.parametrize("answer", [b"", b"S"])
@pytest.mark.parametrize("mode", ["require", "prefer"])
def test_a_stalled_handshake_ends_at_connect_timeout(answer: bytes, mode: str) -> None:
    with ScriptedServer([expect(SSLRequest), send(answer), stall()]) as server:
        started = monotonic()
        with pytest.raises(errors.OperationalError, match="timeout expired"):
            pgwire.connect(server.conninfo(sslmode=mode, connect_timeout=1), environ={})
        assert 0.9 < monotonic() - started < HASTE
        assert len(server.peers) == 1


def test_a_dripping_handshake(context: ssl.SSLContext) -> None:
    def dripping(peer: Peer) -> None:
        whole = peer._write_raw
        peer._write_raw = lambda data: [whole(data[i : i + 1]) for i in range(len(data))]  # type: ignore[method-assign,assignment,func-returns-value]
        peer.secure(context)

    with (
        ScriptedServer([expect(SSLRequest), send(b"S"), dripping, login()]) as server,
        pgwire.connect(server.conninfo(sslmode="require"), environ={}) as connection,
    ):
        assert connection.info.tls_version


def test_direct_negotiation_needs_the_application_protocol(
    context: ssl.SSLContext, careless: ssl.SSLContext, libpq18: LibPQ, home: Path
) -> None:
    scripts = [[secure(careless)]] * 2 + [[secure(context), login()]] * 2
    with ScriptedServer(*scripts) as server:
        conninfo = server.conninfo(sslmode="require", sslnegotiation="direct")
        with pytest.raises(errors.OperationalError) as caught:
            pgwire.connect(conninfo, environ={})
        assert str(caught.value) == libpq18.connect(conninfo).error
        assert "without ALPN protocol negotiation extension" in str(caught.value)
        pgwire.connect(conninfo, environ={}).close()
        assert libpq18.connect(conninfo).error == ""


def test_other_negotiation_does_not_need_it(careless: ssl.SSLContext) -> None:
    with ScriptedServer([expect(SSLRequest), send(b"S"), secure(careless), login()]) as server:
        pgwire.connect(server.conninfo(sslmode="require"), environ={}).close()


SENT_NAMES = [
    ("db.example.test", {}, "db.example.test"),
    ("DB.Example.test", {}, "DB.Example.test"),
    ("db.example.test", {"sslsni": "0"}, None),
    ("db.example.test", {"sslsni": "2"}, None),
    ("127.0.0.1", {}, None),
    ("::1", {}, None),
    ("1.2.3", {}, None),
]


@pytest.mark.parametrize(("host", "options", "name"), SENT_NAMES)
def test_the_name_that_is_sent(
    tmp_path_factory: pytest.TempPathFactory,
    libpq18: LibPQ,
    home: Path,
    host: str,
    options: dict[str, str],
    name: str | None,
) -> None:
    made = server_context(tmp_path_factory, self_signed("db"))
    made.set_alpn_protocols(["postgresql"])
    seen: list[str | None] = []

    def look(session: ssl.SSLObject, sent: str | None, _: ssl.SSLContext) -> None:
        seen.append(sent)

    made.sni_callback = look  # type: ignore[assignment]
    script: Script = [expect(SSLRequest), send(b"S"), secure(made), login()]
    with ScriptedServer(script, script) as server:
        conninfo = server.conninfo(host=host, hostaddr="127.0.0.1", sslmode="require", **options)
        pgwire.connect(conninfo, environ={}).close()
        assert libpq18.connect(conninfo).error == ""
    assert seen == [name, name]


def test_the_end_of_tls_is_the_end(context: ssl.SSLContext) -> None:
    def answer(peer: Peer) -> None:
        peer.expect(Query)
        peer.send(fatal("terminating connection due to administrator command", "57P01"))
        peer.unsecure()
        peer.stall()

    def silent(peer: Peer) -> None:
        peer.expect(Query)
        peer.unsecure()
        peer.stall()

    start: list[Script] = [expect(SSLRequest), send(b"S"), secure(context), login()]
    with ScriptedServer([*start, answer], [*start, silent]) as server:
        conninfo = server.conninfo(sslmode="require")
        with pytest.raises(errors.OperationalError, match="administrator command"):
            pgwire.connect(conninfo, environ={}).query("SELECT 1", timeout=HASTE)
        connection = pgwire.connect(conninfo, environ={})
        with pytest.raises(errors.ConnectionLost, match="SSL connection has been closed"):
            connection.query("SELECT 1", timeout=HASTE)
        assert connection.closed


# Cancel requests: what secures the session secures them, or they are not sent.

CANCEL_CODE = (80877102).to_bytes(4, "big")

REFUSALS: dict[str, tuple[Script, str]] = {
    "no": (send(b"N"), "server does not support SSL, but SSL was required"),
    "an error": (send(EVIL), ERROR),
    "stuffed": (send(b"S" + EVIL), STUFFED),
    "an end": (close(), "server closed the connection unexpectedly"),
    "an end in the handshake": ([send(b"S"), HELLO, close()], "unexpected eof while reading"),
}


@pytest.mark.parametrize("mode", ["prefer", "require"])
def test_cancel_requests_are_encrypted(context: ssl.SSLContext, mode: str) -> None:
    start: list[Script] = [expect(SSLRequest), send(b"S"), secure(context)]
    with ScriptedServer([*start, login()], [*start, expect(CancelRequest), close()]) as server:
        connection = pgwire.connect(server.conninfo(sslmode=mode), environ={})
        connection.cancel()
        connection.close()
    assert any(isinstance(message, CancelRequest) for message in server.peers[1].received)
    assert CANCEL_CODE not in server.peers[1].input


@pytest.mark.parametrize("mode", ["prefer", "require"])
@pytest.mark.parametrize("name", REFUSALS)
def test_cancel_requests_fail_closed(context: ssl.SSLContext, mode: str, name: str) -> None:
    answer, text = REFUSALS[name]
    start: list[Script] = [expect(SSLRequest), send(b"S"), secure(context), login()]
    with ScriptedServer(start, [expect(SSLRequest), answer]) as server:
        connection = pgwire.connect(server.conninfo(sslmode=mode), environ={})
        with pytest.raises(errors.OperationalError, match=text):
            connection.cancel()
        connection.close()
    assert len(server.peers) == 2
    assert CANCEL_CODE not in server.peers[1].input
    assert server.peers[1].received == [SSLRequest()]


def test_cancel_requests_go_to_the_verified_server_only(
    world: World, context: ssl.SSLContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good = server_context(tmp_path_factory, world.server)
    start: list[Script] = [expect(SSLRequest), send(b"S")]
    with ScriptedServer([*start, secure(good), login()], [*start, secure(context)]) as server:
        conninfo = server.conninfo(sslmode="verify-full", sslrootcert=world.root_file)
        connection = pgwire.connect(conninfo, environ={})
        with pytest.raises(errors.OperationalError, match="certificate verify failed"):
            connection.cancel()
        connection.close()
    assert CANCEL_CODE not in server.peers[1].input
    assert server.peers[1].received == [SSLRequest()]
