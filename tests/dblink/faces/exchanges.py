"""What a driver may say, as messages, where psql has no words for it."""

from __future__ import annotations

from collections.abc import Sequence

from pgwire.protocol.frontend import (
    Bind,
    Close,
    Describe,
    Execute,
    Flush,
    Parse,
    Query,
    Sync,
)
from pgwire.protocol.message import Message

TEXT, BINARY = 0, 1
_PIECES = "select n, repeat(md5(n::text), 30) from generate_series(1, 1300) as n"
_TYPES = (
    "select 1, 2::bigint, 1.50, 'x', true, 0.1::float8, '\\xdead'::bytea, '{\"a\": 1}'::jsonb,"
    " array[1,null], timestamptz '2020-02-03 04:05:06+00', interval '1 day', null,"
    " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, date '2020-02-03', int4range(1, 5), 1.257"
)
_COLUMNS = (
    "a int, b bigint, c numeric, d varchar(5), e bool, f float8, g bytea, h jsonb, i int[],"
    " j timestamptz(0), k interval, l int, m uuid, n date, o int4range, p numeric(3,1)"
)


def _prepared(
    sql: str,
    *parameters: str | None,
    formats: Sequence[int] = (BINARY,),
    pieces: Sequence[int] = (0,),
    types: Sequence[int] = (),
) -> list[Message]:
    """A statement by the extended protocol, its rows taken in `pieces`."""
    return [
        Parse(b"", sql.encode(), types),
        Describe(b"S", b""),
        Bind(
            b"",
            b"",
            (TEXT,),
            [None if p is None else p.encode() for p in parameters],
            formats,
        ),
        Describe(b"P", b""),
        *(Execute(b"", piece) for piece in pieces),
        Sync(),
    ]


def _bound(parameter: bytes, portal: bytes = b"", statement: bytes = b"") -> Message:
    return Bind(portal, statement, (), [parameter], (BINARY,))


def _query(sql: str) -> Message:
    return Query(sql.encode())


def _again(name: bytes, *parameters: bytes) -> list[Message]:
    return [
        message
        for parameter in parameters
        for message in (_bound(parameter, statement=name), Execute(b""), Sync())
    ]


EXCHANGES: dict[str, Sequence[Message]] = {
    "a simple query": [_query("SELECT * FROM dblink('c1', 'select 1, 2') AS t(a int, b text)")],
    "types, in text": _prepared(
        f"SELECT * FROM dblink('c1', $1) AS t({_COLUMNS})", _TYPES, formats=()
    ),
    "types, in binary": _prepared(f"SELECT * FROM dblink('c1', $1) AS t({_COLUMNS})", _TYPES),
    "parameters": [
        *_prepared("SELECT dblink_exec($1, $2, $3)", "c1", "listen x", "true"),
        *_prepared("SELECT dblink_exec($1, $2, $3)", "c1", "raise", "false"),
        *_prepared("SELECT dblink_exec($1, $2)", "c1", None),
        *_prepared("SELECT dblink_exec($1, $2, $3)", "c1", "raise", "true"),
        *_prepared("SELECT dblink_is_busy($1)", "c1"),
        *_prepared("SELECT dblink_is_busy($1)", "nobody"),
        *_prepared("SELECT * FROM dblink_get_pkey($1)", "pg_class"),
        *_prepared("SELECT dblink_build_sql_delete($1, $2, $3, $4)", "pg_class", "1", "1", "{9}"),
    ],
    "a statement prepared once": [
        Parse(b"s", b"SELECT * FROM dblink('c1', 'select ' || $1) AS t(a int)", ()),
        Sync(),
        *_again(b"s", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"x", b"8"),
        Close(b"S", b"s"),
        Sync(),
    ],
    "a portal in pieces": [
        *_prepared(
            "SELECT * FROM dblink('c1', 'select generate_series(1, 5)') AS t(a int)",
            pieces=(2, 2, 2),
        ),
        *_prepared(
            "SELECT * FROM dblink('c1', 'select generate_series(1, 4)') AS t(a int)",
            pieces=(2, 2, 2, 0),
        ),
    ],
    "a large portal in pieces": _prepared(
        f"SELECT a, md5(b) FROM dblink('c1', '{_PIECES}') AS t(a int, b text)", pieces=(600, 600, 0)
    ),
    "a portal left open while another is read": [
        _query("BEGIN"),
        Parse(b"a", b"SELECT a FROM dblink('c1', $1) AS t(a int, b text)", ()),
        Parse(b"b", b"SELECT a FROM dblink('c2', $1) AS t(a int, b text)", ()),
        _bound(_PIECES.encode(), b"pa", b"a"),
        _bound(_PIECES.encode(), b"pb", b"b"),
        *(Execute(name, 100) for name in (b"pa", b"pb", b"pa", b"pb")),
        Sync(),
        _query("SELECT dblink_exec('c1', 'listen y')"),
        *(Execute(name, 5000) for name in (b"pb", b"pa", b"pb")),
        Sync(),
        _query("COMMIT"),
        Execute(b"pa", 1),
        Sync(),
    ],
    "an error between others": [
        Parse(b"", b"SELECT dblink_exec('c1', $1)", ()),
        _bound(b"create temp table first(a int)"),
        Execute(b""),
        _bound(b"selec 1"),
        Execute(b""),
        _bound(b"create temp table never(a int)"),
        Execute(b""),
        Sync(),
        _query("SELECT * FROM dblink('c1', 'select count(*) from first') AS t(a int)"),
        _query("SELECT * FROM dblink('c1', 'select count(*) from never') AS t(a int)"),
    ],
    "many statements in one flight": [
        *(
            message
            for number in range(20)
            for message in (
                Parse(b"", b"SELECT * FROM dblink('c1', 'select ' || $1) AS t(a int)", ()),
                _bound(str(number).encode()),
                Execute(b""),
            )
        ),
        Flush(),
        Sync(),
    ],
    "several statements in a simple query": [
        _query(
            "SELECT dblink_exec('c1', 'listen a');"
            " SELECT * FROM dblink('c1', 'select 1') AS t(a int); SELECT 1/0;"
            " SELECT dblink_exec('c1', 'listen b')"
        ),
        _query(
            "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM dblink('c1', 'select 1') AS t(a int)"
        ),
        _query("SELECT * FROM dblink('c1', 'select 1/0') AS t(a int)"),
        _query("SELECT * FROM dblink('c1', 'select 1') AS t(a int)"),
        _query("ROLLBACK"),
    ],
    "COPY in binary": [
        _query(
            "COPY (SELECT * FROM dblink('c1', 'select generate_series(1, 3), 1.5')"
            " AS t(a int, b numeric)) TO STDOUT (FORMAT binary)"
        ),
    ],
    "errors with all their fields": [
        _query(f"SELECT * FROM dblink('c1', '{sql}') AS t(a {type_name})")
        for sql, type_name in (
            ("select 1/0", "int"),
            ("selec", "int"),
            ("select $$x$$", "int"),
            ("select 1, 2", "int"),
            ("select -5", "information_schema.cardinal_number"),
            ("select $${1,x}$$", "int[]"),
            ("select $${$$", "jsonb"),
            (
                "do $$ begin raise exception $q$no$q$"
                " using detail = $q$d$q$, hint = $q$h$q$; end $$",
                "int",
            ),
        )
    ],
    "notices": [
        _query("SELECT * FROM dblink('c1', 'select 1/0', false) AS t(a int)"),
        _query("SET client_min_messages = warning"),
        _query("SELECT dblink_exec('c1', 'selec', false)"),
        _query("SET client_min_messages = notice; SET client_min_messages = error"),
        _query("SELECT dblink_exec('c1', 'selec', false), dblink_exec('c1', 'listen z')"),
        _query("SELECT dblink_exec('c1', 'selec')"),
        _query("RESET client_min_messages"),
    ],
    "another encoding": [
        _query("SET client_encoding = LATIN1"),
        Query(
            "SELECT * FROM dblink('c1', 'select ''€'', length(''é'')') AS t(a text, b int)".encode()
        ),
        Query(
            "SELECT * FROM dblink('c1', 'select ''é'', length(''é'')') AS t(a text, b int)".encode(
                "latin1"
            )
        ),
        Query("SELECT dblink_exec('c1', 'select é')".encode("latin1")),
        Query("SELECT dblink_exec('c1', 'select é', false)".encode("latin1")),
        Query("SELECT dblink_exec('né', 'select 1')".encode("latin1")),
        _query("SELECT dblink_exec('c1', U&'select \\20AC')"),
        _query("RESET client_encoding"),
    ],
}
