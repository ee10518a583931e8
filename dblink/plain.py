"""Input functions of built-in types, for sessions without a local database.

They accept what the types' output functions write, and blanks around it; for everything else that
PostgreSQL's input functions take, give the session a local database.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from math import isinf
from struct import pack

from dblink import messages, names
from pgwire import errors
from pgwire.rows.column import Column
from pgwire.rows.decoder import Decoder
from pgwire.types.catalog import OIDS
from pgwire.types.context import Context
from pgwire.types.names import format_type
from pgwire.types.registry import default_registry

_BOOLEANS = {
    **dict.fromkeys(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"), True),
    **dict.fromkeys(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"), False),
}
_BOOL, _VARCHAR, _BPCHAR, _NUMERIC = 16, 1043, 1042, 1700
_FLOAT4, _FLOAT8, _OID = 700, 701, 26
_NUMBERS = frozenset((20, 21, 23, _OID, _FLOAT4, _FLOAT8, _NUMERIC))
_NUMERIC_DIGITS = 131072  # that numeric holds before the decimal point
_INTEGER_BITS = {21: 16, 23: 32, 20: 64}
# Types whose input functions are known here; of others the server has to say what is a value.
_READ = frozenset(
    oid
    for name in (
        *("bool", "bytea", "char", "name", "int2", "int4", "int8", "oid", "float4", "float8"),
        *("numeric", "text", "varchar", "bpchar", "xml", "json", "jsonb", "uuid"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
    )
    for oid in OIDS[name]
)
_DATETIME = frozenset((1082, 1083, 1114, 1184, 1266, 1186))
_SINGLE = default_registry.by_oid(_FLOAT4).binary_decoder(Context())
_LEADING_DIGITS = re.compile(r"\s*[+-]?\d{1,4000}", re.ASCII)
_NOT_ZERO = re.compile(r"\A[^eE]*[1-9]")
_TYPMOD_HEADER = 4  # bytes that length modifiers count too (VARHDRSZ)


def identifier(written: str) -> str:
    """The name that the identifier `written` stands for."""
    return names.first_identifier(written) or written


def input_decoder(column: Column, oid: int, modifier: int, context: Context) -> Decoder:
    """What turns the text of `column` into a value of the type `oid` with type modifier `modifier`.

    Raises NotSupportedError (0A000) if that takes a local database.
    """
    type_name = format_type(oid, -1)
    if oid not in _READ and column.type_oid != oid:
        raise messages.needs_local(
            f"conversion from {format_type(column.type_oid, -1)} to {type_name}"
        )
    decode = default_registry.by_oid(oid).text_decoder(context)
    text_of = default_registry.by_oid(0).text_decoder(context)
    bad_syntax = "22007" if oid in _DATETIME else "22P02"

    def convert(value: bytes) -> object:
        try:
            if oid == _BOOL:
                return _BOOLEANS[str(text_of(value)).strip().lower()]
            if oid in _NUMBERS and (b"_" in value or not value.isascii()):
                raise ValueError  # Python takes more for a number than PostgreSQL
            result = decode(value if oid in (_VARCHAR, _BPCHAR) else value.strip())
        except (errors.DataError, ValueError, KeyError, ArithmeticError) as error:
            if oid in _INTEGER_BITS:
                _check_leading_digits(str(text_of(value)), oid, type_name)
            raise messages.make(
                bad_syntax, f'invalid input syntax for type {type_name}: "{text_of(value)}"'
            ) from error
        if oid in _INTEGER_BITS and isinstance(result, int):
            _check_range(result, oid, type_name)
        if oid == _OID and isinstance(result, int):
            return _object_identifier(result)
        if oid in (_FLOAT4, _FLOAT8) and isinstance(result, float):
            return _float(result, oid, str(text_of(value)).strip(), type_name)
        return _modified(result, oid, modifier)

    return convert


def _check_leading_digits(text: str, oid: int, type_name: str) -> None:
    """PostgreSQL reads digit by digit: too many are told before what is wrong after them."""
    digits = _LEADING_DIGITS.match(text)
    limit = 1 << (_INTEGER_BITS[oid] - 1)
    if digits is not None and not -limit <= int(digits[0]) < limit:
        raise messages.make("22003", f'value "{text}" is out of range for type {type_name}')


def _check_range(value: int, oid: int, type_name: str) -> None:
    limit = 1 << (_INTEGER_BITS[oid] - 1)
    if not -limit <= value < limit:
        raise messages.make("22003", f'value "{value}" is out of range for type {type_name}')


def _object_identifier(value: int) -> int:
    """Negative numbers count from the end, as in oidin."""
    if not -(1 << 31) <= value < 1 << 32:
        raise messages.make("22003", f'value "{value}" is out of range for type oid')
    return value & 0xFFFFFFFF


def _float(value: float, oid: int, text: str, type_name: str) -> float:
    """`value` as the server keeps it: numbers too large and too small for the type are errors."""
    # Of the texts of infinity and zero, only numbers have digits, and zero no other than 0.
    fits = True
    if isinf(value):
        fits = not any(map(str.isdigit, text))
    elif not value:
        fits = not _NOT_ZERO.search(text)
    elif oid == _FLOAT4:
        try:
            value = _SINGLE(pack("!f", value))  # type: ignore[assignment]
        except OverflowError:
            fits = False
        fits = fits and bool(value)
    if not fits:
        raise messages.make("22003", f'"{text}" is out of range for type {type_name}')
    return value


def _modified(value: object, oid: int, modifier: int) -> object:
    """`value` under the type modifier: lengths are checked, numerics rounded."""
    if isinstance(value, Decimal):
        value = _without_exponent(value)
    if modifier < 0:
        return value
    if oid in (_VARCHAR, _BPCHAR) and isinstance(value, str):
        return _fitted(value, modifier - _TYPMOD_HEADER, oid)
    if oid == _NUMERIC and isinstance(value, Decimal):
        modifier -= _TYPMOD_HEADER
        # The scale is an 11-bit number with sign.
        return _rounded(value, modifier >> 16 & 0xFFFF, ((modifier & 0x7FF) ^ 1024) - 1024)
    return value


def _fitted(value: str, length: int, oid: int) -> str:
    if value[length:].strip(" "):
        raise messages.make(
            "22001", f"value too long for type {format_type(oid, length + _TYPMOD_HEADER)}"
        )
    value = value[:length]
    return value.ljust(length) if oid == _BPCHAR else value


def _without_exponent(value: Decimal) -> Decimal:
    """`value` as numeric keeps it: no digit left out at the end, and one zero."""
    if not value.is_finite():
        return value
    if value and value.adjusted() >= _NUMERIC_DIGITS:
        raise messages.make("22003", "value overflows numeric format")
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and exponent > 0:
        value = Decimal((sign, digits + (0,) * exponent, 0))
    return value if value else value.copy_abs()


def _rounded(value: Decimal, precision: int, scale: int) -> Decimal:
    if not value.is_finite():
        if value.is_nan():
            return value
        raise messages.make(
            "22003",
            "numeric field overflow",
            detail=f"A field with precision {precision}, scale {scale} cannot hold an infinite "
            "value.",
        )
    from decimal import Context as DecimalContext

    wide = DecimalContext(prec=max(1, len(value.as_tuple().digits) + abs(scale) + precision))
    value = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP, context=wide)
    value = _without_exponent(value)
    if value and value.adjusted() >= precision - scale:
        limit = f"10^{precision - scale}" if precision != scale else "1"
        raise messages.make(
            "22003",
            "numeric field overflow",
            detail=f"A field with precision {precision}, scale {scale} must round to an absolute "
            f"value less than {limit}.",
        )
    return value
