"""Servers that lie, stall or break off: each ends in a clear error, in time, with the connection
closed. One table for the start of a session, one for queries."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    AuthenticationCleartextPassword,
    AuthenticationCryptPassword,
    AuthenticationGSS,
    AuthenticationMD5Password,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    BackendKeyData,
    BindComplete,
    CommandComplete,
    CopyData,
    CopyOutResponse,
    DataRow,
    ErrorResponse,
    FieldDescription,
    NegotiateProtocolVersion,
    NoData,
    NoticeResponse,
    NotificationResponse,
    ParameterDescription,
    ParameterStatus,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import (
    Bind,
    Describe,
    Execute,
    Flush,
    Parse,
    PasswordMessage,
    Query,
    SASLInitialResponse,
    SASLResponse,
    StartupMessage,
    Sync,
)
from pgwire.protocol.message import Message
from pgwire.testing.logins import fatal
from pgwire.testing.peer import Peer
from pgwire.testing.script import (
    Script,
    ScriptedServer,
    close,
    drip,
    expect,
    greeting,
    login,
    ready,
    reset,
    send,
    stall,
)

HASTE = 5.0  # seconds that an answer to a lie may take on a slow machine


def frame(kind: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    """A message with any body, and any length word."""
    return kind + struct.pack("!i", len(body) + 4 if length is None else length) + body


def says(*messages: Message | bytes) -> Script:
    return [expect(StartupMessage), send(*messages)]


def challenge(
    template: str, *, then: Message | bytes = b"", first: Message | bytes = b""
) -> Script:
    """SCRAM up to the server's first message; `{}` in it stands for the client's nonce."""

    def step(peer: Peer) -> None:
        peer.send(AuthenticationSASL([b"SCRAM-SHA-256"]))
        initial = peer.expect(SASLInitialResponse)
        assert isinstance(initial, SASLInitialResponse) and initial.data is not None
        nonce = initial.data.decode().partition("r=")[2]
        peer.send(first or AuthenticationSASLContinue(template.format(nonce).encode()))
        if then:
            peer.expect(SASLResponse)
            peer.send(then)

    return [expect(StartupMessage), step]


GOOD = "r={}abc,s=c2FsdHNhbHQ=,i=1"
SASL = AuthenticationSASL([b"SCRAM-SHA-256"])
OK = AuthenticationOk()
VERSION = "received invalid protocol negotiation message: "


class Start(NamedTuple):
    """`script`, what connect raises, and options of the connection."""

    script: Script
    error: type[Exception]
    text: str
    options: dict[str, str] = {}  # noqa: RUF012


STARTS: dict[str, Start] = {
    # Framing.
    "length 3": Start(says(frame(b"R", length=3)), errors.ProtocolError, "authentication request"),
    "length -5": Start(says(frame(b"E", length=-5)), errors.ProtocolError, "lost synchronization"),
    "2 GiB": Start(
        says(frame(b"E", length=0x7FFFFFFF)), errors.ProtocolError, "lost synchronization"
    ),
    "long error": Start(
        says(frame(b"E", b"M" + b"x" * 40_000 + b"\0\0")),
        errors.ProtocolError,
        "lost synchronization",
    ),
    "long request": Start(
        says(frame(b"R", bytes(3000))), errors.ProtocolError, "invalid authentication request"
    ),
    "unknown type": Start(
        says(frame(b"\xff")), errors.ProtocolError, r"first received character was \"\\xff\""
    ),
    "HTTP": Start(
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), errors.ProtocolError, "unexpected|lost"
    ),
    "error without terminator": Start(
        says(frame(b"E", b"SFATAL\0Mbad")), errors.ProtocolError, "ErrorResponse"
    ),
    "error without fields": Start(says(frame(b"E", b"\0")), errors.DatabaseError, "failed: "),
    "error without code": Start(
        says(ErrorResponse({"M": b"go away"})), errors.DatabaseError, "go away"
    ),
    "short request": Start(says(frame(b"R", b"\0\0")), errors.ProtocolError, "insufficient data"),
    # Order.
    "row first": Start(
        says(DataRow([b"1"])),
        errors.ProtocolError,
        "expected authentication request from server, but received D",
    ),
    "notice first": Start(
        says(NoticeResponse({"M": b"hello"})), errors.ProtocolError, "but received N"
    ),
    "ready first": Start(says(ReadyForQuery(b"I")), errors.ProtocolError, "but received Z"),
    "query after Ok": Start(
        says(OK, RowDescription([])), errors.ProtocolError, "unexpected message .* during startup"
    ),
    "second request": Start(says(OK, OK), errors.ProtocolError, "unexpected message .* startup"),
    "second key": Start(
        says(OK, BackendKeyData(1, b"1234"), BackendKeyData(2, b"1234")),
        errors.ProtocolError,
        "unexpected message from server during startup",
    ),
    "close at once": Start(
        [expect(StartupMessage), close()], errors.ConnectionLost, "closed the connection unexpec"
    ),
    "reset": Start(
        [expect(StartupMessage), reset()],
        errors.ConnectionLost,
        "closed the connection unexpectedly",
    ),
    "close after Ok": Start(
        [says(OK), close()], errors.ConnectionLost, "closed the connection unexpectedly"
    ),
    # The stranger's words.
    "escape sequences": Start(
        says(fatal("\x1b[2J\x07gone\u202e", "28000")),
        errors.error_class("28000"),
        r"\\x1b\[2J\\x07gone\\u202e$",
    ),
    "fatal with a long text": Start(
        says(fatal("x" * 25_000, "28000")), errors.error_class("28000"), "^.{4000,4200}…$"
    ),
    # Keys for cancel requests.
    "key of 3 bytes": Start(
        says(OK, BackendKeyData(1, b"123")), errors.ProtocolError, "cancel key with length 3 not"
    ),
    "key of 64 bytes in 3.0": Start(
        says(OK, BackendKeyData(1, b"1" * 64)), errors.ProtocolError, "must be 4 bytes"
    ),
    "key of 257 bytes in 3.2": Start(
        says(OK, BackendKeyData(1, b"1" * 257)),
        errors.ProtocolError,
        r"is too long \(maximum 256 bytes\)",
        {"max_protocol_version": "3.2"},
    ),
    "key of 2 bytes in 3.2": Start(
        says(OK, BackendKeyData(1, b"12")),
        errors.ProtocolError,
        r"is too short \(minimum 4 bytes\)",
        {"max_protocol_version": "3.2"},
    ),
    # Versions.
    "higher version": Start(
        says(NegotiateProtocolVersion(3 << 16 | 9)), errors.ProtocolError, "higher-numbered"
    ),
    "version 2": Start(says(NegotiateProtocolVersion(2 << 16)), errors.ProtocolError, "pre-3.0"),
    "version 3.1": Start(
        says(NegotiateProtocolVersion(3 << 16 | 1)),
        errors.ProtocolError,
        VERSION + "server requested downgrade to non-existent 3.1",
        {"max_protocol_version": "3.2"},
    ),
    "no change": Start(
        says(NegotiateProtocolVersion(3 << 16)), errors.ProtocolError, "asks for no changes"
    ),
    "foreign parameter": Start(
        says(NegotiateProtocolVersion(3 << 16, [b"user"])), errors.ProtocolError, "without a .*_pq_"
    ),
    "parameter that was not requested": Start(
        says(NegotiateProtocolVersion(3 << 16, [b"_pq_.x"])), errors.ProtocolError, "not requested"
    ),
    "negative count": Start(
        says(frame(b"v", struct.pack("!ii", 3 << 16, -1))), errors.ProtocolError, "negative number"
    ),
    "truncated list": Start(
        says(frame(b"v", struct.pack("!ii", 3 << 16, 2))), errors.ProtocolError, "too short"
    ),
    "twice": Start(
        says(NegotiateProtocolVersion(3 << 16), NegotiateProtocolVersion(3 << 16)),
        errors.ProtocolError,
        "duplicate protocol negotiation",
        {"max_protocol_version": "3.2"},
    ),
    "below the minimum": Start(
        says(NegotiateProtocolVersion(3 << 16)),
        errors.OperationalError,
        'only supports protocol version 3.0, but "min_protocol_version" was set to 3.2',
        {"min_protocol_version": "3.2", "max_protocol_version": "3.2"},
    ),
    "after Ok": Start(
        says(OK, NegotiateProtocolVersion(3 << 16)), errors.ProtocolError, "during startup"
    ),
    # Methods.
    "crypt": Start(says(AuthenticationCryptPassword()), errors.OperationalError, "Crypt"),
    "gss": Start(says(AuthenticationGSS()), errors.OperationalError, "GSSAPI"),
    "method 99": Start(
        says(frame(b"R", struct.pack("!i", 99))), errors.ProtocolError, "method 99 not supported"
    ),
    "no password": Start(
        says(AuthenticationCleartextPassword()),
        errors.OperationalError,
        "no password supplied",
        {"password": ""},
    ),
    "require_auth, Ok": Start(
        says(OK), errors.OperationalError, "requirement .* failed", {"require_auth": "md5"}
    ),
    "require_auth, cleartext": Start(
        says(AuthenticationCleartextPassword()),
        errors.OperationalError,
        "requirement .* failed: server requested a cleartext password",
        {"require_auth": "scram-sha-256"},
    ),
    "require_auth, md5": Start(
        says(AuthenticationMD5Password(b"salt")),
        errors.OperationalError,
        "failed: server requested a hashed password",
        {"require_auth": "scram-sha-256"},
    ),
    "require_auth, scram": Start(
        says(SASL), errors.OperationalError, "failed: .*SCRAM", {"require_auth": "!scram-sha-256"}
    ),
    "md5 twice": Start(
        [
            says(AuthenticationMD5Password(b"salt")),
            expect(PasswordMessage),
            send(AuthenticationMD5Password(b"tlas")),
        ],
        errors.ProtocolError,
        "unexpected AuthenticationMD5Password",
    ),
    "salt of 3 bytes": Start(
        says(frame(b"R", struct.pack("!i", 5) + b"abc")), errors.ProtocolError, "insufficient data"
    ),
    # SASL.
    "unknown mechanisms": Start(
        says(AuthenticationSASL([b"GS2-KRB5", b"X"])),
        errors.OperationalError,
        "none of the server's SASL authentication mechanisms are supported",
    ),
    "empty list": Start(
        says(AuthenticationSASL([])), errors.OperationalError, "none of the server's"
    ),
    "PLUS without TLS": Start(
        says(AuthenticationSASL([b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"])),
        errors.ProtocolError,
        "over a non-SSL connection",
    ),
    "list without end": Start(
        says(frame(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256")),
        errors.ProtocolError,
        "invalid list of authentication mechanisms",
    ),
    "continue without a beginning": Start(
        says(AuthenticationSASLContinue(b"r=x")),
        errors.ProtocolError,
        "AUTH_REQ_SASL_CONT without AUTH_REQ_SASL",
    ),
    "Ok instead of continue": Start(
        challenge("", first=OK), errors.ProtocolError, "has not proved that it knows the password"
    ),
    "Ok instead of final": Start(
        challenge(GOOD, then=OK), errors.ProtocolError, "has not proved that it knows the password"
    ),
    "final too early": Start(
        challenge("", first=AuthenticationSASLFinal(b"v=x")),
        errors.ProtocolError,
        "SASL authentication was not completed",
    ),
    "SASL again": Start(
        challenge("", first=SASL), errors.ProtocolError, "duplicate SASL authentication request"
    ),
    "another method": Start(
        challenge("", first=AuthenticationCleartextPassword()),
        errors.ProtocolError,
        "has not proved",
    ),
    "foreign nonce": Start(challenge("r=x,s=c2Fs,i=1"), errors.ProtocolError, "nonce mismatch"),
    "no nonce": Start(challenge("s=c2Fs,i=1"), errors.ProtocolError, 'attribute "r" expected'),
    "mandatory extension": Start(
        challenge("m=x,r={},s=c2Fs,i=1"), errors.ProtocolError, 'attribute "r" expected'
    ),
    "no salt": Start(challenge("r={},i=1"), errors.ProtocolError, 'attribute "s" expected'),
    "wrong salt": Start(challenge("r={},s=%,i=1"), errors.ProtocolError, "invalid salt"),
    "no iterations": Start(challenge("r={},s=c2Fs"), errors.ProtocolError, '"i" expected'),
    "i=0": Start(challenge("r={},s=c2Fs,i=0"), errors.ProtocolError, "invalid iteration count"),
    "i=-1": Start(challenge("r={},s=c2Fs,i=-1"), errors.ProtocolError, "invalid iteration count"),
    "i=10000000": Start(
        challenge("r={},s=c2Fs,i=10000000"), errors.OperationalError, "scram_max_iterations"
    ),
    "i with 1000 digits": Start(
        challenge("r={},s=c2Fs,i=" + "9" * 1000), errors.OperationalError, "scram_max_iterations"
    ),
    "NUL in a challenge": Start(
        challenge("r={}\0,s=c2Fs,i=1"), errors.ProtocolError, "length mismatch"
    ),
    "empty challenge": Start(challenge(" ".strip()), errors.ProtocolError, "empty message"),
    "challenge of 1 MB": Start(
        challenge("", first=frame(b"R", struct.pack("!i", 11) + b"r=x" + b"x" * 1_000_000)),
        errors.ProtocolError,
        "invalid authentication request",
    ),
    "wrong signature": Start(
        challenge(GOOD, then=AuthenticationSASLFinal(b"v=" + b"A" * 43 + b"=")),
        errors.OperationalError,
        "incorrect server signature",
    ),
    "short signature": Start(
        challenge(GOOD, then=AuthenticationSASLFinal(b"v=QUJD")),
        errors.ProtocolError,
        "invalid server signature",
    ),
    "error in SCRAM": Start(
        challenge(GOOD, then=AuthenticationSASLFinal(b"e=\x1bother-error")),
        errors.OperationalError,
        r"in SCRAM exchange: \\x1bother-error",
    ),
    # Memory.
    "parameters without end": Start(
        says(OK, *[ParameterStatus(b"p%d" % n, b"") for n in range(2000)]),
        errors.ProtocolError,
        "more than 1000 parameters",
    ),
    "unknown encoding": Start(
        says(OK, ParameterStatus(b"client_encoding", b"KLINGON")),
        errors.NotSupportedError,
        'encoding "KLINGON"',
    ),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_lie_at_the_start_is_refused(name: str) -> None:
    script, error, text, options = STARTS[name]
    with ScriptedServer(script) as server:
        begun = monotonic()
        with pytest.raises(error, match=text) as caught:
            pgwire.connect(server.conninfo(**{"password": "secret", **options}))
        assert monotonic() - begun < HASTE
        assert str(caught.value).startswith('connection to server at "127.0.0.1", port')
        assert type(caught.value) is error or error is errors.DatabaseError
        assert "secret" not in repr(caught.value) + str(caught.value)
        assert hung_up(server)


def hung_up(server: ScriptedServer) -> bool:
    """Whether the client has closed its end, or the script the other."""
    server.join()
    return server.peers[0].client_closed or server.peers[0].closed


FIELDS = RowDescription([FieldDescription(b"a", type_oid=25), FieldDescription(b"b", type_oid=25)])
DONE = CommandComplete(b"SELECT 1")
READY = ReadyForQuery(b"I")


class Answer(NamedTuple):
    """What the server answers to `SELECT a, b`; with a parameter, after `extended`."""

    messages: tuple[Message | bytes, ...]
    text: str
    error: type[Exception] = errors.ProtocolError
    extended: Script = ()


PREPARED: Script = [expect(Parse), expect(Describe), expect(Flush)]


def described(*messages: Message) -> Script:
    """The statement has been prepared and described so; the client runs it."""
    told = send(ParseComplete(), ParameterDescription([25]), *messages)
    return [*PREPARED, told, expect(Bind), expect(Execute), expect(Sync)]


def row(body: bytes) -> bytes:
    return frame(b"D", body)


ANSWERS: dict[str, Answer] = {
    "a field less": Answer((FIELDS, DataRow([b"1"])), "unexpected field count"),
    "a field more": Answer((FIELDS, DataRow([b"1"] * 3)), "unexpected field count"),
    "no fields": Answer((FIELDS, row(b"")), "unexpected field count|insufficient"),
    "length -2": Answer(
        (FIELDS, row(struct.pack("!Hii", 2, -1, -2))), "invalid field length|insufficient"
    ),
    "length -2 in a run": Answer(
        (FIELDS, *[row(struct.pack("!Hii", 2, -1, -2))] * 50), "invalid field length|insufficient"
    ),
    "past the end": Answer((FIELDS, row(struct.pack("!Hii", 2, -1, 9) + b"abc")), "insufficient"),
    "field of 2 GiB": Answer((FIELDS, row(struct.pack("!Hii", 2, -1, 0x7FFFFFFF))), "insufficient"),
    "trailing bytes": Answer(
        (FIELDS, row(struct.pack("!Hii", 2, -1, -1) + b"x")), "do not agree with length"
    ),
    "row without description": Answer((DataRow([b"1"]),), "without prior row description"),
    "row after the end": Answer((FIELDS, DONE, DataRow([b"1", b"2"])), "without prior row desc"),
    "length 3": Answer((FIELDS, frame(b"D", length=3)), "lost synchronization"),
    "length -5": Answer((frame(b"C", length=-5),), "lost synchronization"),
    "row of 2 GiB": Answer((FIELDS, frame(b"D", length=0x7FFFFFFF)), "lost synchronization"),
    "tag of 40 kB": Answer((FIELDS, frame(b"C", bytes(40_000))), "lost synchronization"),
    "unknown type": Answer((b"?",), r"first received character was \"\?\""),
    "tag without terminator": Answer((frame(b"C", b"SELECT 1"),), "CommandComplete"),
    "tag with trailing bytes": Answer((frame(b"C", b"SELECT 1\0x"),), "CommandComplete"),
    "error without terminator": Answer((frame(b"E", b"SERROR\0"),), "ErrorResponse"),
    "status X": Answer((DONE, frame(b"Z", b"X")), "invalid transaction status"),
    "no status": Answer((DONE, frame(b"Z")), "ReadyForQuery|insufficient"),
    "ready without a result": Answer((ReadyForQuery(b"I"),), "unexpected"),
    "two ends": Answer((DONE, ReadyForQuery(b"I"), ReadyForQuery(b"I")), "while idle"),
    "authentication again": Answer((OK,), "unexpected"),
    "description cut short": Answer((frame(b"T", b"\0\2a\0"),), "insufficient data"),
    "60000 columns promised": Answer((frame(b"T", b"\xea\x60"),), "insufficient data"),
    "BindComplete in a simple query": Answer((BindComplete(),), "unexpected"),
    "copy data without copy": Answer((CopyData(b"x"),), "unexpected"),
    "notification cut short": Answer((frame(b"A", b"\0\0\0\1chan"),), "NotificationResponse"),
    "parameter cut short": Answer((frame(b"S", b"TimeZone\0UTC"),), "ParameterStatus"),
    "unknown encoding": Answer(
        (ParameterStatus(b"client_encoding", b"KLINGON"),), "KLINGON", errors.NotSupportedError
    ),
    "simple answer to an extended query": Answer(
        (FIELDS, DONE, ReadyForQuery(b"I")), "unexpected", extended=PREPARED
    ),
    "Bind before Parse": Answer((BindComplete(), ParseComplete()), "unexpected", extended=PREPARED),
    "no description": Answer(
        (ParseComplete(), ParameterDescription([25]), BindComplete()),
        "unexpected",
        extended=PREPARED,
    ),
    "description instead of a description": Answer(
        (ParseComplete(), FIELDS), "unexpected", extended=PREPARED
    ),
    "ready before Sync": Answer(
        (ParseComplete(), ParameterDescription([25]), FIELDS, ReadyForQuery(b"I")),
        "unexpected",
        extended=PREPARED,
    ),
    **{
        f"{name} of a prepared statement": Answer(
            (BindComplete(), *messages), text, extended=described(FIELDS)
        )
        for name, messages, text in (
            ("a field less", (DataRow([b"1"]), DONE, READY), "unexpected field count"),
            ("length -2", (row(struct.pack("!Hii", 2, -1, -2)), DONE, READY), "insufficient|inval"),
            ("trailing bytes", (row(struct.pack("!Hii", 2, -1, -1) + b"x"), DONE, READY), "agree"),
            ("past the end", (row(struct.pack("!Hii", 2, -1, 9)), DONE, READY), "insufficient"),
            ("tag without terminator", (frame(b"C", b"SELECT 1"), READY), "CommandComplete"),
            ("tag with trailing bytes", (frame(b"C", b"SELECT 1\0x"), READY), "CommandComplete"),
            ("tag with two ends", (frame(b"C", b"SEL\0ECT 1\0"), READY), "CommandComplete"),
            ("tag of nothing", (frame(b"C"), READY), "CommandComplete"),
            ("tag of 40 kB", (frame(b"C", b"x" * 40_000 + b"\0"), READY), "lost synchronization"),
            ("no tag", (READY,), "unexpected"),
            ("two tags", (DONE, DONE, READY), "unexpected"),
            ("two ends", (DONE, READY, READY), "while idle"),
            ("status X", (DONE, frame(b"Z", b"X")), "invalid transaction status"),
            ("second BindComplete", (BindComplete(), DONE, READY), "unexpected"),
            ("second description", (FIELDS, DONE, READY), "unexpected"),
            ("suspended portal", (PortalSuspended(), READY), "unexpected"),
            ("row after the end", (DONE, DataRow([b"1", b"2"]), READY), "unexpected"),
        )
    },
    "rows of a command without rows": Answer(
        (BindComplete(), DataRow([b"1"]), DONE, READY),
        "without prior row description",
        extended=described(NoData()),
    ),
    "copy, then nonsense": Answer((CopyOutResponse(0, [0]), DataRow([b"1"])), "unexpected"),
}
"""A query is answered by this; the server then waits."""


@pytest.mark.parametrize("name", ANSWERS)
def test_a_lie_in_an_answer_closes_the_connection(name: str) -> None:
    messages, text, error, extended = ANSWERS[name]
    asked = extended or expect(Query)
    with ScriptedServer([login(), asked, send(*messages)]) as server:
        connection = pgwire.connect(server.conninfo())
        begun = monotonic()
        with pytest.raises(error, match=text) as caught:
            connection.query("SELECT a, b", ["x"] if extended else None, timeout=HASTE)
            connection.take_notifications()  # for what comes after a complete answer
        assert type(caught.value) is error
        assert monotonic() - begun < HASTE
        if error is errors.ProtocolError:
            assert "in phase" in str(caught.value)
        assert connection.closed
        with pytest.raises(errors.InterfaceError, match="closed"):
            connection.query("SELECT 1")
        assert hung_up(server)


BREAKS: dict[str, tuple[Script, type[Exception], str]] = {
    "close": (close(), errors.ConnectionLost, "lost in phase simple: server closed"),
    "reset": (
        reset(),
        errors.ConnectionLost,
        "lost in phase simple: .*closed the connection unexpectedly",
    ),
    "half a message": ([send(b"C\0\0"), close()], errors.ConnectionLost, "server closed the conn"),
    "half a row": (
        [send(FIELDS, DataRow([b"1", b"2"]).encode()[:-1]), close()],
        errors.ConnectionLost,
        "server closed the connection",
    ),
    "close after the last words": (
        [send(fatal("terminating", "57P01")), close()],
        errors.error_class("57P01"),
        "terminating",
    ),
    "reset after an error": (
        [send(ErrorResponse({"S": b"ERROR", "C": b"22012", "M": b"division"})), close()],
        errors.error_class("22012"),
        "division",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_a_break_is_told_with_its_phase(name: str, unix: bool) -> None:
    script, error, text = BREAKS[name]
    if unix and name == "reset":
        text = "lost in phase simple: "  # there is no RST on a Unix-domain socket
    with ScriptedServer([login(), expect(Query), script], unix=unix) as server:
        connection = pgwire.connect(server.conninfo())
        with pytest.raises(error, match=text):
            connection.query("SELECT 1")
        assert connection.closed
        connection.close()  # no harm


# Time.

STALLS: dict[str, Script] = {
    "accepts and is silent": stall(),
    "silent after the startup": [expect(StartupMessage), stall()],
    "silent after Ok": [says(OK), stall()],
    "drips": [
        expect(StartupMessage),
        drip(OK.encode() + ParameterStatus(b"a", b"x" * 20_000).encode(), interval=0.02),
    ],
    "drips notices": [
        says(OK),
        lambda peer: [
            peer.drip(NoticeResponse({"M": b"x"}).encode(), interval=0.02) for _ in "x" * 999
        ],
    ],
}


@pytest.mark.parametrize("name", STALLS)
def test_connect_timeout_is_for_the_whole_start(name: str) -> None:
    with ScriptedServer(STALLS[name]) as server:
        begun = monotonic()
        with pytest.raises(errors.TimeoutExpired, match="failed: timeout expired"):
            pgwire.connect(server.conninfo(connect_timeout=1))
        assert 0.9 < monotonic() - begun < 4


def endless(*messages: Message) -> Callable[[Peer], None]:
    data = b"".join(m.encode() for m in messages) * 100

    def step(peer: Peer) -> None:
        while not peer.client_closed:
            peer.send(data)

    return step


ROW = DataRow([b"1", b"2"])
FLOODS: dict[str, Script] = {
    "silence": stall(),
    "drip": drip(FIELDS.encode() * 1000, interval=0.02),
    "notices": endless(NoticeResponse({"S": b"NOTICE", "C": b"00000", "M": b"x"})),
    "a parameter": endless(ParameterStatus(b"TimeZone", b"UTC")),
    "errors": endless(ErrorResponse({"S": b"ERROR", "C": b"22012", "M": b"x"})),
    "results": endless(FIELDS, DONE),
    "rows": [send(FIELDS), endless(ROW)],
    "notifications": endless(NotificationResponse(1, b"c", b"")),
    "copy data": [send(CopyOutResponse(0, [0])), endless(CopyData(b"x" * 50))],
    "last words, then silence": [send(fatal("bye", "57P01")), stall()],
}


@pytest.mark.parametrize("name", FLOODS)
def test_the_timeout_of_a_query_ends_any_flood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgwire.session.core.CANCEL_GRACE", 0.3)
    # The second connection is the cancel request, which this server takes and ignores.
    with ScriptedServer([login(), expect(Query), FLOODS[name]], [close()]) as server:
        connection = pgwire.connect(server.conninfo(), on_notice=lambda notice: None)
        begun = monotonic()
        with pytest.raises(errors.OperationalError, match=r"within 0\.3 seconds"):
            connection.query("SELECT 1", timeout=0.3)
        assert 0.25 < monotonic() - begun < 15  # a flood takes both ends' time, in one process
        assert connection.closed


def test_a_flood_of_parameters_in_a_query_is_refused() -> None:
    flood = [ParameterStatus(b"p%d" % n, b"") for n in range(2000)]
    with ScriptedServer([login(), expect(Query), send(*flood)]) as server:
        connection = pgwire.connect(server.conninfo())
        with pytest.raises(errors.ProtocolError, match="more than 1000 parameters"):
            connection.query("SELECT 1")
        assert connection.closed


def test_a_length_of_a_gigabyte_takes_no_memory() -> None:
    cut_off = frame(b"D", b"x" * 1000, length=(1 << 30) - 1)
    with ScriptedServer([login(), expect(Query), send(FIELDS, cut_off), close()]) as server:
        connection = pgwire.connect(server.conninfo())
        with pytest.raises(errors.ConnectionLost):
            connection.query("SELECT 1")
        # PyPy has no tracemalloc; the buffer is where it would have gone.
        assert len(connection.frames) < 4 << 20


@pytest.mark.parametrize("rows", [False, True])
def test_an_answer_to_nothing_is_not_taken_for_the_next_one(rows: bool) -> None:
    answer = [*([FIELDS] if rows else []), DONE, ReadyForQuery(b"I")]
    with ScriptedServer([login(), expect(Query), send(*answer, *answer), stall()]) as server:
        connection = pgwire.connect(server.conninfo())
        assert connection.query("SELECT 1").tag == "SELECT 1"
        with pytest.raises(errors.ProtocolError, match=r"in phase READY|unexpected"):
            connection.query("SELECT 2", timeout=5)
        assert connection.closed


# What a good server may do, too.


def test_what_came_between_two_queries_is_not_lost() -> None:
    between = [ParameterStatus(b"application_name", b"new"), NotificationResponse(7, b"c", b"")]
    script = [login(), expect(Query), send(DONE, ReadyForQuery(b"I"), *between)]
    with (
        ScriptedServer([*script, expect(Query), send(DONE), ready()]) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        connection.query("SELECT 1")
        connection.query("SELECT 2")
        assert connection.info.parameters["application_name"] == "new"
        assert connection.received_notifications() == [pgwire.Notification("c", "", process_id=7)]


def test_few_iterations_are_accepted_and_can_be_refused() -> None:
    # scramp refuses fewer than 4096; `test_connection` goes through with it on a real server.
    with (
        ScriptedServer(challenge(GOOD, then=fatal("right so far", "28000"))) as server,
        pytest.raises(errors.OperationalError, match="right so far"),
    ):
        pgwire.connect(server.conninfo(password="x"))
    with (
        ScriptedServer(challenge(GOOD)) as server,
        pytest.raises(errors.OperationalError, match="scram_min_iterations"),
    ):
        pgwire.connect(server.conninfo(password="x"), scram_min_iterations=2)


def test_an_older_version_is_taken() -> None:
    script = says(NegotiateProtocolVersion(3 << 16)), greeting()
    with (
        ScriptedServer(script) as server,
        pgwire.connect(server.conninfo(max_protocol_version="3.2")) as connection,
    ):
        assert connection.info.protocol_version == "3.0"


def test_a_long_key_is_sent_with_the_cancel_request() -> None:
    from pgwire.protocol.frontend import CancelRequest

    script = [expect(StartupMessage), greeting(secret_key=b"k" * 64)]
    with (
        ScriptedServer(script, [expect(CancelRequest), close()]) as server,
        pgwire.connect(server.conninfo(max_protocol_version="3.2")) as connection,
    ):
        connection.cancel()
        assert server.peers[1].received == [CancelRequest(4711, b"k" * 64)]


def test_without_a_key_a_cancel_is_refused() -> None:
    script = [expect(StartupMessage), greeting(secret_key=b"")]
    with ScriptedServer(script) as server, pgwire.connect(server.conninfo()) as connection:
        with pytest.raises(errors.OperationalError, match="no cancellation key received"):
            connection.cancel()
        assert not connection.closed


def test_a_notification_arrives_in_whole() -> None:
    payload = "é€😀" * 1000
    message = NotificationResponse(7, "canal é".encode(), payload.encode())
    with (
        ScriptedServer([login(), expect(Query), send(message, DONE), ready()]) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        connection.query("SELECT 1")
        assert connection.received_notifications() == [
            pgwire.Notification("canal é", payload, process_id=7)
        ]


def test_a_cleartext_password_does_not_cross_a_network() -> None:
    def dial(target: object, seconds: float | None) -> socket.socket:
        return socket.create_connection((server.host, server.port))  # who knows where that leads

    ask = says(AuthenticationCleartextPassword())
    with ScriptedServer(ask) as server:
        with pytest.raises(errors.OperationalError, match="over an unencrypted network"):
            pgwire.connect(server.conninfo(password="secret"), dial=dial)
        assert not any(isinstance(m, PasswordMessage) for m in server.peers[0].received)
        assert b"secret" not in server.peers[0].input
    with (
        ScriptedServer([ask, expect(PasswordMessage), greeting()]) as server,
        pgwire.connect(
            server.conninfo(password="secret", require_auth="password"), dial=dial
        ) as connection,
    ):
        assert connection.info.password_used
