"""int2vector and oidvector, which the system catalogs use, as list of int. Manual: 52 "System
Catalogs" (pg_index.indkey, pg_proc.proargtypes)."""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from pgwire import errors
from pgwire.types.catalog import OIDS
from pgwire.types.codec import (
    BINARY,
    Codec,
    Decoder,
    Encoder,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    out_of_range,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]

# Binary form: that of an array with one dimension, which counts from 0, and without NULLs.
_HEADER = Struct("!iiI")  # dimensions, whether there are NULLs, OID of the elements
_DIMENSION = Struct("!ii")  # length, lower bound
_FIRST = _HEADER.size + _DIMENSION.size


def _parse(name: str, text: str) -> list[int]:
    words = text.split(" ") if text else []
    if not all((word.isascii() and word.isdigit()) or word[:1] == "-" for word in words):
        raise bad_text(name, text)
    try:
        return list(map(int, words))
    except ValueError:
        raise bad_text(name, text) from None


def _to_text(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
        return None
    return " ".join(str(int(item)) for item in value)


def _binary_decoder(name: str, element: int, layout: str) -> Decoder:
    size = Struct(layout).size

    def decode(data: bytes) -> list[int]:
        if len(data) < _HEADER.size:
            raise bad_binary(name)
        dimensions, nulls, oid = _HEADER.unpack_from(data)
        if nulls or oid != element or dimensions not in (0, 1):
            raise bad_binary(name)
        if not dimensions and len(data) == _HEADER.size:
            return []
        if len(data) < _FIRST:
            raise bad_binary(name)
        count, _ = _DIMENSION.unpack_from(data, _HEADER.size)
        if count < 0 or len(data) != _FIRST + count * (4 + size):
            raise bad_binary(name)
        fields = Struct("!" + f"i{layout}" * count).unpack_from(data, _FIRST)
        if fields[::2].count(size) != count:
            raise bad_binary(name)
        return list(fields[1::2])

    return decode


def _binary_encoder(name: str, element: int, layout: str) -> Encoder:
    size = Struct(layout).size

    def encode(value: object) -> bytes:
        if isinstance(value, str):
            value = _parse(name, value)
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise wrong_type(name, value)
        if not value:
            raise errors.DataError(
                f"the server does not take an empty {name} in binary format", sqlstate="22P03"
            )
        fields = [part for item in value for part in (size, item)]
        try:
            return Struct("!iiIii" + f"i{layout}" * len(value)).pack(
                1, 0, element, len(value), 0, *fields
            )
        except StructError:
            raise out_of_range(name) from None

    return encode


def _codec(name: str, element: str, layout: str) -> Codec:
    oid, _ = OIDS[element]
    return builtin_codec(
        name,
        text_decoder=always(lambda data: _parse(name, ascii_text(name, data))),
        text_encoder=text_encoder(name, _to_text),
        binary_decoder=always(_binary_decoder(name, oid, layout)),
        binary_encoder=always(_binary_encoder(name, oid, layout)),
        preferred=BINARY,
    )


CODECS = (_codec("int2vector", "int2", "h"), _codec("oidvector", "oid", "I"))
