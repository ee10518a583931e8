"""From the bytes of DataRow messages to tuples. Manual: 54.7 DataRow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from pgwire import errors
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.registry import Registry

Decoder = Callable[[bytes], object]
Row = tuple[object, ...]

_HEADER = Struct("!BIH")  # type byte, length, number of fields
_LENGTH = Struct("!i")


def typed_decoders(
    columns: Sequence[Column], registry: Registry, context: Context
) -> list[Decoder]:
    """A decoder per column, by its type and format; a type that nobody knows comes as `str`."""
    decoders: list[Decoder] = []
    for column in columns:
        codec = registry.by_oid(column.type_oid)
        make = codec.binary_decoder if column.format else codec.text_decoder
        decoders.append(make(context))
    return decoders


def decode_rows(
    data: bytes | bytearray | memoryview,
    start: int,
    stop: int,
    decoders: Sequence[Decoder],
    *,
    field: Callable[[Any], Any] = bytes,
) -> list[Row]:
    """The rows of a run of complete DataRow frames, headers included, at `start`:`stop`.

    `decoders` has one function per described column; what it is given is a slice of `data`, made
    into what `field` makes of it. This is the plain decoder: it is right, and others have to give
    what it gives. Raises ProtocolError if a frame does not
    hold exactly that many fields within its bounds, and whatever a decoder raises.
    """
    expected = len(decoders)
    header, length_of = _HEADER.unpack_from, _LENGTH.unpack_from
    rows: list[Row] = []
    position = start
    while position < stop:
        _, length, count = header(data, position) if position + 7 <= stop else (0, 4, -1)
        frame_end = position + 1 + length
        if count != expected or frame_end > stop:
            raise errors.ProtocolError('unexpected field count in "D" message')
        position += _HEADER.size
        row: list[object] = []
        for decode in decoders:
            begin = position + 4
            if begin > frame_end:
                raise errors.ProtocolError('insufficient data in "D" message')
            (size,) = length_of(data, position)
            position = begin
            if size >= 0:
                position += size
                if position > frame_end:
                    raise errors.ProtocolError('insufficient data in "D" message')
                row.append(decode(field(data[begin:position])))
            elif size == -1:
                row.append(None)
            else:
                raise errors.ProtocolError('invalid field length in "D" message')
        if position != frame_end:
            raise errors.ProtocolError(
                'message contents do not agree with length in message type "D"'
            )
        rows.append(tuple(row))
    return rows
