"""In which format to ask for each column of a result. Manual: 54.7 Bind, result format codes.

Not a matter of the type alone. Where every column has a fixed width in binary, whole batches are
cut by strides, and then even a timestamp is best in binary. Where there is text among them, a row
has to be searched for the ends of its fields, and Python reads the text of a timestamp faster than
it computes one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from pgwire.rows.column import Column
from pgwire.rows.kinds import is_utc, kind_of, writes_iso
from pgwire.types.codec import BINARY, TEXT, Codec
from pgwire.types.context import Context
from pgwire.types.registry import Registry

__all__ = ["formatted", "result_formats"]

# Ways of binary values that `rows.stride` reads without a call per value, or nearly so.
_STRIDING: Final = frozenset(("number", "bool", "date", "timestamp", "timestamptz"))
# Ways of text that one function of Python's own turns into values.
_READY: Final = frozenset(("text", "text float", "text numeric"))
_JITTED: Final = sys.implementation.name == "pypy"


def result_formats(
    columns: Sequence[Column], registry: Registry, context: Context
) -> tuple[int, ...]:
    """For each column the format that is decoded best: 0 text, 1 binary.

    The formats that the columns say themselves are not looked at: they are of a statement that has
    only been described, and mean nothing there.
    """
    codecs = [registry.by_oid(column.type_oid) for column in columns]
    ways = [kind_of(c, BINARY, context).way if c.reads_binary else "" for c in codecs]
    striding = all(way in _STRIDING for way in ways)
    return tuple(
        _format(codec, way, context, striding=striding)
        for codec, way in zip(codecs, ways, strict=True)
    )


def formatted(columns: Sequence[Column], formats: Sequence[int]) -> tuple[Column, ...]:
    """The same columns, in these formats."""
    return tuple(
        Column(
            column.name,
            column.type_oid,
            column.type_modifier,
            type_size=column.type_size,
            table_oid=column.table_oid,
            number=column.number,
            format=format,
        )
        for column, format in zip(columns, formats, strict=True)
    )


def _format(codec: Codec, way: str, context: Context, *, striding: bool) -> int:
    if way in ("number", "bool", "date"):
        return BINARY
    if way in ("timestamp", "timestamptz"):
        # Under another style or time zone the text would have to be rewritten first.
        readable = writes_iso(context) and (way == "timestamp" or is_utc(context))
        return BINARY if striding or _JITTED or not readable else TEXT
    if kind_of(codec, TEXT, context).way in _READY:
        return TEXT
    return codec.preferred or TEXT
