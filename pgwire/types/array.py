"""Arrays over any codec as list, nested per dimension. Manual: 8.15 "Arrays".

The lower bounds of an array, which are 1 unless somebody took pains, are not kept. Lists and
tuples alike are dimensions, so an element that is a list itself (of json) must be given as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError

from pgwire import errors
from pgwire.types.arraytext import MAXIMUM_DIMENSIONS, ArrayText
from pgwire.types.codec import (
    Codec,
    Decoder,
    Encoder,
    bad_binary,
    out_of_range,
    str_encoder,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.encodings import ASCII_UNSAFE

__all__ = ["array_codec", "flatten"]

_HEADER = Struct("!iiI")  # dimensions, whether there are NULLs, OID of the elements
_DIMENSION = Struct("!ii")  # length, lower bound
_LENGTH = Struct("!i")
_NULL = _LENGTH.pack(-1)


def array_codec(element: Codec) -> Codec:
    """The codec of arrays over `element`."""
    name = element.name + "[]"
    binary_encoder = element.binary_encoder
    return Codec(
        name,
        element.array_oid,
        text_decoder=_text_decoder(name, element),
        text_encoder=_text_encoder(name, element),
        binary_decoder=_binary_decoder(name, element),
        binary_encoder=(
            _binary_encoder(name, element.oid, binary_encoder)
            if binary_encoder is not None
            else None
        ),
    )


def flatten(value: object) -> tuple[list[int], list[object]]:
    """Lengths of the dimensions, and the elements in row-major order; ([], []) if it is empty.

    Raises:
        DataError: ragged, an element beside a list, or more than six dimensions.
    """
    items: list[object] = list(value) if isinstance(value, (list, tuple)) else [value]
    lengths = [len(items)]
    while items and isinstance(items[0], (list, tuple)):
        if len(lengths) == MAXIMUM_DIMENSIONS:
            raise errors.DataError(
                f"an array has at most {MAXIMUM_DIMENSIONS} dimensions", sqlstate="54000"
            )
        inner: list[object] = []
        length = len(items[0])
        for item in items:
            if not isinstance(item, (list, tuple)) or len(item) != length:
                raise _ragged()
            inner += item
        items = inner
        lengths.append(length)
    if any(isinstance(item, (list, tuple)) for item in items):
        raise _ragged()
    return (lengths, items) if items else ([], [])


def _ragged() -> errors.DataError:
    return errors.DataError(
        "nested lists must all have the same length and depth to be an array", sqlstate="2202E"
    )


# Text


def _element_context(context: Context) -> tuple[Context, bool]:
    """A context in whose encoding quotes and backslashes can be looked for, byte by byte."""
    unsafe = context.encoding in ASCII_UNSAFE
    return (context.replace(encoding="utf-8") if unsafe else context), unsafe


def _text_decoder(name: str, element: Codec) -> Callable[[Context], Decoder]:
    parse = ArrayText(name, element.delimiter).parse

    def make(context: Context) -> Decoder:
        inner, unsafe = _element_context(context)
        decode_element = element.text_decoder(inner)

        def decode(data: bytes) -> list[object]:
            return parse(data, decode_element)

        def decode_unsafe(data: bytes) -> list[object]:
            try:
                return parse(str(data, context.encoding).encode("utf-8"), decode_element)
            except UnicodeError:
                raise errors.DataError(
                    f"text is not valid in client_encoding ({context.encoding})", sqlstate="22021"
                ) from None

        return decode_unsafe if unsafe else decode

    return make


def _text_encoder(name: str, element: Codec) -> Callable[[Context], Encoder]:
    quote = ArrayText(name, element.delimiter).quote
    delimiter = element.delimiter.encode("ascii")

    def make(context: Context) -> Encoder:
        inner, unsafe = _element_context(context)
        encode_element = element.text_encoder(inner)
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            if isinstance(value, str):
                return encode_str(value)
            if not isinstance(value, (list, tuple)):
                raise wrong_type(name, value)
            lengths, items = flatten(value)
            parts = [b"NULL" if item is None else quote(encode_element(item)) for item in items]
            for length in reversed(lengths):
                parts = [
                    b"{" + delimiter.join(parts[i : i + length]) + b"}"
                    for i in range(0, len(parts), length)
                ]
            text = parts[0] if parts else b"{}"
            return encode_str(text.decode("utf-8")) if unsafe else text

        return encode

    return make


# Binary


def _binary_decoder(name: str, element: Codec) -> Callable[[Context], Decoder]:
    def make(context: Context) -> Decoder:
        decode_element = element.binary_decoder(context)

        def decode(data: bytes) -> list[object]:
            try:
                return _decode_binary(name, element.oid, bytes(data), decode_element)
            except StructError:
                raise bad_binary(name) from None

        return decode

    return make


def _decode_binary(
    name: str, element_oid: int, data: bytes, decode_element: Decoder
) -> list[object]:
    dimensions, has_null, oid = _HEADER.unpack_from(data)
    if not 0 <= dimensions <= MAXIMUM_DIMENSIONS or has_null not in (0, 1) or oid != element_oid:
        raise bad_binary(name)
    position = _HEADER.size
    lengths: list[int] = []
    count = 1 if dimensions else 0
    for _ in range(dimensions):
        length, _lower_bound = _DIMENSION.unpack_from(data, position)
        position += _DIMENSION.size
        lengths.append(length)
        count *= length
        if length < 0:
            raise bad_binary(name)
    # Every element has at least its own length: more than there is room for cannot be true.
    if count * _LENGTH.size > len(data) - position:
        raise bad_binary(name)
    items: list[object] = []
    for _ in range(count):
        (size,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if size == -1:
            items.append(None)
            continue
        if not 0 <= size <= len(data) - position:
            raise bad_binary(name)
        items.append(decode_element(data[position : position + size]))
        position += size
    if position != len(data):
        raise bad_binary(name)
    return _nested(items, lengths) if items else []


def _nested(items: list[object], lengths: Sequence[int]) -> list[object]:
    for length in reversed(lengths[1:]):
        items = [items[i : i + length] for i in range(0, len(items), length)]
    return items


def _binary_encoder(
    name: str, oid: int, element_encoder: Callable[[Context], Encoder]
) -> Callable[[Context], Encoder]:
    def make(context: Context) -> Encoder:
        encode_element = element_encoder(context)

        def encode(value: object) -> bytes:
            if not isinstance(value, (list, tuple)):
                raise wrong_type(name, value)
            lengths, items = flatten(value)
            has_null = any(item is None for item in items)
            parts = [_HEADER.pack(len(lengths), has_null, oid)]
            parts += [_DIMENSION.pack(length, 1) for length in lengths]
            for item in items:
                if item is None:
                    parts.append(_NULL)
                    continue
                data = encode_element(item)
                try:
                    parts.append(_LENGTH.pack(len(data)))
                except StructError:
                    raise out_of_range(name) from None
                parts.append(data)
            return b"".join(parts)

        return encode

    return make
