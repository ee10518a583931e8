"""date, timestamp and timestamptz as the classes of Python's datetime module.

A timestamptz is delivered in UTC. What Python's classes cannot hold (infinity, BC, years beyond
9999) is an error, or a `str`, the server's own ISO text, as
`Context.unrepresentable` says; the encoders take such texts too. Manual: 8.5 "Date/Time Types".
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from struct import Struct
from struct import error as StructError

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
from pgwire.types.datestyles import iso_date, iso_timestamp, iso_timestamptz
from pgwire.types.isotime import (
    DAY,
    date_text,
    parse_date,
    parse_timestamp,
    timestamp_text,
)

__all__ = ["CODECS"]

_UTC = datetime.UTC
_EPOCH = datetime.datetime(2000, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=_UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_LAST_ORDINAL = datetime.date.max.toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)
_INT4 = Struct("!i")
_INT8 = Struct("!q")
_INT4_INFINITIES = {2**31 - 1: "infinity", -(2**31): "-infinity"}
_INT8_INFINITIES = {2**63 - 1: "infinity", -(2**63): "-infinity"}


# date


def _date_text_decoder(context: Context) -> Decoder:
    deliver = beyond("date", "datetime.date", context)

    def decode(data: bytes) -> object:
        text = ascii_text("date", data)
        if len(text) == 10 and text[4] == text[7] == "-":
            try:
                return datetime.date.fromisoformat(text)
            except ValueError:
                pass  # told below
        iso = iso_date(text, context)
        try:
            return datetime.date.fromisoformat(iso)
        except ValueError:
            return deliver(iso)

    return decode


def _date_to_text(value: object) -> str | None:
    # A datetime is a date too, but its time would be lost.
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    return None


def _date_binary_decoder(context: Context) -> Decoder:
    deliver = beyond("date", "datetime.date", context)

    def decode(data: bytes) -> object:
        try:
            (days,) = _INT4.unpack(data)
        except StructError:
            raise bad_binary("date") from None
        if 0 < days + _EPOCH_ORDINAL <= _LAST_ORDINAL:
            return datetime.date.fromordinal(days + _EPOCH_ORDINAL)
        return deliver(_INT4_INFINITIES.get(days) or date_text(days))

    return decode


def _date_to_binary(value: object) -> bytes:
    if isinstance(value, str):
        days = _infinite(value, _INT4_INFINITIES)
        days = parse_date(value) if days is None else days
        if days is None:
            raise bad_text("date", value)
    elif isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        days = value.toordinal() - _EPOCH_ORDINAL
    else:
        raise wrong_type("date", value)
    return _pack(_INT4, days, "date")


# timestamp and timestamptz


def _timestamp_text_decoder(context: Context) -> Decoder:
    deliver = beyond("timestamp", "datetime.datetime", context)

    def decode(data: bytes) -> object:
        text = ascii_text("timestamp", data)
        # The ISO style of the years 1000 to 9999, without a look at the session's style. Python
        # would take other forms as well, which have no space there.
        if len(text) < 27 and text[4:5] == text[7:8] == "-" and text[10:11] == " ":
            try:
                moment = datetime.datetime.fromisoformat(text)
            except ValueError:
                pass  # told below
            else:
                if moment.tzinfo is None and text[11:13] != "24":
                    return moment
        iso = iso_timestamp(text, context)
        moment_or_none = _from_iso(iso)
        return deliver(iso) if moment_or_none is None else moment_or_none

    return decode


def _timestamptz_text_decoder(context: Context) -> Decoder:
    deliver = beyond("timestamp with time zone", "datetime.datetime", context)

    def decode(data: bytes) -> object:
        text = ascii_text("timestamp with time zone", data)
        if text[4:5] == text[7:8] == "-" and text[10:11] == " ":
            try:
                moment = datetime.datetime.fromisoformat(text)
                if moment.tzinfo is not None and text[11:13] != "24":
                    return moment if moment.tzinfo is _UTC else moment.astimezone(_UTC)
            except (ValueError, OverflowError):
                pass  # told below, or not to be held by Python
        iso = iso_timestamptz(text, context)
        moment_or_none = _from_iso(iso)
        return deliver(iso) if moment_or_none is None else moment_or_none

    return decode


def _from_iso(text: str) -> datetime.datetime | None:
    """A moment in ISO style; None if Python cannot hold it. With an offset it is put in UTC."""
    parsed = parse_timestamp(text)
    if parsed is None:
        return None
    microseconds, offset = parsed
    try:
        if offset is None:
            return _EPOCH + datetime.timedelta(microseconds=microseconds)
        return _EPOCH_UTC + datetime.timedelta(microseconds=microseconds, seconds=-offset)
    except OverflowError:
        return None


def _timestamp_to_text(value: object) -> str | None:
    if not isinstance(value, datetime.date):
        return None
    _naive("timestamp", value)
    return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()


def _timestamptz_to_text(value: object) -> str | None:
    if not isinstance(value, datetime.datetime):
        return None
    if value.utcoffset() is None:
        # The server takes it to be in the session's time zone.
        return value.replace(tzinfo=None).isoformat(" ")
    # In UTC, as Python's offsets may be larger or finer than the server's.
    return timestamp_text(_utc_microseconds(value), "+00")


def _moment_binary_decoder(
    name: str, epoch: datetime.datetime, zone: str
) -> Callable[[Context], Decoder]:
    def make(context: Context) -> Decoder:
        deliver = beyond(name, "datetime.datetime", context)

        def decode(data: bytes) -> object:
            try:
                (microseconds,) = _INT8.unpack(data)
            except StructError:
                raise bad_binary(name) from None
            try:
                return epoch + datetime.timedelta(microseconds=microseconds)
            except OverflowError:
                infinite = _INT8_INFINITIES.get(microseconds)
            return deliver(infinite or timestamp_text(microseconds, zone))

        return decode

    return make


def _timestamp_to_binary(value: object) -> bytes:
    name = "timestamp"
    if isinstance(value, str):
        return _pack(_INT8, _microseconds_of_text(name, value, zoned=False), name)
    if isinstance(value, datetime.datetime):
        _naive(name, value)
        return _INT8.pack((value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND)
    if isinstance(value, datetime.date):
        return _INT8.pack((value.toordinal() - _EPOCH_ORDINAL) * DAY)
    raise wrong_type(name, value)


def _timestamptz_to_binary(value: object) -> bytes:
    name = "timestamp with time zone"
    if isinstance(value, str):
        return _pack(_INT8, _microseconds_of_text(name, value, zoned=True), name)
    if not isinstance(value, datetime.datetime):
        raise wrong_type(name, value)
    if value.utcoffset() is None:
        raise errors.DataError(
            "in binary format a timestamp with time zone needs a tzinfo", sqlstate="22007"
        )
    return _INT8.pack(_utc_microseconds(value))


def _naive(name: str, value: datetime.date) -> None:
    if isinstance(value, datetime.datetime) and value.utcoffset() is not None:
        raise errors.DataError(
            f"a datetime with a tzinfo is not a {name} without time zone", sqlstate="22007"
        )


def _utc_microseconds(value: datetime.datetime) -> int:
    """Microseconds since 2000-01-01 UTC. Other than astimezone it knows no first and last year."""
    offset = value.utcoffset() or datetime.timedelta()
    return (value.replace(tzinfo=None) - _EPOCH - offset) // _MICROSECOND


def _microseconds_of_text(name: str, text: str, *, zoned: bool) -> int:
    infinite = _infinite(text, _INT8_INFINITIES)
    if infinite is not None:
        return infinite
    parsed = parse_timestamp(text)
    if parsed is None or zoned != (parsed[1] is not None):
        raise bad_text(name, text)
    return parsed[0] - (parsed[1] or 0) * 1_000_000


def _infinite(text: str, infinities: dict[int, str]) -> int | None:
    return next((number for number, name in infinities.items() if name == text), None)


def _pack(layout: Struct, number: int, name: str) -> bytes:
    try:
        return layout.pack(number)
    except StructError:
        raise out_of_range(name) from None


CODECS = (
    builtin_codec(
        "date",
        text_decoder=_date_text_decoder,
        text_encoder=text_encoder("date", _date_to_text),
        binary_decoder=_date_binary_decoder,
        binary_encoder=always(_date_to_binary),
        preferred=BINARY,
        styled=True,
    ),
    builtin_codec(
        "timestamp",
        text_decoder=_timestamp_text_decoder,
        text_encoder=text_encoder("timestamp", _timestamp_to_text),
        binary_decoder=_moment_binary_decoder("timestamp", _EPOCH, ""),
        binary_encoder=always(_timestamp_to_binary),
        styled=True,
    ),
    builtin_codec(
        "timestamptz",
        text_decoder=_timestamptz_text_decoder,
        text_encoder=text_encoder("timestamp with time zone", _timestamptz_to_text),
        binary_decoder=_moment_binary_decoder("timestamp with time zone", _EPOCH_UTC, "+00"),
        binary_encoder=always(_timestamptz_to_binary),
        styled=True,
    ),
)
