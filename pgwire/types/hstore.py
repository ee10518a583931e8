"""hstore as dict[str, str | None]. Manual: F.18 "hstore"; source: hstore_io.c."""

from __future__ import annotations

import re
from struct import Struct
from struct import error as StructError
from typing import Final

from pgwire import errors
from pgwire.types.codec import (
    TEXT,
    Codec,
    Decoder,
    Encoder,
    bad_binary,
    bad_text,
    out_of_range,
    str_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.nesting import inner_context, nested_text_decoder, nested_text_encoder
from pgwire.types.text import text_decoder

__all__ = ["hstore_codec"]

_STRING: Final = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_PAIR: Final = re.compile(_STRING + rb"=>(?:" + _STRING + rb"|(NULL))(, |$)", re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_LENGTH: Final = Struct("!i")


def hstore_codec(name: str, oid: int, array_oid: int) -> Codec:
    """The codec of the type hstore, whose OID is another in each database."""

    def make_text(context: Context) -> Decoder:
        decode_string = text_decoder(inner_context(context))

        def parse(data: bytes) -> object:
            pairs: dict[str, str | None] = {}
            position, end = 0, len(data)
            while position < end:
                match = _PAIR.match(data, position)
                if match is None or (match[4] and match.end() == end):
                    raise bad_text(name, data)
                value = None if match[3] else decode_string(_ESCAPED.sub(rb"\1", match[2]))
                pairs[decode_string(_ESCAPED.sub(rb"\1", match[1]))] = value
                position = match.end()
            return pairs

        return nested_text_decoder(context, parse)

    def make_text_encoder(context: Context) -> Encoder:
        encode_str = str_encoder(inner_context(context))

        def quoted(text: str) -> bytes:
            return b'"' + encode_str(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

        def build(value: object) -> bytes:
            pairs = _checked(name, value)
            return b", ".join(
                [
                    quoted(key) + b"=>" + (b"NULL" if text is None else quoted(text))
                    for key, text in pairs.items()
                ]
            )

        return nested_text_encoder(context, build)

    def make_binary(context: Context) -> Decoder:
        decode_string = text_decoder(context)

        def decode(data: bytes) -> object:
            strings = _split(name, bytes(data))
            pairs: dict[str, str | None] = {}
            for key, text in zip(strings[::2], strings[1::2], strict=True):
                if key is None:
                    raise bad_binary(name)
                pairs[decode_string(key)] = None if text is None else decode_string(text)
            return pairs

        return decode

    def make_binary_encoder(context: Context) -> Encoder:
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            pairs = _checked(name, value)
            parts = [_LENGTH.pack(len(pairs))]
            for pair in pairs.items():
                for text in pair:
                    data = b"" if text is None else encode_str(text)
                    try:
                        parts.append(_LENGTH.pack(-1 if text is None else len(data)))
                    except StructError:
                        raise out_of_range(name) from None
                    parts.append(data)
            return b"".join(parts)

        return encode

    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=make_text,
        text_encoder=make_text_encoder,
        binary_decoder=make_binary,
        binary_encoder=make_binary_encoder,
        preferred=TEXT,
    )


def _checked(name: str, value: object) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise wrong_type(name, value)
    for key, text in value.items():
        if not isinstance(key, str) or not (text is None or isinstance(text, str)):
            raise errors.ProgrammingError(
                f"the keys of {name} are str and its values str or None, not "
                f"{type(key).__qualname__} and {type(text).__qualname__}",
                sqlstate="42804",
            )
    return value


def _split(name: str, data: bytes) -> list[bytes | None]:
    """Keys and values in turn; None for NULL."""
    strings: list[bytes | None] = []
    end = len(data)
    try:
        (count,) = _LENGTH.unpack_from(data)
        position = _LENGTH.size
        if not 0 <= 2 * count * _LENGTH.size <= end - position:
            raise bad_binary(name)
        for _ in range(2 * count):
            (size,) = _LENGTH.unpack_from(data, position)
            position += _LENGTH.size
            if size == -1:
                strings.append(None)
                continue
            if not 0 <= size <= end - position:
                raise bad_binary(name)
            strings.append(data[position : position + size])
            position += size
    except StructError:
        raise bad_binary(name) from None
    if position != end:
        raise bad_binary(name)
    return strings
