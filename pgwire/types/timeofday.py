"""time and timetz as datetime.time.

The time 24:00, which Python does not have, is an error, or a `str`, as `Context.unrepresentable`
says; the encoders take such texts too. Manual: 8.5 "Date/Time Types".
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
    text_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.isotime import DAY, offset_text, parse_time, time_text

__all__ = ["CODECS"]

_TIME = Struct("!q")
_TIMETZ = Struct("!qi")


def _time_text_decoder(name: str, *, zoned: bool) -> Callable[[Context], Decoder]:
    def make(context: Context) -> Decoder:
        deliver = beyond(name, "datetime.time", context)

        def decode(data: bytes) -> object:
            text = ascii_text(name, data)
            if not zoned and text[2:3] == text[5:6] == ":" and text[:2] != "24":
                try:
                    time = datetime.time.fromisoformat(text)
                except ValueError:
                    pass  # told below
                else:
                    if time.tzinfo is None:
                        return time
            parsed = parse_time(text)
            if parsed is None or zoned != (parsed[1] is not None):
                raise bad_text(name, text)
            return deliver(text) if parsed[0] == DAY else datetime.time.fromisoformat(text)

        return decode

    return make


def _time_to_text(value: object) -> str | None:
    if not isinstance(value, datetime.time):
        return None
    _offset_of_time(value, zoned=False)
    return value.isoformat()


def _timetz_to_text(value: object) -> str | None:
    if not isinstance(value, datetime.time):
        return None
    offset = _offset_of_time(value, zoned=True)
    return value.replace(tzinfo=None).isoformat() + offset_text(offset)


def _time_binary_decoder(context: Context) -> Decoder:
    deliver = beyond("time", "datetime.time", context)

    def decode(data: bytes) -> object:
        try:
            (clock,) = _TIME.unpack(data)
        except StructError:
            raise bad_binary("time") from None
        if not 0 <= clock <= DAY:
            raise bad_binary("time")
        return deliver(time_text(clock)) if clock == DAY else _time_of(clock, None)

    return decode


def _timetz_binary_decoder(context: Context) -> Decoder:
    name = "time with time zone"
    deliver = beyond(name, "datetime.time", context)

    def decode(data: bytes) -> object:
        try:
            clock, west = _TIMETZ.unpack(data)
        except StructError:
            raise bad_binary(name) from None
        if not 0 <= clock <= DAY or abs(west) >= 16 * 3600:
            raise bad_binary(name)
        if clock == DAY:
            return deliver(time_text(clock) + offset_text(-west))
        return _time_of(clock, -west)

    return decode


def _time_of(clock: int, offset: int | None) -> datetime.time:
    seconds, microsecond = divmod(clock, 1_000_000)
    return datetime.time(
        seconds // 3600, seconds // 60 % 60, seconds % 60, microsecond, _zone(offset)
    )


def _zone(offset: int | None) -> datetime.timezone | None:
    if offset is None:
        return None
    return datetime.timezone(datetime.timedelta(seconds=offset)) if offset else datetime.UTC


def _time_to_binary(value: object) -> bytes:
    return _TIME.pack(_clock_of(value, zoned=False)[0])


def _timetz_to_binary(value: object) -> bytes:
    clock, offset = _clock_of(value, zoned=True)
    return _TIMETZ.pack(clock, -offset)


def _clock_of(value: object, *, zoned: bool) -> tuple[int, int]:
    """Microseconds since midnight, and seconds east of UTC."""
    name = "time with time zone" if zoned else "time"
    if isinstance(value, str):
        parsed = parse_time(value)
        if parsed is None or zoned != (parsed[1] is not None):
            raise bad_text(name, value)
        return parsed[0], parsed[1] or 0
    if not isinstance(value, datetime.time):
        raise wrong_type(name, value)
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return seconds * 1_000_000 + value.microsecond, _offset_of_time(value, zoned=zoned)


def _offset_of_time(value: datetime.time, *, zoned: bool) -> int:
    """Seconds east of UTC; 0 for a time without zone."""
    offset = value.utcoffset()
    if not zoned and value.tzinfo is None:
        return 0
    if not zoned:
        raise errors.DataError(
            "a time with a tzinfo is not a time without time zone", sqlstate="22007"
        )
    if offset is None or offset.microseconds:
        raise errors.DataError(
            "a time with time zone needs a tzinfo with a fixed UTC offset", sqlstate="22007"
        )
    return round(offset.total_seconds())


CODECS = (
    builtin_codec(
        "time",
        text_decoder=_time_text_decoder("time", zoned=False),
        text_encoder=text_encoder("time", _time_to_text),
        binary_decoder=_time_binary_decoder,
        binary_encoder=always(_time_to_binary),
        preferred=BINARY,
    ),
    builtin_codec(
        "timetz",
        text_decoder=_time_text_decoder("time with time zone", zoned=True),
        text_encoder=text_encoder("time with time zone", _timetz_to_text),
        binary_decoder=_timetz_binary_decoder,
        binary_encoder=always(_timetz_to_binary),
        preferred=BINARY,
    ),
)
