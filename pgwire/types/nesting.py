"""What arrays, composites, ranges and hstore share: values within the text of a value.

Their quotes and backslashes are looked for byte by byte, which needs an encoding in which a byte
below 0x80 is always that character. In one that is not so, the text goes through UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgwire import errors
from pgwire.types.codec import BINARY, TEXT, Codec, Decoder, Encoder, str_encoder
from pgwire.types.context import Context
from pgwire.types.encodings import ASCII_UNSAFE

__all__ = ["inner_context", "nested_text_decoder", "nested_text_encoder", "preferred_of"]


def inner_context(context: Context) -> Context:
    """The context for the codecs of the values within: `context`, if its encoding allows."""
    return context.replace(encoding="utf-8") if context.encoding in ASCII_UNSAFE else context


def nested_text_decoder(context: Context, parse: Decoder) -> Decoder:
    """A text decoder by `parse`, which reads what is encoded as `inner_context` says."""
    if context.encoding not in ASCII_UNSAFE:
        return parse

    def decode(data: bytes) -> object:
        try:
            text = str(data, context.encoding).encode("utf-8")
        except UnicodeError:
            raise errors.DataError(
                f"text is not valid in client_encoding ({context.encoding})", sqlstate="22021"
            ) from None
        return parse(text)

    return decode


def nested_text_encoder(context: Context, build: Encoder) -> Encoder:
    """A text encoder that sends a str as it is, and else what `build` gives, which is encoded as
    `inner_context` says."""
    encode_str = str_encoder(context)
    unsafe = context.encoding in ASCII_UNSAFE

    def encode(value: object) -> bytes:
        if isinstance(value, str):
            return encode_str(value)
        data = build(value)
        return encode_str(data.decode("utf-8")) if unsafe else data

    return encode


def preferred_of(codecs: Sequence[Codec], format: int | None = None) -> int:
    """The format to ask for of a value made of values of `codecs`: `format` (None: the one most of
    them prefer), but text as soon as there is one whose binary format nobody can read. Binary for
    dates: in text they would be misread if the statement changed DateStyle itself."""
    if not all(codec.reads_binary for codec in codecs):
        return TEXT
    if any(codec.styled for codec in codecs):
        return BINARY
    if format is not None:
        return format
    binary = sum(codec.preferred == BINARY for codec in codecs)
    return BINARY if 2 * binary > len(codecs) else TEXT
