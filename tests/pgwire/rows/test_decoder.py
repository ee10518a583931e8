"""Rows, and what is no row: the decoder gives the values or raises ProtocolError, nothing else."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol.backend import DataRow, FieldDescription
from pgwire.rows.column import Column
from pgwire.rows.decoder import decode_rows, typed_decoders
from pgwire.types.context import Context
from pgwire.types.registry import default_registry

FIELDS = st.none() | st.binary(max_size=12)
TABLES = st.integers(0, 6).flatmap(
    lambda width: st.lists(st.tuples(*[FIELDS] * width), max_size=20).map(
        lambda rows: (width, rows)
    )
)


def raw(data: bytes) -> object:
    return data


@given(table=TABLES, before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_rows_come_out_as_they_went_in(
    table: tuple[int, list[tuple[bytes | None, ...]]], before: bytes, after: bytes
) -> None:
    width, rows = table
    frames = b"".join(DataRow(row).encode() for row in rows)
    data = bytearray(before + frames + after)
    stop = len(before) + len(frames)
    assert decode_rows(data, len(before), stop, [raw] * width) == rows


@given(table=TABLES, data=st.data())
def test_damage_gives_rows_or_a_protocol_error(
    table: tuple[int, list[tuple[bytes | None, ...]]], data: st.DataObject
) -> None:
    width, rows = table
    frames = bytearray(b"".join(DataRow(row).encode() for row in rows))
    if frames:
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(frames) - 1))
            frames[place] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):
            del frames[data.draw(st.integers(0, len(frames) - 1)) :]
    # What follows in the buffer belongs to other messages: no field may reach into it.
    buffer = frames + b"SECRET" * 50
    try:
        got = decode_rows(buffer, 0, len(frames), [raw] * width)
    except errors.ProtocolError:
        return
    assert all(len(row) == width for row in got)
    assert not any(value and b"SECRET" in value for row in got for value in row)  # type: ignore[operator]


@given(st.binary(max_size=60), st.integers(0, 5))
def test_nonsense_gives_rows_or_a_protocol_error(data: bytes, width: int) -> None:
    with suppress(errors.ProtocolError):
        decode_rows(data, 0, len(data), [raw] * width)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\3" + b"\xff" * 12,
        b"\0\2" + b"\xff" * 4,
        b"\0\2" + b"\xff" * 9,
        b"\0\2" + b"\xff" * 7 + b"\xfe",
        b"\0\2" + struct.pack("!ii", 0, 1),
        b"\0\2" + struct.pack("!ii", 0x7FFFFFFF, 0),
        b"\0\2" + struct.pack("!ii", -0x80000000, -1),
    ],
)
def test_wrong_bodies(body: bytes) -> None:
    frame = b"D" + struct.pack("!i", len(body) + 4) + body
    good = DataRow([None, b"x"]).encode()
    for data in (frame, good + frame, frame + good, good * 20 + frame):
        with pytest.raises(errors.ProtocolError):
            decode_rows(data, 0, len(data), [raw] * 2)


def test_what_a_decoder_raises_is_raised() -> None:
    frame = DataRow([b"x"]).encode()
    columns = [Column("a", 23)]
    decoders = typed_decoders(columns, default_registry, Context())
    with pytest.raises(errors.DataError, match="invalid input syntax for type int"):
        decode_rows(frame, 0, len(frame), decoders)


def test_a_decoder_for_each_type_and_format() -> None:
    columns = [Column("a", 23), Column("b", 23, format=1), Column("c", 999999), Column("d", 25)]
    decoders = typed_decoders(columns, default_registry, Context(encoding="latin-1"))
    frame = DataRow([b"7", b"\0\0\0\x08", b"?", b"\xe9"]).encode()
    assert decode_rows(frame, 0, len(frame), decoders) == [(7, 8, "?", "é")]


def test_a_column_is_what_was_described() -> None:
    field = FieldDescription(b"n", 16385, 2, 1043, -1, 14, 1)
    column = Column.described_by(field, "n")
    assert column == Column("n", 1043, 14, type_size=-1, table_oid=16385, number=2, format=1)
    assert column != Column("n", 1043, 14)
    assert hash(column) == hash(Column.described_by(field, "n"))
    assert repr(column) == "Column('n', type_oid=1043)"
