"""Local relations by name, with the checks and errors of a backend that opens them."""

from __future__ import annotations

from dblink import messages
from dblink.local import Local
from dblink.names import BLANKS, fold, quoted_identifier

_NOT_OPENED = {"i": "indexes", "I": "partitioned indexes", "c": "composite types"}

_CALLED = {
    "S": "sequence",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}

_LOOK_UP = """
SELECT c.oid::pg_catalog.text, c.relname, c.relkind::pg_catalog.text,
       pg_catalog.has_table_privilege(c.oid, 'SELECT')::pg_catalog.text,
       CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN pg_catalog.quote_ident(c.relname)
            ELSE pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.'
                 OPERATOR(pg_catalog.||) pg_catalog.quote_ident(c.relname) END
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)
"""

_SCHEMA = """
SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')::pg_catalog.text
FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) $1
"""

_COLUMNS = """
SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute
WHERE attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND attnum OPERATOR(pg_catalog.>) 0
  AND NOT attisdropped
ORDER BY attnum
"""


class Relation:
    """A relation: its `oid` as text, `qualified_name` and live `columns`, quoted for SQL. The name
    bears its schema only where the search path does not find it."""

    __slots__ = ("columns", "oid", "qualified_name")

    def __init__(self, oid: str, qualified_name: str, columns: list[str]) -> None:
        self.oid = oid
        self.qualified_name = qualified_name
        self.columns = columns


def open_relation(local: Local, relname: str) -> Relation:
    """The relation that `relname` means, which may be qualified and quoted as in SQL.

    Raises 42P01, 3F000, 42602, 42601, 0A000 for names that lead nowhere, 42809 for what has no
    rows, 42501 without the privilege SELECT.
    """
    names = split_name(relname)
    shown = ".".join(names)
    if len(names) > 3:
        raise messages.make("42601", f"improper relation name (too many dotted names): {shown}")
    if len(names) == 3:
        database = local.query("SELECT pg_catalog.current_database()")[0][0]
        if names[0] != database:
            raise messages.make(
                "0A000", f'cross-database references are not implemented: "{shown}"'
            )
        names = names[1:]
    if len(names) == 2:
        _check_schema(local, names[0])
    rows = local.query(_LOOK_UP, (".".join(f'"{n.replace(chr(34), chr(34) * 2)}"' for n in names),))
    if not rows:
        raise messages.make("42P01", f'relation "{".".join(names)}" does not exist')
    oid, name, kind, readable, qualified_name = rows[0]
    if kind in _NOT_OPENED:
        raise messages.make(
            "42809",
            f'cannot open relation "{name}"',
            detail=f"This operation is not supported for {_NOT_OPENED[kind]}.",
        )
    if readable != "true":
        raise messages.make(
            "42501", f"permission denied for {_CALLED.get(kind or '', 'table')} {name}"
        )
    columns = [column or "" for (column,) in local.query(_COLUMNS, (oid,))]
    return Relation(oid or "", qualified_name or "", columns)


def split_name(text: str) -> list[str]:
    """The identifiers of a qualified name, folded unless quoted. Raises 42602 if it is none."""
    names: list[str] = []
    rest = text.lstrip(BLANKS)
    while True:
        name, rest = _identifier(rest)
        names.append(name)
        rest = rest.lstrip(BLANKS)
        if not rest:
            return names
        if rest[0] != ".":
            raise _bad_name()
        rest = rest[1:].lstrip(BLANKS)


def _identifier(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        quoted = quoted_identifier(text)
        if quoted is None:
            raise _bad_name()
        return quoted
    end = 0
    while end < len(text) and text[end] != "." and text[end] not in BLANKS:
        end += 1
    if end == 0:
        raise _bad_name()
    return fold(text[:end]), text[end:]


def _check_schema(local: Local, schema: str) -> None:
    if schema == "pg_temp":
        return  # stands for the session's own, if it has one
    rows = local.query(_SCHEMA, (schema,))
    if not rows:
        raise messages.make("3F000", f'schema "{schema}" does not exist')
    if rows[0][0] != "true":
        raise messages.make("42501", f"permission denied for schema {schema}")


def _bad_name() -> Exception:
    return messages.make("42602", "invalid name syntax")
