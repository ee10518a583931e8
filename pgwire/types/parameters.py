"""Which type a Python value is sent as."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from pgwire import errors
from pgwire.types.arraydimensions import flatten

__all__ = ["LITERAL", "array_type", "is_uniform", "type_of", "value_and_type"]

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
        return _integer(value, value)
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
            return choose if isinstance(choose, str) else choose(value)
    raise _unsendable(value)


def is_uniform(kind: type) -> bool:
    """Whether every value of exactly this class is sent as the same type."""
    if kind in _UNIFORM:
        return True
    return any(
        isinstance(choose, str)
        and kind.__name__ == name
        and getattr(sys.modules.get(module), name, None) is kind
        for module, name, choose in _BY_CLASS
    )


def value_and_type(given: tuple[Any, ...]) -> tuple[Any, str | int]:
    """The two of a plain tuple that is a parameter: ``(value, type)``.

    Raises:
        ProgrammingError: it is something else.
    """
    if len(given) == 2 and isinstance(given[1], (str, int)) and not isinstance(given[1], bool):
        return given[0], given[1]
    raise errors.ProgrammingError(
        "a tuple as a parameter is (value, type), where type is a name as SQL writes it or an OID; "
        "an array is a list, and a value of a composite type is (tuple, type)",
        sqlstate="42804",
    )


def array_type(value: list[Any], registered: Callable[[type], str | None] | None = None) -> str:
    """Name of the type of the elements of a list; `LITERAL` if it has only str or None.

    Arguments:
        registered: gives the name of the type that values of a class are sent as, None if the
            class is not registered for one.

    Raises:
        DataError: its elements have types that do not go together, or it is ragged.
        ProgrammingError: there is no type for one of its elements.
    """
    items = flatten(value)[1]
    kinds = set(map(type, items)) - {type(None)}
    if kinds == {int}:
        numbers = items if None not in items else [item for item in items if item is not None]
        return _integer(min(numbers), max(numbers))
    found: str | None = None
    for kind in kinds:
        name = registered(kind) if registered is not None else None
        names = {name} if name is not None else _UNIFORM.get(kind)
        if names is None:
            names = {type_of(item) for item in items if type(item) is kind}
            if len(names) > 1:
                names.discard(LITERAL)  # of a range without bounds, beside one of dates
        for name in names:
            found = _common(found, name) if found is not None else name
    return found if found is not None else LITERAL


def _integer(least: int, greatest: int) -> str:
    if least >= -(2**31) and greatest < 2**31:
        return "int4"
    return "int8" if least >= -(2**63) and greatest < 2**63 else "numeric"


def _common(one: str, other: str) -> str:
    wider = one if one == other else _WIDER.get(frozenset((one, other)))
    if wider is None:
        raise errors.DataError(
            f"the elements of an array are of different types: {one} and {other}",
            sqlstate="42804",
        )
    return wider


def _unsendable(value: object) -> errors.ProgrammingError:
    kind = type(value)
    if kind is tuple:
        return errors.ProgrammingError(
            "cannot send a tuple without the name of its type: give ([tuple, ...], type) for a "
            "list of values of a composite type; an array within an array is a list",
            sqlstate="42804",
        )
    return errors.ProgrammingError(
        f"cannot send a Python {kind.__module__}.{kind.__qualname__}: no codec takes it",
        sqlstate="42804",
    )


# Classes of which every value is sent as one type.
_UNIFORM: Final[dict[type, set[str]]] = {
    str: {LITERAL},
    bool: {"bool"},
    float: {"float8"},
    bytes: {"bytea"},
    dict: {"jsonb"},
}

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


def _range(value: Any) -> str:
    return _range_over([value], "range")


def _multirange(value: Any) -> str:
    return _range_over(value, "multirange")


def _range_over(ranges: Any, suffix: str) -> str:
    """A range of numbers may be one of int4, int8 or numeric, between which there is no cast: the
    server knows better which."""
    types = {
        type_of(bound) for item in ranges for bound in (item.lower, item.upper) if bound is not None
    }
    prefix = _RANGES.get(types.pop()) if len(types) == 1 else None
    return prefix + suffix if prefix is not None else LITERAL


# Type of the bounds -> what the names of its range and multirange begin with.
_RANGES: Final = {"date": "date", "timestamp": "ts", "timestamptz": "tstz"}


# Module, class, and the type: a name, or what chooses one by the value. datetime stands before
# date, of which it is a subclass.
_BY_CLASS: Final[tuple[tuple[str, str, str | Callable[[Any], str]], ...]] = (
    ("datetime", "datetime", _datetime),
    ("datetime", "date", "date"),
    ("datetime", "time", _time),
    ("datetime", "timedelta", "interval"),
    ("pgwire.types.interval", "Interval", "interval"),
    ("decimal", "Decimal", "numeric"),
    ("uuid", "UUID", "uuid"),
    ("pgwire.types.range", "Range", _range),
    ("pgwire.types.range", "Multirange", _multirange),
    ("ipaddress", "IPv4Address", "inet"),  # and interfaces, which are addresses
    ("ipaddress", "IPv6Address", "inet"),
    ("ipaddress", "IPv4Network", "cidr"),
    ("ipaddress", "IPv6Network", "cidr"),
    ("pgwire.types.geometric", "Point", "point"),
    ("pgwire.types.geometric", "Line", "line"),
    ("pgwire.types.geometric", "LSeg", "lseg"),
    ("pgwire.types.geometric", "Box", "box"),
    ("pgwire.types.geometric", "Circle", "circle"),
    ("pgwire.types.geometric", "Path", "path"),
    ("pgwire.types.geometric", "Polygon", "polygon"),
    ("pgwire.types.lsn", "LSN", "pg_lsn"),
    ("pgwire.types.snapshots", "Snapshot", "pg_snapshot"),
)
