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
from struct import pack, unpack
from typing import Final, NamedTuple

from pgwire.rows.convert import (
    Cache,
    decimals,
    instants,
    moments,
)
from pgwire.rows.decoder import Row
from pgwire.rows.kinds import Kind
from pgwire.types.codec import Decoder

__all__ = ["MAX_COLUMNS", "Scanner", "can_scan"]

MAX_COLUMNS: Final = 100
"""The sum of so many lengths below 256 stays below 65536."""

_ENOUGH: Final = 50
"""Rows that show what the others are like."""

_LESSONS: Final = 20
"""Times that a decoder learns anew how long the texts of a column are."""

_ISO: Final = r".{4}-.{2}-.{2} .{2}:.{2}:[0-9.]{2,9}"
# Not any text: so an infinity or a year BC ends the run, and Python's fromisoformat is not offered
# what it reads and the codec would not, such as an offset in a timestamp without time zone.
_ANY_TEXT: Final = r"[^\0]*"
_TEXT_FORMS: Final = {"text timestamp": _ISO, "text timestamptz": _ISO + r"\+00"}

_ASKED: Final = ("fixed", "text any")
"""Ways that only the codec knows."""

_Convert = Callable[[list[str], "list[str] | None"], Sequence[object]]
"""(values, truth: whether the value is there, or None if all are) -> values of a column."""


class Unlike(Exception):
    """The batch is not what it looked like."""


def can_scan(kinds: Sequence[Kind]) -> bool:
    """Whether a regular expression finds the fields of these kinds."""
    return 0 < len(kinds) <= MAX_COLUMNS and all(k.is_text or k.size for k in kinds)


class Scanner:
    """Decodes rows of columns of these `kinds`, in frames of type byte `kind`.

    It learns what the rows are like: which columns hold NULLs, which hold texts of one length, and
    whether rows are longer than 255 bytes. A row that is unlike what is known ends a run.
    """

    __slots__ = (
        "_asked",
        "_converts",
        "_kind",
        "_kinds",
        "_lessons",
        "_likeness",
        "_seen",
        "_text_only",
    )

    def __init__(self, kinds: Sequence[Kind], encoding: str, kind: int) -> None:
        self._kinds = [(column.way, column.size) for column in kinds]
        self._kind = kind
        self._converts = [_conversion(column, encoding) for column in kinds]
        self._asked = [(i, column.decode) for i, column in enumerate(kinds) if column.way in _ASKED]
        self._text_only = all(column.way == "text" for column in kinds)
        self._likeness = Likeness(0, tuple([column.size for column in kinds]), long=False)
        self._lessons = _LESSONS
        self._seen: list[int] = []

    def __call__(self, data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        """The rows of complete frames at the front of data[start:end], as far as they look as
        expected, and where they end. Raises `Unlike` if they do not hold what they seem to, and
        what a codec raises."""
        try:
            columns, stop = self._columns(data, start, end)
        except Exception as error:
            raise Unlike from error
        if self._asked:
            # They may be anybody's: so they are asked last, row by row, and once.
            raw = [columns[i] for i, _ in self._asked]
            ask = [decode for _, decode in self._asked]
            made = [
                [None if v is None else decode(v) for v, decode in zip(row, ask, strict=True)]
                for row in zip(*raw, strict=True)
            ]
            for (i, _), values in zip(self._asked, zip(*made, strict=True), strict=bool(made)):
                columns[i] = values
        return list(zip(*columns, strict=True)), stop

    def _columns(
        self, data: bytes | bytearray, start: int, end: int
    ) -> tuple[list[Sequence[object]], int]:
        """The columns of the rows, those for other codecs as bytes, and where the rows end."""
        likeness = self._likeness
        pattern = _pattern(tuple(self._kinds), likeness, self._kind)
        with memoryview(data) as view, view[start:end] as batch:
            text = str(batch, "latin-1")
        found = pattern.findall(text)
        if found and not found[-1][0]:
            found.pop()  # what is left
        count = len(found)
        if not count:
            return [()] * len(self._kinds), start
        groups = pattern.groups
        flat = list(chain.from_iterable(found))
        del found
        group = 2 if likeness.long else 1
        frames = bytearray(2 * count)
        if likeness.long:
            frames[0::2] = "".join(flat[0::groups]).encode("latin-1")
        frames[1::2] = "".join(flat[group - 1 :: groups]).encode("latin-1")
        fixed = 6 + 4 * len(self._kinds)
        total = 0
        ascii = self._text_only and text.isascii()
        sizes = list(likeness.sizes)
        columns: list[Sequence[object]] = []
        for i, size in enumerate(likeness.sizes):
            present: list[str] | None = None
            if size:
                values = flat[group::groups]
                group += 1
                if likeness.nullable >> i & 1:
                    present = values  # the group of a NULL is empty, and no other is
                    total += _wide(bytes(map(len, values)))
                else:
                    fixed += size
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
                if self._kinds[i][0] not in _TEXT_FORMS and len(set(claimed)) == 1:
                    sizes[i] = claimed[0]
            columns.append(values if ascii and not present else self._converts[i](values, present))
        # All sums at once: numbers of 16 bits side by side in a large one. None of them overflows.
        if total + int.from_bytes(fixed.to_bytes(2) * count) != int.from_bytes(frames):
            raise Unlike
        consumed = 256 * sum(frames[0::2]) + sum(frames[1::2]) + count
        if start + consumed > end:
            raise Unlike
        if count >= _ENOUGH and sizes != list(likeness.sizes):
            # Seen twice in a row, and not too often: an expression has to be compiled for it.
            if sizes == self._seen and self._lessons:
                self._lessons -= 1
                self._likeness = Likeness(likeness.nullable, tuple(sizes), long=likeness.long)
            self._seen = sizes
        return columns, start + consumed

    def unlike(self, rows: Sequence[Row]) -> None:
        """Take note that `rows` follow where a run has ended, so that the next goes on there."""
        nullable = self._likeness.nullable
        for i, values in enumerate(zip(*rows, strict=True)):
            if None in values:
                nullable |= 1 << i
        if nullable == self._likeness.nullable:
            sizes = tuple([size for _way, size in self._kinds])
            self._likeness = Likeness(nullable, sizes, long=True)
        else:
            self._likeness = Likeness(nullable, self._likeness.sizes, long=self._likeness.long)


class Likeness(NamedTuple):
    """What rows are expected to be like. `nullable` has a bit for each column in which there are
    NULLs; `sizes` are those of the columns in bytes, 0 if they vary; `long` tells of rows of more
    than 255 bytes."""

    nullable: int
    sizes: tuple[int, ...]
    long: bool


def _wide(lengths: bytes) -> int:
    """Bytes as numbers of 16 bits side by side."""
    wide = bytearray(2 * len(lengths))
    wide[1::2] = lengths
    return int.from_bytes(wide)


@lru_cache(maxsize=256)
def _pattern(shape: tuple[tuple[str, int], ...], likeness: Likeness, kind: int) -> re.Pattern[str]:
    null = r"\xff\xff\xff\xff"
    nullable = likeness.nullable
    length = r"(.)(.)" if likeness.long else r"\0(.)"
    pieces = [rf"\x{kind:02x}\0\0{length}\x{len(shape) >> 8:02x}\x{len(shape) & 255:02x}"]
    for i, (way, _size) in enumerate(shape):
        size = likeness.sizes[i]
        if size:
            value = rf"\0\0\0\x{size:02x}(.{{{size}}})"
        else:
            value = rf"\0\0\0(.)({_TEXT_FORMS.get(way, _ANY_TEXT)})"
            # The next field may be a NULL, whose bytes are no NUL: they are not part of this one.
            if nullable >> (i + 1) & 1:
                value += r"(?<!\xff)"
        pieces.append(f"(?:{value}|{null})" if nullable >> i & 1 else value)
    if not likeness.sizes[-1]:
        pieces.append(rf"(?=\x{kind:02x}\0)")
    return re.compile("".join(pieces) + "|.+", re.DOTALL)


# From the characters of a column to its values. A conversion that raises has met something that
# the codec has to look at.


def _conversion(column: Kind, encoding: str) -> _Convert:
    way, decode = column.way, column.decode
    if way == "text":
        return _texts(encoding)
    if way in _INSTEAD:
        return _numbers(column)
    if way == "bool":
        flags = {"\0": False, "\1": True, "": None}.__getitem__
        return lambda values, present: list(map(flags, values))
    if way == "text bool":
        return _each({"t": True, "f": False}.__getitem__)
    if way == "text date":
        return _each(Cache(lambda raw: decode(raw.encode("latin-1"))).__getitem__)
    if way == "text int":
        return _numerals(int, decode, lambda: True)
    if way == "text float":
        return _numerals(float, decode, lambda: True)
    if way == "text numeric":
        decimal, raises = decimals()
        return _numerals(decimal, decode, raises)
    if way in _TEXT_FORMS:
        return _each(datetime.datetime.fromisoformat)
    return _each(_as_bytes)


def _as_bytes(raw: str) -> bytes:
    return raw.encode("latin-1")


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


# Way of a column -> what its numbers are before they are its values, as struct has it.
_INSTEAD: Final = {"number": "", "date": "i", "timestamp": "q", "timestamptz": "q"}


def _numbers(column: Kind) -> _Convert:
    layout, size = column.layout or _INSTEAD[column.way], column.size
    make = _from_numbers(column)

    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        data = "".join(values).encode("latin-1")
        numbers = make(unpack(f"!{len(data) // size}{layout}", data))
        if present is None or len(numbers) == len(values):
            return numbers
        following = iter(numbers).__next__
        return [following() if value else None for value in values]

    return convert


def _from_numbers(column: Kind) -> Callable[[Sequence[int]], Sequence[object]]:
    decode = column.decode
    if column.way == "timestamp":
        return lambda numbers: moments(numbers, decode)
    if column.way == "timestamptz":
        return lambda numbers: instants(numbers, decode)
    if column.way == "date":
        date = Cache(lambda number: decode(pack("!i", number))).__getitem__
        return lambda numbers: list(map(date, numbers))
    return lambda numbers: numbers


def _each(function: Callable[[str], object]) -> _Convert:
    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        if present is None:
            return list(map(function, values))
        return [
            function(value) if there else None for value, there in zip(values, present, strict=True)
        ]

    return convert


def _numerals(
    function: Callable[[str], object], decode: Decoder, raises: Callable[[], bool]
) -> _Convert:
    convert_each = _each(function)
    convert_carefully = _each(lambda raw: decode(raw.encode("latin-1")))

    def convert(values: list[str], present: list[str] | None) -> Sequence[object]:
        # Python takes other digits and spaces than ASCII's, too, and knows more kinds of NaN.
        joined = "".join(values)
        if not joined.isascii() or "N" in joined or "n" in joined or not raises():
            return convert_carefully(values, present)
        return convert_each(values, present)

    return convert
