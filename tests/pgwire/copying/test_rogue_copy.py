"""Servers that lie, stall or break off in the middle of a COPY."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    CommandComplete,
    CopyData,
    CopyDone,
    CopyInResponse,
    CopyOutResponse,
    DataRow,
    ErrorResponse,
    FieldDescription,
    NoData,
    ParameterDescription,
    ParseComplete,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import CopyFail, Describe, Parse, Query, Sync
from pgwire.testing.peer import Peer
from pgwire.testing.script import Script, ScriptedServer, close, expect, login, send, stall

OUT = CopyOutResponse(0, [0])
BINARY = CopyOutResponse(1, [1])
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
ROW = b"\0\1\0\0\0\4\0\0\0\7"
TRAILER = b"\xff\xff"
END = [CopyDone(), CommandComplete(b"COPY 1"), ReadyForQuery(b"I")]
DIVISION = ErrorResponse({"S": b"ERROR", "V": b"ERROR", "C": b"22012", "M": b"division by zero"})
FATAL = ErrorResponse({"S": b"FATAL", "V": b"FATAL", "C": b"57P01", "M": b"going down"})

CUT_OFF: dict[str, tuple[list[Any], type[Exception]]] = {
    "no end of data": ([OUT, CopyData(b"1\n"), CommandComplete(b"COPY 1")], errors.ProtocolError),
    "rows in between": ([OUT, CopyData(b"1\n"), DataRow([b"1"])], errors.ProtocolError),
    "a second beginning": ([OUT, CopyData(b"1\n"), OUT], errors.ProtocolError),
    "data after its end": ([OUT, CopyDone(), CopyData(b"1\n")], errors.ProtocolError),
    "ready too soon": ([OUT, CopyData(b"1\n"), ReadyForQuery(b"I")], errors.ProtocolError),
    "a short frame": ([OUT, b"d" + struct.pack("!i", 3)], errors.ProtocolError),
    "a negative frame": ([OUT, b"d" + struct.pack("!i", -1)], errors.ProtocolError),
    "a frame beyond all bounds": ([OUT, b"d\x7f\xff\xff\xff"], errors.ProtocolError),
    "nonsense": ([OUT, CopyData(b"1\n"), b"\xff\xff\xff\xff\xff"], errors.ProtocolError),
    "the end of the stream": ([OUT, CopyData(b"1\n"), close()], errors.ConnectionLost),
    "the end in a frame": ([OUT, b"d\0\0\0\xff123", close()], errors.ConnectionLost),
    "last words": ([OUT, CopyData(b"1\n"), FATAL, close()], errors.error_class("57P01")),
    "an error": ([OUT, CopyData(b"1\n"), DIVISION, ReadyForQuery(b"I")], errors.DataError),
}


def scripted(*said: Any) -> Script:
    return [login(), expect(Query), *[s if callable(s) else send(s) for s in said]]


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_cut_off_copy_is_an_error(name: str) -> None:
    said, kind = CUT_OFF[name]
    for use in ("out", "chunks"):
        with (
            ScriptedServer(scripted(*said)) as server,
            pgwire.connect(server.conninfo()) as connection,
        ):
            begun = monotonic()
            with pytest.raises(kind):
                if use == "out":
                    connection.copy_out("COPY t TO STDOUT", bytearray())
                else:
                    list(connection.copy_chunks("COPY t TO STDOUT"))
            assert monotonic() - begun < 5
            assert connection.closed is (name != "an error")


def lying(*data: bytes, end: list[Any] = END) -> Script:
    description = RowDescription([FieldDescription(b"n", type_oid=23)])
    return [
        login(),
        *[expect(Parse), expect(Describe), expect(Sync)],
        send(ParseComplete(), ParameterDescription([]), description, ReadyForQuery(b"I")),
        expect(Query),
        send(BINARY, *[CopyData(piece) for piece in data], *end),
    ]


# The same rows, however the stream is cut.
STREAM = HEADER + ROW + ROW + b"\0\1\xff\xff\xff\xff" + TRAILER
CUTS = {
    "a message per row": [HEADER, ROW, ROW, b"\0\1\xff\xff\xff\xff", TRAILER],
    "header and row": [HEADER + ROW, ROW, b"\0\1\xff\xff\xff\xff", TRAILER],
    "one message": [STREAM],
    "bytes": [STREAM[n : n + 1] for n in range(len(STREAM))],
    "empty messages": [
        b"",
        HEADER,
        b"",
        ROW + ROW[:3],
        b"",
        ROW[3:][:0],
        STREAM[len(HEADER) + 13 :],
    ],
    "two rows in a message": [HEADER, ROW + ROW, b"\0\1\xff\xff\xff\xff" + TRAILER],
    "an extension": [HEADER[:-1] + b"\3abc" + ROW, ROW, b"\0\1\xff\xff\xff\xff", TRAILER],
}


@pytest.mark.parametrize("name", CUTS)
def test_rows_are_found_however_messages_are_cut(name: str) -> None:
    with (
        ScriptedServer(lying(*CUTS[name])) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        assert list(connection.copy_rows_out("SELECT n")) == [(7,), (7,), (None,)]
        assert not connection.closed


NO_ROWS = {
    "no signature": ([b"x" * 30], "signature"),
    "unknown flags": ([HEADER[:11] + b"\0\1\0\0\0\0\0\0", TRAILER], "flags"),
    "no trailer": ([HEADER, ROW], "without its trailer"),
    "a cut header": ([HEADER[:12]], "without its trailer"),
    "a cut row": ([HEADER, ROW[:5]], "without its trailer"),
    "rows after the trailer": ([HEADER, TRAILER, ROW], "after its trailer"),
    "data behind the trailer": ([HEADER, ROW + TRAILER + b"x"], "after its trailer"),
    "too many fields": ([HEADER, b"\0\2" + ROW[2:] * 2, TRAILER], "has 2 fields"),
    "a negative count": ([HEADER, b"\xff\xfe", TRAILER], "has -2 fields"),
    "a negative length": ([HEADER, b"\0\1\xff\xff\xff\xfe", TRAILER], "the length -2"),
    "a length beyond all bounds": ([HEADER, b"\0\1\x7f\xff\xff\xff", TRAILER], "the length"),
    "an extension beyond all bounds": ([HEADER[:15] + b"\x7f\xff\xff\xff"], "longer than"),
}


@pytest.mark.parametrize("name", NO_ROWS)
def test_a_stream_that_is_none_is_an_error(name: str) -> None:
    data, match = NO_ROWS[name]
    with (
        ScriptedServer(lying(*data)) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        with pytest.raises(errors.ProtocolError, match=match):
            list(connection.copy_rows_out("SELECT n"))
        assert connection.closed


def flood(message: CopyData) -> Callable[[Peer], None]:
    data = message.encode() * 1000

    def step(peer: Peer) -> None:
        while not peer.client_closed:
            peer.send(data)

    return step


@pytest.mark.parametrize("said", [stall(), flood(CopyData(b"x" * 50))], ids=["silence", "flood"])
def test_a_copy_that_never_ends(monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    monkeypatch.setattr("pgwire.session.core.CANCEL_GRACE", 0.3)
    with (
        ScriptedServer(scripted(OUT, said), [close()], [close()], [close()]) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        begun = monotonic()
        with pytest.raises(errors.TimeoutExpired):
            connection.copy_out("COPY t TO STDOUT", lambda data: None, timeout=0.2)
        assert monotonic() - begun < 5
        assert connection.closed


def test_a_server_that_takes_data_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgwire.session.core.CANCEL_GRACE", 0.3)
    with (
        ScriptedServer(
            scripted(CopyInResponse(0, [0]), stall()), [close()], [close()], [close()]
        ) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        with pytest.raises(errors.TimeoutExpired):
            connection.copy_in("COPY t FROM STDIN", itertools.repeat(b"x" * 1000), timeout=0.2)
        assert connection.closed


def test_the_reason_of_a_source_goes_to_the_server() -> None:
    reasons: list[bytes] = []

    def failed(peer: Peer) -> None:
        message = peer.expect(lambda message: isinstance(message, CopyFail))
        assert isinstance(message, CopyFail)
        reasons.append(message.reason)
        peer.send(DIVISION, ReadyForQuery(b"I"))

    def source() -> Any:
        raise ZeroDivisionError("why \0 " + "x" * 20000)
        yield b""

    with (
        ScriptedServer(scripted(CopyInResponse(0, [0]), failed)) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        with pytest.raises(ZeroDivisionError):
            connection.copy_in("COPY t FROM STDIN", source())
        assert not connection.closed
    assert reasons[0].startswith(b"ZeroDivisionError: why  x") and len(reasons[0]) < 1001


def test_a_described_query_that_gives_other_columns() -> None:
    script = [
        login(),
        *[expect(Parse), expect(Describe), expect(Sync)],
        send(ParseComplete(), ParameterDescription([]), NoData(), ReadyForQuery(b"I")),
    ]
    with ScriptedServer(script) as server, pgwire.connect(server.conninfo()) as connection:
        with pytest.raises(errors.ProgrammingError, match="returns no rows"):
            list(connection.copy_rows_out("SELECT n"))
        assert not connection.closed
