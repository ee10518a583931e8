"""Composite types and anonymous records. Manual: 8.16 "Composite Types"; source: rowtypes.c."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from struct import error as StructError
from typing import Any, Final

from pgwire import errors
from pgwire.types.array import array_codec
from pgwire.types.catalog import OIDS
from pgwire.types.codec import (
    BINARY,
    Codec,
    Decoder,
    Encoder,
    bad_binary,
    out_of_range,
    wrong_type,
)
from pgwire.types.compositetext import join_fields, split_fields
from pgwire.types.context import Context
from pgwire.types.derived import Derived
from pgwire.types.named import named_tuple
from pgwire.types.nesting import (
    inner_context,
    nested_text_decoder,
    nested_text_encoder,
    preferred_of,
)
from pgwire.types.text import UNKNOWN, text_decoder, unknown_codec

__all__ = ["DERIVED", "MAXIMUM_DEPTH", "Field", "composite_codec", "derived_composite"]

MAXIMUM_DEPTH: Final = 64
"""How deep anonymous records may be nested: they describe themselves, so a server may send any."""

Field = tuple[str, int]
"""Name of a field, and the OID of its type."""

_COUNT: Final = Struct("!i")
_FIELD: Final = Struct("!Ii")  # OID of the type, length or -1

_Construct = Callable[[list[Any]], object]
_Fields = Callable[[Any], Sequence[object]]


def derived_composite(
    name: str, oid: int, array_oid: int, fields: Sequence[Field], cls: type | None = None
) -> Derived:
    """A composite type, whose values come as `cls`; None: as a named tuple made for it.

    `cls` is called with the fields by name, and has them as attributes.
    """
    construct, fields_of, classes = _class_of(name, [field for field, _ in fields], cls)

    def make(by_oid: Callable[[int], Codec]) -> Codec:
        codecs = [by_oid(type_oid) for _, type_oid in fields]
        # Of a type nobody knows, its OID is what a binary value is compared with.
        codecs = [
            codec if codec.oid == type_oid else unknown_codec(f"oid {type_oid}", type_oid)
            for codec, (_, type_oid) in zip(codecs, fields, strict=True)
        ]
        return composite_codec(name, oid, array_oid, codecs, construct, fields_of)

    parts = [type_oid for _, type_oid in fields]
    return Derived(name, oid, array_oid, parts, make, classes=classes, cls=cls)


def composite_codec(
    name: str,
    oid: int,
    array_oid: int,
    codecs: Sequence[Codec],
    construct: _Construct = tuple,
    fields_of: _Fields = lambda value: value,
) -> Codec:
    """The codec of a composite type.

    Arguments:
        codecs: of its fields, in order.
        construct: makes a value of a list of the fields.
        fields_of: gives the fields of a value that is no tuple; TypeError if it is none.
    """

    def checked(value: object) -> Sequence[object]:
        try:
            fields = value if isinstance(value, tuple) else fields_of(value)
            count = len(fields)
        except (TypeError, AttributeError):
            raise wrong_type(name, value) from None
        if not isinstance(fields, tuple):
            raise wrong_type(name, value)
        if count != len(codecs):
            raise errors.DataError(
                f"a value of composite type {name} has {len(codecs)} fields, not {count}",
                sqlstate="42804",
            )
        return fields

    def make_text(context: Context) -> Decoder:
        inner = inner_context(context)
        decoders = [codec.text_decoder(inner) for codec in codecs]

        def parse(data: bytes) -> object:
            texts = split_fields(name, data, empty=not decoders)
            if len(texts) != len(decoders):
                raise _changed(name)
            return construct(
                [
                    None if text is None else decode(text)
                    for decode, text in zip(decoders, texts, strict=True)
                ]
            )

        return nested_text_decoder(context, parse)

    def make_text_encoder(context: Context) -> Encoder:
        inner = inner_context(context)
        encoders = [codec.text_encoder(inner) for codec in codecs]

        def build(value: object) -> bytes:
            fields = checked(value)
            return join_fields(
                [
                    None if field is None else encode(field)
                    for encode, field in zip(encoders, fields, strict=True)
                ]
            )

        return nested_text_encoder(context, build)

    def make_binary(context: Context) -> Decoder:
        expected = [(codec.oid, codec.binary_decoder(context)) for codec in codecs]

        def decode(data: bytes) -> object:
            items = _split_binary(name, bytes(data))
            if [type_oid for type_oid, _ in items] != [type_oid for type_oid, _ in expected]:
                raise _changed(name)
            return construct(
                [
                    None if item is None else decode_field(item)
                    for (_, decode_field), (_, item) in zip(expected, items, strict=True)
                ]
            )

        return decode

    binary_encoders = [codec.binary_encoder for codec in codecs]

    def make_binary_encoder(context: Context) -> Encoder:
        encoders = [(c.oid, m(context)) for c, m in zip(codecs, binary_encoders, strict=True) if m]

        def encode(value: object) -> bytes:
            fields = checked(value)
            parts = [_COUNT.pack(len(fields))]
            for (type_oid, encode_field), field in zip(encoders, fields, strict=True):
                data = b"" if field is None else encode_field(field)
                try:
                    parts.append(_FIELD.pack(type_oid, -1 if field is None else len(data)))
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
        binary_decoder=make_binary if all(codec.reads_binary for codec in codecs) else None,
        binary_encoder=make_binary_encoder if None not in binary_encoders else None,
        preferred=preferred_of(codecs, BINARY),
        styled=any(codec.styled for codec in codecs),
    )


def _changed(name: str) -> errors.DataError:
    return errors.DataError(
        f"a value has not the fields that composite type {name} had",
        sqlstate="42804",
        hint="If the type has been altered, load_types looks it up again.",
    )


def _class_of(
    name: str, names: Sequence[str], cls: type | None
) -> tuple[_Construct, _Fields, tuple[type, ...]]:
    """How a value is made and taken apart, and the classes whose values are of this type."""
    if cls is None:
        made = named_tuple(name if name.isidentifier() else "composite", names)
        return made._make, lambda value: value, (made,)
    _check_class(name, names, cls)
    given = cls

    def construct(values: list[Any]) -> object:
        try:
            return given(**dict(zip(names, values, strict=True)))
        except Exception as error:
            error.add_note(f"while a value of composite type {name} was made a {given.__name__}")
            raise

    def fields_of(value: Any) -> Sequence[object]:
        if not isinstance(value, given):
            raise wrong_type(name, value)
        return tuple(getattr(value, field) for field in names)

    return construct, fields_of, (cls,)


def _check_class(name: str, names: Sequence[str], cls: type) -> None:
    """The class says of itself which fields it has, if it is a named tuple or a dataclass."""
    fields = getattr(cls, "__dataclass_fields__", None) or getattr(cls, "_fields", None)
    if fields is None or set(fields) == set(names):
        return
    raise errors.ProgrammingError(
        f"{cls.__qualname__} does not have the fields of composite type {name}: "
        f"it has {', '.join(fields)}, the type has {', '.join(names)}",
        sqlstate="42804",
    )


# Binary


def _split_binary(name: str, data: bytes) -> list[tuple[int, bytes | None]]:
    """OID of the type and bytes (None: NULL) of each field."""
    items: list[tuple[int, bytes | None]] = []
    end = len(data)
    try:
        (count,) = _COUNT.unpack_from(data)
        position = _COUNT.size
        if not 0 <= count * _FIELD.size <= end - position:
            raise bad_binary(name)
        for _ in range(count):
            type_oid, size = _FIELD.unpack_from(data, position)
            position += _FIELD.size
            if size == -1:
                items.append((type_oid, None))
                continue
            if not 0 <= size <= end - position:
                raise bad_binary(name)
            items.append((type_oid, data[position : position + size]))
            position += size
    except StructError:
        raise bad_binary(name) from None
    if position != end:
        raise bad_binary(name)
    return items


# Records. In binary format each field tells its type; in text format all are str.

_RECORD, _RECORD_ARRAY = OIDS["record"]


def _record_codec(by_oid: Callable[[int], Codec], depth: int = 0) -> Codec:
    def make_text(context: Context) -> Decoder:
        decode_field = unknown_codec("unknown", 0).text_decoder(inner_context(context))

        def parse(data: bytes) -> object:
            fields = split_fields("record", data, empty=True)
            return tuple([None if field is None else decode_field(field) for field in fields])

        return nested_text_decoder(context, parse)

    def make_binary(context: Context) -> Decoder:
        decoders: dict[int, Decoder] = {}

        def decoder_of(type_oid: int) -> Decoder:
            if type_oid == UNKNOWN.oid:  # a literal whose type nobody asked for
                return text_decoder(context)
            if type_oid not in (_RECORD, _RECORD_ARRAY):
                return by_oid(type_oid).binary_decoder(context)
            if depth == MAXIMUM_DEPTH:
                raise errors.DataError(
                    f"records are nested more than {MAXIMUM_DEPTH} deep", sqlstate="54000"
                )
            inner = _record_codec(by_oid, depth + 1)
            return (array_codec(inner) if type_oid == _RECORD_ARRAY else inner).binary_decoder(
                context
            )

        def decode(data: bytes) -> object:
            values: list[object] = []
            for type_oid, item in _split_binary("record", bytes(data)):
                if item is None:
                    values.append(None)
                    continue
                if type_oid not in decoders:
                    decoders[type_oid] = decoder_of(type_oid)
                values.append(decoders[type_oid](item))
            return tuple(values)

        return decode

    def make_text_encoder(context: Context) -> Encoder:
        def build(value: object) -> bytes:
            raise errors.ProgrammingError(
                "the server takes no anonymous record: give (value, type) with the name of a "
                "composite type",
                sqlstate="0A000",
            )

        return nested_text_encoder(context, build)

    return Codec(
        "record",
        _RECORD,
        _RECORD_ARRAY,
        text_decoder=make_text,
        text_encoder=make_text_encoder,
        binary_decoder=make_binary,
        preferred=BINARY,
    )


DERIVED: Final = (Derived("record", _RECORD, _RECORD_ARRAY, (), _record_codec),)
