"""What the fast decoders call: from the raw fields of a column to values, many at a time.

Nothing here decides what a value is. That is the codec's decoder, `decode`, which each of these
falls back on for whatever is not plain: a date that Python cannot hold, a text in another form.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from pgwire.types.codec import Decoder

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "EPOCH",
    "EXACT",
    "MICROSECOND",
    "UTC",
    "Cache",
    "decimals",
    "exact_slices",
    "from_seconds",
    "instants",
    "moments",
]

UTC: Final = datetime.UTC
EPOCH: Final = datetime.datetime(2000, 1, 1)
MICROSECOND: Final = datetime.timedelta(microseconds=1)
_EPOCH_UTC: Final = EPOCH.replace(tzinfo=UTC)
_UNIX: Final = 946_684_800_000_000  # microseconds from 1970 to 2000
_INT8: Final = Struct("!q")

EXACT: Final = (-10 << 48, (26 << 48) - 1)
"""Microseconds from 2000: from 1910 to 2231. There a number of seconds as a float is exact to the
microsecond; beyond 2240 it is not, and the slower way is taken."""

_EXACT_BYTE: Final = bytes(0 if i < 26 else 255 if i >= 246 else 1 for i in range(256))

# Deprecated since 3.12, and then slower than what replaces it.
from_seconds: Final[Callable[[float], datetime.datetime] | None] = (
    datetime.datetime.utcfromtimestamp
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython"
    else None
)
"""A naive timestamp from seconds since 1970; None where this is not the fast way."""

_CACHED: Final = 50_000


class Cache(dict[Any, object]):
    """Values by their raw fields, for types of which few different values come again and again.

    `convert` makes a value that is not there yet. The cache is emptied when it is full.
    """

    __slots__ = ("_convert",)

    def __init__(self, convert: Callable[[Any], object]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, key: object) -> object:
        if len(self) >= _CACHED:
            self.clear()
        value = self[key] = self._convert(key)
        return value


def exact_slices(data: bytes | bytearray, start: int, stop: int, stride: int) -> bool:
    """Whether the big-endian numbers of 8 bytes at `start`, `start` + `stride`, … are all within
    `EXACT`: it is a whole number of 2**48, so their two highest bytes tell, and no number has to be
    made for it."""
    return data[start + 1 : stop : stride].translate(_EXACT_BYTE) == data[start:stop:stride]


def moments(numbers: Sequence[int], decode: Decoder) -> list[object]:
    """Timestamps from microseconds since 2000."""
    make = from_seconds
    if make is not None and numbers and EXACT[0] <= min(numbers) <= max(numbers) <= EXACT[1]:
        return [make((number + _UNIX) / 1_000_000) for number in numbers]
    return _moments(numbers, EPOCH, decode)


def instants(numbers: Sequence[int], decode: Decoder) -> list[object]:
    """Timestamps with time zone, in UTC, from microseconds since 2000."""
    return _moments(numbers, _EPOCH_UTC, decode)


def _moments(numbers: Sequence[int], epoch: datetime.datetime, decode: Decoder) -> list[object]:
    unit = MICROSECOND
    try:
        return [epoch + unit * number for number in numbers]
    except OverflowError:
        return [decode(_INT8.pack(number)) for number in numbers]


def decimals() -> tuple[type[Decimal], Callable[[], bool]]:
    """The class Decimal, and a function that tells whether it raises for what is no number, as it
    does unless the caller's decimal context says that it gives a NaN."""
    import decimal  # by far the largest import of all that is needed here, and for one type

    def raises() -> bool:
        return decimal.getcontext().traps[decimal.InvalidOperation]

    return decimal.Decimal, raises
