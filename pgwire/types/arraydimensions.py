"""The dimensions of an array: lists within lists, and lower bounds. Manual: 8.15 "Arrays"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeGuard, TypeVar

from pgwire import errors

__all__ = [
    "MAXIMUM_DIMENSIONS",
    "Array",
    "Dimensions",
    "ListValue",
    "flatten",
    "is_array",
    "nested",
]

T = TypeVar("T")

MAXIMUM_DIMENSIONS: Final = 6
_INT4_MAXIMUM: Final = 2**31 - 1

Dimensions = list[tuple[int, int]]
"""Length and lower bound of each dimension, the outermost first; [] of an empty array."""


class Array(list[T]):
    """A list that is an array whose lower bounds are not all 1: as read from the server, and as a
    parameter.

    Arguments:
        items: nested lists, one level per dimension.
        lower_bounds: the subscript of the first element in each dimension.

    It is equal to a list of the same items, whatever its bounds. What is made of it (a slice, a
    sum, a copy by ``list``) is a plain list.
    """

    __slots__ = ("lower_bounds",)

    def __init__(self, items: Iterable[T] = (), lower_bounds: Iterable[int] = (1,)) -> None:
        super().__init__(items)
        self.lower_bounds = tuple(lower_bounds)

    def __repr__(self) -> str:
        return f"Array({super().__repr__()}, lower_bounds={self.lower_bounds})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.lower_bounds)


class ListValue(list[T]):
    """A list that is one value, and no dimension of an array."""

    __slots__ = ()


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether a Python value is an array, or a dimension of one."""
    return isinstance(value, list) and not isinstance(value, ListValue)


def flatten(value: list[Any]) -> tuple[Dimensions, list[Any]]:
    """The dimensions, and the elements in row-major order; ([], []) if it is empty.

    Raises:
        DataError: ragged, an element beside a list, more than six dimensions, or lower bounds that
            do not suit it.
    """
    items = value
    lengths = [len(items)]
    while items and is_array(items[0]):
        if len(lengths) == MAXIMUM_DIMENSIONS:
            raise errors.DataError(
                f"an array has at most {MAXIMUM_DIMENSIONS} dimensions", sqlstate="54000"
            )
        length = len(items[0])
        inner: list[Any] = []
        for item in items:
            if not is_array(item) or len(item) != length:
                raise _ragged()
            inner += item
        items = inner
        lengths.append(length)
    kinds = set(map(type, items))
    if any(issubclass(kind, list) and not issubclass(kind, ListValue) for kind in kinds):
        raise _ragged()
    if not items:
        return [], []
    if isinstance(value, Array):
        return list(zip(lengths, _checked(value.lower_bounds, lengths), strict=True)), items
    return [(length, 1) for length in lengths], items


def nested(items: list[Any], dimensions: Dimensions) -> list[Any]:
    """The elements in row-major order as nested lists; an `Array` if a lower bound is not 1."""
    if not items:
        return []
    for length, _ in reversed(dimensions[1:]):
        items = [items[i : i + length] for i in range(0, len(items), length)]
    if all(lower == 1 for _, lower in dimensions):
        return items
    return Array(items, [lower for _, lower in dimensions])


def _checked(bounds: Sequence[int], lengths: Sequence[int]) -> Sequence[int]:
    if len(bounds) != len(lengths):
        raise errors.DataError(
            f"an array of {len(lengths)} dimensions has {len(bounds)} lower bounds",
            sqlstate="2202E",
        )
    for lower, length in zip(bounds, lengths, strict=True):
        if not -(2**31) <= lower <= _INT4_MAXIMUM - length:
            raise errors.DataError(f"array lower bound is out of range: {lower}", sqlstate="22003")
    return bounds


def _ragged() -> errors.DataError:
    return errors.DataError(
        "nested lists must all have the same length and depth to be an array", sqlstate="2202E"
    )
