"""The local catalogue helpers: dblink_get_pkey and the statement builders. Manual: F.12."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dblink import messages
from dblink.local import Local
from dblink.relations import Relation, open_relation


class KeyColumn(NamedTuple):
    """A row of dblink_get_pkey."""

    position: int
    colname: str


_PRIMARY_KEY = """
SELECT k.n::pg_catalog.text, a.attname
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[])
  WITH ORDINALITY AS k(attnum, n)
JOIN pg_catalog.pg_attribute AS a
  ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) k.attnum
WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND i.indisprimary
  AND k.n OPERATOR(pg_catalog.<=) i.indnkeyatts
ORDER BY k.n
"""


def primary_key(local: Local, relname: str) -> list[KeyColumn]:
    """The primary key columns of `relname`, in the order of the index."""
    relation = open_relation(local, relname)
    rows = local.query(_PRIMARY_KEY, (relation.oid,))
    return [KeyColumn(int(position or 0), name or "") for position, name in rows]


def insert_statement(
    local: Local,
    relname: str,
    attnums: str | Sequence[int],
    num: int,
    src_values: Sequence[str | None],
    tgt_values: Sequence[str | None],
) -> str:
    """`INSERT INTO rel(a,b) VALUES('1','x')`: the local row, under another key."""
    relation, keys = _open(local, relname, attnums, num)
    values = _target_row(local, relation, keys, _flat(src_values), _flat(tgt_values))
    columns = ",".join(relation.columns)
    return (
        f"INSERT INTO {relation.qualified_name}({columns}) "
        f"VALUES({','.join(map(quote_literal, values))})"
    )


def update_statement(
    local: Local,
    relname: str,
    attnums: str | Sequence[int],
    num: int,
    src_values: Sequence[str | None],
    tgt_values: Sequence[str | None],
) -> str:
    """`UPDATE rel SET a = '1', b = 'x' WHERE a = '1'`: all columns, of the local row."""
    relation, keys = _open(local, relname, attnums, num)
    targets = _flat(tgt_values)
    values = _target_row(local, relation, keys, _flat(src_values), targets)
    assignments = ", ".join(
        f"{column} = {quote_literal(value)}"
        for column, value in zip(relation.columns, values, strict=True)
    )
    where = _condition(relation, keys, targets)
    return f"UPDATE {relation.qualified_name} SET {assignments} WHERE {where}"


def delete_statement(
    local: Local,
    relname: str,
    attnums: str | Sequence[int],
    num: int,
    tgt_values: Sequence[str | None],
) -> str:
    """`DELETE FROM rel WHERE a = '1'`."""
    relation, keys = _open(local, relname, attnums, num)
    targets = _flat(tgt_values)
    _check_length("target", targets, keys)
    return f"DELETE FROM {relation.qualified_name} WHERE {_condition(relation, keys, targets)}"


def quote_literal(value: str | None) -> str:
    """`value` as an SQL literal, as quote_literal() writes it, with E'' only for backslashes."""
    if value is None:
        return "NULL"
    quoted = value.replace("'", "''")
    if "\\" in quoted:
        return "E'" + quoted.replace("\\", "\\\\") + "'"
    return f"'{quoted}'"


def _open(
    local: Local, relname: str, attnums: str | Sequence[int], num: int
) -> tuple[Relation, list[int]]:
    """The relation, and the indexes in its `columns` of the key."""
    numbers = _int2vector(local, attnums)
    relation = open_relation(local, relname)
    numbers = numbers[: max(0, num)]
    if not numbers:
        raise messages.make("22023", "number of key attributes must be > 0")
    for number in numbers:
        if not 1 <= number <= len(relation.columns):
            raise messages.make("22023", f"invalid attribute number {number}")
    return relation, [number - 1 for number in numbers]


def _int2vector(local: Local, attnums: str | Sequence[int]) -> list[int]:
    if not isinstance(attnums, str):
        attnums = " ".join(map(str, attnums))
    # As a literal: an error about a parameter would come with a CONTEXT that C dblink's has not.
    rows = local.query(f"SELECT {quote_literal(attnums)}::pg_catalog.int2vector::pg_catalog.text")
    return [int(number) for number in (rows[0][0] or "").split()]


def _target_row(
    local: Local,
    relation: Relation,
    keys: Sequence[int],
    src_values: Sequence[str | None],
    tgt_values: Sequence[str | None],
) -> list[str | None]:
    """The local row of the key `src_values`, with `tgt_values` in its key columns."""
    _check_length("source", src_values, keys)
    _check_length("target", tgt_values, keys)
    rows = local.query(
        f"SELECT {', '.join(relation.columns)} FROM {relation.qualified_name}"
        f" WHERE {_condition(relation, keys, src_values)}"
    )
    if not rows:
        raise messages.make("21000", "source row not found")
    if len(rows) > 1:
        raise messages.make("21000", "source criteria matched more than one record")
    # Of a key column that is named twice the first value counts.
    target = dict(reversed(list(zip(keys, tgt_values, strict=True))))
    return [target.get(n, value) for n, value in enumerate(rows[0])]


def _flat(values: Sequence[object]) -> list[str | None]:
    """The elements of an array argument as text, those of nested arrays one after the other."""
    flat: list[str | None] = []
    for value in values:
        if isinstance(value, list | tuple):
            flat += _flat(value)
        else:
            flat.append(None if value is None else str(value))
    return flat


def _check_length(which: str, values: Sequence[str | None], keys: Sequence[int]) -> None:
    if len(values) != len(keys):
        raise messages.make(
            "2202E", f"{which} key array length must match number of key attributes"
        )


def _condition(relation: Relation, keys: Sequence[int], values: Sequence[str | None]) -> str:
    return " AND ".join(
        f"{relation.columns[key]} IS NULL"
        if value is None
        else f"{relation.columns[key]} = {quote_literal(value)}"
        for key, value in zip(keys, values, strict=True)
    )
