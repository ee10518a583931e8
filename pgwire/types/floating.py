"""float4 and float8 as float. Manual: 8.1.3 "Floating-Point Types"."""

from __future__ import annotations

from math import isnan
from struct import Struct
from struct import error as StructError

from pgwire.types.codec import (
    BINARY,
    Decoder,
    always,
    bad_binary,
    bad_text,
    builtin_codec,
    struct_decoder,
    struct_encoder,
    text_encoder,
)

__all__ = ["CODECS"]

_SMALLEST_NORMAL = 2.0**-126
_SINGLE = Struct("!f")
_DOUBLE = Struct("!d")
_BITS = Struct("!Q")
_ONE_TO_EIGHT = tuple(f".{digits}g" for digits in range(1, 9))
_SIX_TO_EIGHT = _ONE_TO_EIGHT[5:]


def _text_decoder(name: str) -> Decoder:
    def decode(data: bytes) -> float:
        try:
            return float(data)
        except ValueError:
            raise bad_text(name, data) from None

    return decode


def _to_text(value: object) -> str | None:
    if not isinstance(value, (float, int)):
        return None
    # The shortest text that gives the same float again; the server reads inf and nan as well.
    return float.__repr__(value) if isinstance(value, float) else str(int(value))


def _single_from_binary(data: bytes) -> float:
    """The float nearest to the shortest decimal number for these four bytes.

    It is what the text format gives: 1.1, and not the 1.10000002384185791015625 that the four
    bytes are. So the format chosen for a column does not change its values.
    """
    try:
        (value,) = _SINGLE.unpack(data)
    except StructError:
        raise bad_binary("real") from None
    number: float = value
    if number == 0 or isnan(number) or number - number != 0:
        return number
    # Six digits always survive the way through a normal single; subnormals hold fewer.
    normal = abs(number) >= _SMALLEST_NORMAL
    for digits in _SIX_TO_EIGHT if normal else _ONE_TO_EIGHT:
        shortest = float(format(number, digits))
        try:
            if _SINGLE.pack(shortest) != data:
                continue
        except OverflowError:  # rounded up beyond the largest single
            continue
        # Halfway to the next single reading depends on how the reader rounds: not taken.
        if not (_is_halfway(shortest) if normal else shortest in _halfway(number, data)):
            return shortest
    return float(format(number, ".9g"))


def _is_halfway(number: float) -> bool:
    """Whether it lies halfway between two normal singles, whose fraction has 29 bits less."""
    (bits,) = _BITS.unpack(_DOUBLE.pack(number))
    return int(bits) & 0x1FFFFFFF == 0x10000000


def _halfway(number: float, data: bytes) -> list[float]:
    return [(number + _neighbour(data, step)) / 2 for step in (-1, 1)]


def _neighbour(data: bytes, step: int) -> float:
    bits = int.from_bytes(data, "big") + step
    (neighbour,) = _SINGLE.unpack(bits.to_bytes(4, "big"))
    value: float = neighbour
    return value


CODECS = (
    builtin_codec(
        "float4",
        text_decoder=always(_text_decoder("real")),
        text_encoder=text_encoder("real", _to_text),
        binary_decoder=always(_single_from_binary),
        binary_encoder=struct_encoder("real", "!f", (float, int)),
        preferred=BINARY,
    ),
    builtin_codec(
        "float8",
        text_decoder=always(_text_decoder("double precision")),
        text_encoder=text_encoder("double precision", _to_text),
        binary_decoder=struct_decoder("double precision", "!d"),
        binary_encoder=struct_encoder("double precision", "!d", (float, int)),
        layout="d",
        preferred=BINARY,
    ),
)
