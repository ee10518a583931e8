"""uuid as uuid.UUID. Manual: 8.12 "UUID Type"."""

from __future__ import annotations

from uuid import UUID

from pgwire.types.codec import (
    BINARY,
    always,
    ascii_text,
    bad_binary,
    bad_text,
    builtin_codec,
    text_encoder,
    wrong_type,
)

__all__ = ["CODECS"]


def _from_text(data: bytes) -> UUID:
    try:
        return UUID(ascii_text("uuid", data))
    except ValueError:
        raise bad_text("uuid", data) from None


def _to_text(value: object) -> str | None:
    return str(value) if isinstance(value, UUID) else None


def _from_binary(data: bytes) -> UUID:
    try:
        return UUID(bytes=bytes(data))
    except ValueError:
        raise bad_binary("uuid") from None


def _to_binary(value: object) -> bytes:
    if not isinstance(value, UUID):
        raise wrong_type("uuid", value)
    return value.bytes


CODECS = (
    builtin_codec(
        "uuid",
        text_decoder=always(_from_text),
        text_encoder=text_encoder("uuid", _to_text),
        binary_decoder=always(_from_binary),
        binary_encoder=always(_to_binary),
        preferred=BINARY,
    ),
)
