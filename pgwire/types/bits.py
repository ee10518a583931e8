"""bit and bit varying as str of 0 and 1. Manual: 8.10 "Bit String Types"."""

from __future__ import annotations

import re
from struct import Struct
from struct import error as StructError

from pgwire.types.codec import (
    Codec,
    Decoder,
    Encoder,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]

_LENGTH = Struct("!i")  # in bits; the bytes follow, the first bit being the highest
_BITS = re.compile("[01]*")


def _text_decoder(name: str) -> Decoder:
    def decode(data: bytes) -> str:
        text = ascii_text(name, data)
        if not _BITS.fullmatch(text):
            raise bad_text(name, text)
        return text

    return decode


def _binary_decoder(name: str) -> Decoder:
    def decode(data: bytes) -> str:
        try:
            (length,) = _LENGTH.unpack_from(data)
        except StructError:
            raise bad_binary(name) from None
        size = len(data) - _LENGTH.size
        if length < 0 or size != (length + 7) // 8:
            raise bad_binary(name)
        bits = f"{int.from_bytes(data[_LENGTH.size :], 'big'):0{8 * size}b}" if size else ""
        return bits[:length]

    return decode


def _binary_encoder(name: str) -> Encoder:
    def encode(value: object) -> bytes:
        if not isinstance(value, str):
            raise wrong_type(name, value)
        if not _BITS.fullmatch(value):
            raise bad_text(name, value)
        size = (len(value) + 7) // 8
        number = int(value.ljust(8 * size, "0"), 2) if size else 0
        return _LENGTH.pack(len(value)) + number.to_bytes(size, "big")

    return encode


def _codec(name: str, sql_name: str) -> Codec:
    return builtin_codec(
        name,
        text_decoder=always(_text_decoder(sql_name)),
        text_encoder=text_encoder(sql_name, lambda value: None),
        binary_decoder=always(_binary_decoder(sql_name)),
        binary_encoder=always(_binary_encoder(sql_name)),
    )


CODECS = (_codec("bit", "bit"), _codec("varbit", "bit varying"))
