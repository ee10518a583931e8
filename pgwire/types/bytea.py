"""bytea as bytes; text in hex and in escape format. Manual: 8.4 "Binary Data Types"."""

from __future__ import annotations

import re
from binascii import Error as HexError
from binascii import unhexlify

from pgwire.types.codec import (
    BINARY,
    always,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]

_ESCAPE = re.compile(rb"\\(?:(\\)|([0-3][0-7]{2}))?")


def _from_text(data: bytes) -> bytes:
    # The escape format doubles a backslash, so \x can only be the hex format.
    if data.startswith(b"\\x"):
        try:
            return unhexlify(data[2:])
        except HexError:
            raise bad_text("bytea", data) from None
    return _ESCAPE.sub(_unescape, data) if b"\\" in data else bytes(data)


def _unescape(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return b"\\"
    if match[2]:
        return bytes((int(match[2], 8),))
    raise bad_text("bytea", match.string)


def _to_text(value: object) -> str | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + value.hex()
    return None


def _to_binary(value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise wrong_type("bytea", value)


CODECS = (
    builtin_codec(
        "bytea",
        text_decoder=always(_from_text),
        text_encoder=text_encoder("bytea", _to_text),
        binary_decoder=always(bytes),
        binary_encoder=always(_to_binary),
        preferred=BINARY,
    ),
)
