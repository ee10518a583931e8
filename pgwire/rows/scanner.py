r"""A decoder for rows with text: one regular expression, made for the shape, cuts a whole batch.

What is searched is the batch as Latin-1, a character for each byte. Text values contain no NUL, and
the length word that follows one begins with it; so `[^\0]*` finds where a value ends, and a batch
becomes a list of tuples in one call of `findall`.

Why it is a proof. The expression says nothing about the length words of text, so the low byte of
each is a group of its own (the others have to be zero), as are the two low bytes of the length of
the frame. After the search, column by column, these bytes are compared with the lengths of what was
found, and the lengths of the frames with the sums of their fields. So a row that is taken has a
header, length words and fields that agree with each other byte by byte, which is all that the plain
decoder goes by: it would find the same fields at the same places. The matches leave no gap: where
no row matches, the last alternative swallows all that is left. If any comparison fails, nothing of
the batch is taken, and the plain walk finds the culprit, or another way to read it. So it does no
harm if the search goes astray, in a text that ends in a byte 0xFF before a NULL for example (UTF-8
has none, some encodings do): that costs time only.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, compress
from struct import unpack
from typing import Final

from pgwire.rows.convert import (
    Cache,
    decimals,
    instants,
    moments,
    traps_bad_decimals,
)
from pgwire.rows.decoder import Row
from pgwire.rows.kinds import Kind

__all__ = ["MAX_COLUMNS", "Scanner", "can_scan"]

MAX_COLUMNS: Final = 100
"""The sum of so many lengths below 256 stays below 65536."""

_ISO: Final = r".{4}-.{2}-.{2} (?!24).{2}:.{2}:.{2}(?:\.[0-9]{1,6})?"
# More than any text: so an infinity or a year BC ends the run, and Python's fromisoformat is never
# offered a form that the server does not write.
_ANY_TEXT: Final = r"[^\0]*"
_TEXT_FORMS: Final = {"text timestamp": _ISO, "text timestamptz": _ISO + r"\+00"}

_Convert = Callable[[list[str], "list[str] | None"], Sequence[object]]
"""(values, truth: whether the value is there, or None if all are) -> values of a column."""


class Unlike(Exception):
    """The batch is not what it looked like."""


def can_scan(kinds: Sequence[Kind]) -> bool:
    """Whether a regular expression finds the fields of these kinds."""
    return 0 < len(kinds) <= MAX_COLUMNS and all(k.is_text or k.size for k in kinds)


class Scanner:
    """Decodes rows of columns of these `kinds`, in frames of type byte `kind`.

    `nullable` is a bit for each column that may be NULL; others end the run with a NULL. It may be
    changed at any time.
    """

    __slots__ = ("_constant", "_converts", "_kind", "_kinds", "_text_only", "nullable")

    def __init__(self, kinds: Sequence[Kind], encoding: str, kind: int) -> None:
        self.nullable = 0
        self._kinds = kinds
        self._kind = kind
        self._converts = [_conversion(column, encoding) for column in kinds]
        self._text_only = all(column.way == "text" for column in kinds)

    def __call__(self, data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        """The rows of complete frames at the front of data[start:end], as far as they look as
        expected, and where they end. Raises anything if they do not hold what they seem to."""
        nullable = self.nullable
        pattern = _pattern(tuple((k.way, k.size) for k in self._kinds), nullable, self._kind)
        with memoryview(data) as view, view[start:end] as batch:
            text = str(batch, "latin-1")
        found = pattern.findall(text)
        rest = len(found.pop()[-1]) if found and found[-1][-1] else 0
        count = len(found)
        if not count:
            return [], start
        groups = pattern.groups
        flat = list(chain.from_iterable(found))
        del found
        high = "".join(flat[0::groups]).encode("latin-1")
        low = "".join(flat[1::groups]).encode("latin-1")
        group = 2
        fixed = 6 + 4 * len(self._kinds)
        total = 0
        ascii = self._text_only and text.isascii()
        columns: list[Sequence[object]] = []
        for i, column in enumerate(self._kinds):
            may_be_null = nullable >> i & 1
            present: list[str] | None = None
            if column.size:
                values = flat[group::groups]
                group += 1
                if may_be_null:
                    # The group of a NULL is empty, and no other is.
                    present = values
                    total += _wide(bytes(map(len, values)))
                else:
                    fixed += column.size
            else:
                claims, values = flat[group::groups], flat[group + 1 :: groups]
                group += 2
                lengths = bytes(map(len, values))
                claimed = "".join(claims).encode("latin-1")
                if len(claimed) != count:
                    present = claims  # that of a NULL is empty
                    if claimed != bytes(compress(lengths, claims)):
                        raise Unlike
                elif claimed != lengths:
                    raise Unlike
                total += _wide(lengths)
                if ascii:
                    columns.append(values)
                    continue
            columns.append(self._converts[i](values, present))
        frames = bytearray(2 * count)
        frames[0::2] = high
        frames[1::2] = low
        # All sums at once: numbers of 16 bits side by side in a large one. None of them overflows.
        if total + int.from_bytes(fixed.to_bytes(2) * count) != int.from_bytes(frames):
            raise Unlike
        consumed = 256 * sum(high) + sum(low) + count
        if consumed != end - start - rest:
            raise Unlike
        return list(zip(*columns, strict=True)), start + consumed


def _wide(lengths: bytes) -> int:
    """Bytes as numbers of 16 bits side by side."""
    wide = bytearray(2 * len(lengths))
    wide[1::2] = lengths
    return int.from_bytes(wide)


@lru_cache(maxsize=256)
def _pattern(shape: tuple[tuple[str, int], ...], nullable: int, kind: int) -> re.Pattern[str]:
    null = r"\xff\xff\xff\xff"
    pieces = [rf"\x{kind:02x}\0\0(.)(.)\x{len(shape) >> 8:02x}\x{len(shape) & 255:02x}"]
    for i, (way, size) in enumerate(shape):
        if size:
            value = rf"\0\0\0\x{size:02x}(.{{{size}}})"
        else:
            value = rf"\0\0\0(.)({_TEXT_FORMS.get(way, _ANY_TEXT)})"
            # The next field may be a NULL, whose bytes are no NUL: they are not part of this one.
            if nullable >> (i + 1) & 1:
                value += r"(?<!\xff)"
        pieces.append(f"(?:{value}|{null})" if nullable >> i & 1 else value)
    if not shape[-1][1]:
        pieces.append(rf"(?=\x{kind:02x}\0)")
    return re.compile("".join(pieces) + "|(.+)", re.DOTALL)


# From the characters of a column to its values. A conversion that raises has met something that
# the codec has to look at.


def _conversion(column: Kind, encoding: str) -> _Convert:
    way, decode = column.way, column.decode
    if way == "text":
        return _texts(encoding)
    if way in ("number", "timestamp", "timestamptz"):
        return _numbers(column)
    if way == "bool":
        return _looked_up({"\0": False, "\1": True, "": None})
    if way == "date":
        dates = Cache(lambda raw: decode(raw.encode("latin-1")) if raw else None)
        return _looked_up(dates)
    if way == "text bool":
        return _each({"t": True, "f": False}.__getitem__)
    if way == "text date":
        return _each(Cache(lambda raw: decode(raw.encode("latin-1"))).__getitem__)
    if way == "text int":
        return _numerals(int)
    if way == "text float":
        return _numerals(float)
    if way == "text numeric":
        return _numerics
    if way in _TEXT_FORMS:
        return _each(datetime.datetime.fromisoformat)
    return _each(lambda raw: decode(raw.encode("latin-1")))


def _texts(encoding: str) -> _Convert:
    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        joined = "\0".join(values)
        if not joined.isascii():
            count = len(values)
            values = joined.encode("latin-1").decode(encoding).split("\0")
            if len(values) != count:
                raise Unlike
        if present is None:
            return values
        return [value if there else None for value, there in zip(values, present, strict=True)]

    return convert


def _numbers(column: Kind) -> _Convert:
    layout, size, decode = column.layout or "q", column.size, column.decode
    instant = {"timestamp": moments, "timestamptz": instants}.get(column.way)

    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        data = "".join(values).encode("latin-1")
        numbers: Sequence[object] = unpack(f"!{len(data) // size}{layout}", data)
        if instant is not None:
            numbers = instant(numbers, decode)  # type: ignore[arg-type]
        if present is None or len(numbers) == len(values):
            return numbers
        following = iter(numbers).__next__
        return [following() if value else None for value in values]

    return convert


def _looked_up(table: dict[str, object] | Cache) -> _Convert:
    """For fields of a fixed size, which are empty only if they are NULL."""
    get = table.__getitem__
    return lambda values, present: list(map(get, values))


def _each(function: Callable[[str], object]) -> _Convert:
    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        if present is None:
            return list(map(function, values))
        return [
            function(value) if there else None for value, there in zip(values, present, strict=True)
        ]

    return convert


def _numerals(function: Callable[[str], object]) -> _Convert:
    convert_each = _each(function)

    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        # Python takes other digits and spaces, too; the codec, which reads bytes, does not.
        if not "".join(values).isascii():
            raise Unlike
        return convert_each(values, present)

    return convert


def _numerics(values: list[str], present: list[str] | None) -> Sequence[object]:
    if not traps_bad_decimals():
        raise Unlike
    return _decimals(values, present)


_decimals: Final = _numerals(decimals)
