"""Which type a Python value is sent as."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from pgwire import errors
from pgwire.types.array import flatten

__all__ = ["LITERAL", "array_type", "type_of"]

LITERAL: Final = "unknown"
"""Sent without a type, in text: the server infers it from the query, as of a quoted literal."""


def type_of(value: object) -> str:
    """Name of the type that one value, neither None nor a list, is sent as.

    Raises:
        ProgrammingError: there is no type for values of its class.
    """
    if isinstance(value, str):
        return LITERAL
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return "int4"
        return "int8" if -(2**63) <= value < 2**63 else "numeric"
    if isinstance(value, float):
        return "float8"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytea"
    if isinstance(value, dict):
        return "jsonb"
    for module, name, choose in _BY_CLASS:
        # A value of the class exists only if its module has been imported, by whoever made it.
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(value, getattr(loaded, name)):
            return choose(value)
    kind = type(value)
    raise errors.ProgrammingError(
        f"cannot send a Python {kind.__module__}.{kind.__qualname__}: no codec takes it",
        sqlstate="42804",
    )


def array_type(value: object) -> str:
    """Name of the type of the elements of a list or tuple; `LITERAL` if it has only str or None.

    Raises:
        DataError: its elements have types that do not go together, or it is ragged.
        ProgrammingError: there is no type for one of its elements.
    """
    found: str | None = None
    for item in flatten(value)[1]:
        if item is None:
            continue
        kind = type_of(item)
        if found is None or found == kind:
            found = kind
        elif (wider := _WIDER.get(frozenset((found, kind)))) is not None:
            found = wider
        else:
            raise errors.DataError(
                f"the elements of an array are of different types: {found} and {kind}",
                sqlstate="42804",
            )
    return found if found is not None else LITERAL


# Two types of elements -> the one that holds both. numeric and float8 do not go together: either
# choice would lose something.
_WIDER: Final = {
    frozenset(("int4", "int8")): "int8",
    frozenset(("int4", "numeric")): "numeric",
    frozenset(("int8", "numeric")): "numeric",
    frozenset(("int4", "float8")): "float8",
    frozenset(("int8", "float8")): "float8",
}


def _datetime(value: Any) -> str:
    return "timestamptz" if value.utcoffset() is not None else "timestamp"


def _time(value: Any) -> str:
    return "timetz" if value.tzinfo is not None else "time"


# datetime before date, of which it is a subclass.
_BY_CLASS: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("datetime", "datetime", _datetime),
    ("datetime", "date", lambda value: "date"),
    ("datetime", "time", _time),
    ("datetime", "timedelta", lambda value: "interval"),
    ("pgwire.types.interval", "Interval", lambda value: "interval"),
    ("decimal", "Decimal", lambda value: "numeric"),
    ("uuid", "UUID", lambda value: "uuid"),
)
