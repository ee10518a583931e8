"""Ranges and multiranges over any codec. Manual: 8.17 "Range Types"; source: rangetypes.c."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError
from typing import Any, Final

from pgwire.types.codec import (
    Codec,
    Decoder,
    Encoder,
    bad_binary,
    bad_text,
    out_of_range,
    wrong_type,
)
from pgwire.types.context import Context
from pgwire.types.nesting import (
    inner_context,
    nested_text_decoder,
    nested_text_encoder,
    preferred_of,
)
from pgwire.types.range import Multirange, Range

__all__ = ["literal", "multirange_codec", "range_codec"]


def range_codec(name: str, oid: int, array_oid: int, subtype: Codec) -> Codec:
    """The codec of ranges over `subtype`."""

    def make_text(context: Context) -> Decoder:
        decode_bound = subtype.text_decoder(inner_context(context))

        def parse(data: bytes) -> object:
            (item,) = _parse(name, data, decode_bound, single=True)
            return item

        return nested_text_decoder(context, parse)

    def make_binary(context: Context) -> Decoder:
        return _binary_decoder(name, subtype.binary_decoder(context))

    def make_text_encoder(context: Context) -> Encoder:
        encode_bound = subtype.text_encoder(inner_context(context))

        def build(value: object) -> bytes:
            if not isinstance(value, Range):
                raise wrong_type(name, value)
            return _text(value, encode_bound)

        return nested_text_encoder(context, build)

    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=make_text,
        text_encoder=make_text_encoder,
        binary_decoder=make_binary if subtype.reads_binary else None,
        binary_encoder=_binary_encoder(name, subtype.binary_encoder),
        preferred=preferred_of([subtype]),
        styled=subtype.styled,
    )


def multirange_codec(name: str, oid: int, array_oid: int, subtype: Codec) -> Codec:
    """The codec of multiranges whose ranges are over `subtype`."""

    def make_text(context: Context) -> Decoder:
        decode_bound = subtype.text_decoder(inner_context(context))

        def parse(data: bytes) -> object:
            return Multirange(_parse(name, data, decode_bound, single=False))

        return nested_text_decoder(context, parse)

    def make_binary(context: Context) -> Decoder:
        return _multirange_binary_decoder(
            name, _binary_decoder(name, subtype.binary_decoder(context))
        )

    def make_text_encoder(context: Context) -> Encoder:
        encode_bound = subtype.text_encoder(inner_context(context))

        def build(value: object) -> bytes:
            if not isinstance(value, Multirange):
                raise wrong_type(name, value)
            return b"{" + b",".join([_text(item, encode_bound) for item in value]) + b"}"

        return nested_text_encoder(context, build)

    of_range = _binary_encoder(name, subtype.binary_encoder)
    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=make_text,
        text_encoder=make_text_encoder,
        binary_decoder=make_binary if subtype.reads_binary else None,
        binary_encoder=_multirange_binary_encoder(name, of_range),
        preferred=preferred_of([subtype]),
        styled=subtype.styled,
    )


def literal(value: object, encode_bound: Encoder) -> bytes:
    """The text of a range or multirange whose type the server is to infer.

    Arguments:
        encode_bound: gives the text of a bound.
    """
    if isinstance(value, Multirange):
        return b"{" + b",".join([_text(item, encode_bound) for item in value]) + b"}"
    if isinstance(value, Range):
        return _text(value, encode_bound)
    raise wrong_type("unknown", value)


# Text

_RANGE: Final = re.compile(
    rb"\s*(?:(empty)|([\[(])"
    rb'(?:"([^"\\]*(?:(?:""|\\.)[^"\\]*)*)"|([^"\\,()\[\]]*)),'
    rb'(?:"([^"\\]*(?:(?:""|\\.)[^"\\]*)*)"|([^"\\,()\[\]]*))'
    rb"([\])]))\s*",
    re.DOTALL | re.IGNORECASE,
)
_ESCAPED: Final = re.compile(rb'""|\\(.)', re.DOTALL)
_SPECIAL: Final = re.compile(rb'["\\()\[\],\s]')


def _parse(name: str, data: bytes, decode: Decoder, *, single: bool) -> Iterator[Range[Any]]:
    position, end = 0, len(data)
    if not single:
        stripped = data.strip()
        if not (len(stripped) >= 2 and stripped[:1] == b"{" and stripped[-1:] == b"}"):
            raise bad_text(name, data)
        position, end = data.index(b"{") + 1, data.rindex(b"}")
        if not data[position:end].strip():
            return
    while True:
        match = _RANGE.match(data, position, end)
        if match is None:
            raise bad_text(name, data)
        empty, opening, *texts, closing = match.groups()
        if empty is not None:
            yield Range(empty=True)
        else:
            lower, upper = (
                _bound(quoted, plain, decode)
                for quoted, plain in ((texts[0], texts[1]), (texts[2], texts[3]))
            )
            yield Range(lower, upper, (opening + closing).decode("ascii"))
        position = match.end()
        if position == end:
            return
        if single or data[position : position + 1] != b",":
            raise bad_text(name, data)
        position += 1


def _bound(quoted: bytes | None, plain: bytes | None, decode: Decoder) -> object:
    if quoted is not None:
        return decode(_ESCAPED.sub(lambda match: match[1] or b'"', quoted))
    return decode(plain) if plain else None


def _text(value: Range[Any], encode: Encoder) -> bytes:
    if value.empty:
        return b"empty"
    lower = b"" if value.lower is None else _quoted(encode(value.lower))
    upper = b"" if value.upper is None else _quoted(encode(value.upper))
    opening, closing = value.bounds.encode("ascii")[:1], value.bounds.encode("ascii")[1:]
    return opening + lower + b"," + upper + closing


def _quoted(text: bytes) -> bytes:
    if text and _SPECIAL.search(text) is None:
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'""') + b'"'


# Binary

_EMPTY, _LOWER_INC, _UPPER_INC, _LOWER_INF, _UPPER_INF = 1, 2, 4, 8, 16
_LENGTH: Final = Struct("!i")


def _binary_decoder(name: str, decode_bound: Decoder) -> Decoder:
    def decode(data: bytes) -> Range[Any]:
        data = bytes(data)
        flags = data[0] if data else 0x80
        if flags & ~(_EMPTY | _LOWER_INC | _UPPER_INC | _LOWER_INF | _UPPER_INF):
            raise bad_binary(name)
        position = 1
        bounds: list[object] = []
        for absent in (_LOWER_INF, _UPPER_INF):
            if flags & (_EMPTY | absent):
                bounds.append(None)
                continue
            try:
                (size,) = _LENGTH.unpack_from(data, position)
            except StructError:
                raise bad_binary(name) from None
            position += _LENGTH.size
            if not 0 <= size <= len(data) - position:
                raise bad_binary(name)
            bounds.append(decode_bound(data[position : position + size]))
            position += size
        if position != len(data):
            raise bad_binary(name)
        brackets = ("[" if flags & _LOWER_INC else "(") + ("]" if flags & _UPPER_INC else ")")
        return Range(bounds[0], bounds[1], brackets, bool(flags & _EMPTY))

    return decode


def _multirange_binary_decoder(name: str, decode_range: Decoder) -> Decoder:
    def decode(data: bytes) -> object:
        data = bytes(data)
        ranges: list[Any] = []
        try:
            (count,) = _LENGTH.unpack_from(data)
            position = _LENGTH.size
            if not 0 <= count * _LENGTH.size <= len(data) - position:
                raise bad_binary(name)
            for _ in range(count):
                (size,) = _LENGTH.unpack_from(data, position)
                position += _LENGTH.size
                if not 0 <= size <= len(data) - position:
                    raise bad_binary(name)
                ranges.append(decode_range(data[position : position + size]))
                position += size
        except StructError:
            raise bad_binary(name) from None
        if position != len(data):
            raise bad_binary(name)
        return Multirange(ranges)

    return decode


def _binary_encoder(
    name: str, bound_encoder: Callable[[Context], Encoder] | None
) -> Callable[[Context], Encoder] | None:
    if bound_encoder is None:
        return None
    make_bound = bound_encoder

    def make(context: Context) -> Encoder:
        encode_bound = make_bound(context)

        def encode(value: object) -> bytes:
            if not isinstance(value, Range):
                raise wrong_type(name, value)
            if value.empty:
                return bytes((_EMPTY,))
            flags = 0
            parts: list[bytes] = []
            for bound, inclusive, absent in (
                (value.lower, value.bounds[0] == "[" and _LOWER_INC, _LOWER_INF),
                (value.upper, value.bounds[1] == "]" and _UPPER_INC, _UPPER_INF),
            ):
                if bound is None:
                    flags |= absent
                else:
                    flags |= inclusive
                    parts += _with_length(name, encode_bound(bound))
            return bytes((flags,)) + b"".join(parts)

        return encode

    return make


def _multirange_binary_encoder(
    name: str, range_encoder: Callable[[Context], Encoder] | None
) -> Callable[[Context], Encoder] | None:
    if range_encoder is None:
        return None
    make_range = range_encoder

    def make(context: Context) -> Encoder:
        encode_range = make_range(context)

        def encode(value: object) -> bytes:
            if not isinstance(value, Multirange):
                raise wrong_type(name, value)
            parts = [_LENGTH.pack(len(value))]
            for item in value:
                parts += _with_length(name, encode_range(item))
            return b"".join(parts)

        return encode

    return make


def _with_length(name: str, data: bytes) -> tuple[bytes, bytes]:
    try:
        return _LENGTH.pack(len(data)), data
    except StructError:
        raise out_of_range(name) from None
