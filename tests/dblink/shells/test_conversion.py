"""Text becomes values of the declared types exactly as C dblink's rows do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import pgwire
from tests.dblink.shells.scripted import Answer, Message, Row, ScriptedGateway, Table

TYPES = """
CREATE SCHEMA "odd -- /* schema";
CREATE TYPE mood AS ENUM ('sad', 'o''k', 'hap"py');
CREATE TYPE pair AS (a int, b varchar(2));
CREATE TYPE "odd -- /* schema"."it's ""one"" x" AS (x text);
CREATE TYPE "in column "" (position 9)." AS ENUM ('x');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN needed AS text NOT NULL;
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN shorter AS short CHECK (VALUE <> 'no');
CREATE DOMAIN document AS jsonb CHECK (VALUE ? 'a');
CREATE DOMAIN numbers AS int[] CHECK (cardinality(VALUE) < 3);
CREATE DOMAIN couple AS pair CHECK ((VALUE).a > 0);
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE TABLE IF NOT EXISTS relation (n int, t text);
"""

# Declared types, and the texts that are given to them; None is NULL.
CASES: dict[str, list[str | None]] = {
    "int": ["1", " 2 ", "-2147483648", "2147483648", "1.5", "", "x", None],
    "smallint": ["32767", "32768"],
    "bigint": ["9223372036854775807", "9223372036854775808"],
    "text": ["", "a\nb\tc\\d", "ö€😀", "x" * 100, None],
    "varchar": ["", "abc"],
    "varchar(3)": ["abc", "abcd", "ab   ", "abc   ", "öäü", None],
    "char": ["a", "ab", ""],
    "char(3)": ["a", "abcd", "abc  "],
    "bpchar": ["abc  ", ""],
    '"char"': ["a", "ab", "", "\\377"],
    "name": ["a", "n" * 80],
    "numeric": ["1.50", "NaN", "1e5", "x"],
    "numeric(3,1)": ["1.257", "99.96", "-1.25", "100"],
    "numeric(5,-2)": ["12345"],
    "real": ["1.1", "1e50", "Infinity"],
    "float": ["0.1", "1e400", ""],
    "bool": ["t", "yes", "maybe", None],
    "bytea": ["\\x00ff", "a\\000b", "\\xg"],
    "date": ["2020-02-03", "infinity", "2020-02-30", "nonsense"],
    "time": ["24:00", "12:34:56.7891234"],
    "time(0)": ["12:34:56.789"],
    "timetz": ["01:02:03+05"],
    "timestamp": ["2020-01-02 03:04:05.678901", "epoch"],
    "timestamp(0)": ["2020-01-02 03:04:05.678901"],
    "timestamptz": ["2020-01-02 03:04:05+02"],
    "timestamptz(0)": ["2020-01-02 03:04:05.6+02"],
    "interval": ["1 year 2 days", "P1Y"],
    "interval(0)": ["1.6 seconds"],
    "interval day": ["3 days 4 hours"],
    "interval second(1)": ["1.26 seconds"],
    "bit": ["1", "10"],
    "bit(3)": ["101", "1010", "10"],
    '"bit"': ["101"],
    "varbit": ["101"],
    "varbit(2)": ["10", "101"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "x"],
    "json": ['{"a": [1, 2]}', "null", '"text"', "1", "", "{", None],
    "jsonb": ['{"b":1,"a":2}', "null", "{'}", "1e5"],
    "xml": ["<a/>", "text"],
    "inet": ["10.0.0.1/8", "::1"],
    "cidr": ["10.0.0.1/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "money": ["1.5"],
    "oid": ["1", "-1"],
    "regclass": ["pg_class", "1259", "no_such"],
    "regtype": ["int", "varchar(3)"],
    "point": ["(1,2)"],
    "int4range": ["[1,3)", "empty"],
    "tsvector": ["a b"],
    "pg_lsn": ["0/1"],
    "int[]": ["{1,2}", "{{1},{NULL}}", "[0:1]={1,2}", "{1", "1,2", None],
    "text[]": ['{a,"b c",NULL,"NULL"}', "{}"],
    "varchar(3)[]": ["{abc,d}", "{abcd}"],
    "numeric(3,1)[]": ["{1.257}"],
    "char(2)[]": ["{a}"],
    "json[]": ['{"{\\"a\\":1}"}'],
    "record": ["(1,2)"],
    "mood": ["sad", "o'k", 'hap"py', "angry"],
    "mood[]": ['{sad,"o\'k"}', "{angry}"],
    "pair": ["(1,ab)", "(1,abc)", "(,)", "x", None],
    "pair[]": ['{"(1,ab)",NULL}', '{"(1,abc)"}'],
    "relation": ["(1,x)"],
    '"odd -- /* schema"."it\'s ""one"" x"': ["(x)"],
    '"odd -- /* schema"."it\'s ""one"" x"[]': ['{"(x)"}'],
    '"in column "" (position 9)."': ["x", "y"],
    "positive": ["1", "0", None],
    "positive[]": ["{1,2}", "{1,0}"],
    "needed": ["", None],
    "short": ["abc", "abcd", None],
    "shorter": ["abc", "no", "abcd"],
    "document": ['{"a":1}', '{"b":1}', "null", None],
    "numbers": ["{1,2}", "{1,2,3}", None],
    "couple": ["(1,a)", "(0,a)", "(1,abc)"],
    "span": ["[1,2)", "[2,1)"],
    "int4multirange": ["{[1,3)}"],
    "pg_catalog.int4": ["1"],
    "bigint[][]": ["{1}"],
}


@pytest.fixture(scope="module")
def conversions(c_database: str, database: str) -> Iterator[tuple[pgwire.Connection, str]]:
    """C dblink's connection, which has a connection of dblink to itself; our database."""
    with pgwire.connect(c_database) as original, pgwire.connect(database) as ours:
        for connection in (original, ours):
            connection.query_all(TYPES)
        original.query("SELECT dblink_connect('self', $1)", (c_database,))
        yield original, database
        ours.query_all(
            'DROP SCHEMA "odd -- /* schema" CASCADE;'
            'DROP TYPE mood, "in column "" (position 9).", span;'
            "DROP DOMAIN couple, positive, needed, shorter, short, document, numbers;"
            "DROP TYPE pair; DROP TABLE relation"
        )


def outcome(connection: pgwire.Connection, sql: str) -> object:
    try:
        return connection.query_text(sql)
    except pgwire.DatabaseError as error:
        return error.sqlstate, error.message, error.detail, error.hint


def literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("by_table", "count"), [(False, 1), (False, 2), (True, 1)], ids=["row", "rows", "table"]
)
def test_each_type_takes_what_c_dblink_lets_it_take(
    conversions: tuple[pgwire.Connection, str], by_table: bool, count: int
) -> None:
    original, database = conversions
    with ScriptedGateway(database) as gateway:
        row: Row = []

        def answer(message: Message) -> Answer | list[Row]:
            return Table([row]) if by_table else [row] * count

        gateway.answer = answer
        for declared, texts in CASES.items():
            for text in texts:
                row[:] = ["7", text, "behind"]
                remote = f"SELECT 7, {literal(text)}::text, 'behind'"
                remote += f" FROM generate_series(1, {count})"
                call = "SELECT t.*, pg_typeof(v) FROM dblink('self', {}) AS t(n int, v {}, b text)"
                call = call.format(literal(remote), declared)
                expected, found = outcome(original, call), outcome(gateway.client, call)
                assert found == expected, (declared, text)


def test_the_declared_types_are_told(gateway: ScriptedGateway) -> None:
    gateway.query(
        """SELECT * FROM dblink('[]')
           AS t(a int, b varchar(3), "c ""d" numeric(3,1)[], e timestamptz(0), "%(1)" "char")"""
    )
    assert gateway.messages[-1]["types"] == [
        ["integer", 23],
        ["character varying", 1043],
        ["numeric[]", 1231],
        ["timestamp with time zone", 1184],
        ['"char"', 18],
    ]


def test_a_hundred_columns(gateway: ScriptedGateway) -> None:
    listed = ", ".join(f"c{n} {'int' if n % 3 else 'varchar(4)'}" for n in range(100))
    values = json.dumps([[str(n) for n in range(100)]])
    for _ in range(2):
        row = gateway.query(f"SELECT * FROM dblink('{values}') AS t({listed})")[0]
        assert row == tuple(n if n % 3 else str(n) for n in range(100))


def test_the_types_of_the_same_transaction(gateway: ScriptedGateway) -> None:
    gateway.client.execute(
        "BEGIN; CREATE TYPE pg_temp.fresh AS ENUM ('a'); CREATE DOMAIN newest AS int"
    )
    query = """SELECT a::text, b FROM dblink('[["a","1"]]') AS t(a pg_temp.fresh, b newest)"""
    assert gateway.query(query) == [("a", 1)] == gateway.query(query)
    gateway.client.execute("ROLLBACK")


@pytest.mark.parametrize(
    "settings",
    [
        "quote_all_identifiers = on",
        "standard_conforming_strings = off",
        "search_path = pg_temp, public, pg_catalog, ext",
        "backslash_quote = off",
        "array_nulls = off",
        "escape_string_warning = off",
    ],
)
def test_settings_do_not_matter(gateway: ScriptedGateway, settings: str) -> None:
    gateway.client.execute(f"SET {settings}")
    query = """SELECT * FROM dblink('[["1","abc","1.26","x","{1}"]]')
               AS t(a int, b varchar(4), c numeric(3,1), d text, e int[])"""
    for _ in range(2):
        ((a, b, c, d, e),) = gateway.query(query)
        assert (a, b, str(c), d, e) == (1, "abc", "1.3", "x", [1])


def test_a_hostile_search_path(gateway: ScriptedGateway) -> None:
    gateway.client.query_all(HOSTILE)
    try:
        gateway.client.execute("SET search_path = hostile, pg_catalog, ext")
        for isolation in ("READ COMMITTED", "REPEATABLE READ"):
            gateway.client.execute(f"BEGIN ISOLATION LEVEL {isolation}")
            assert gateway.value("SELECT dblink_exec('a', 'b')") == '["dblink_exec", "a", "b"]'
            for _ in range(2):
                assert gateway.query(
                    """SELECT * FROM dblink('[["1","abc","1"]]')
                       AS t(a int, b varchar(3), c pg_catalog.text)"""
                ) == [(1, "abc", "1")]
            gateway.client.execute("COMMIT")
    finally:
        gateway.client.execute("SET search_path = public; DROP SCHEMA hostile CASCADE")


# Whatever of ours were not qualified would call one of these, or take such a type.
HOSTILE = (
    """
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.trap() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE DOMAIN hostile.text AS int CHECK (hostile.trap() = 0);
CREATE DOMAIN hostile.jsonb AS int CHECK (hostile.trap() = 0);
"""
    + "".join(
        f"CREATE FUNCTION hostile.{name}({arguments}) RETURNS {returns} LANGUAGE sql AS"
        " 'SELECT hostile.trap()::pg_catalog.text::{returns}';\n".replace("{returns}", returns)
        for name, arguments, returns in (
            ("concat", "pg_catalog.text, pg_catalog.text", "pg_catalog.text"),
            ("format", "pg_catalog.text, pg_catalog.text", "pg_catalog.text"),
            ("replace", "pg_catalog.text, pg_catalog.text, pg_catalog.text", "pg_catalog.text"),
            ("to_regtype", "pg_catalog.text", "pg_catalog.regtype"),
            ("current_setting", "pg_catalog.text, bool", "pg_catalog.text"),
            ("pg_backend_pid", "", "int"),
            ("jsonb_exists", "pg_catalog.jsonb, pg_catalog.text", "bool"),
        )
    )
    + "".join(
        f"CREATE FUNCTION hostile.op{n}({left}, {right}) RETURNS {returns} LANGUAGE sql AS"
        f" 'SELECT hostile.trap()::pg_catalog.text::{returns}';\n"
        f"CREATE OPERATOR hostile.{name} (LEFTARG = {left}, RIGHTARG = {right},"
        f" FUNCTION = hostile.op{n});\n"
        for n, (name, left, right, returns) in enumerate(
            (
                ("=", "pg_catalog.text", "pg_catalog.text", "bool"),
                ("<>", "pg_catalog.text", "pg_catalog.text", "bool"),
                ("~", "pg_catalog.text", "pg_catalog.text", "bool"),
                ("!~", "pg_catalog.text", "pg_catalog.text", "bool"),
                ("||", "pg_catalog.text", "pg_catalog.text", "pg_catalog.text"),
                ("||", "pg_catalog.text[]", "pg_catalog.text", "pg_catalog.text[]"),
                ("=", "oid", "oid", "bool"),
                ("=", "oid", "int", "bool"),
                ("=", "int", "int", "bool"),
                ("<>", "oid", "int", "bool"),
                (">", "int", "int", "bool"),
                (">=", "int", "int", "bool"),
                (">=", "oid", "int", "bool"),
                ("<=", "int", "int", "bool"),
                ("*", "int", "int", "int"),
                ("+", "int", "int", "int"),
                ("-", "int", "int", "int"),
                ("&", "int", "int", "int"),
                ("*", "float8", "numeric", "float8"),
                ("->>", "pg_catalog.jsonb", "pg_catalog.text", "pg_catalog.text"),
                ("->", "pg_catalog.jsonb", "pg_catalog.text", "pg_catalog.jsonb"),
            )
        )
    )
)


def test_a_modifier_is_not_remembered(gateway: ScriptedGateway) -> None:
    call = """SELECT n::text FROM dblink('[["1.257"]]') AS t(n {})"""
    for declared, expected in (
        ("numeric(3,1)", "1.3"),
        ("numeric", "1.257"),
        ("numeric(4,2)", "1.26"),
        ("numeric(3,1)", "1.3"),
        ("char(6)", "1.257"),
        ("text", "1.257"),
        ("varchar", "1.257"),
    ):
        for _ in range(2):
            assert gateway.value(call.format(declared)) == expected
    with pytest.raises(pgwire.DatabaseError) as caught:
        gateway.query(call.format("varchar(3)"))
    assert caught.value.sqlstate == "22001"
