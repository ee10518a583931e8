"""text, varchar, bpchar, name, xml, "char", refcursor, jsonpath and everything unknown as str.

void, the result of a function that returns nothing, is the empty str. Manual: 8.3 "Character
Types", 8.13 "XML Type", 8.14.7 "jsonpath Type", 41.7 "Cursors".
"""

from __future__ import annotations

from collections.abc import Callable

from pgwire import errors
from pgwire.types.catalog import OIDS
from pgwire.types.codec import (
    Codec,
    Decoder,
    Encoder,
    bad_binary,
    builtin_codec,
    str_encoder,
    wrong_type,
)
from pgwire.types.context import Context

__all__ = ["CODECS", "UNKNOWN", "str_only_encoder", "text_decoder", "unknown_codec"]


def text_decoder(context: Context) -> Callable[[bytes], str]:
    """Decoder of text in client_encoding."""
    encoding = context.encoding

    def decode(data: bytes) -> str:
        try:
            return str(data, encoding)
        except UnicodeDecodeError as error:
            raise errors.DataError(
                f"text is not valid in client_encoding ({encoding}): byte "
                f"0x{data[error.start]:02x} at {error.start}",
                sqlstate="22021",
            ) from None

    return decode


def str_only_encoder(name: str) -> Callable[[Context], Encoder]:
    """Encoder of a type that takes nothing but text."""

    def make(context: Context) -> Encoder:
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            if not isinstance(value, str):
                raise wrong_type(name, value)
            return encode_str(value)

        return encode

    return make


def unknown_codec(name: str, oid: int, array_oid: int = 0) -> Codec:
    """Codec of a type nobody knows more about: str in text format, bytes in binary."""
    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=text_decoder,
        text_encoder=str_only_encoder(name),
        verbatim=True,
    )


def _codec(name: str) -> Codec:
    return builtin_codec(
        name,
        text_decoder=text_decoder,
        text_encoder=str_only_encoder(name),
        binary_decoder=text_decoder,
        binary_encoder=str_only_encoder(name),
        verbatim=True,
    )


# jsonpath is text in binary format too, after a version number.

_JSONPATH_VERSION = b"\1"


def _jsonpath_binary_decoder(context: Context) -> Decoder:
    decode_str = text_decoder(context)

    def decode(data: bytes) -> str:
        if not data.startswith(_JSONPATH_VERSION):
            raise bad_binary("jsonpath")
        return decode_str(data[1:])

    return decode


def _jsonpath_binary_encoder(context: Context) -> Encoder:
    encode_str = str_only_encoder("jsonpath")(context)
    return lambda value: _JSONPATH_VERSION + encode_str(value)


# "char" is one byte. The server writes 0 as the empty string and a byte beyond ASCII as \ooo.


def _char_text_decoder(context: Context) -> Decoder:
    def decode(data: bytes) -> str:
        if len(data) == 4 and data.startswith(b"\\"):
            return str(data, "ascii", "replace")
        return _char_from_binary(data or b"\0")

    return decode


def _char_binary_decoder(context: Context) -> Decoder:
    return _char_from_binary


def _char_from_binary(data: bytes) -> str:
    if len(data) != 1:
        raise bad_binary('"char"')
    byte = data[0]
    return f"\\{byte:03o}" if byte > 127 else chr(byte) if byte else ""


def _char_binary_encoder(context: Context) -> Encoder:
    def encode(value: object) -> bytes:
        if not isinstance(value, str):
            raise wrong_type('"char"', value)
        if not value:
            return b"\0"
        if len(value) == 1 and value < "\x80":
            return value.encode("ascii")
        if len(value) == 4 and value[0] == "\\" and value[1] in "0123":
            try:
                return bytes((int(value[1:], 8),))
            except ValueError:
                pass
        raise errors.DataError(f'{value!r} is not one byte of type "char"', sqlstate="22P02")

    return encode


UNKNOWN = unknown_codec("unknown", OIDS["unknown"][0])
"""Codec of a type that the registry does not know."""

CODECS = (
    _codec("text"),
    _codec("varchar"),
    _codec("bpchar"),
    _codec("name"),
    _codec("xml"),
    _codec("refcursor"),
    _codec("void"),
    builtin_codec(
        "jsonpath",
        text_decoder=text_decoder,
        text_encoder=str_only_encoder("jsonpath"),
        binary_decoder=_jsonpath_binary_decoder,
        binary_encoder=_jsonpath_binary_encoder,
    ),
    builtin_codec(
        "char",
        text_decoder=_char_text_decoder,
        text_encoder=str_only_encoder('"char"'),
        binary_decoder=_char_binary_decoder,
        binary_encoder=_char_binary_encoder,
    ),
)
