"""One column of rows that are copied in: how its values become the bytes of a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

from pgwire import errors
from pgwire.rows.column import Column
from pgwire.types.codec import Codec, Encoder
from pgwire.types.context import Context
from pgwire.types.registry import Registry

__all__ = ["Field", "binary_fields", "check_row", "encode_value", "row_values", "text_encoders"]

_PRISTINE: Final = Registry()
"""Nobody registers here: what it gives is built in."""

_LAYOUTS: Final = frozenset("hiIqd")
# Name of a built-in type -> field of the struct module, and what gives its number; {0} is the
# value, {1} a variable of one's own. What an expression cannot do it refuses, by whatever exception
# Python has for that: the codec is asked then, and tells what is wrong.
_EXPRESSIONS: Final = {
    "bool": ("?", "{0} is True or {0} is not False and _unfit({0})"),
    "date": ("i", "{0}.toordinal() - 730120 if {0}.__class__ is _date else _unfit({0})"),
    "float4": ("f", "{0}"),
    "timestamp": (
        "q",
        "(({1} := {0} - _epoch).days * 86400 + {1}.seconds) * 1000000 + {1}.microseconds",
    ),
    "timestamptz": (
        "q",
        "(({1} := {0} - _epoch_utc).days * 86400 + {1}.seconds) * 1000000 + {1}.microseconds",
    ),
}


class Field:
    """How one column is encoded in binary: as one field of the struct module (`layout`, whose
    number `expression` gives), as a `str` in `client_encoding` (`is_text`), or else by `encode`,
    which is always right."""

    __slots__ = ("encode", "expression", "is_text", "layout")

    def __init__(
        self,
        encode: Encoder,
        *,
        layout: str = "",
        expression: str = "{0}",
        is_text: bool = False,
    ) -> None:
        self.encode = encode
        self.layout = layout
        self.expression = expression
        self.is_text = is_text

    @property
    def key(self) -> tuple[str, str, bool]:
        """What the code that is generated for it depends on."""
        return self.layout, self.expression, self.is_text


def binary_fields(
    columns: Sequence[Column], registry: Registry, context: Context
) -> tuple[Field, ...]:
    """A field per column. Raises ProgrammingError for a type without a binary encoder."""
    return tuple(_field(column, registry, context) for column in columns)


def text_encoders(
    columns: Sequence[Column], registry: Registry, context: Context
) -> list[tuple[Encoder, bool]]:
    """For each column the text encoder of its type, and whether what it gives for anything but a
    `str` is free of characters that COPY would have to escape."""
    found = []
    for column in columns:
        codec = registry.by_oid(column.type_oid)
        plain = _PRISTINE.by_oid(codec.oid) is codec and codec.name in _PLAIN
        found.append((codec.text_encoder(context), plain))
    return found


# Types whose text has neither a backslash nor a control character, whatever the value.
_PLAIN: Final = frozenset(
    (
        *("bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "uuid"),
    )
)


def encode_value(encode: Encoder, value: object, row: int, column: Column, table: str) -> bytes:
    """The bytes of one value; an error tells the `row` (the first is 1) and the column."""
    try:
        return encode(value)
    except errors.Error as error:
        told = error.diagnostics
        where = f"COPY {table}, row {row}, column {column.name}"
        told.context = where if told.context is None else f"{told.context}\n{where}"
        raise
    except Exception as error:
        error.add_note(f"COPY {table}, row {row}, column {column.name}")
        raise


def check_row(row: object, number: int, table: str) -> None:
    """Raise ProgrammingError if `row` is no sequence of values. It must be one that can be read
    again, since one way to encode it may have to hand it to the next: an iterator cannot."""
    if isinstance(row, str | bytes | bytearray | memoryview) or not (
        hasattr(row, "__len__") and hasattr(row, "__getitem__") and not hasattr(row, "keys")
    ):
        raise errors.ProgrammingError(
            f"row {number} is a {type(row).__qualname__}: a row must be a tuple or a list",
            sqlstate="42804",
            context=f"COPY {table}, row {number}",
        )


def row_values(row: Any, width: int, number: int, table: str) -> Sequence[object]:
    """The values of a row. Raises ProgrammingError if there are not `width` of them, or if it is
    not a sequence of values."""
    check_row(row, number, table)
    values: Sequence[object] = row
    if len(values) != width:
        raise errors.ProgrammingError(
            f"row {number} has {len(values)} values where {width} columns are copied",
            sqlstate="42601",
            context=f"COPY {table}, row {number}",
        )
    return values


def unfit(value: object) -> NoReturn:
    """Called by generated code for a value that it does not take."""
    raise TypeError(value)


def _field(column: Column, registry: Registry, context: Context) -> Field:
    codec = registry.by_oid(column.type_oid)
    make = codec.binary_encoder
    if make is None or not registry.knows(column.type_oid):
        raise _no_binary(column, codec)
    encode = make(context)
    if codec.layout is not None and codec.layout in _LAYOUTS:
        return Field(encode, layout=codec.layout)
    built_in = _PRISTINE.by_oid(codec.oid) is codec
    if built_in and codec.name in _EXPRESSIONS:
        layout, expression = _EXPRESSIONS[codec.name]
        return Field(encode, layout=layout, expression=expression)
    return Field(encode, is_text=built_in and codec.verbatim)


def _no_binary(column: Column, codec: Codec) -> errors.ProgrammingError:
    known = codec.oid == column.type_oid
    named = codec.name if known else f"with OID {column.type_oid}"
    return errors.ProgrammingError(
        f'column "{column.name}" is of the type {named}, which has no binary encoder here',
        hint="Load the type with load_types, give the column another type with types=, or copy "
        'with format="text".',
        sqlstate="42804",
    )
