"""The statements that copy typed rows, and the encoder that goes with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pgwire import errors
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.registry import Registry

if TYPE_CHECKING:
    from pgwire.copying.rowsource import RowEncoder

__all__ = [
    "FORMATS",
    "Relation",
    "copy_in_statement",
    "copy_out_statement",
    "generated_columns",
    "plain_name",
    "quoted",
    "relation",
    "row_encoder",
    "select_as_binary",
    "select_statement",
    "typed_columns",
]

_TEXT = 25
"""OID of text."""

FORMATS = ("binary", "csv", "text")


class Relation(NamedTuple):
    """A table as SQL writes it, and as errors show it."""

    sql: str
    shown: str


def quoted(name: str) -> str:
    """`name` as an SQL identifier. Manual: 4.1.1."""
    given: object = name
    if not isinstance(given, str) or not given:
        raise errors.ProgrammingError(f"a name must be a str that is not empty, not {name!r}")
    return '"' + name.replace('"', '""') + '"'


def relation(table: str | tuple[str, str]) -> Relation:
    """The table that a caller means by its name, or by `(schema, name)`."""
    if isinstance(table, str):
        return Relation(quoted(table), table)
    try:
        schema, name = table
    except (TypeError, ValueError):
        raise errors.ProgrammingError(
            f"a table is its name or (schema, name), not {table!r:.100}"
        ) from None
    return Relation(f"{quoted(schema)}.{quoted(name)}", name)


def plain_name(text: str) -> bool:
    """Whether `text` is an identifier that needs no quotes, so that it can be no query."""
    return text.replace("_", "a").replace("$", "a").isalnum() and not text[0].isdigit()


def copy_in_statement(table: Relation, columns: Sequence[str] | None, format: str) -> str:
    """COPY … FROM STDIN."""
    return f"COPY {table.sql}{_list(columns)} FROM STDIN (FORMAT {_checked(format)})"


def copy_out_statement(
    what: str, columns: Sequence[str] | None, found: Sequence[Column], casts: Sequence[bool]
) -> str:
    """COPY … TO STDOUT in binary of `what`, a table or a query in parentheses, where some columns
    are to be cast to text."""
    if not any(casts):
        return f"COPY {what}{_list(columns)} TO STDOUT (FORMAT binary)"
    if not what.startswith("("):
        what = f"(SELECT {', '.join([quoted(c.name) for c in found])} FROM {what})"
    names = [f"c{number}" for number in range(len(casts))]
    chosen = [f"{n}::pg_catalog.text" if cast else n for n, cast in zip(names, casts, strict=True)]
    return (
        f"COPY (SELECT {', '.join(chosen)} FROM {what} AS q({', '.join(names)}))"
        " TO STDOUT (FORMAT binary)"
    )


def select_as_binary(
    found: Sequence[Column], registry: Registry
) -> tuple[tuple[Column, ...], list[bool]]:
    """The columns as they come in binary; and which of them have to be cast to text, since nobody
    here reads the binary format of their type."""
    casts = [
        not (registry.knows(c.type_oid) and registry.by_oid(c.type_oid).reads_binary) for c in found
    ]
    columns = [
        Column(c.name, _TEXT if cast else c.type_oid, -1 if cast else c.type_modifier, format=1)
        for c, cast in zip(found, casts, strict=True)
    ]
    return tuple(columns), casts


def select_statement(table: Relation, columns: Sequence[str] | None) -> str:
    """A query whose columns are those that a COPY of the table has, and the generated ones."""
    names = "*" if columns is None else ", ".join(map(quoted, columns))
    return f"SELECT {names} FROM {table.sql}"


def generated_columns(table_oid: int) -> str:
    """A query for the numbers of the generated columns, which COPY leaves out."""
    return (
        "SELECT attnum FROM pg_catalog.pg_attribute"
        f" WHERE attrelid OPERATOR(pg_catalog.=) {table_oid:d}::pg_catalog.oid"
        " AND attgenerated OPERATOR(pg_catalog.<>) ''"
    )


def typed_columns(
    names: Sequence[str], types: Sequence[str | int], registry: Registry
) -> list[Column]:
    """Columns of types that the caller tells, by name or OID."""
    return [
        Column(name, registry.resolve(given).oid) for name, given in zip(names, types, strict=True)
    ]


def row_encoder(
    table: str, columns: Sequence[Column], registry: Registry, context: Context, format: str
) -> RowEncoder:
    """What makes the bytes of rows in `format`. Raises ProgrammingError for a column whose type
    has no encoder in it."""
    if _checked(format) == "binary":
        from pgwire.copying.binary import BinaryRows

        return BinaryRows(table, columns, registry, context)
    from pgwire.copying.text import CsvRows, TextRows

    return (TextRows if format == "text" else CsvRows)(table, columns, registry, context)


def _list(columns: Sequence[str] | None) -> str:
    if columns is None:
        return ""
    if isinstance(columns, str) or not columns:
        raise errors.ProgrammingError(
            f"columns must be a sequence of one or more names, not {columns!r:.100}"
        )
    return " (" + ", ".join(map(quoted, columns)) + ")"


def _checked(format: str) -> str:
    if format not in FORMATS:
        raise errors.ProgrammingError(
            f"format is {format!r:.100}, it must be one of {', '.join(FORMATS)}"
        )
    return format
