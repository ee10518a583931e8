"""What a statement takes and returns. Manual: 54.7 RowDescription, ParameterDescription."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, Self

from pgwire.protocol import writer
from pgwire.protocol.message import BackendMessage, Record
from pgwire.protocol.reader import Reader

__all__ = ["FieldDescription", "ParameterDescription", "RowDescription"]

# Table OID, column number, type OID, type size, type modifier, format: one step per column, since
# statements with hundreds of columns are described every time they are prepared.
_FIELD: Final = struct.Struct("!IhIhiH")


class FieldDescription(Record):
    """One column of a RowDescription.

    `table_oid` and `column_number` are 0 if the column is not simply a column of a table;
    `type_size` is negative for types of varying size; `format` is 0 for text, 1 for binary (always
    0 if a statement, not a portal, has been described).
    """

    __slots__ = (
        "column_number",
        "format",
        "name",
        "table_oid",
        "type_modifier",
        "type_oid",
        "type_size",
    )

    def __init__(
        self,
        name: bytes,
        table_oid: int = 0,
        column_number: int = 0,
        type_oid: int = 25,
        type_size: int = -1,
        type_modifier: int = -1,
        format: int = 0,
    ) -> None:
        self.name = name
        self.table_oid = table_oid
        self.column_number = column_number
        self.type_oid = type_oid
        self.type_size = type_size
        self.type_modifier = type_modifier
        self.format = format

    def encode(self) -> bytes:
        """The field's part of the body."""
        """The field's part of the body."""
        return b"".join(
            (
                writer.cstring(self.name, "name of a column"),
                writer.uint32s((self.table_oid,), "OID of a table"),
                writer.int16s((self.column_number,), "number of a column"),
                writer.uint32s((self.type_oid,), "OID of a type"),
                writer.int16s((self.type_size,), "size of a type"),
                writer.int32s((self.type_modifier,), "type modifier"),
                writer.uint16s((self.format,), "format of a column"),
            )
        )

    @classmethod
    def decode(cls, reader: Reader) -> Self:
        """Take the field from the front of `reader`."""
        return cls(reader.cstring(), *reader.unpack(_FIELD))


class RowDescription(BackendMessage):
    """The columns of the rows that follow, or would follow."""

    __slots__ = ("fields",)
    type = b"T"

    def __init__(self, fields: Iterable[FieldDescription]) -> None:
        self.fields = tuple(fields)

    def _parts(self) -> Sequence[bytes]:
        parts = [field.encode() for field in self.fields]
        return (writer.count(len(parts), "columns"), *parts)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """The message with this `body`; as `Message.decode`, and quicker."""
        data = bytes(body)
        count, position = int.from_bytes(data[:2]), 2
        fields = []
        for _ in range(count):
            end = data.find(b"\0", position)
            stop = end + 1 + _FIELD.size
            if end < 0 or stop > len(data):
                break
            fields.append(FieldDescription(data[position:end], *_FIELD.unpack_from(data, end + 1)))
            position = stop
        if len(fields) == count and position == len(data):
            return cls(fields)
        return super().decode(data)  # which tells what is wrong

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls([FieldDescription.decode(reader) for _ in range(reader.uint16())])


class ParameterDescription(BackendMessage):
    """The OIDs of the types of $1, $2, …"""

    __slots__ = ("types",)
    type = b"t"

    def __init__(self, types: Iterable[int]) -> None:
        self.types = tuple(types)

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.count(len(self.types), "parameters"),
            writer.uint32s(self.types, "OID of a parameter type"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.uint32s(reader.uint16()))
