from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblink
import pgwire
from dblink.keys import quote_literal
from tests.dblink.kit import raises

TABLES = """
CREATE TABLE plain (f1 int, f2 text, f3 text[], PRIMARY KEY (f1, f2));
INSERT INTO plain SELECT g, chr(97 + g), ARRAY['a' || g, 'b' || g] FROM generate_series(0, 9) AS g;
CREATE TABLE turned (a int, b int, c int, PRIMARY KEY (c, a) INCLUDE (b));
CREATE TABLE keyless (a int);
CREATE VIEW seen AS SELECT f1, f2 FROM plain;
CREATE SCHEMA "Other";
CREATE TABLE "Other"."My ""Table" ("Id" int PRIMARY KEY, "select" text, gone int);
ALTER TABLE "Other"."My ""Table" DROP COLUMN gone;
INSERT INTO "Other"."My ""Table" VALUES (1, 'x');
CREATE TABLE dropped (id int PRIMARY KEY, a int, b text, c int, d text);
INSERT INTO dropped VALUES (1, 0, 'b', 0, 'd');
ALTER TABLE dropped DROP COLUMN a; ALTER TABLE dropped DROP COLUMN c;
CREATE TABLE twins (k int, v text);
INSERT INTO twins VALUES (1, 'x'), (1, 'y'), (NULL, 'z');
CREATE INDEX an_index ON plain (f1);
CREATE TYPE a_type AS (n int);
CREATE TABLE roundtrip (k int PRIMARY KEY, t text, n numeric, b bool, y bytea, a text[]);
CREATE TABLE copied (LIKE roundtrip INCLUDING ALL);
"""


@pytest.fixture(scope="module")
def tables(local_conninfo: str) -> Iterator[pgwire.Connection]:
    with pgwire.connect(local_conninfo) as connection:
        connection.execute("CREATE SCHEMA keys")
        connection.execute("SET search_path = keys")
        connection.execute(TABLES)
        yield connection
        connection.execute('DROP SCHEMA keys, "Other" CASCADE')


@pytest.fixture(scope="module")
def local_session(tables: pgwire.Connection) -> dblink.Session:
    return dblink.Session(tables)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", [(1, "f1"), (2, "f2")]),
        ("PLAIN", [(1, "f1"), (2, "f2")]),
        ("keys.plain", [(1, "f1"), (2, "f2")]),
        (' "keys" . plain ', [(1, "f1"), (2, "f2")]),
        ("dblink_tests_local.keys.plain", [(1, "f1"), (2, "f2")]),
        ("turned", [(1, "c"), (2, "a")]),
        ("keyless", []),
        ("seen", []),
        ('"Other"."My ""Table"', [(1, "Id")]),
        ("pg_catalog.pg_class", [(1, "oid")]),
    ],
)
def test_get_pkey(
    local_session: dblink.Session, name: str, expected: list[tuple[int, str]]
) -> None:
    rows = local_session.dblink_get_pkey(name)
    assert rows == expected
    assert [(row.position, row.colname) for row in rows] == expected


@pytest.mark.parametrize(
    ("name", "sqlstate", "message"),
    [
        ("nosuch", "42P01", 'relation "nosuch" does not exist'),
        ("keys.nosuch", "42P01", 'relation "keys.nosuch" does not exist'),
        ("nosuch.plain", "3F000", 'schema "nosuch" does not exist'),
        ('"PLAIN"', "42P01", 'relation "PLAIN" does not exist'),
        ("a.b.c", "0A000", 'cross-database references are not implemented: "a.b.c"'),
        ("a.b.c.d", "42601", "improper relation name (too many dotted names): a.b.c.d"),
        ("", "42602", "invalid name syntax"),
        ("a..b", "42602", "invalid name syntax"),
        ('"open', "42602", "invalid name syntax"),
        ("plain x", "42602", "invalid name syntax"),
        ("an_index", "42809", 'cannot open relation "an_index"'),
        ("a_type", "42809", 'cannot open relation "a_type"'),
        ("plain; DROP TABLE plain", "42602", "invalid name syntax"),
    ],
)
def test_names_that_lead_nowhere(
    local_session: dblink.Session, name: str, sqlstate: str, message: str
) -> None:
    with raises(sqlstate, message):
        local_session.dblink_get_pkey(name)
    with raises(sqlstate, message):
        local_session.dblink_build_sql_delete(name, "1", 1, ["1"])


def test_statements(local_session: dblink.Session) -> None:
    source, target = ["0", "a"], ["99", "xyz"]
    assert local_session.dblink_build_sql_insert("plain", "1 2", 2, source, target) == (
        "INSERT INTO plain(f1,f2,f3) VALUES('99','xyz','{a0,b0}')"
    )
    assert local_session.dblink_build_sql_update("plain", [1, 2], 2, source, target) == (
        "UPDATE plain SET f1 = '99', f2 = 'xyz', f3 = '{a0,b0}' WHERE f1 = '99' AND f2 = 'xyz'"
    )
    assert local_session.dblink_build_sql_delete("plain", "1 2", 2, target) == (
        "DELETE FROM plain WHERE f1 = '99' AND f2 = 'xyz'"
    )
    assert local_session.dblink_build_sql_delete("plain", "1 2", 2, ["1", None]) == (
        "DELETE FROM plain WHERE f1 = '1' AND f2 IS NULL"
    )
    assert local_session.dblink_build_sql_insert("twins", "1", 1, [None], ["5"]) == (
        "INSERT INTO twins(k,v) VALUES('5','z')"
    )


def test_quoting(local_session: dblink.Session) -> None:
    assert local_session.dblink_build_sql_update(
        '"Other"."My ""Table"', "1", 1, ["1"], ["O'Reilly \\"]
    ) == (
        'UPDATE "Other"."My ""Table" SET "Id" = E\'O\'\'Reilly \\\\\', "select" = \'x\''
        " WHERE \"Id\" = E'O''Reilly \\\\'"
    )


def test_dropped_columns(local_session: dblink.Session) -> None:
    assert local_session.dblink_build_sql_insert("dropped", "1", 1, ["1"], ["2"]) == (
        "INSERT INTO dropped(id,b,d) VALUES('2','b','d')"
    )
    # Numbers count the columns that are there.
    assert local_session.dblink_build_sql_delete("dropped", "3", 1, ["x"]) == (
        "DELETE FROM dropped WHERE d = 'x'"
    )
    with raises("22023", "invalid attribute number 4"):
        local_session.dblink_build_sql_delete("dropped", "4", 1, ["x"])


@pytest.mark.parametrize(
    ("attnums", "num", "src", "tgt", "sqlstate", "message"),
    [
        ("1", 0, ["1"], ["1"], "22023", "number of key attributes must be > 0"),
        ("1", -1, ["1"], ["1"], "22023", "number of key attributes must be > 0"),
        ("", 1, ["1"], ["1"], "22023", "number of key attributes must be > 0"),
        ("1 2 3 4", 4, ["1"], ["1"], "22023", "invalid attribute number 4"),
        ("0", 1, ["1"], ["1"], "22023", "invalid attribute number 0"),
        ("-1", 1, ["1"], ["1"], "22023", "invalid attribute number -1"),
        (
            "1 2",
            2,
            ["1"],
            ["1"],
            "2202E",
            "source key array length must match number of key attributes",
        ),
        (
            "1 2",
            2,
            ["1", "b"],
            ["1"],
            "2202E",
            "target key array length must match number of key attributes",
        ),
        ("1 2", 2, ["77", "b"], ["1", "b"], "21000", "source row not found"),
        ("x", 1, ["1"], ["1"], "22P02", None),
        ("99999", 1, ["1"], ["1"], "22003", None),
        ("1", 1, ["x"], ["1"], "22P02", 'invalid input syntax for type integer: "x"'),
    ],
)
def test_what_is_wrong_with_the_keys(
    local_session: dblink.Session,
    attnums: str,
    num: int,
    src: list[str],
    tgt: list[str],
    sqlstate: str,
    message: str | None,
) -> None:
    for build in (local_session.dblink_build_sql_insert, local_session.dblink_build_sql_update):
        with raises(sqlstate, message):
            build("plain", attnums, num, src, tgt)


def test_more_than_one_source_row(local_session: dblink.Session) -> None:
    with raises("21000", "source criteria matched more than one record"):
        local_session.dblink_build_sql_insert("twins", "1", 1, ["1"], ["2"])


texts = st.none() | st.text(st.sampled_from("aé€'\\\"{},E \n"), max_size=8)


@given(
    texts,
    st.none() | st.decimals(allow_infinity=False, places=3),
    st.none() | st.booleans(),
    st.none() | st.binary(max_size=5),
    st.lists(texts, max_size=3),
    st.sampled_from(["on", "off"]),
)
def test_a_row_that_is_copied_is_the_same_row(
    tables: pgwire.Connection,
    local_session: dblink.Session,
    text: str | None,
    number: object,
    flag: bool | None,
    data: bytes | None,
    array: list[str | None],
    strings: str,
) -> None:
    tables.execute("TRUNCATE roundtrip, copied")
    tables.query(
        "INSERT INTO roundtrip VALUES (1, $1, $2, $3, $4, $5)", (text, number, flag, data, array)
    )
    tables.execute("INSERT INTO copied VALUES (8)")
    tables.execute(f"SET standard_conforming_strings = {strings}; SET escape_string_warning = off")
    insert = local_session.dblink_build_sql_insert("roundtrip", "1", 1, ["1"], ["7"])
    update = local_session.dblink_build_sql_update("roundtrip", "1", 1, ["1"], ["8"])
    assert insert is not None and update is not None
    for statement in (insert, update):
        tables.execute(statement.replace("roundtrip", "copied", 1))
    rows = tables.query_text("SELECT k, t, n, b, y, a FROM copied ORDER BY k")
    ((original),) = tables.query_text("SELECT t, n, b, y, a FROM roundtrip")
    assert rows == [("7", *original), ("8", *original)]
    delete = local_session.dblink_build_sql_delete("roundtrip", "2", 1, [text])
    assert delete is not None
    tables.execute(delete.replace("roundtrip", "copied", 1))
    assert tables.query("SELECT count(*)::int FROM copied").rows == [(0,)]


@given(texts)
def test_quote_literal_is_the_servers(tables: pgwire.Connection, text: str | None) -> None:
    ((expected,),) = tables.query("SELECT quote_nullable($1::text)", (text,))
    assert quote_literal(text).lstrip() == str(expected).lstrip()


def test_without_a_local_database() -> None:
    with dblink.Session() as session:
        for name, call in (
            ("dblink_get_pkey", lambda: session.dblink_get_pkey("t")),
            (
                "dblink_build_sql_delete",
                lambda: session.dblink_build_sql_delete("t", "1", 1, ["1"]),
            ),
        ):
            with raises("0A000", f"{name} needs a local database") as caught:
                call()
            assert caught.error.hint is not None and "Session(local=...)" in caught.error.hint
