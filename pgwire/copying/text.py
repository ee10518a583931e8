"""Rows in COPY's text and CSV formats. Manual: COPY, "Text Format" and "CSV Format".

Every value goes through the text encoder of its type; what the formats give a meaning is escaped.
In CSV every value is in quotes and NULL is not, so the two are never confused, and a line that
holds nothing but a backslash and a dot cannot arise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from pgwire.copying.fields import encode_value, row_values, text_encoders
from pgwire.rows.column import Column
from pgwire.types.codec import Encoder
from pgwire.types.context import Context
from pgwire.types.encodings import ASCII_UNSAFE
from pgwire.types.registry import Registry

__all__ = ["CsvRows", "TextRows"]

_ESCAPES: Final = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_SPECIAL: Final = re.compile("[\\\\\t\n\r]")
_SPECIAL_BYTES: Final = re.compile(_SPECIAL.pattern.encode())
_ESCAPES_BYTES: Final = {key.encode(): value.encode() for key, value in _ESCAPES.items()}


class TextRows:
    """Encodes rows for one table. Called with a batch of rows, and the number of the first."""

    header = b""
    trailer = b""
    separator = b"\t"
    null = rb"\N"

    def __init__(
        self, table: str, columns: Sequence[Column], registry: Registry, context: Context
    ) -> None:
        self.table = table
        self._columns = tuple(columns)
        self._encoders = [
            self._escaping(encode, context.encoding, plain=plain)
            for encode, plain in text_encoders(columns, registry, context)
        ]

    def __call__(self, rows: Sequence[Any], first: int) -> bytes:
        """The bytes of `rows`. Raises DataError or ProgrammingError, naming row and column."""
        encoders = self._encoders
        width = len(encoders)
        null = self.null
        lines: list[bytes] = []
        for number, row in enumerate(rows, first):
            if type(row) is not tuple or len(row) != width:
                row = row_values(row, width, number, self.table)
            try:
                fields = [
                    null if value is None else encode(value)
                    for encode, value in zip(encoders, row, strict=True)
                ]
            except Exception:
                fields = self._carefully(row, number)
            lines.append(self.separator.join(fields))
        lines.append(b"")
        return b"\n".join(lines)

    def _carefully(self, row: Sequence[object], number: int) -> list[bytes]:
        """The fields of a row in which there is something wrong: raises what tells it."""
        return [
            self.null if value is None else encode_value(encode, value, number, column, self.table)
            for encode, column, value in zip(self._encoders, self._columns, row, strict=True)
        ]

    def _escaping(self, encode: Encoder, encoding: str, *, plain: bool) -> Encoder:
        escape = self._escape
        if encoding in ASCII_UNSAFE:
            # A byte that looks like a backslash may be the second half of a character.
            safe = _through_str(self._escape_str, encoding)
            return lambda value: safe(encode(value))
        if plain:
            return lambda value: escape(encode(value)) if isinstance(value, str) else encode(value)
        return lambda value: escape(encode(value))

    @staticmethod
    def _escape(data: bytes) -> bytes:
        return _SPECIAL_BYTES.sub(lambda found: _ESCAPES_BYTES[found[0]], data)

    @staticmethod
    def _escape_str(text: str) -> str:
        return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


class CsvRows(TextRows):
    """As `TextRows`, in CSV."""

    separator = b","
    null = b""

    def _escaping(self, encode: Encoder, encoding: str, *, plain: bool) -> Encoder:
        return super()._escaping(encode, encoding, plain=False)

    @staticmethod
    def _escape(data: bytes) -> bytes:
        return b'"' + data.replace(b'"', b'""') + b'"'

    @staticmethod
    def _escape_str(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'


def _through_str(escape: Callable[[str], str], encoding: str) -> Callable[[bytes], bytes]:
    return lambda data: escape(data.decode(encoding)).encode(encoding)
