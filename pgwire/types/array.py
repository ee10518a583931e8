"""Arrays over any codec as list, nested per dimension. Manual: 8.15 "Arrays".

Lists are dimensions, and nothing else is: a tuple is an element, the value of a composite type. An
element that is a list itself (of json) must be given as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pgwire.types.arraybinary import binary_decoder, binary_encoder
from pgwire.types.arraydimensions import Array, flatten, is_array
from pgwire.types.arraytext import ArrayText
from pgwire.types.codec import BINARY, Codec, Decoder, Encoder, wrong_type
from pgwire.types.context import Context
from pgwire.types.nesting import (
    inner_context,
    nested_text_decoder,
    nested_text_encoder,
    preferred_of,
)

__all__ = ["Array", "array_codec", "flatten"]


def array_codec(element: Codec) -> Codec:
    """The codec of arrays over `element`."""
    name = element.name + "[]"
    encoder = element.binary_encoder
    return Codec(
        name,
        element.array_oid,
        text_decoder=_text_decoder(name, element),
        text_encoder=_text_encoder(name, element),
        binary_decoder=binary_decoder(name, element) if element.reads_binary else None,
        binary_encoder=binary_encoder(name, element, encoder) if encoder is not None else None,
        # The text of strings has quotes to be looked for; their binary format has lengths.
        preferred=preferred_of([element], BINARY if element.verbatim else None),
        styled=element.styled,
    )


def _text_decoder(name: str, element: Codec) -> Callable[[Context], Decoder]:
    parse = ArrayText(name, element.delimiter).parse

    def make(context: Context) -> Decoder:
        decode_element = element.text_decoder(inner_context(context))
        return nested_text_decoder(context, lambda data: parse(data, decode_element))

    return make


def _text_encoder(name: str, element: Codec) -> Callable[[Context], Encoder]:
    quote = ArrayText(name, element.delimiter).quote
    delimiter = element.delimiter.encode("ascii")

    def make(context: Context) -> Encoder:
        inner = inner_context(context)
        encode_element = element.text_encoder(inner)
        verbatim = element.verbatim

        def build(value: object) -> bytes:
            if not is_array(value):
                raise wrong_type(name, value)
            dimensions, items = flatten(value)
            parts: list[bytes]
            if verbatim and len(dimensions) == 1 and set(map(type, items)) == {str}:
                parts = [_quoted(items, element.delimiter, encode_element)]
            else:
                parts = [b"NULL" if item is None else quote(encode_element(item)) for item in items]
                parts = _braced(parts, dimensions, delimiter)
            text = parts[0] if parts else b"{}"
            if any(lower != 1 for _, lower in dimensions):
                bounds = "".join(f"[{low}:{low + length - 1}]" for length, low in dimensions)
                return bounds.encode("ascii") + b"=" + text
            return text

        return nested_text_encoder(context, build)

    return make


def _braced(
    parts: list[bytes], dimensions: Sequence[tuple[int, int]], delimiter: bytes
) -> list[bytes]:
    for length, _ in reversed(dimensions):
        parts = [
            b"{" + delimiter.join(parts[i : i + length]) + b"}"
            for i in range(0, len(parts), length)
        ]
    return parts


def _quoted(items: Sequence[Any], delimiter: str, encode: Encoder) -> bytes:
    """One dimension of nothing but str, each quoted, all at once."""
    text = "\0".join(items)
    if text.count("\0") != len(items) - 1:
        for item in items:
            encode(item)  # raises: one of them holds a NUL
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", f'"{delimiter}"')
    return encode('{"' + text + '"}')
