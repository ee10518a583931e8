"""The values of range and multirange types. Manual: 8.17 "Range Types"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, NoReturn, TypeVar

from pgwire import errors
from pgwire.types.arraydimensions import ListValue

__all__ = ["Multirange", "Range"]

T = TypeVar("T")

_BOUNDS: Final = ("[)", "[]", "(]", "()")


class Range(Generic[T]):
    """The values between two bounds. Immutable, hashable.

    Arguments:
        lower, upper: the bounds; None: there is none on that side.
        bounds: ``[`` or ``(``, then ``]`` or ``)``: whether each bound is within the range. Where
            there is no bound, it is not.
        empty: whether the range holds nothing; then it has no bounds.

    Two ranges are equal if their bounds are. The server writes those of whole numbers and dates in
    one way, ``[1,3)`` for what may be given as ``[1,2]``; here they differ.

    Raises:
        DataError: `bounds` is none of the four. That `lower` is not greater than `upper` is for the
            server to see, which alone knows the order of the type.
    """

    __slots__ = ("bounds", "empty", "lower", "upper")

    lower: T | None
    upper: T | None
    bounds: str
    empty: bool

    def __init__(
        self,
        lower: T | None = None,
        upper: T | None = None,
        bounds: str = "[)",
        empty: bool = False,
    ) -> None:
        if bounds not in _BOUNDS:
            raise errors.DataError(
                f"the bounds of a range are one of {', '.join(_BOUNDS)}, not {bounds!r}",
                sqlstate="42601",
            )
        if empty:
            lower, upper, bounds = None, None, "()"
        if lower is None:
            bounds = "(" + bounds[1]
        if upper is None:
            bounds = bounds[0] + ")"
        set_slot = super().__setattr__
        set_slot("lower", lower)
        set_slot("upper", upper)
        set_slot("bounds", bounds)
        set_slot("empty", empty)

    def __contains__(self, value: T) -> bool:
        """Whether a value is within the range."""
        if self.empty:
            return False
        lower: Any = self.lower
        upper: Any = self.upper
        if lower is not None and not (value >= lower if self.bounds[0] == "[" else value > lower):
            return False
        if upper is None:
            return True
        return bool(value <= upper if self.bounds[1] == "]" else value < upper)

    def __bool__(self) -> bool:
        return not self.empty

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Range):
            return NotImplemented
        return self.__reduce__()[1] == other.__reduce__()[1]

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    def __reduce__(self) -> tuple[type[Range[T]], tuple[Any, ...]]:
        return type(self), (self.lower, self.upper, self.bounds, self.empty)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Range cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Range cannot be changed: {name}")

    def __repr__(self) -> str:
        if self.empty:
            return "Range(empty=True)"
        return f"Range({self.lower!r}, {self.upper!r}, {self.bounds!r})"


class Multirange(ListValue[Range[T]]):
    """A list of ranges that is one value. `in` tells whether a value is within one of them."""

    __slots__ = ()

    def __init__(self, ranges: Iterable[Range[T]] = ()) -> None:
        super().__init__(ranges)
        for item in self:
            if not isinstance(item, Range):
                raise errors.ProgrammingError(
                    f"a Multirange consists of Range, not of {type(item).__qualname__}",
                    sqlstate="42804",
                )

    def __contains__(self, value: object) -> bool:
        if isinstance(value, Range):
            return super().__contains__(value)
        bound: Any = value
        return any(bound in item for item in self)

    def __repr__(self) -> str:
        return f"Multirange({super().__repr__()})"
