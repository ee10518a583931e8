"""pg_lsn as `LSN`. Manual: 8.20 "pg_lsn Type"."""

from __future__ import annotations

import re
from functools import total_ordering
from struct import Struct
from struct import error as StructError
from typing import NoReturn, overload

from pgwire import errors
from pgwire.types.codec import (
    BINARY,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS", "LSN"]

_FORM = re.compile("([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_LAYOUT = Struct("!Q")


@total_ordering
class LSN:
    """A position in the write-ahead log, in bytes. Immutable, ordered, and an int by ``int()``.

    As with PostgreSQL's operators, the difference of two positions is a number of bytes, and a
    number of bytes can be added or taken away.

    Arguments:
        position: bytes since the log's beginning, or text such as ``"16/B374D848"``.

    Raises:
        DataError: the position is negative or has more than 64 bits (22003), or the text is none
            (22P02).
    """

    __slots__ = ("_position",)

    _position: int

    def __init__(self, position: int | str) -> None:
        if isinstance(position, str):
            match = _FORM.fullmatch(position)
            if match is None:
                raise bad_text("pg_lsn", position)
            position = int(match[1], 16) << 32 | int(match[2], 16)
        if not 0 <= position < 1 << 64:
            raise errors.DataError("pg_lsn out of range", sqlstate="22003")
        super().__setattr__("_position", position)

    def __int__(self) -> int:
        return self._position

    __index__ = __int__

    def __str__(self) -> str:
        return f"{self._position >> 32:X}/{self._position & 0xFFFFFFFF:X}"

    def __repr__(self) -> str:
        return f"LSN('{self}')"

    def __add__(self, count: int) -> LSN:
        return LSN(self._position + count)

    @overload
    def __sub__(self, other: LSN) -> int: ...

    @overload
    def __sub__(self, other: int) -> LSN: ...

    def __sub__(self, other: LSN | int) -> LSN | int:
        if isinstance(other, LSN):
            return self._position - other._position
        return LSN(self._position - other)

    def __eq__(self, other: object) -> bool:
        return self._position == other._position if isinstance(other, LSN) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return self._position < other._position if isinstance(other, LSN) else NotImplemented

    def __hash__(self) -> int:
        return hash((LSN, self._position))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an LSN cannot be changed: {name}")

    def __reduce__(self) -> tuple[type[LSN], tuple[int]]:
        return LSN, (self._position,)


def _from_text(data: bytes) -> LSN:
    return LSN(ascii_text("pg_lsn", data))


def _to_text(value: object) -> str | None:
    return str(value) if isinstance(value, LSN) else None


def _from_binary(data: bytes) -> LSN:
    try:
        (position,) = _LAYOUT.unpack(data)
    except StructError:
        raise bad_binary("pg_lsn") from None
    return LSN(position)


def _to_binary(value: object) -> bytes:
    if isinstance(value, str):
        value = LSN(value)
    if not isinstance(value, LSN):
        raise wrong_type("pg_lsn", value)
    return _LAYOUT.pack(int(value))


CODECS = (
    builtin_codec(
        "pg_lsn",
        text_decoder=always(_from_text),
        text_encoder=text_encoder("pg_lsn", _to_text),
        binary_decoder=always(_from_binary),
        binary_encoder=always(_to_binary),
        preferred=BINARY,
    ),
)
