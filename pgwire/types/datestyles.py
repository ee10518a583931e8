"""Dates and timestamps of every DateStyle, rewritten in ISO style.

Manual: 8.5.2 "Date/Time Output". The styles SQL and Postgres write the day before the month or
after it, as the second word of DateStyle says, so a text alone does not tell which day it is. A
text that does not have the shape of the session's style is refused; only ISO's shape, which no
other style has, is always taken.
"""

from __future__ import annotations

import re
from typing import Final

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.isotime import (
    is_infinity,
    offset_text,
    parse_date,
    parse_timestamp,
    timestamp_text,
)
from pgwire.types.zones import utc_offset

__all__ = ["iso_date", "iso_timestamp", "iso_timestamptz"]

_CLOCK: Final = r"(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,6})?)"
_YEAR: Final = r"(?P<year>\d{4,7})"
_ZONE: Final = r"(?: ?(?P<zone>[+-][\d:]+|[A-Za-z][A-Za-z0-9+-]*))?"
_ERA: Final = r"(?P<era> BC)?"
_MONTH_NAMES: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTHS: Final = {name: f"{number:02d}" for number, name in enumerate(_MONTH_NAMES, 1)}


def _numeric(separator: str, rest: str, *, day_first: bool) -> re.Pattern[str]:
    day, month = r"(?P<day>\d\d)", r"(?P<month>\d\d)"
    first, second = (day, month) if day_first else (month, day)
    return re.compile(f"{first}{separator}{second}{separator}{_YEAR}{rest}{_ERA}", re.ASCII)


def _forms(rest: str) -> dict[tuple[str, bool], re.Pattern[str]]:
    """(style, day first) -> the numeric forms followed by `rest`."""
    return {
        ("sql", False): _numeric("/", rest, day_first=False),
        ("sql", True): _numeric("/", rest, day_first=True),
        ("german", False): _numeric(r"\.", rest, day_first=True),
        ("german", True): _numeric(r"\.", rest, day_first=True),
    }


_WORDS: Final = re.compile(
    r"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) "
    r"(?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d\d)|(?P<day2>\d\d) (?P<month2>[A-Z][a-z]{2})) "
    rf"{_CLOCK} {_YEAR}{_ZONE}{_ERA}",
    re.ASCII,
)
_DATES: Final = {
    **_forms(""),
    ("postgres", False): _numeric("-", "", day_first=False),
    ("postgres", True): _numeric("-", "", day_first=True),
}
_TIMESTAMPS: Final = {
    **_forms(f" {_CLOCK}{_ZONE}"),
    ("postgres", False): _WORDS,
    ("postgres", True): _WORDS,
}


def iso_date(text: str, context: Context) -> str:
    """A date in ISO style. Raises DataError if it is in neither ISO nor the context's style."""
    if is_infinity(text) or parse_date(text) is not None:
        return text
    match = _match(_DATES, text, context)
    iso = f"{_iso_day(match)}{match['era'] or ''}" if match is not None else ""
    if parse_date(iso) is None:
        raise _error("date", text, context)
    return iso


def iso_timestamp(text: str, context: Context) -> str:
    """A timestamp without time zone in ISO style. Raises DataError like `iso_date`."""
    return _iso_timestamp("timestamp", text, context, zoned=False)


def iso_timestamptz(text: str, context: Context) -> str:
    """A timestamp with time zone in ISO style, its zone as a numeric offset.

    Raises:
        DataError: as `iso_date`; or the abbreviation of its zone is not one that the context's
            time zone has at that moment.
    """
    return _iso_timestamp("timestamp with time zone", text, context, zoned=True)


def _iso_timestamp(name: str, text: str, context: Context, *, zoned: bool) -> str:
    if is_infinity(text):
        return text
    parsed = parse_timestamp(text)
    if parsed is not None:
        if zoned != (parsed[1] is not None):
            raise _error(name, text, context)
        return text
    match = _match(_TIMESTAMPS, text, context)
    if match is None:
        raise _error(name, text, context)
    groups = match.groupdict()
    zone, era = groups["zone"], groups["era"] or ""
    if zone == "BC" and not zoned:  # " BC" has the shape of a zone
        zone, era = None, " BC"
    moment = parse_timestamp(f"{_iso_day(match)} {groups['clock']}{era}")
    if moment is None or zoned != (zone is not None):
        raise _error(name, text, context)
    microseconds, _ = moment
    if zone is None:
        return timestamp_text(microseconds)
    return timestamp_text(
        microseconds, offset_text(utc_offset(zone, microseconds, context.time_zone))
    )


def _match(
    forms: dict[tuple[str, bool], re.Pattern[str]], text: str, context: Context
) -> re.Match[str] | None:
    style, _, order = context.date_style.lower().partition(",")
    form = forms.get((style.strip(), order.strip() == "dmy"))
    return form.fullmatch(text) if form is not None else None


def _iso_day(match: re.Match[str]) -> str:
    """``YYYY-MM-DD``, which may still be no day of the calendar."""
    groups = match.groupdict()
    month, day = groups["month"] or groups["month2"], groups["day"] or groups["day2"]
    return f"{groups['year']}-{_MONTHS.get(month, month)}-{day}"


def _error(name: str, text: str, context: Context) -> errors.DataError:
    return errors.DataError(
        f'"{text[:100]}" is not a {name} in DateStyle "{context.date_style}"', sqlstate="22007"
    )
