"""The binary format of arrays: dimensions, then each element with its length. Source: array_recv.

Nothing is believed before it has been compared with the bytes that are there. One dimension of
elements of a fixed width is read and written as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, calcsize, pack, unpack
from struct import error as StructError
from typing import Any, Final

from pgwire.types.arraydimensions import MAXIMUM_DIMENSIONS, Dimensions, flatten, is_array, nested
from pgwire.types.codec import Codec, Decoder, Encoder, bad_binary, out_of_range, wrong_type
from pgwire.types.context import Context

__all__ = ["binary_decoder", "binary_encoder"]

_HEADER: Final = Struct("!iiI")  # dimensions, whether there are NULLs, OID of the elements
_DIMENSION: Final = Struct("!ii")  # length, lower bound
_LENGTH: Final = Struct("!i")
_NULL: Final = _LENGTH.pack(-1)


def binary_decoder(name: str, element: Codec) -> Callable[[Context], Decoder]:
    """The decoder of arrays over `element`, which must have a binary decoder."""
    layout = element.layout

    def make(context: Context) -> Decoder:
        decode_element = element.binary_decoder(context)

        def decode(data: bytes) -> list[Any]:
            data = bytes(data)
            try:
                dimensions, count, position = _dimensions(name, element.oid, data)
                items = _fixed(data, position, count, layout) if layout is not None else None
                if items is None:
                    items = _elements(name, data, position, count, decode_element)
            except StructError:
                raise bad_binary(name) from None
            return nested(items, dimensions)

        return decode

    return make


def binary_encoder(
    name: str, element: Codec, make_encoder: Callable[[Context], Encoder]
) -> Callable[[Context], Encoder]:
    """The encoder of arrays over `element`, whose binary encoders `make_encoder` makes."""
    layout = element.layout
    exact = _PACKED.get(layout or "", frozenset())

    def make(context: Context) -> Encoder:
        encode_element = make_encoder(context)

        def encode(value: object) -> bytes:
            if not is_array(value):
                raise wrong_type(name, value)
            dimensions, items = flatten(value)
            kinds = set(map(type, items))
            parts = [_HEADER.pack(len(dimensions), type(None) in kinds, element.oid)]
            try:
                parts += [_DIMENSION.pack(*dimension) for dimension in dimensions]
                if items and layout is not None and kinds <= exact:
                    parts.append(_pack(items, layout))
                else:
                    for item in items:
                        data = _NULL if item is None else encode_element(item)
                        if item is not None:
                            parts.append(_LENGTH.pack(len(data)))
                        parts.append(data)
            except (StructError, OverflowError):
                raise out_of_range(name) from None
            return b"".join(parts)

        return encode

    return make


# Layout -> the classes of which `struct` takes just what the codec takes.
_PACKED: Final = {
    **dict.fromkeys("hiqI", frozenset((int,))),
    "d": frozenset((int, float)),
}


def _dimensions(name: str, element_oid: int, data: bytes) -> tuple[Dimensions, int, int]:
    """The dimensions, the number of elements, and where the first one starts."""
    number, has_null, oid = _HEADER.unpack_from(data)
    if not 0 <= number <= MAXIMUM_DIMENSIONS or has_null not in (0, 1) or oid != element_oid:
        raise bad_binary(name)
    position = _HEADER.size
    dimensions: Dimensions = []
    count = 1 if number else 0
    for _ in range(number):
        length, lower = _DIMENSION.unpack_from(data, position)
        position += _DIMENSION.size
        if length < 0:
            raise bad_binary(name)
        dimensions.append((length, lower))
        count *= length
    # Every element has at least its own length: more than there is room for cannot be true.
    if count * _LENGTH.size > len(data) - position:
        raise bad_binary(name)
    return dimensions, count, position


def _elements(name: str, data: bytes, position: int, count: int, decode: Decoder) -> list[Any]:
    items: list[Any] = []
    end = len(data)
    length_of = _LENGTH.unpack_from
    for _ in range(count):
        (size,) = length_of(data, position)
        position += 4
        if size == -1:
            items.append(None)
            continue
        if not 0 <= size <= end - position:
            raise bad_binary(name)
        items.append(decode(data[position : position + size]))
        position += size
    if position != end:
        raise bad_binary(name)
    return items


def _fixed(data: bytes, position: int, count: int, layout: str) -> list[Any] | None:
    """The elements, if every one of them has the length that `layout` has; else None."""
    width = calcsize("!" + layout)
    stride = _LENGTH.size + width
    if len(data) - position != count * stride:
        return None
    length = _LENGTH.pack(width)
    for i in range(_LENGTH.size):
        if data[position + i :: stride] != length[i : i + 1] * count:
            return None
    values = bytearray(count * width)
    for i in range(width):
        values[i::width] = data[position + _LENGTH.size + i :: stride]
    return list(unpack(f"!{count}{layout}", values))


def _pack(items: list[Any], layout: str) -> bytes:
    """The elements, none of them NULL, each behind its length."""
    count = len(items)
    values = pack(f"!{count}{layout}", *items)
    width = len(values) // count
    stride = _LENGTH.size + width
    data = bytearray((_LENGTH.pack(width) + bytes(width)) * count)
    for i in range(width):
        data[_LENGTH.size + i :: stride] = values[i::width]
    return bytes(data)
