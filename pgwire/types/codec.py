"""Codec: one type, its names and its four functions; and the helpers that the families share."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import Final, TypeVar

from pgwire import errors
from pgwire.types.catalog import DELIMITERS, OIDS
from pgwire.types.context import Context

T = TypeVar("T")

__all__ = [
    "BINARY",
    "TEXT",
    "Codec",
    "Decoder",
    "Encoder",
    "always",
    "ascii_text",
    "bad_binary",
    "bad_text",
    "builtin_codec",
    "out_of_range",
    "str_encoder",
    "struct_decoder",
    "struct_encoder",
    "text_encoder",
    "wrong_type",
]

TEXT: Final = 0
BINARY: Final = 1
"""The formats of a value, as Bind and RowDescription number them. Manual: 54.7, 54.1.3."""

Decoder = Callable[[bytes], object]
"""From the bytes of one value (never NULL) to the Python object. Raises DataError."""

Encoder = Callable[[object], bytes]
"""From a Python object (never None) to the bytes of the value. Raises DataError for a value the
type cannot hold and ProgrammingError for a Python type it does not take."""


class Codec:
    """A type: how its values look in text and in binary format.

    Arguments:
        name: of the type in pg_type, such as ``int4``.
        oid, array_oid: of the type and of the array over it; 0 if there is none.
        text_decoder, text_encoder, binary_decoder, binary_encoder: functions from a `Context` to
            the function that does the work, so that what depends on the session is looked up
            once. Every type has text. Without a `binary_decoder` a value in binary format is
            delivered as the `bytes` it is; `binary_encoder` is None where there is none.
        delimiter: of the elements in the text of an array.
        layout: character of the `struct` module, if the binary format is one such field and
            nothing else; None otherwise. Whole columns and arrays are then done at once.
        preferred: the result format to ask for, 0 text or 1 binary: the one that is decoded
            faster, or without loss. None: nothing is known, so text, which every type has. A row
            decoder that handles whole columns at once may know better.

        verbatim: whether a value is a `str` and its text nothing but that string.
        styled: whether its text depends on DateStyle, which a statement may change before it
            returns a row. What is made of such values is asked for in binary format.

    `reads_binary` tells whether there is a `binary_decoder` of its own.

    Every text encoder takes a `str` too and sends it as it is: any text the server understands.
    """

    __slots__ = (
        "array_oid",
        "binary_decoder",
        "binary_encoder",
        "delimiter",
        "layout",
        "name",
        "oid",
        "preferred",
        "reads_binary",
        "styled",
        "text_decoder",
        "text_encoder",
        "verbatim",
    )

    def __init__(
        self,
        name: str,
        oid: int,
        array_oid: int = 0,
        *,
        text_decoder: Callable[[Context], Decoder],
        text_encoder: Callable[[Context], Encoder],
        binary_decoder: Callable[[Context], Decoder] | None = None,
        binary_encoder: Callable[[Context], Encoder] | None = None,
        delimiter: str = ",",
        layout: str | None = None,
        preferred: int | None = None,
        verbatim: bool = False,
        styled: bool = False,
    ) -> None:
        self.name = name
        self.oid = oid
        self.array_oid = array_oid
        self.text_decoder = text_decoder
        self.text_encoder = text_encoder
        self.binary_decoder = binary_decoder if binary_decoder is not None else always(bytes)
        self.binary_encoder = binary_encoder
        self.delimiter = delimiter
        self.layout = layout
        self.preferred = preferred
        self.verbatim = verbatim
        self.styled = styled
        self.reads_binary = binary_decoder is not None

    def __repr__(self) -> str:
        return f"<Codec {self.name}, oid {self.oid}>"


def builtin_codec(
    name: str,
    *,
    text_decoder: Callable[[Context], Decoder],
    text_encoder: Callable[[Context], Encoder],
    binary_decoder: Callable[[Context], Decoder] | None = None,
    binary_encoder: Callable[[Context], Encoder] | None = None,
    layout: str | None = None,
    preferred: int = TEXT,
    verbatim: bool = False,
    styled: bool = False,
) -> Codec:
    """The codec of a type in the catalogue, which knows its OIDs."""
    oid, array_oid = OIDS[name]
    return Codec(
        name,
        oid,
        array_oid,
        text_decoder=text_decoder,
        text_encoder=text_encoder,
        binary_decoder=binary_decoder,
        binary_encoder=binary_encoder,
        delimiter=DELIMITERS.get(name, ","),
        layout=layout,
        preferred=preferred,
        verbatim=verbatim,
        styled=styled,
    )


def always(function: T) -> Callable[[Context], T]:
    """A factory for what does not depend on the context."""
    return lambda context: function


def bad_text(name: str, value: str | bytes) -> errors.DataError:
    """The error for a text that is not a value of the type; worded as the server does."""
    if isinstance(value, bytes):
        value = value[:_SHOWN].decode("utf-8", "backslashreplace")
    shown = value if len(value) < _SHOWN else value[:_SHOWN] + "..."
    return errors.DataError(f'invalid input syntax for type {name}: "{shown}"', sqlstate="22P02")


def bad_binary(name: str) -> errors.DataError:
    """The error for bytes that are not the binary form of a value of the type."""
    return errors.DataError(f"incorrect binary data format for type {name}", sqlstate="22P03")


def out_of_range(name: str) -> errors.DataError:
    """The error for a value beyond what the type can hold."""
    return errors.DataError(f"value out of range for type {name}", sqlstate="22003")


def wrong_type(name: str, value: object) -> errors.ProgrammingError:
    """The error for a Python object whose type the codec does not take."""
    return errors.ProgrammingError(
        f"cannot send a Python {type(value).__qualname__} as {name}", sqlstate="42804"
    )


def ascii_text(name: str, data: bytes) -> str:
    """Text of a type that is ASCII in every encoding."""
    try:
        return str(data, "ascii")
    except UnicodeDecodeError:
        raise bad_text(name, data) from None


def str_encoder(context: Context) -> Callable[[str], bytes]:
    """Encoder of text in client_encoding."""
    encoding = context.encoding

    def encode(value: str) -> bytes:
        try:
            data = value.encode(encoding)
        except UnicodeEncodeError as error:
            raise errors.DataError(
                f"character {value[error.start]!r} cannot be written in client_encoding "
                f"({encoding})",
                sqlstate="22P05",
            ) from None
        if b"\0" in data:
            raise errors.DataError("text cannot contain a NUL character", sqlstate="22021")
        return data

    return encode


def text_encoder(
    name: str, convert: Callable[[object], str | None]
) -> Callable[[Context], Encoder]:
    """A text encoder that sends a str as it is, and else the ASCII text that `convert` gives.

    `convert` returns None for an object that the type does not take.
    """

    def make(context: Context) -> Encoder:
        encode_str = str_encoder(context)

        def encode(value: object) -> bytes:
            if isinstance(value, str):
                return encode_str(value)
            text = convert(value)
            if text is None:
                raise wrong_type(name, value)
            return text.encode("ascii")

        return encode

    return make


def struct_decoder(name: str, layout: str) -> Callable[[Context], Decoder]:
    """Binary decoder of a type that is one field of the `struct` module."""
    unpack = Struct(layout).unpack

    def decode(data: bytes) -> object:
        try:
            (value,) = unpack(data)
        except StructError:
            raise bad_binary(name) from None
        return value

    return always(decode)


def struct_encoder(
    name: str, layout: str, accepted: type | tuple[type, ...]
) -> Callable[[Context], Encoder]:
    """Binary encoder of a type that is one field of the `struct` module."""
    pack = Struct(layout).pack

    def encode(value: object) -> bytes:
        if not isinstance(value, accepted):
            raise wrong_type(name, value)
        try:
            return pack(value)
        except (StructError, OverflowError):
            raise out_of_range(name) from None

    return always(encode)


_SHOWN = 100  # characters of a bad value in an error
