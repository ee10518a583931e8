from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblink
import pgwire
from dblink.columns import resolve, split_definitions
from dblink.local import PgwireLocal
from dblink.names import quoted_identifier
from pgwire import sqlstates
from pgwire.types.range import Range
from tests.dblink.kit import raises

TYPES = """
CREATE SCHEMA "odd, schema";
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE "odd, schema"."a ""type""(x)" AS (n int, t text);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN some_text AS text NOT NULL CHECK (value <> 'none');
CREATE DOMAIN small_positive AS positive CHECK (value < 100);
CREATE DOMAIN document AS jsonb CHECK (value ? 'a');
CREATE DOMAIN price AS numeric(6, 2);
"""


@pytest.fixture(scope="module")
def types(local_conninfo: str) -> Iterator[None]:
    with pgwire.connect(local_conninfo) as connection:
        connection.execute(TYPES)
        yield
        connection.execute(
            'DROP SCHEMA "odd, schema" CASCADE;'
            "DROP TYPE mood; DROP DOMAIN small_positive, positive, some_text, document, price"
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a int, b text", [("a", "int"), ("b", "text")]),
        (" a  int ,b\ttext ", [("a", "int"), ("b", "text")]),
        ("a numeric(10, 2), b int", [("a", "numeric(10, 2)"), ("b", "int")]),
        ('"a, b" int, "c" text', [('"a, b"', "int"), ('"c"', "text")]),
        ('"a""b" "my type"', [('"a""b"', '"my type"')]),
        ("a int[], b text[3][]", [("a", "int[]"), ("b", "text[3][]")]),
        ("a timestamp (3) with time zone", [("a", "timestamp (3) with time zone")]),
        ('a "odd, schema"."x(y"', [("a", '"odd, schema"."x(y"')]),
        ('a text COLLATE "C"', [("a", 'text COLLATE "C"')]),
    ],
)
def test_split(text: str, expected: list[tuple[str, str]]) -> None:
    assert split_definitions(text) == expected


@pytest.mark.parametrize("text", ["", "a", "a int,", ",", "a int,, b int", '"a int', '"a"', "a "])
def test_what_is_no_list(text: str) -> None:
    with raises("42601") as caught:
        split_definitions(text)
    assert "is not a name followed by a type" in caught.error.message


@pytest.mark.parametrize("text", ["a int)", "a int), b(c int", "a int]"])
def test_a_list_does_not_end_before_its_end(text: str) -> None:
    with raises("42601"):
        split_definitions(text)


identifiers = st.text(st.sampled_from('ab", ()[]é'), min_size=1, max_size=6).map(
    lambda name: '"' + name.replace('"', '""') + '"'
)
type_names = st.one_of(
    st.sampled_from(["int", "numeric(10,2)", "text[]", "timestamp(3) with time zone"]), identifiers
)


@given(st.lists(st.tuples(identifiers, type_names), min_size=1, max_size=5))
def test_whatever_is_joined_is_split(pairs: list[tuple[str, str]]) -> None:
    assert split_definitions(", ".join(f"{name} {kind}" for name, kind in pairs)) == pairs


@given(st.text(st.sampled_from('a1 ,()[]"\n'), max_size=20))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        pairs = split_definitions(text)
    except sqlstates.SyntaxError:
        return
    assert all(name and kind for name, kind in pairs)


# Names as the server keeps them: neither NUL nor half a surrogate pair.
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_quoted_name_means_what_it_says(name: str) -> None:
    written = '"' + name.replace('"', '""') + '"'
    (column,) = resolve(f"{written} int", None)
    expected = quoted_identifier(written)
    assert expected is not None and column.name == expected[0]


BUILT_IN = [
    ("a int", "a", "integer"),
    ("A int8", "a", "bigint"),
    ('"A" varchar(10)', "A", "character varying"),
    ("a char(3)", "a", "character"),
    ("a numeric(10,2)", "a", "numeric"),
    ("a timestamp(3) with time zone", "a", "timestamp with time zone"),
    ("a interval day to second(2)", "a", "interval"),
    ("a text[]", "a", "text[]"),
    ("a pg_catalog.int2", "a", "smallint"),
    ('a "char"', "a", '"char"'),
    ("a double precision", "a", "double precision"),
    ("a bit varying(4)", "a", "bit varying"),
    ("a name", "a", "name"),
]


@pytest.mark.parametrize(("text", "name", "type_name"), BUILT_IN)
def test_built_in_types_are_resolved_as_by_a_server(
    local: pgwire.Connection, text: str, name: str, type_name: str
) -> None:
    (own,) = resolve(text, None)
    (servers,) = resolve(text, PgwireLocal(local, owned=False))
    for column in (own, servers):
        assert (column.name, column.type_name) == (name, type_name)
    assert (own.type_oid, own.type_modifier) == (servers.type_oid, servers.type_modifier)
    assert own.accepts_status == servers.accepts_status


@pytest.mark.parametrize("text", ["a nosuch", "a int, b public.thing", "a int(3)", "a varchar(0)"])
def test_an_unknown_type(text: str) -> None:
    with raises("42704") as caught:
        resolve(text, None)
    assert caught.error.hint == ("Session(local=...) resolves every type of the local database.")


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("a nosuch", "42704"),
        ("a int, a int", "42701"),
        ("a int garbage", "42601"),
        ("a numeric(5000)", "22023"),
    ],
)
def test_the_local_server_says_what_is_wrong(
    local: pgwire.Connection, text: str, sqlstate: str
) -> None:
    with raises(sqlstate):
        resolve(text, PgwireLocal(local, owned=False))


@pytest.mark.parametrize(
    "columns",
    [
        "a int, b text",
        "t(a int, b text)",
        "AS t(a int, b text)",
        ' as "T x" (a int, b text) ',
        "T (\n a int,\n b text\n)",
    ],
)
def test_a_list_may_be_copied_from_sql(session: dblink.Session, columns: str) -> None:
    result = session.dblink("c", "SELECT 1, 'x'", columns=columns)
    assert [repr(c) for c in result.columns] == ["a integer", "b text"]
    assert result.fetchall() == [(1, "x")]


# Types that only the local database has.


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize(
    ("sql", "columns", "expected"),
    [
        ("SELECT 'ok'", "a mood", "ok"),
        ("SELECT 5", "a positive", 5),
        ("SELECT 50", "a small_positive", 50),
        ("SELECT 'x'::text", "a some_text", "x"),
        ("SELECT '{\"a\": 1}'::jsonb", "a document", {"a": 1}),
        ('SELECT \'{"a": "ü\\n"}\'', "a document", {"a": "ü\n"}),
        ("SELECT 1.257", "a price", Decimal("1.26")),
        ("SELECT '{1,2}'", "a positive[]", "{1,2}"),
        ("SELECT '\"quoted\"'", "a json", "quoted"),
        ("SELECT '[1, null]'::json", "a jsonb", [1, None]),
        ("SELECT 'null'", "a jsonb", None),
        ("SELECT NULL::json", "a jsonb", None),
        ("SELECT '[1,5)'::int4range::text", "a int4range", Range(1, 5)),
        ("SELECT 'pg_class'", "a regclass", "pg_class"),
        ("SELECT '\\x00ff'", "a bytea", b"\x00\xff"),
        ("SELECT 'tomorrow'", "a some_text", "tomorrow"),
    ],
)
def test_types_of_the_local_database(
    local_session: dblink.Session, sql: str, columns: str, expected: object
) -> None:
    assert local_session.dblink("c", sql, columns=columns).fetchall() == [(expected,)]


@pytest.mark.usefixtures("types")
def test_a_composite_type(local_session: dblink.Session) -> None:
    columns = 'a "odd, schema"."a ""type""(x)", b int'
    result = local_session.dblink("c", "SELECT '(1,\"x y\")', 2", columns=columns)
    assert result.columns[0].type_name == '"odd, schema"."a ""type""(x)"'
    assert list(result.text_rows()) == [('(1,"x y")', "2")]
    with raises("22P02"):
        local_session.dblink("c", "SELECT '(z,1)', 2", columns=columns)


@pytest.mark.usefixtures("types")
@pytest.mark.parametrize(
    ("sql", "columns", "sqlstate", "message"),
    [
        ("SELECT 'glad'", "a mood", "22P02", 'invalid input value for enum mood: "glad"'),
        # The values are of the type that the domain is over, which alone would let them in.
        ("SELECT -1", "a positive", "23514", None),
        ("SELECT 100", "a small_positive", "23514", None),
        ("SELECT 'none'::text", "a some_text", "23514", None),
        (
            "SELECT NULL::text",
            "a some_text",
            "23502",
            "domain some_text does not allow null values",
        ),
        ("SELECT '{}'::jsonb", "a document", "23514", None),
        ("SELECT 12345.6", "a price", "22003", "numeric field overflow"),
        ("SELECT 'x'", "a int", "22P02", 'invalid input syntax for type integer: "x"'),
        ("SELECT 'abcd'", "a varchar(3)", "22001", "value too long for type character varying(3)"),
        ("SELECT 'abcd'", "a char(3)", "22001", "value too long for type character(3)"),
        ("SELECT 99999", "a int2", "22003", 'value "99999" is out of range for type smallint'),
        ("SELECT 'not json'", "a json", "22P02", "invalid input syntax for type json"),
    ],
)
def test_what_a_type_refuses(
    local_session: dblink.Session, sql: str, columns: str, sqlstate: str, message: str | None
) -> None:
    with raises(sqlstate, message) as caught:
        local_session.dblink("c", sql, columns=columns)
    assert "dblink" not in (caught.error.context or "")  # it is no error of the remote side
    assert local_session.dblink("c", "SELECT 1").scalar() == 1


@pytest.mark.usefixtures("types")
def test_a_domain_over_text_takes_no_command_tag(local_session: dblink.Session) -> None:
    with raises(
        "42804",
        "function return row and query-specified return row do not match",
        detail="Returned type text at ordinal position 1, but query expects some_text.",
    ):
        local_session.dblink("c", "SET work_mem = '1MB'", columns="a some_text")


def test_the_type_of_a_column_is_looked_up_in_no_other_schema(
    local_session: dblink.Session, local: pgwire.Connection
) -> None:
    local.execute(
        'CREATE SCHEMA trap; CREATE FUNCTION trap.pg_typeof("any") RETURNS regtype'
        " LANGUAGE internal AS 'pg_typeof'; CREATE DOMAIN trap.int4 AS text;"
        " SET search_path = trap, pg_catalog"
    )
    try:
        # As in SQL, `int` is the keyword, and `int4` a name.
        result = local_session.dblink("c", "SELECT 1, 'x'", columns="a int, b int4")
        assert result.columns[1].type_name == "int4"
        assert result.fetchall() == [(1, "x")]
    finally:
        local.execute("RESET search_path; DROP SCHEMA trap CASCADE")


@pytest.mark.parametrize("which", ["session", "local_session"])
def test_names_are_cut_as_by_the_server(request: pytest.FixtureRequest, which: str) -> None:
    session = request.getfixturevalue(which)
    sql = "SELECT repeat('x', 70), repeat('é', 40)"
    assert session.dblink("c", sql, columns="a name, b name").fetchall() == [("x" * 63, "é" * 31)]


@pytest.mark.parametrize("which", ["session", "local_session"])
def test_mixed_columns_keep_their_places(request: pytest.FixtureRequest, which: str) -> None:
    session = request.getfixturevalue(which)
    rows = session.dblink(
        "c",
        "SELECT g, g::text, CASE WHEN g = 2 THEN NULL ELSE g::text END, 'x' || g"
        " FROM generate_series(1, 3) AS g",
        columns="a int, b int, c numeric(5,1), d text",
    )
    assert rows.fetchall() == [
        (1, 1, Decimal("1.0"), "x1"),
        (2, 2, None, "x2"),
        (3, 3, Decimal("3.0"), "x3"),
    ]


def test_a_failed_conversion_leaves_the_callers_transaction_as_it_should(
    local_session: dblink.Session, local: pgwire.Connection
) -> None:
    local_session.dblink_exec("c", "SET DateStyle = German")
    before = local.info.parameters["DateStyle"]
    local.execute("BEGIN")
    with raises("22P02"):
        local_session.dblink("c", "SELECT 'x'", columns="a int")
    local.execute("ROLLBACK")
    assert local.info.parameters["DateStyle"] == before


# columns_of.


@pytest.mark.usefixtures("types")
def test_columns_of_gives_what_columns_takes(local_session: dblink.Session, remote: str) -> None:
    sql = (
        'SELECT 1 AS a, \'x\'::varchar(7) AS "B c", 1.5::numeric(6,2) AS "select",'
        ' \'{1}\'::int[] AS arr, now() AS "q""q", 1 + 1, NULL::char(3) AS ch'
    )
    expected = (
        'AS t(a integer, "B c" character varying(7), "select" numeric(6,2), arr integer[], '
        '"q""q" timestamp with time zone, column6 integer, ch character(3))'
    )
    assert local_session.columns_of("c", sql) == expected
    assert local_session.columns_of(remote, sql) == expected
    result = local_session.dblink("c", sql, columns=expected)
    names = ["a", "B c", "select", "arr", 'q"q', "column6", "ch"]
    assert [c.name for c in result.columns] == names
    assert result.fetchall()[0][:4] == (1, "x", Decimal("1.50"), [1])
    with dblink.Session(privileged=True) as bare:
        bare.dblink_connect(remote)
        assert bare.columns_of(None, sql) == expected
        assert [c.name for c in bare.dblink(sql, columns=expected).columns] == names


def test_columns_of_runs_nothing(session: dblink.Session, admin: pgwire.Connection) -> None:
    admin.execute("CREATE SEQUENCE never_used")
    assert session.columns_of("c", "SELECT nextval('never_used')") == "AS t(nextval bigint)"
    assert admin.query("SELECT is_called FROM never_used").rows == [(False,)]
    admin.execute("DROP SEQUENCE never_used")


def test_columns_of_says_what_is_wrong(session: dblink.Session) -> None:
    with raises("42601", "the statement returns no rows"):
        session.columns_of("c", "SET work_mem = '1MB'")
    with raises("42P01"):
        session.columns_of("c", "SELECT * FROM nosuch")
    with raises("08003", "connection not available"):
        session.columns_of(None, "SELECT 1")
    assert session.dblink("c", "SELECT 1").scalar() == 1


# Without columns= the values are of the remote types.


def test_remote_types(session: dblink.Session) -> None:
    result = session.dblink(
        "c",
        "SELECT 1 AS i, 'x'::varchar(3) AS v, 1.50 AS n, true AS b, '{1,NULL}'::int[] AS a,"
        " '2020-02-03'::date AS d, '00000000-0000-0000-0000-000000000001'::uuid AS u,"
        " '\\x00'::bytea AS y, NULL AS z",
    )
    assert [repr(c) for c in result.columns][:2] == ["i integer", "v character varying(3)"]
    assert result.fetchall() == [
        (
            1,
            "x",
            Decimal("1.50"),
            True,
            [1, None],
            datetime.date(2020, 2, 3),
            uuid.UUID(int=1),
            b"\x00",
            None,
        )
    ]


def test_the_status_column_has_the_declared_name(session: dblink.Session) -> None:
    sql = "SET work_mem = '1MB'"
    for columns, shown in (
        (None, "status text"),
        ("a text", "a text"),
        ("x varchar(1)", "x character varying"),
    ):
        result = session.dblink("c", sql, columns=columns)
        assert [repr(c) for c in result.columns] == [shown]
        assert result.fetchall() == [("SET",)]
        assert list(result.text_rows()) == []
    with raises("42804", detail="Returned row contains 1 attribute, but query expects 2."):
        session.dblink("c", sql, columns="a text, b int")
    with raises(
        "42804", detail="Returned type text at ordinal position 1, but query expects integer."
    ):
        session.dblink("c", sql, columns="a int")
