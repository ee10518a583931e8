"""The text of intervals: read in all four IntervalStyles, written in the style ``postgres``.

What the styles write differs in shape, or means the same: so the shape decides, and not the
session's IntervalStyle. Manual: 8.5.5 "Interval Output".
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["interval_text", "parse_interval"]

_HOUR: Final = 3_600_000_000  # microseconds
_UNITS: Final = {
    "year": (12, 0, 0),
    "mon": (1, 0, 0),
    "day": (0, 1, 0),
    "hour": (0, 0, _HOUR),
    "min": (0, 0, 60_000_000),
}
_NUMBER: Final = r"[+-]?\d{1,18}"
_SECONDS: Final = r"[+-]?\d{1,18}(?:\.\d{1,6})?"
_CLOCK: Final = r"([+-]?)(\d{1,18}):(\d\d):(\d\d)(?:\.(\d{1,6}))?"

# postgres: 1 year 2 mons -3 days +04:05:06.789
_POSTGRES: Final = re.compile(
    rf"(?:({_NUMBER}) years?)? ?(?:({_NUMBER}) mons?)? ?(?:({_NUMBER}) days?)? ?(?:{_CLOCK})?",
    re.ASCII,
)
# postgres_verbose: @ 1 year 2 mons -3 days 4 hours 5 mins 6.789 secs ago
_VERBOSE_PART: Final = re.compile(
    rf" (?:({_NUMBER}) (year|mon|day|hour|min)s?|({_SECONDS}) secs?)", re.ASCII
)
# sql_standard: 0, 1-2, 3 4:05:06, 4:05:06 and +1-2 -3 +4:05:06; one sign in front is for all
_SQL_YEARS: Final = re.compile(r"([+-]?)(\d{1,18})-(\d{1,2})", re.ASCII)
_SQL_DAYS: Final = re.compile(rf"(?:([+-]?)(\d{{1,18}}) )?{_CLOCK}", re.ASCII)
_SQL_ALL: Final = re.compile(rf"([+-])(\d{{1,18}})-(\d{{1,2}}) ({_NUMBER}) {_CLOCK}", re.ASCII)
# iso_8601: P1Y2M-3DT4H5M6.789S
_ISO: Final = re.compile(
    rf"P(?:({_NUMBER})Y)?(?:({_NUMBER})M)?(?:({_NUMBER})D)?"
    rf"(T(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_SECONDS})S)?)?",
    re.ASCII,
)


def parse_interval(text: str) -> tuple[int, int, int] | None:
    """Months, days and microseconds; None if it is no interval in any style, or infinite."""
    if text.startswith("@"):
        return _bounded(_parse_verbose(text))
    if text.startswith("P"):
        return _bounded(_parse_iso(text))
    return _bounded(_parse_postgres(text) or _parse_sql(text))


def interval_text(months: int, days: int, microseconds: int) -> str:
    """The interval in the style ``postgres``: ``1 year 2 mons -3 days +04:05:06.789``."""
    parts: list[str] = []
    negative = False  # a plus sign is written after a negative part only
    years = abs(months) // 12 * (-1 if months < 0 else 1)
    for number, unit in ((years, "year"), (months - 12 * years, "mon"), (days, "day")):
        if number:
            sign = "+" if negative and number > 0 else ""
            parts.append(f"{sign}{number} {unit}{'' if number == 1 else 's'}")
            negative = number < 0
    if microseconds or not parts:
        seconds, fraction = divmod(abs(microseconds), 1_000_000)
        sign = "-" if microseconds < 0 else "+" if negative else ""
        clock = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        parts.append(f"{clock}.{fraction:06d}".rstrip("0") if fraction else clock)
    return " ".join(parts)


def _parse_postgres(text: str) -> tuple[int, int, int] | None:
    match = _POSTGRES.fullmatch(text)
    if match is None or not text or text != text.strip() or "  " in text:
        return None
    years, months, days, *clock = match.groups()
    return int(years or 0) * 12 + int(months or 0), int(days or 0), _clock(*clock)


def _parse_verbose(text: str) -> tuple[int, int, int] | None:
    ago = text.endswith(" ago")
    end = len(text) - 4 * ago
    months = days = microseconds = 0
    position = 1
    if text == "@ 0":
        return 0, 0, 0
    while position < end:
        match = _VERBOSE_PART.match(text, position, end)
        if match is None:
            return None
        position = match.end()
        if match[3]:
            microseconds += _seconds(match[3])
        else:
            month, day, microsecond = _UNITS[match[2]]
            number = int(match[1])
            months += number * month
            days += number * day
            microseconds += number * microsecond
    if position == 1:
        return None
    return (-months, -days, -microseconds) if ago else (months, days, microseconds)


def _parse_sql(text: str) -> tuple[int, int, int] | None:
    if text == "0":
        return 0, 0, 0
    if match := _SQL_YEARS.fullmatch(text):
        return _signed(match[1], int(match[2]) * 12 + int(match[3])), 0, 0
    if match := _SQL_DAYS.fullmatch(text):
        sign, days, clock_sign, *clock = match.groups()
        if days is None:
            return 0, 0, _clock(clock_sign, *clock)
        # The one sign stands for the time too, which has none of its own then.
        if clock_sign:
            return None
        return 0, _signed(sign, int(days)), _clock(sign, *clock)
    if match := _SQL_ALL.fullmatch(text):
        sign, years, months, days, *clock = match.groups()
        return _signed(sign, int(years) * 12 + int(months)), int(days), _clock(*clock)
    return None


def _parse_iso(text: str) -> tuple[int, int, int] | None:
    match = _ISO.fullmatch(text)
    if match is None or text[-1] in "PT":
        return None
    years, months, days, _, hours, minutes, seconds = match.groups("0")
    microseconds = int(hours) * _HOUR + int(minutes) * 60_000_000 + _seconds(seconds)
    return int(years) * 12 + int(months), int(days), microseconds


def _clock(
    sign: str | None,
    hours: str | None = None,
    minutes: str | None = None,
    seconds: str | None = None,
    fraction: str | None = None,
) -> int:
    """Microseconds of ``-HH:MM:SS.ffffff``; its sign is for all of it."""
    value = int(hours or 0) * _HOUR + int(minutes or 0) * 60_000_000
    value += int(seconds or 0) * 1_000_000 + int((fraction or "").ljust(6, "0"))
    return _signed(sign, value)


def _seconds(text: str) -> int:
    """Microseconds of ``-6.789``, where the sign may stand before a zero."""
    whole, _, fraction = text.lstrip("+-").partition(".")
    return _signed(text[0], int(whole) * 1_000_000 + int(fraction.ljust(6, "0")))


def _signed(sign: str | None, value: int) -> int:
    return -value if sign == "-" else value


def _bounded(fields: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """What fits into the type: the rest can only be another's text."""
    if fields is None:
        return None
    months, days, microseconds = fields
    if max(abs(months), abs(days)) > 2**31 or abs(microseconds) > 2**63:
        return None
    return fields
