"""What a row becomes: a tuple unless a factory makes something else of it.

A row factory is given the columns of a result, once, and returns a function that makes an object
of a row. `dict_row`, `namedtuple_row`, `dataclass_row(cls)` and `callable_row(function)` are such
factories; any function of this kind is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from pgwire import errors
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.named import Named, named_tuple

__all__ = [
    "RowFactory",
    "callable_row",
    "dataclass_row",
    "dict_row",
    "make_rows",
    "namedtuple_row",
    "tuple_row",
]

T = TypeVar("T")

RowFactory: TypeAlias = Callable[[Sequence[Column]], Callable[[Row], T]]
"""From the columns of a result to the function that makes an object of each of its rows."""


def tuple_row(columns: Sequence[Column]) -> Callable[[Row], Row]:
    """Rows as the tuples that they are."""
    return tuple


def dict_row(columns: Sequence[Column]) -> Callable[[Row], dict[str, object]]:
    """Rows as dictionaries by column name; of several columns of one name the last is there."""
    names = [column.name for column in columns]
    return lambda row: dict(zip(names, row, strict=True))


def namedtuple_row(columns: Sequence[Column]) -> Callable[[Row], Any]:
    """Rows as named tuples. A column whose name is no identifier, a keyword, begins with an
    underscore, or has been there already is named after its place: `_0`, `_1`, …."""
    return _named(tuple([column.name for column in columns]))._make


def dataclass_row(cls: type[T]) -> RowFactory[T]:
    """Rows as objects of the dataclass `cls`, whose fields are the columns, in any order.

    Raises ProgrammingError when the result is known, if a column is not a field of `cls` that its
    constructor takes, if two columns have one name, or if a field without a default is missing;
    TypeError at once if `cls` is no dataclass.
    """
    import dataclasses

    if not (dataclasses.is_dataclass(cls) and isinstance(cls, type)):
        raise TypeError(f"{cls!r} is not a dataclass")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    needed = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def factory(columns: Sequence[Column]) -> Callable[[Row], T]:
        names = [column.name for column in columns]
        problems = (
            ("it has no field for column", [name for name in names if name not in fields]),
            ("several columns are named", sorted({n for n in names if names.count(n) > 1})),
            ("there is no column for its field", [name for name in needed if name not in names]),
        )
        for problem, culprits in problems:
            if culprits:
                listed = ", ".join(f'"{name}"' for name in culprits)
                raise errors.ProgrammingError(
                    f"rows cannot be made {cls.__qualname__}: {problem} {listed}"
                )
        return lambda row: cls(**dict(zip(names, row, strict=True)))

    return factory


def callable_row(function: Callable[..., T]) -> RowFactory[T]:
    """Rows as what `function` returns for their values, given as arguments in order."""
    return lambda columns: lambda row: function(*row)


def make_rows(factory: RowFactory[Any] | None, columns: Sequence[Column], rows: list[Row]) -> Any:
    """A list of what `factory` makes of `rows`; `rows` itself if there is no factory, or nothing
    to be made."""
    if factory is None or factory is tuple_row:
        return rows
    return list(map(factory(columns), rows))


@lru_cache(maxsize=128)
def _named(names: tuple[str, ...]) -> type[Named]:
    return named_tuple("Row", names)
