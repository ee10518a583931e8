"""Values whose text depends on the session that wrote it, rewritten so that any session reads them.

Dates, timestamps and intervals, and arrays of them, are put in the styles ``ISO`` and
``postgres``, with numeric UTC offsets, whatever DateStyle and IntervalStyle they came in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pgwire.types.arraytext import ArrayText
from pgwire.types.catalog import OIDS
from pgwire.types.codec import ascii_text
from pgwire.types.context import Context
from pgwire.types.datestyles import iso_date, iso_timestamp, iso_timestamptz
from pgwire.types.interval import iso_interval

__all__ = ["to_iso"]


def to_iso(oid: int, text: bytes, context: Context) -> bytes:
    """The text of a value in a style that reads the same in every session.

    Arguments:
        oid: type of the value; a type that is not concerned gives `text` unchanged.
        text: as the server sent it.
        context: of the session it came from.

    Raises:
        DataError: it has not the form that the session's DateStyle gives, or the abbreviation of
            its time zone is not certain.
    """
    name = _CONCERNED.get(oid)
    if name is not None:
        return _rewrite(name, text, context)
    element = _CONCERNED_ELEMENTS.get(oid)
    if element is not None:
        array = ArrayText(f"{element}[]")
        return array.rewrite(text, lambda item: _rewrite(element, item, context))
    return text


_REWRITERS: Final[dict[str, Callable[[str, Context], str]]] = {
    "date": iso_date,
    "timestamp": iso_timestamp,
    "timestamptz": iso_timestamptz,
    "interval": lambda text, context: iso_interval(text),
}
_CONCERNED: Final = {OIDS[name][0]: name for name in _REWRITERS}
_CONCERNED_ELEMENTS: Final = {OIDS[name][1]: name for name in _REWRITERS}


def _rewrite(name: str, text: bytes, context: Context) -> bytes:
    return _REWRITERS[name](ascii_text(name, text), context).encode("ascii")
