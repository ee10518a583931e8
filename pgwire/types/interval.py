"""interval as datetime.timedelta or, with months in it, as `Interval`.

A timedelta has no months, and no days apart from 24 hours; that is right for a duration. Infinity
has no class: `Context.unrepresentable` says what becomes of it. Manual: 8.5.4 "Interval Input",
8.5.5 "Interval Output".
"""

from __future__ import annotations

import datetime
from struct import Struct
from struct import error as StructError
from typing import NoReturn

from pgwire import errors
from pgwire.types.beyond import beyond
from pgwire.types.codec import (
    BINARY,
    Decoder,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    out_of_range,
    text_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.intervalstyles import interval_text, parse_interval
from pgwire.types.isotime import DAY, is_infinity

__all__ = ["CODECS", "Interval", "iso_interval"]


class Interval:
    """A time span of months, days and microseconds, as PostgreSQL has it. Immutable.

    The three are kept apart: how many days a month has, and how many hours a day, depends on the
    date it is added to. So they are compared one by one, unlike in PostgreSQL, where ``1 mon``
    equals ``30 days``.
    """

    __slots__ = ("days", "microseconds", "months")

    months: int
    days: int
    microseconds: int

    def __init__(self, months: int = 0, days: int = 0, microseconds: int = 0) -> None:
        set_slot = super().__setattr__
        set_slot("months", months)
        set_slot("days", days)
        set_slot("microseconds", microseconds)

    @classmethod
    def from_timedelta(cls, value: datetime.timedelta) -> Interval:
        """The same duration; days and microseconds have the same sign."""
        total = value // _MICROSECOND
        days, microseconds = divmod(abs(total), DAY)
        return cls(0, days, microseconds) if total >= 0 else cls(0, -days, -microseconds)

    def timedelta(self) -> datetime.timedelta:
        """The same as a timedelta, days being 24 hours. Raises DataError if there are months."""
        if self.months:
            raise errors.DataError(f"{self} has no fixed length: it has months in it")
        try:
            return datetime.timedelta(self.days, 0, self.microseconds)
        except OverflowError:
            raise out_of_range("timedelta") from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Interval cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an Interval cannot be changed: {name}")

    def __reduce__(self) -> tuple[type[Interval], tuple[int, int, int]]:
        return Interval, (self.months, self.days, self.microseconds)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interval):
            return NotImplemented
        return self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__()[1])

    def __str__(self) -> str:
        return interval_text(self.months, self.days, self.microseconds)

    def __repr__(self) -> str:
        return f"Interval(months={self.months}, days={self.days}, microseconds={self.microseconds})"


def iso_interval(text: str) -> str:
    """An interval of any IntervalStyle in the style ``postgres``. Raises DataError.

    That text means the same whatever the IntervalStyle of the server that reads it.
    """
    if is_infinity(text):
        return text
    parsed = parse_interval(text)
    if parsed is None:
        raise bad_text("interval", text)
    return interval_text(*parsed)


_MICROSECOND = datetime.timedelta(microseconds=1)
_LAYOUT = Struct("!qii")
_CLASSES = "pgwire.types.interval.Interval or datetime.timedelta"
_INFINITIES = {
    (2**63 - 1, 2**31 - 1, 2**31 - 1): "infinity",
    (-(2**63), -(2**31), -(2**31)): "-infinity",
}


def _python_value(months: int, days: int, microseconds: int) -> Interval | datetime.timedelta:
    if not months:
        try:
            return datetime.timedelta(days, 0, microseconds)
        except OverflowError:  # more days than a timedelta holds
            pass
    return Interval(months, days, microseconds)


def _text_decoder(context: Context) -> Decoder:
    deliver = beyond("interval", _CLASSES, context)

    def decode(data: bytes) -> object:
        text = ascii_text("interval", data)
        parsed = parse_interval(text)
        if parsed is not None:
            return _python_value(*parsed)
        if is_infinity(text):
            return deliver(text)
        raise bad_text("interval", text)

    return decode


def _to_text(value: object) -> str | None:
    if isinstance(value, datetime.timedelta):
        return str(Interval.from_timedelta(value))
    return str(value) if isinstance(value, Interval) else None


def _binary_decoder(context: Context) -> Decoder:
    deliver = beyond("interval", _CLASSES, context)

    def decode(data: bytes) -> object:
        try:
            microseconds, days, months = _LAYOUT.unpack(data)
        except StructError:
            raise bad_binary("interval") from None
        infinite = _INFINITIES.get((microseconds, days, months))
        if infinite is not None:
            return deliver(infinite)
        return _python_value(months, days, microseconds)

    return decode


def _to_binary(value: object) -> bytes:
    if isinstance(value, str):
        for fields, name in _INFINITIES.items():
            if name == value:
                return _LAYOUT.pack(*fields)
        parsed = parse_interval(value)
        if parsed is None:
            raise bad_text("interval", value)
        value = Interval(*parsed)
    elif isinstance(value, datetime.timedelta):
        value = Interval.from_timedelta(value)
    elif not isinstance(value, Interval):
        raise wrong_type("interval", value)
    try:
        return _LAYOUT.pack(value.microseconds, value.days, value.months)
    except StructError:
        raise out_of_range("interval") from None


CODECS = (
    builtin_codec(
        "interval",
        text_decoder=_text_decoder,
        text_encoder=text_encoder("interval", _to_text),
        binary_decoder=_binary_decoder,
        binary_encoder=always(_to_binary),
        preferred=BINARY,
    ),
)
