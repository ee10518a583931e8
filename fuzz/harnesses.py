"""What is fuzzed: each harness takes any bytes, and may raise nothing.

A harness calls code that reads foreign input and lets pass only the errors that this code
promises. Whatever else comes out, an exception or a broken law, is a finding.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from dblink.columns import split_definitions
from dblink.names import first_identifier, fold
from dblink.relations import split_name
from fuzz import gateway, links
from pgwire import conninfo, errors
from pgwire.excerpt import error_excerpt
from pgwire.protocol import backend, frontend
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.scram import ScramClient
from pgwire.rows.batches import BatchDecoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row, decode_rows, typed_decoders
from pgwire.types.catalog import OIDS, TYPES
from pgwire.types.context import Context
from pgwire.types.encodings import python_codec
from pgwire.types.names import format_type, resolve_type_name
from pgwire.types.registry import default_registry

_COLUMNS = [
    *(("int4", 1), ("text", 0), ("float8", 1), ("timestamptz", 1), ("int8", 1), ("bool", 1)),
    *(("text", 0), ("date", 0), ("timestamp", 0), ("timestamptz", 0), ("text", 0), ("bytea", 1)),
    *(("numeric", 0), ("float8", 0), ("int4", 0), ("bool", 0), ("date", 1), ("timestamp", 1)),
    *(("uuid", 1), ("float4", 1), ("jsonb", 1), ("interval", 0), ("text", 1), ("int2", 1)),
]
"""Types and formats, of every way there is to decode a column."""

DATA = Path(__file__).parent.parent / "tests" / "data"

_CONTEXTS = [
    Context(),
    Context(
        date_style="German, DMY",
        interval_style="sql_standard",
        time_zone="Asia/Kolkata",
        unrepresentable="text",
    ),
    Context(date_style="Postgres, MDY", interval_style="postgres_verbose"),
    Context(date_style="SQL, DMY", interval_style="iso_8601", encoding="latin-1"),
]


def connection_string(data: bytes) -> None:
    """parse, make and redact: what can be parsed can be made again, and means the same."""
    text = data.decode("utf-8", "surrogateescape")
    conninfo.redact(text)
    try:
        options = conninfo.parse(text)
    except errors.ConninfoError:
        return
    with contextlib.suppress(errors.ConninfoError):  # a NUL can be parsed, but not be made
        assert conninfo.parse(conninfo.make(**options)) == options


def backend_message(data: bytes) -> None:
    """A decoded message encodes to what decodes to the same."""
    _message(data, backend.BACKEND, backend.decode)


def frontend_message(data: bytes) -> None:
    """The same for the client's messages."""
    _message(data, frontend.FRONTEND, lambda kind, body: frontend.FRONTEND[kind].decode(body))


def frames(data: bytes) -> None:
    """The frames of a stream do not depend on where it is cut."""
    cut = data[0] % 7 + 1 if data else 1
    assert list(_frames(data, len(data) or 1)) == list(_frames(data, cut))


def data_rows(data: bytes) -> None:
    """A run of DataRow messages, told to have up to four columns."""
    decoders = [bytes] * (data[0] % 5 if data else 0)
    with contextlib.suppress(errors.ProtocolError):
        decode_rows(data, 1, len(data), decoders)


def batches(data: bytes) -> None:
    """Frames of rows, many times over and then damaged: every way to decode them gives what the
    plain one gives, or raises where that does.

    The first three bytes choose the columns, the fourth the context and how often the rows are
    repeated; up to the first "~" they are what is repeated, and behind it stands what comes last.
    """
    if len(data) < 4:
        return
    columns = [
        Column("", OIDS[name][0], format=format)
        for name, format in (_COLUMNS[byte % len(_COLUMNS)] for byte in data[: data[0] % 3 + 1])
    ]
    context = _CONTEXTS[data[3] % len(_CONTEXTS)]
    usual, _, last = data[4:].partition(b"~")
    stream = bytearray(usual * (1, 100, 700)[data[3] // 4 % 3] + last)
    stop = _complete(stream)
    decoders = typed_decoders(columns, default_registry, context)
    wanted = _outcome(lambda: (decode_rows(stream, 0, stop, decoders), stop))
    kept = BatchDecoder(columns, default_registry, context, b"D"[0])
    for _ in range(2):  # what it has learned from the first time must not mislead it
        assert _outcome(lambda: kept(stream, 0, len(stream))) == wanted, (columns, bytes(stream))


def _complete(stream: bytearray) -> int:
    """Where the last of the whole DataRow messages at the front ends."""
    stop = 0
    while stream[stop : stop + 1] == b"D":
        length = int.from_bytes(stream[stop + 1 : stop + 5], signed=True)
        if stop + 5 > len(stream) or length < 4 or stop + 1 + length > len(stream):
            break
        stop += 1 + length
    return stop


def _outcome(run: Callable[[], tuple[list[Row], int]]) -> str:
    try:
        return repr(run())
    except (errors.DataError, errors.ProtocolError) as error:
        return type(error).__name__


def scram_server(data: bytes) -> None:
    """Both messages of a server in a SCRAM exchange."""
    first, _, final = data.partition(b"\n")
    client = ScramClient(b"secret", mechanisms=(b"SCRAM-SHA-256",), nonce=b"abc", max_iterations=50)
    client.client_first()
    with contextlib.suppress(errors.OperationalError):
        client.receive_first(first)
        client.client_final()
        client.verify_final(final)


def values(data: bytes) -> None:
    """Every codec, in text and in binary format, under several session parameters."""
    if not data:
        return
    oid, _, array_oid = TYPES[data[0] % len(TYPES)]
    context = _CONTEXTS[len(data) % len(_CONTEXTS)]  # not always the same for one type
    for codec in {default_registry.by_oid(oid), default_registry.by_oid(array_oid or oid)}:
        for make in (codec.text_decoder, codec.binary_decoder):
            with contextlib.suppress(errors.DataError):
                make(context)(data[1:])


def names(data: bytes) -> None:
    """Column definition lists, relation and cursor names, type and encoding names, excerpts."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(errors.DatabaseError):
        split_definitions(text)
    with contextlib.suppress(errors.DatabaseError):
        assert all(fold(name) is not None for name in split_name(text))
    with contextlib.suppress(errors.Error):
        python_codec(text)
    first_identifier(text)
    resolved = resolve_type_name(text)
    if resolved is not None:
        assert resolve_type_name(format_type(*resolved)) == resolved, (text, resolved)
    error_excerpt(text, len(data) // 2)


def _message(data: bytes, table: dict[int, object], decode: Callable[[int, bytes], object]) -> None:
    if not data or data[0] not in table:
        return
    try:
        message = decode(data[0], data[1:])
    except errors.ProtocolError:
        return
    repr(message)
    with contextlib.suppress(errors.Error):  # longer than the other end takes
        encoded = message.encode()  # type: ignore[attr-defined]
        assert decode(encoded[0], encoded[5:]) == message


def _frames(data: bytes, step: int) -> Iterator[object]:
    buffer = FrameBuffer()
    for start in range(0, len(data), step):
        try:
            buffer.feed(data[start : start + step])
            while (frame := buffer.next_frame()) is not None:
                kind, begin, end = frame
                yield kind, bytes(buffer.data[begin:end])
        except errors.ProtocolError as error:
            yield str(error)
            return


HARNESSES: dict[str, Callable[[bytes], None]] = (
    {
        harness.__name__: harness
        for harness in (
            connection_string,
            backend_message,
            frontend_message,
            frames,
            data_rows,
            batches,
            scram_server,
            values,
            names,
        )
    }
    | gateway.HARNESSES
    | links.HARNESSES
)


def seeds(name: str) -> list[bytes]:
    """Inputs to start from: the oracles that the tests use, and a few by hand."""
    if name == "connection_string":
        return [
            json.loads(line)["input"].encode("utf-8", "surrogateescape")
            for line in (DATA / "conninfo_corpus.jsonl").read_text("utf-8").splitlines()
        ]
    if name == "values":
        numbers = {row[1]: n for n, row in enumerate(TYPES)}
        found = []
        for line in (DATA / "types_oracle.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            for value in (row["text"].encode(), bytes.fromhex(row["binary"] or "")):
                found.append(bytes([numbers.get(row["type"], 0) % 256]) + value)
        return found
    return _BY_HAND.get(name, [b"\0"])


_ROW = b"D\0\0\0\x0f\0\x02\0\0\0\x011\xff\xff\xff\xff"
_BY_HAND = (
    gateway.SEEDS
    | links.SEEDS
    | {
        "backend_message": [
            b"Z" + b"I",
            b"E" + b"SERROR\0C42601\0Msyntax error\0\0",
            b"T" + b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
            b"R" + b"\0\0\0\x0aSCRAM-SHA-256\0\0",
            b"A" + b"\0\0\0\x07channel\0payload\0",
            _ROW[:1] + _ROW[5:],
        ],
        "frontend_message": [
            b"P" + b"s\0select $1\0\0\x01\0\0\0\x17",
            b"B" + b"\0s\0\0\0\0\x01\0\0\0\x0142\0\0",
            b"Q" + b"select 1\0",
            b"D" + b"Ss\0",
        ],
        "frames": [_ROW * 3 + b"C\0\0\0\rSELECT 1\0Z\0\0\0\5I"],
        "batches": [
            bytes([0, 0, 0, 8]) + _ROW[:4] + b"\x0e\0\1\0\0\0\4\0\0\0\5~" + _ROW,
            bytes([1, 6, 0, 8]) + _ROW + b"~D\0\0\0\x0e\0\2\xff\xff\xff\xff\xff\xff\xff\xff",
            bytes([7, 10, 0, 9]) + b"D\0\0\0\x1c\0\2\0\0\0\x0a2020-01-01\0\0\0\4\xc3\xbcab~" + _ROW,
            bytes([3, 0, 0, 8]) + b"D\0\0\0\x12\0\1\0\0\0\x08\0\0\0\0\0\0\0\1~",
        ],
        "data_rows": [b"\x02" + _ROW, b"\x02" + _ROW * 3],
        "scram_server": [b"r=abcdef,s=QSXCR+Q6sek8bf92,i=20\nv=" + b"A" * 43 + b"="],
        "names": [
            b'a int, "b""c" numeric(10,2)[], c timestamp(3) with time zone',
            b'"My Schema" . Table',
            b"LATIN-1",
            b"interval day to second(3)",
        ],
    }
)
