"""The text of arrays: nested braces, quotes, a prefix of bounds. Manual: 8.15 "Arrays".

It works on bytes and so needs an encoding in which a byte below 0x80 is always that character;
`pgwire.types.array` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from pgwire.types.arraydimensions import MAXIMUM_DIMENSIONS, Array, Dimensions
from pgwire.types.codec import bad_text

__all__ = ["ArrayText", "quote_element"]

_BOUNDS: Final = re.compile(rb"\s*((?:\[[+-]?\d{1,10}(?::[+-]?\d{1,10})?\])+)\s*=")
_BOUND: Final = re.compile(rb"\[(?:([+-]?\d+):)?([+-]?\d+)\]")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)


class ArrayText:
    """Reads the text of arrays with one delimiter.

    Arguments:
        name: of the array type, for errors.
        delimiter: of its elements: a comma, but for box.
    """

    __slots__ = ("_delimiter", "_item", "_name", "_token")

    def __init__(self, name: str, delimiter: str = ",") -> None:
        self._name = name
        self._delimiter = delimiter.encode("ascii")
        special = rb'{}"\\\s' + re.escape(self._delimiter)
        plain = rb"(?:[^" + special + rb"]|\\.)+"
        self._item = re.compile(
            rb'(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^'
            + special
            + rb"]+))("
            + re.escape(self._delimiter)
            + rb"|\})|.+",  # nothing else is skipped, or looked at twice
            re.DOTALL,
        )
        # Each alternative can match in one way only, so a bad text costs no more than a good one.
        self._token = re.compile(
            rb"\s*(?:([{}]|"
            + re.escape(self._delimiter)
            + rb')|"([^"\\]*(?:\\.[^"\\]*)*)"|('
            + plain
            + rb"(?:\s+"
            + plain
            + rb")*))\s*",
            re.DOTALL,
        )

    def parse(self, data: bytes, decode: Callable[[bytes], object]) -> list[Any]:
        """Nested lists of the elements; None where NULL stands. An `Array` if a lower bound is
        not 1.

        Raises:
            DataError: malformed, ragged, more than six dimensions; and whatever `decode` raises.
        """
        if not (b'"' in data or b"\\" in data or data.startswith(b"[") or data.count(b"{") > 1):
            simple = self._parse_simple(data, decode)
            if simple is not None:
                return simple
        elif data[:1] == b"{" and data[1:2] != b"{":
            quoted = self._parse_quoted(data, decode)
            if quoted is not None:
                return quoted
        start, bounds = self._bounds(data)
        root: list[Any] = []
        open_lists = [root]
        lengths: list[int | None] = [None] * (MAXIMUM_DIMENSIONS + 2)
        leaf_depth = 0  # how many braces are around an element; 0 while none has been seen
        previous = b","  # what went before: an opening brace, a delimiter, or an item (b"")
        for position, sign, value in self._scan(data, start):
            depth = len(open_lists) - 1
            if sign == b"}":
                if depth == 0 or previous == b",":
                    raise bad_text(self._name, data)
                closed = open_lists.pop()
                if lengths[depth] is None:
                    lengths[depth] = len(closed)
                elif lengths[depth] != len(closed):
                    raise bad_text(self._name, data)
                previous = b""
                if depth == 1 and position != len(data):
                    raise bad_text(self._name, data)
                continue
            if sign == self._delimiter:
                if depth == 0 or previous != b"":
                    raise bad_text(self._name, data)
                previous = b","
                continue
            if previous == b"":  # two items without a delimiter
                raise bad_text(self._name, data)
            if sign == b"{":
                if depth >= (leaf_depth or MAXIMUM_DIMENSIONS):
                    raise bad_text(self._name, data)
                inner: list[Any] = []
                open_lists[-1].append(inner)
                open_lists.append(inner)
                previous = b"{"
                continue
            if depth == 0 or depth != (leaf_depth or depth) or lengths[depth + 1] is not None:
                raise bad_text(self._name, data)
            leaf_depth = depth
            open_lists[-1].append(None if value is None else decode(value))
            previous = b""
        if len(open_lists) != 1 or len(root) != 1:
            raise bad_text(self._name, data)
        result = root[0]
        if not isinstance(result, list):
            return []
        if bounds is not None:
            if [length for length, _ in bounds] != [n for n in lengths[1:] if n is not None]:
                raise bad_text(self._name, data)
            if any(lower != 1 for _, lower in bounds):
                return Array(result, [lower for _, lower in bounds])
        return result

    def rewrite(self, data: bytes, replace: Callable[[bytes], bytes]) -> bytes:
        """The same array with each element but NULL replaced by what `replace` makes of it."""
        start, _ = self._bounds(data)
        parts = [data[:start]]
        for _, sign, value in self._scan(data, start):
            if sign:
                parts.append(sign)
            else:
                parts.append(b"NULL" if value is None else self.quote(replace(value)))
        return b"".join(parts)

    def quote(self, element: bytes) -> bytes:
        """An element as it stands in the text."""
        return quote_element(element, self._delimiter)

    def _parse_simple(self, data: bytes, decode: Callable[[bytes], object]) -> list[Any] | None:
        """One dimension without quotes: nearly every array. None if it is not quite that."""
        if data == b"{}":
            return []
        if data[:1] != b"{" or data[-1:] != b"}" or data.count(b"}") > 1:
            return None
        items = data[1:-1].split(self._delimiter)
        if any(not item or item[:1].isspace() or item[-1:].isspace() for item in items):
            return None
        return [
            None if len(item) == 4 and item.upper() == b"NULL" else decode(item) for item in items
        ]

    def _parse_quoted(self, data: bytes, decode: Callable[[bytes], object]) -> list[Any] | None:
        """One dimension, as the server writes it. None if it is not quite that."""
        items: list[Any] = []
        sign = b""
        ends = 0
        for quoted, plain, sign in self._item.findall(data, 1):
            if plain:
                null = len(plain) == 4 and plain.upper() == b"NULL"
                items.append(None if null else decode(plain))
            elif sign:
                items.append(decode(_ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted))
            ends += sign == b"}"
        return items if sign == b"}" and ends == 1 else None

    def _scan(self, data: bytes, start: int) -> Iterator[tuple[int, bytes, bytes | None]]:
        """Where each token ends; the token if it is a brace or the delimiter, else b""; the
        element, None for NULL."""
        position, end = start, len(data)
        while position < end:
            match = self._token.match(data, position)
            if match is None:
                raise bad_text(self._name, data)
            position = match.end()
            sign, quoted, plain = match.groups()
            value = plain if plain is not None else quoted
            if plain is not None and len(plain) == 4 and plain.upper() == b"NULL":
                value = None
            if value is not None and b"\\" in value:
                value = _ESCAPE.sub(rb"\1", value)
            yield position, sign or b"", value

    def _bounds(self, data: bytes) -> tuple[int, Dimensions | None]:
        """Where the array starts, and the lengths and lower bounds that the prefix announces."""
        match = _BOUNDS.match(data)
        if match is None:
            return 0, None
        bounds = []
        for first, last in _BOUND.findall(match[1]):
            lower = int(first or 1)
            bounds.append((int(last) - lower + 1, lower))
            if bounds[-1][0] < 1:
                raise bad_text(self._name, data)
        return match.end(), bounds


def quote_element(element: bytes, delimiter: bytes) -> bytes:
    """An element as it stands in the text of an array: quoted if it needs be."""
    plain = element and element.upper() != b"NULL"
    if plain and not (_SPECIAL.search(element) or delimiter in element):
        return element
    return b'"' + element.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


_SPECIAL: Final = re.compile(rb'[{}"\\\s]')
