"""numeric as decimal.Decimal, every digit of it. Manual: 8.1.2 "Arbitrary Precision Numbers"."""

from __future__ import annotations

from decimal import Decimal
from struct import Struct, unpack_from
from struct import error as StructError

from pgwire import errors
from pgwire.types.codec import (
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]

# Binary form: number of base-10000 digits, weight of the first, sign, decimals shown.
_HEADER = Struct("!HhHH")
_POSITIVE, _NEGATIVE = 0x0000, 0x4000
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_SPECIAL_SIGN = {value: sign for sign, value in _SPECIAL.items()}
_MAXIMUM_SCALE = 0x3FFF
_MAXIMUM_DIGITS = 131072  # before the decimal point
_MAXIMUM_BITS = 435_412  # of an int of as many digits
_LONG = 1024  # bits
_CHUNK = 600  # digits that str() writes whatever its limit


def _from_text(data: bytes) -> Decimal:
    text = ascii_text("numeric", data)
    try:
        value = Decimal(text)
    except (ArithmeticError, ValueError):
        raise bad_text("numeric", data) from None
    # A caller's decimal context may have turned the exception into a NaN.
    if value.is_nan() and text != "NaN":
        raise bad_text("numeric", data)
    return value


def _to_text(value: object) -> str | None:
    if isinstance(value, Decimal):
        return "NaN" if value.is_nan() else Decimal.__str__(value)
    if not isinstance(value, int):
        return None
    return str(int(value)) if value.bit_length() < _LONG else _digits_of(int(value))


def _digits_of(number: int) -> str:
    """A long int in decimal; str() refuses thousands of digits (sys.set_int_max_str_digits)."""
    if number.bit_length() > _MAXIMUM_BITS:
        raise _overflow()
    rest, parts = abs(number), []
    while rest:
        rest, part = divmod(rest, 10**_CHUNK)
        parts.append(f"{part:0{_CHUNK}d}")
    return ("-" if number < 0 else "") + "".join(reversed(parts)).lstrip("0")


def _from_binary(data: bytes) -> Decimal:
    try:
        count, weight, sign, scale = _HEADER.unpack_from(data)
        groups = unpack_from(f"!{count}H", data, _HEADER.size)
    except StructError:
        raise bad_binary("numeric") from None
    if len(data) != _HEADER.size + 2 * count:
        raise bad_binary("numeric")
    if sign in _SPECIAL:
        return Decimal(_SPECIAL[sign])
    if sign not in (_POSITIVE, _NEGATIVE) or scale > _MAXIMUM_SCALE:
        raise bad_binary("numeric")
    if groups and max(groups) > 9999:
        raise bad_binary("numeric")
    digits = "".join([f"{group:04d}" for group in groups])
    # The digits stand before 10**exponent; bring them to exactly `scale` decimals.
    exponent = 4 * (weight - count + 1)
    if digits and exponent > -scale:
        digits += "0" * (exponent + scale)
    else:
        digits = digits[: max(0, len(digits) + exponent + scale)]
    return Decimal(f"{'-' if sign == _NEGATIVE else ''}{digits or '0'}E-{scale}")


def _to_binary(value: object) -> bytes:
    if isinstance(value, int):
        try:
            value = Decimal(_to_text(value) or 0)
        except ValueError:  # where Decimal, too, is made by way of an int
            raise _overflow() from None
    elif not isinstance(value, Decimal):
        raise wrong_type("numeric", value)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return _HEADER.pack(0, 0, _SPECIAL_SIGN["NaN" if value.is_nan() else str(value)], 0)
    scale = max(0, -exponent)
    if scale > _MAXIMUM_SCALE or len(digits) + exponent > _MAXIMUM_DIGITS:
        raise _overflow()
    # Whole base-10000 digits, aligned to the decimal point.
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return _HEADER.pack(0, 0, _POSITIVE, scale)
    text += "0" * (exponent if exponent > 0 else exponent % 4)
    lowest = min(0, exponent) // 4  # weight of the last group
    text = text.rjust(len(text) + -len(text) % 4, "0")
    groups = [int(text[start : start + 4]) for start in range(0, len(text), 4)]
    weight = lowest + len(groups) - 1
    while groups[-1] == 0:
        groups.pop()
    return Struct(f"!HhHH{len(groups)}H").pack(
        len(groups), weight, _NEGATIVE if sign else _POSITIVE, scale, *groups
    )


def _overflow() -> errors.DataError:
    return errors.DataError("value overflows numeric format", sqlstate="22003")


CODECS = (
    builtin_codec(
        "numeric",
        text_decoder=always(_from_text),
        text_encoder=text_encoder("numeric", _to_text),
        binary_decoder=always(_from_binary),
        binary_encoder=always(_to_binary),
    ),
)
