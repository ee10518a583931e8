"""bool. Manual: 8.6 "Boolean Type"."""

from __future__ import annotations

from pgwire.types.codec import (
    BINARY,
    always,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]


def _from_text(data: bytes) -> bool:
    if data == b"t":
        return True
    if data == b"f":
        return False
    raise bad_text("boolean", data)


def _to_text(value: object) -> str | None:
    return ("t" if value else "f") if isinstance(value, bool) else None


def _from_binary(data: bytes) -> bool:
    if data == b"\1":
        return True
    if data == b"\0":
        return False
    raise bad_binary("boolean")


def _to_binary(value: object) -> bytes:
    if not isinstance(value, bool):
        raise wrong_type("boolean", value)
    return b"\1" if value else b"\0"


CODECS = (
    builtin_codec(
        "bool",
        text_decoder=always(_from_text),
        text_encoder=text_encoder("boolean", _to_text),
        binary_decoder=always(_from_binary),
        binary_encoder=always(_to_binary),
        preferred=BINARY,
    ),
)
