"""Dates and times in the server's ISO style, for all years that PostgreSQL knows.

Python's dates end at the years 1 and 9999, PostgreSQL's reach from 4714 BC to 294276 (timestamps)
and 5874897 (dates), and know infinity. The functions here turn the ISO text of any of them into
numbers and back. Years are astronomical: 0 is 1 BC. Manual: 8.5.1, 8.5.2 (style ISO).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "DAY",
    "date_text",
    "days_of",
    "is_infinity",
    "offset_text",
    "parse_date",
    "parse_offset",
    "parse_time",
    "parse_timestamp",
    "time_text",
    "timestamp_text",
]

DAY: Final = 86_400_000_000
"""Microseconds of a day."""

_DATE: Final = re.compile(r"(\d{4,7})-(\d\d)-(\d\d)( BC)?", re.ASCII)
_OFFSET: Final = r"[+-]\d\d(?::?\d\d(?::?\d\d)?)?"
_CLOCK: Final = r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
_TIME: Final = re.compile(rf"{_CLOCK}({_OFFSET})?", re.ASCII)
_TIMESTAMP: Final = re.compile(
    rf"(\d{{4,7}})-(\d\d)-(\d\d)[ T]{_CLOCK}({_OFFSET})?( BC)?", re.ASCII
)
_OFFSET_PARTS: Final = re.compile(r"([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?", re.ASCII)
_MONTH_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH_DAYS: Final = 730_425  # from 0000-03-01 to 2000-01-01


def is_infinity(text: str) -> bool:
    """Whether it is the text of one of the two infinite values."""
    return text == "infinity" or text == "-infinity"


# From text.


def parse_date(text: str) -> int | None:
    """Days since 2000-01-01; None if it is not a date in ISO style."""
    match = _DATE.fullmatch(text)
    return _days(match[1], match[2], match[3], match[4]) if match is not None else None


def parse_time(text: str) -> tuple[int, int | None] | None:
    """Microseconds since midnight, and the UTC offset in seconds if there is one."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    clock = _microseconds(match[1], match[2], match[3], match[4])
    offset = parse_offset(match[5]) if match[5] else None
    if clock is None or (match[5] and offset is None):
        return None
    return clock, offset


def parse_timestamp(text: str) -> tuple[int, int | None] | None:
    """Microseconds since 2000-01-01 as shown, and the UTC offset in seconds if there is one."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    days = _days(match[1], match[2], match[3], match[9])
    clock = _microseconds(match[4], match[5], match[6], match[7])
    offset = parse_offset(match[8]) if match[8] else None
    if days is None or clock is None or (match[8] and offset is None):
        return None
    return days * DAY + clock, offset


def parse_offset(text: str) -> int | None:
    """Seconds east of UTC of ``+05:30`` or ``-03``; None if it is not such an offset."""
    match = _OFFSET_PARTS.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes, seconds = match.groups("0")
    # The server's own limit is a little below 16 hours.
    if int(hours) > 15 or int(minutes) > 59 or int(seconds) > 59:
        return None
    offset = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return -offset if sign == "-" else offset


def _days(year: str, month: str, day: str, bc: str | None) -> int | None:
    astronomical = 1 - int(year) if bc else int(year)
    if int(year) == 0:
        return None
    return days_of(astronomical, int(month), int(day))


def _microseconds(hour: str, minute: str, second: str, fraction: str | None) -> int | None:
    if int(minute) > 59 or int(second) > 59:
        return None
    value = (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1_000_000
    if fraction:
        value += int(fraction.ljust(6, "0"))
    return value if value <= DAY else None


def days_of(year: int, month: int, day: int) -> int | None:
    """Days from 2000-01-01 to a day of the proleptic Gregorian calendar; None if there is none."""
    if not 1 <= month <= 12:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_LENGTHS[month - 1] + (leap and month == 2):
        return None
    # Count years from March, so that the leap day is the last of its year.
    if month <= 2:
        year -= 1
        month += 12
    before = 365 * year + year // 4 - year // 100 + year // 400
    return before + (153 * (month - 3) + 2) // 5 + day - 1 - _EPOCH_DAYS


# To text.


def date_text(days: int) -> str:
    """``YYYY-MM-DD``, with BC if need be, of days since 2000-01-01."""
    date, era = _date_and_era(days)
    return date + era


def timestamp_text(microseconds: int, offset: str = "") -> str:
    """``YYYY-MM-DD HH:MM:SS``, as precise as needed, of microseconds since 2000-01-01."""
    days, clock = divmod(microseconds, DAY)
    date, era = _date_and_era(days)
    return f"{date} {time_text(clock)}{offset}{era}"


def time_text(microseconds: int) -> str:
    """``HH:MM:SS[.ffffff]`` of microseconds since midnight."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}".rstrip("0") if fraction else text


def offset_text(offset: int) -> str:
    """``+HH[:MM[:SS]]`` of seconds east of UTC."""
    sign = "-" if offset < 0 else "+"
    hours, rest = divmod(abs(offset), 3600)
    text = f"{sign}{hours:02d}"
    if rest:
        text += f":{rest // 60:02d}"
    if rest % 60:
        text += f":{rest % 60:02d}"
    return text


def _date_and_era(days: int) -> tuple[str, str]:
    cycle, day = divmod(days + _EPOCH_DAYS, 146_097)  # days of 400 years
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    year += 400 * cycle
    month += 3
    if month > 12:
        month -= 12
        year += 1
    if year > 0:
        return f"{year:04d}-{month:02d}-{day:02d}", ""
    return f"{1 - year:04d}-{month:02d}-{day:02d}", " BC"
