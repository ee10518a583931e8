"""The UTC offset behind a time zone abbreviation in a timestamp.

In every DateStyle but ISO the server shows a timestamptz with the abbreviation of its zone, if the
zone has one. "IST" alone may be Israel, India or Ireland: only together with the session's TimeZone
and the moment does it say how far from UTC it is. What stays unclear is an error, never a guess.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from pgwire import errors
from pgwire.types.isotime import DAY, parse_offset, timestamp_text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["utc_offset"]

# A POSIX zone without daylight saving: the offset counts west of UTC, and the name is any name,
# "UTC-5" being five hours EAST of UTC and called UTC all the same.
_POSIX: Final = re.compile(
    r"(?:<([A-Za-z0-9+-]+)>|([A-Za-z]{3,}))([+-]?)(\d{1,3})(?::(\d\d)(?::(\d\d))?)?"
)


def utc_offset(abbreviation: str, microseconds: int, time_zone: str) -> int:
    """Seconds east of UTC.

    Arguments:
        abbreviation: as it stands in the timestamp; a numeric offset is taken as it is.
        microseconds: the local time of the timestamp, since 2000-01-01.
        time_zone: the session's ``TimeZone``.

    Raises:
        DataError: the zone does not have that abbreviation at that moment, or has it twice.
    """
    posix = _POSIX.fullmatch(time_zone)
    if posix is not None and (posix[1] or posix[2]) == abbreviation:
        offset = int(posix[4]) * 3600 + int(posix[5] or 0) * 60 + int(posix[6] or 0)
        return offset if posix[3] == "-" else -offset
    numeric = parse_offset(abbreviation)
    if numeric is not None:
        return numeric
    zone = _zone(time_zone)
    if zone is not None:
        offsets = _offsets_of(zone, abbreviation, microseconds)
        if len(offsets) == 1:
            return offsets.pop()
        if offsets:
            raise _error("occurs twice", abbreviation, microseconds, time_zone)
    if abbreviation in ("UTC", "GMT", "Z"):
        return 0
    raise _error("is unknown", abbreviation, microseconds, time_zone)


def _offsets_of(zone: ZoneInfo, abbreviation: str, microseconds: int) -> set[int]:
    """Offsets at which the zone shows this local time with this abbreviation."""
    from datetime import datetime, timedelta

    # Python ends at the year 9999. The calendar repeats every 400 years and so do the zones'
    # rules; before the first year there is nothing but local mean time.
    cycle = 146_097 * DAY
    first, last = -730_119 * DAY + 2 * DAY, 2_921_939 * DAY - 2 * DAY
    while microseconds < first:
        microseconds += cycle
    while microseconds >= last:
        microseconds -= cycle
    local = datetime(2000, 1, 1) + timedelta(microseconds=microseconds)
    offsets = set()
    for fold in (0, 1):
        moment = local.replace(tzinfo=zone, fold=fold)
        offset = moment.utcoffset()
        shown = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
        # A local time within the gap at the start of summer is never shown by the zone.
        if offset is not None and moment.tzname() == abbreviation and shown == local:
            offsets.add(round(offset.total_seconds()))
    return offsets


def _zone(name: str) -> ZoneInfo | None:
    """The zone, or None if this machine's time zone database does not have it."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _error(problem: str, abbreviation: str, microseconds: int, time_zone: str) -> errors.DataError:
    return errors.DataError(
        f'time zone abbreviation "{abbreviation}" {problem} in TimeZone "{time_zone}" at '
        f"{timestamp_text(microseconds)}",
        sqlstate="22007",
        hint="Set DateStyle to ISO, or fetch the value in binary format.",
    )
