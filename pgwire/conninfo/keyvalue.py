"""Connection strings of the form ``keyword=value …``. Manual: 32.1.1.1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pgwire.conninfo.text import WHITE_SPACE, decode, match_end
from pgwire.errors import ConninfoError

__all__ = ["Pair", "pairs", "quote"]

_SPACE = re.compile(rb"[%b]*" % WHITE_SPACE)
_KEYWORD = re.compile(rb"[^=%b]*" % WHITE_SPACE)
# A backslash before the end of the string stands for nothing.
_BARE = re.compile(rb"(?:[^\\%b]|\\.)*\\?" % WHITE_SPACE, re.DOTALL)
_QUOTED = re.compile(rb"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_.,:/@+-]+", re.ASCII)


class Pair(NamedTuple):
    """One setting, and where in the string it stands (offsets in bytes)."""

    keyword: bytes
    value: bytes
    keyword_start: int
    value_start: int
    stop: int


def pairs(text: bytes) -> Iterator[Pair]:
    """The settings of `text`, in order. Keywords are not looked at.

    Raises ConninfoError at the place where the string has no ``=`` or no closing quote.
    """
    place = match_end(_SPACE, text, 0)
    while place < len(text):
        start = place
        keyword, place = _keyword(text, start)
        place = match_end(_SPACE, text, place)
        if text.startswith(b"'", place):
            quoted = _QUOTED.match(text, place)
            if quoted is None:
                raise ConninfoError("unterminated quoted string in connection info string")
            raw, stop = quoted[1], quoted.end()
        else:
            stop = match_end(_BARE, text, place)
            raw = text[place:stop]
        yield Pair(keyword, _ESCAPE.sub(rb"\1", raw), start, place, stop)
        place = match_end(_SPACE, text, stop)


def quote(value: str) -> str:
    """`value` as it has to be written after the ``=``."""
    if _NEEDS_NO_QUOTES.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _keyword(text: bytes, start: int) -> tuple[bytes, int]:
    """The keyword at `start`, and where its ``=`` ends."""
    stop = match_end(_KEYWORD, text, start)
    keyword, place = text[start:stop], match_end(_SPACE, text, stop)
    if not text.startswith(b"=", place):
        raise ConninfoError(f'missing "=" after "{decode(keyword)}" in connection info string')
    return keyword, place + 1
