"""Column definition lists, `a int, b text`: what each says, and values converted to it.

C dblink hands the text of every remote value to the input function of the type that the caller
declared. Here the local database does that, when there is one: its parser reads the list, its
input functions convert (through `json_to_recordset`, which applies type modifiers as an input
function does). Without one the built-in types that pgwire knows are converted here. Values whose
text needs no conversion, since remote and declared type are the same built-in one, never leave
this process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pgwire
from dblink import messages, plain
from dblink.local import Local
from dblink.names import quoted_identifier, truncate
from dblink.portable import (
    DATETIME_RANGES,
    FIRST_USER_OID,
    NAME,
    TEXT,
    TEXT_TYPES,
    RowConverter,
    TextConverter,
    converter,
    in_batches,
    portable_text,
    read_as_remote,
)
from pgwire import errors
from pgwire.rows.column import Column
from pgwire.rows.decoder import Decoder, Row
from pgwire.types.context import Context
from pgwire.types.names import format_type, resolve_type_name
from pgwire.types.registry import default_registry

_JSON_TYPES = frozenset((114, 3802))


# What stands around the list in SQL; a caller may copy it along.
_LIST = re.compile(
    r"""\A\s*(?:as\s+)?(?:[a-z_]\w*|"(?:[^"]|"")+")\s*\((.*)\)\s*\Z""",
    re.IGNORECASE | re.DOTALL,
)


class Declared:
    """One declared column: `name`, type as written (`sql_type`), `type_oid`, `type_modifier`,
    and `type_name` as PostgreSQL prints it; of a domain, `base_oid` is the type below it. What is
    converted `by_caller` comes as text for the type's input function."""

    __slots__ = (
        "base_oid",
        "by_caller",
        "name",
        "sql_type",
        "type_modifier",
        "type_name",
        "type_oid",
    )

    def __init__(
        self,
        name: str,
        sql_type: str,
        type_oid: int,
        type_modifier: int,
        type_name: str,
        base_oid: int | None = None,
        *,
        by_caller: bool = False,
    ) -> None:
        self.by_caller = by_caller
        self.base_oid = type_oid if base_oid is None else base_oid
        self.name = name
        self.sql_type = sql_type
        self.type_oid = type_oid
        self.type_modifier = type_modifier
        self.type_name = type_name

    @property
    def accepts_status(self) -> bool:
        """Whether a command's tag, a text, may go into the column (binary-coercible from text)."""
        return self.type_oid in (25, 1043, 1042)


def converted_by_caller(types: Sequence[tuple[str, int]]) -> tuple[Declared, ...]:
    """Columns for a caller who has input functions at hand and applies them itself, as C dblink
    does: a function inside the local database.

    Arguments:
        types: of each column the type as `format_type` prints it, and its OID.

    The values come as text that means the same under any DateStyle and IntervalStyle; as the remote
    server wrote it where the declared type is a text type.
    """
    return tuple(
        Declared(f"c{number}", name, oid, -1, name, by_caller=True)
        for number, (name, oid) in enumerate(types, 1)
    )


def split_definitions(text: str) -> list[tuple[str, str]]:
    """The (name, type) pairs of a column definition list; names still as written.

    Commas inside parentheses, brackets and double quotes do not separate. Raises ProgrammingError
    (42601) if an item is not a name followed by a type.
    """
    items: list[str] = []
    depth, quoted, start = 0, False, 0
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if depth < 0:
                raise messages.make("42601", f'syntax error at or near "{character}"')
        elif character == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    items.append(text[start:])
    pairs = []
    for item in items:
        name, sql_type = _split_item(item.strip()) if item.strip() else ("", "")
        if not name or not sql_type:
            raise messages.make(
                "42601",
                f'column definition "{item.strip()}" is not a name followed by a type',
                hint='Write the list as in SQL: columns="a int, b text".',
            )
        pairs.append((name, sql_type))
    return pairs


def _split_item(item: str) -> tuple[str, str]:
    if item.startswith('"'):
        quoted = quoted_identifier(item)
        if quoted is None:
            return "", ""
        return item[: len(item) - len(quoted[1])], quoted[1].strip()
    name, *rest = item.split(None, 1)
    return name, rest[0] if rest else ""


def definition_list(connection: pgwire.Connection, sql: str) -> str:
    """`AS t(a integer, b text)`: what to declare for the query `sql`, which is not run.

    Raises the server's error, and SyntaxError (42601) if the statement returns no rows.
    """
    described = connection.describe(sql)
    if not described:
        raise messages.make("42601", "the statement returns no rows")
    items = []
    for number, column in enumerate(described, 1):
        name, type_name = connection.query_text(
            "SELECT pg_catalog.quote_ident($1), pg_catalog.format_type($2, $3)",
            (
                column.name if column.name != "?column?" else f"column{number}",
                str(column.type_oid),
                str(column.type_modifier),
            ),
        )[0]
        items.append(f"{name} {type_name}")
    return f"AS t({', '.join(items)})"


def resolve(text: str, local: Local | None) -> tuple[Declared, ...]:
    """The declared columns of the list `text`; types are resolved by the local database, or
    among the built-in ones. Raises the local server's error, or UndefinedObject (42704)."""
    text = _LIST.sub(r"\1", text)
    pairs = split_definitions(text)
    if local is not None:
        return _resolve_in(local, text, [sql_type for _, sql_type in pairs])
    declared = []
    for name, sql_type in pairs:
        known = resolve_type_name(sql_type)
        if known is None:
            raise messages.make(
                "42704",
                f'type "{sql_type}" is not known without a local database',
                hint="Session(local=...) resolves every type of the local database.",
            )
        oid, modifier = known
        declared.append(
            Declared(plain.identifier(name), sql_type, oid, modifier, format_type(oid, None))
        )
    return tuple(declared)


def _resolve_in(local: Local, text: str, sql_types: Sequence[str]) -> tuple[Declared, ...]:
    rows = f"SELECT * FROM pg_catalog.json_to_recordset('[]') AS t({text})"  # the caller's SQL
    columns = local.describe(rows)
    names = [f"c{n}" for n in range(len(columns))]
    # What describes a result tells of a domain only the type below it. The row of NULLs that the
    # outer join makes is not held against a domain's constraints.
    typed = ", ".join(f"pg_catalog.pg_typeof(t.{n})::pg_catalog.oid" for n in names)
    described = local.query(
        "SELECT u.oid::pg_catalog.text, pg_catalog.format_type(u.oid, NULL)"
        f" FROM (SELECT ARRAY[{typed}] AS oids FROM (VALUES (1)) AS one(row)"
        f" LEFT JOIN ({rows}) AS t({', '.join(names)}) ON true) AS d"
        " CROSS JOIN pg_catalog.unnest(d.oids) WITH ORDINALITY AS u(oid, n) ORDER BY u.n"
    )
    return tuple(
        Declared(c.name, sql_type, int(oid or 0), c.type_modifier, name or "", c.type_oid)
        for c, sql_type, (oid, name) in zip(columns, sql_types, described, strict=True)
    )


def text_rows(columns: int, context: Context) -> TextConverter:
    """A function that turns runs of DataRow messages into tuples of the server's text."""
    return converter([TEXT] * columns, context)  # type: ignore[return-value]


def remote_types(remote: Sequence[Column], context: Context) -> RowConverter:
    """A function that turns runs of DataRow messages into tuples of the remote column types."""
    return in_batches(remote, context)


def declared_types(
    remote: Sequence[Column],
    declared: Sequence[Declared],
    context: Context,
    local: Local | None,
) -> RowConverter:
    """A function that turns runs of DataRow messages into tuples of the `declared` types.

    `context` says how the remote server writes (DateStyle, …). The function raises what the
    input function of a type would: 22P02, 22001, 22003, 22007, a domain's 23514, ….
    """
    how: list[int | Decoder] = []
    asked: list[int] = []
    for number, (column, wanted) in enumerate(zip(remote, declared, strict=True)):
        way = _own_way(column, wanted, context, local)
        if way is None:
            asked.append(number)
            way = portable_text(column, context)
        how.append(way)
    decode = converter(how, context)
    if not asked or local is None:
        return decode
    convert = _LocalConversion(local, [declared[n] for n in asked], context)

    def convert_rows(frames: bytes) -> list[Row]:
        rows = decode(frames)
        converted = convert([tuple(row[n] for n in asked) for row in rows])
        merged = []
        for row, new in zip(rows, converted, strict=True):
            fields = list(row)
            for number, value in zip(asked, new, strict=True):
                fields[number] = value
            merged.append(tuple(fields))
        return merged

    return convert_rows


def _own_way(
    column: Column, wanted: Declared, context: Context, local: Local | None
) -> int | Decoder | None:
    """How to decode a field without asking the local database, as the text of a built-in type (its
    OID) or by a function; None if it must be asked."""
    if column.format:
        return None  # a binary cursor's value: its bytes are no text of the declared type
    if wanted.type_oid == TEXT or (wanted.type_oid in TEXT_TYPES and wanted.type_modifier < 0):
        return TEXT
    if wanted.type_oid == NAME:
        text = default_registry.by_oid(TEXT).text_decoder(context)
        return lambda value: truncate(str(text(value)))  # without an error, as namein does
    same = (
        column.type_oid == wanted.type_oid < FIRST_USER_OID
        and wanted.type_modifier in (-1, column.type_modifier)
        and wanted.type_oid not in DATETIME_RANGES
    )
    if same and default_registry.knows(wanted.type_oid):
        return wanted.type_oid
    if local is None:
        return plain.input_decoder(column, wanted.type_oid, wanted.type_modifier, context)
    return None


_SET = "SELECT pg_catalog.set_config($1, $2, false)"


class _LocalConversion:
    """Sends batches of text through the input functions of the local database."""

    def __init__(self, local: Local, declared: Sequence[Declared], context: Context) -> None:
        self._local = local
        self._context = context
        self._json = [d.base_oid in _JSON_TYPES for d in declared]
        names = [f"c{n}" for n in range(len(declared))]
        # A JSON string is a JSON value to json and jsonb columns; as text it reaches their input.
        row = ", ".join(
            f"{n} {'pg_catalog.text' if is_json else d.sql_type}"
            for n, d, is_json in zip(names, declared, self._json, strict=True)
        )
        shown = ", ".join(
            f"{n}::{d.sql_type}" if is_json else n
            for n, d, is_json in zip(names, declared, self._json, strict=True)
        )
        self._names = names
        self._sql = (
            f"SELECT {shown} FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS t({row})"
        )

    def __call__(self, rows: Sequence[tuple[object, ...]]) -> list[Row]:
        document = json.dumps([dict(zip(self._names, row, strict=True)) for row in rows])
        saved = self._mimic()
        converted = False
        try:
            values = self._local.query_typed(self._sql, (document,))
            converted = True
        finally:
            for name, value in saved:
                self._restore(name, value, converted)
        return values

    def _mimic(self) -> list[tuple[str, str]]:
        """Read dates as the remote writes them, as C dblink does; what to restore afterwards."""
        saved = []
        for name, value in read_as_remote(self._context).items():
            current = self._local.parameter(name)
            if current and current != value:
                self._local.query(_SET, (name, value))
                saved.append((name, current))
        return saved

    def _restore(self, name: str, value: str, converted: bool) -> None:
        try:
            self._local.query(_SET, (name, value))
        except errors.DatabaseError:
            if converted:
                raise
            # A failed conversion has aborted the caller's transaction, whose end restores it too.
