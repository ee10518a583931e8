"""The functions in PL/Python do what C dblink's do: what is particular to this face."""

from __future__ import annotations

import datetime
import os
from decimal import Decimal

import pytest

import pgwire
from dblink.plpython import install
from pgwire.testing.cluster import Cluster
from tests.dblink.kit import eventually, raises, running


def test_scalars_rows_and_notices(
    sql: pgwire.Connection, notices: list[pgwire.Diagnostics]
) -> None:
    assert sql.query("SELECT dblink_exec('c', 'SET search_path = public')").rows == [("SET",)]
    rows = sql.query(
        "SELECT * FROM dblink('c', 'SELECT * FROM foo WHERE f1 > 7') AS t(a int, b text)"
    )
    assert rows.rows == [(8, "i"), (9, "j")]
    assert [column.name for column in rows.columns] == ["a", "b"]
    assert sql.query("SELECT dblink_get_connections()").rows == [(["c"],)]
    assert sql.query("SELECT dblink_exec('c', 'SELECT 1 / 0', false)").rows == [("ERROR",)]
    rows = sql.query(
        "SELECT * FROM dblink('c', 'SELECT 1 / (2 - g) FROM generate_series(1, 3) AS g', false)"
        " AS t(a int)"
    )
    assert rows.rows == [(1,)]
    assert [(n.severity, n.sqlstate, n.message) for n in notices] == [
        ("NOTICE", "22012", "division by zero")
    ] * 2


def test_names_that_need_quotes_come_back_as_they_are(sql: pgwire.Connection, far: str) -> None:
    names = ["c", 'a "b"', "x,y", "{}", "back\\slash", "null", "", "ä"]
    for name in names[1:]:
        sql.query("SELECT dblink_connect($1, $2)", (name, far))
    assert sorted(sql.query("SELECT dblink_get_connections()").rows[0][0]) == sorted(names)


def test_errors_bear_the_remote_fields_and_nothing_of_python(sql: pgwire.Connection) -> None:
    with raises("P0001", "m %", detail="d", hint="h"):
        sql.query(
            "SELECT dblink_exec('c', $1)",
            ("DO $$BEGIN RAISE 'm %%' USING DETAIL = 'd', HINT = 'h'; END$$",),
        )
    mismatch = "remote query result rowtype does not match the specified FROM clause rowtype"
    with raises("42804", mismatch, detail=None, hint=None):
        sql.query("SELECT * FROM dblink('c', 'SELECT 1, 2') AS t(a int)")
    with raises("08003", 'connection "nosuch" not available'):
        sql.query("SELECT dblink_close('nosuch', 'cursor', false)")
    assert sql.query("SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)").rows == [(1,)]


def test_an_error_can_be_handled(sql: pgwire.Connection) -> None:
    sql.execute(
        """
        CREATE TEMP TABLE told (state text, message text, detail text, hint text);
        DO $do$
        DECLARE
          state text; message text; detail text; hint text;
        BEGIN
          PERFORM dblink_exec('c', 'SELECT nosuch FROM foo');
        EXCEPTION WHEN undefined_column THEN
          GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
          INSERT INTO told VALUES (state, message, detail, hint);
        END $do$;
        """
    )
    assert sql.query("SELECT * FROM told").rows == [
        ("42703", 'column "nosuch" does not exist', "", "")
    ]


# What the text becomes that comes from the remote server.
CONVERSIONS = [
    ("varchar(3)", "abc", "abc"),
    ("char(5)", "abc", "abc  "),
    ("numeric(3,1)", "1.257", Decimal("1.3")),
    ("boolean", "yes", True),
    ("bytea", "\\x00ff", b"\x00\xff"),
    ("bytea", "a\\\\001", b"a\\001"),
    ("integer[]", "[0:1]={1,NULL}", [1, None]),
    ("numeric(3,1)[]", "{1.257}", [Decimal("1.3")]),
    ("jsonb", '{"a": [1, null]}', {"a": [1, None]}),
    ("json", "null", None),
    ("timestamp(0)", "2020-01-02 03:04:05.6", datetime.datetime(2020, 1, 2, 3, 4, 6)),
    ("bit(3)", "101", "101"),
    ("regclass", "pg_class", "pg_class"),
    ("pair", '(1,"a,b")', (1, "a,b")),
    ("small", "3", 3),
    ("xml", "<a/>", "<a/>"),
]
REFUSED = [
    ("varchar(3)", "abcd", "22001"),
    ("integer", "1.5", "22P02"),
    ("boolean", "maybe", "22P02"),
    ("numeric(3,1)", "123", "22003"),
    ("bit(3)", "1011", "22026"),
    ("small", "11", "23514"),
    ("small", None, "23502"),
    ("bytea", "\\xf", "22023"),
    ("integer[]", "{1", "22P02"),
    ("json", "{", "22P02"),
]


@pytest.fixture
def typed(sql: pgwire.Connection) -> pgwire.Connection:
    """`sql` with a domain and a composite type, in a schema of the session's own."""
    sql.execute(
        "CREATE DOMAIN pg_temp.small AS int NOT NULL CHECK (VALUE < 10);"
        "CREATE TYPE pg_temp.pair AS (a int, b text)"
    )
    return sql


@pytest.mark.parametrize(("declared", "text", "value"), CONVERSIONS)
def test_text_becomes_a_value_by_the_input_function(
    typed: pgwire.Connection, declared: str, text: str, value: object
) -> None:
    declared = declared.replace("small", "pg_temp.small").replace("pair", "pg_temp.pair")
    typed.load_types(*[name for name in ("pg_temp.small", "pg_temp.pair") if name == declared])
    call = f"dblink('c', format('SELECT %L', $1::text)) AS t(a {declared})"
    assert typed.query(f"SELECT a FROM {call}", (text,)).rows == [(value,)]
    ((same,),) = typed.query_text(
        f"SELECT pg_typeof(a) = '{declared}'::regtype FROM {call}", (text,)
    )
    assert same == "t"


@pytest.mark.parametrize(("declared", "text", "sqlstate"), REFUSED)
def test_an_input_function_refuses(
    typed: pgwire.Connection, declared: str, text: str | None, sqlstate: str
) -> None:
    declared = declared.replace("small", "pg_temp.small")
    with raises(sqlstate):
        typed.query(
            f"SELECT * FROM dblink('c', format('SELECT %L::text', $1::text)) AS t(a {declared})",
            (text,),
        )
    assert typed.query("SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)").rows == [(1,)]


def test_text_is_read_in_the_style_of_the_remote_server(sql: pgwire.Connection) -> None:
    shown = "SELECT current_setting('DateStyle'), current_setting('IntervalStyle')"
    local = sql.query(shown).rows
    sql.query("SELECT dblink_exec('c', 'SET DateStyle = German; SET IntervalStyle = sql_standard')")
    for query in (
        "SELECT date '2013-03-12', interval '-1 day -2:03:04'",
        "SELECT text '12.03.2013', text '-1 2:03:04'",
    ):
        rows = sql.query_text("SELECT * FROM dblink('c', $1) AS t(a date, b interval)", (query,))
        assert rows == [("2013-03-12", "-1 days -02:03:04")]
        assert sql.query(shown).rows == local
    wrong = "SELECT * FROM dblink('c', $$SELECT text '13.13.2013'$$) AS t(a date)"
    with raises("22008"):
        sql.query(wrong)
    assert sql.query(shown).rows == local
    sql.execute("BEGIN; SAVEPOINT s")
    with raises("22008"):
        sql.query(wrong)
    sql.execute("ROLLBACK TO s")
    assert sql.query(shown).rows == local


def test_a_failed_conversion_lets_the_remote_statement_end(
    sql: pgwire.Connection, admin: pgwire.Connection
) -> None:
    admin.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept (a text)")
    with raises("22P02"):
        sql.query(
            "SELECT * FROM dblink('c', 'INSERT INTO kept SELECT repeat(''x'', 1000)"
            " FROM generate_series(1, 5000) RETURNING a') AS t(a int)"
        )
    assert admin.query("SELECT count(*) FROM kept").rows == [(5000,)]
    assert not running(admin, "INSERT INTO kept")


def test_an_error_late_in_a_stream_ends_it(sql: pgwire.Connection) -> None:
    late = "SELECT repeat(''x'', 1000), 1 / (4000 - g) FROM generate_series(1, 5000) AS g"
    with raises("22012", "division by zero"):
        sql.query(f"SELECT count(*) FROM dblink('c', '{late}') AS t(a text, b int)")
    assert sql.query(
        f"SELECT count(*) FROM dblink('c', '{late}', false) AS t(a text, b int)"
    ).rows == [(3999,)]


def test_rows_stream_in_bounded_memory(sql: pgwire.Connection) -> None:
    process_id = sql.info.process_id
    rows = 200_000  # of some 200 bytes

    def peak() -> int:
        with open(f"/proc/{process_id}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc that tells how much memory a process has had")
    large = "SELECT g, repeat(''x'', 200) FROM generate_series(1, {}) AS g"
    count = "SELECT count(b), sum(a) FROM dblink('c', '{}') AS t(a int, b text)"
    sql.query(count.format(large.format(rows // 10)))
    before = peak()
    assert sql.query(count.format(large.format(rows))).rows == [(rows, rows * (rows + 1) // 2)]
    assert peak() - before < 16 * 1024


def test_a_conversion_may_call_dblink_itself(sql: pgwire.Connection) -> None:
    sql.execute(
        """
        CREATE FUNCTION pg_temp.seen(text) RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN
          RETURN (SELECT a = length($1) FROM dblink('c', 'SELECT ' || length($1)) AS t(a int));
        END $$;
        CREATE DOMAIN pg_temp.looked_up AS text CHECK (pg_temp.seen(VALUE));
        """
    )
    for rows, length in (3, 1), (2000, 1000):  # the latter are still on the wire meanwhile
        query = f"SELECT repeat(''x'', {length}) FROM generate_series(1, {rows})"
        assert sql.query(
            f"SELECT count(*) FROM dblink('c', '{query}') AS t(a pg_temp.looked_up)"
        ).rows == [(rows,)]


def test_in_any_isolation_and_place(sql: pgwire.Connection) -> None:
    for mode in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE READ ONLY DEFERRABLE"):
        sql.execute(f"BEGIN ISOLATION LEVEL {mode}; SAVEPOINT s")
        assert sql.query(
            "SELECT x, a FROM generate_series(1, 2) AS x,"
            " LATERAL dblink('c', 'SELECT ' || x) AS t(a int)"
        ).rows == [(1, 1), (2, 2)]
        sql.execute("COMMIT")


def test_the_local_database_is_this_one(sql: pgwire.Connection, python_cluster: Cluster) -> None:
    sql.execute(
        """
        BEGIN;
        CREATE TABLE "My Table" (id int, "the name" text, data bytea, at float8,
                                 PRIMARY KEY ("the name", id));
        INSERT INTO "My Table" VALUES (1, 'a''b', '\\x00', 0.1), (2, 'c', NULL, NULL);
        """
    )
    # The transaction is not committed: nobody but this session sees the table.
    assert sql.query("SELECT * FROM dblink_get_pkey('\"My Table\"')").rows == [
        (1, "the name"),
        (2, "id"),
    ]
    assert sql.query(
        "SELECT dblink_build_sql_insert('\"My Table\"', '1 2', 2, '{1,a''b}', '{3,d}')"
    ).rows == [
        ("INSERT INTO \"My Table\"(id,\"the name\",data,at) VALUES('3','d',E'\\\\x00','0.1')",)
    ]
    with raises("21000", "source row not found"):
        sql.query("SELECT dblink_build_sql_update('\"My Table\"', '1 2', 2, '{9,x}', '{3,d}')")
    sql.execute("ROLLBACK")
    with raises("42P01", 'relation "My Table" does not exist'):
        sql.query("SELECT * FROM dblink_get_pkey('\"My Table\"')")
    assert sql.query("SELECT dblink_get_connections()").rows == [(["c"],)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_in_a_database_of_another_encoding(
    python_cluster: Cluster, package: str, far: str, encoding: str
) -> None:
    with pgwire.connect(python_cluster.conninfo()) as admin:
        admin.execute(f"CREATE DATABASE encoded ENCODING '{encoding}' TEMPLATE template0")
    try:
        with pgwire.connect(python_cluster.conninfo("encoded")) as connection:
            install(connection, folders=[package])
            connection.query("SELECT dblink_connect('c', $1)", (far,))
            call = "SELECT * FROM dblink('c', $1) AS t(a text, b varchar(2))"
            assert connection.query(call, ("SELECT 'ä', chr(228)",)).rows == [("ä", "ä")]
            with raises("P0001", "ä"):
                connection.query("SELECT dblink_exec('c', $1)", ("DO $$BEGIN RAISE 'ä'; END$$",))
            if encoding == "LATIN1":
                with raises("22P05"):
                    connection.query(call, ("SELECT chr(8364), 'x'",))
            assert connection.query(call, ("SELECT 'a', 'b'",)).rows == [("a", "b")]
    finally:
        with pgwire.connect(python_cluster.conninfo()) as admin:
            admin.execute("DROP DATABASE encoded WITH (FORCE)")


def test_notifications(sql: pgwire.Connection, admin: pgwire.Connection) -> None:
    sql.query("SELECT dblink_exec('c', 'LISTEN here')")
    admin.execute("NOTIFY here, 'news'")
    told: list[object] = []

    def arrived() -> bool:
        told.extend(sql.query("SELECT notify_name, be_pid, extra FROM dblink_get_notify('c')"))
        return bool(told)

    eventually(arrived)
    assert told == [("here", admin.info.process_id, "news")]
    assert sql.query("SELECT * FROM dblink_get_notify('c')").rows == []


def test_nothing_of_the_search_path_is_used(sql: pgwire.Connection, far: str) -> None:
    sql.execute(
        """
        CREATE FUNCTION pg_temp.stop() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RAISE 'the search path was used'; END $$;
        CREATE SCHEMA hostile;
        CREATE FUNCTION hostile.current_setting(text, bool) RETURNS text LANGUAGE sql
        AS 'SELECT pg_temp.stop()';
        CREATE FUNCTION hostile.pg_sleep(int) RETURNS void LANGUAGE sql
        AS 'SELECT pg_temp.stop()::void';
        CREATE FUNCTION hostile.same(text, text) RETURNS bool LANGUAGE sql
        AS 'SELECT pg_temp.stop()::bool';
        CREATE FUNCTION hostile.same(name, name) RETURNS bool LANGUAGE sql
        AS 'SELECT pg_temp.stop()::bool';
        CREATE FUNCTION hostile.same(oid, oid) RETURNS bool LANGUAGE sql
        AS 'SELECT pg_temp.stop()::bool';
        CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.same);
        CREATE OPERATOR hostile.= (LEFTARG = name, RIGHTARG = name, FUNCTION = hostile.same);
        CREATE OPERATOR hostile.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = hostile.same);
        CREATE TABLE hostile.pg_roles (rolname text);
        SET search_path = hostile, pg_catalog, ext, public;
        """
    )
    try:
        sql.query("SELECT ext.dblink_connect('new', $1)", (far,))
        assert sql.query(
            "SELECT * FROM ext.dblink('new', 'SELECT 1, ''a''') AS t(a int, b varchar(3))"
        ).rows == [(1, "a")]
        assert sql.query("SELECT position FROM ext.dblink_get_pkey('pg_class')").rows == [(1,)]
    finally:
        sql.execute("RESET search_path; DROP SCHEMA hostile CASCADE")


def test_the_seam_to_the_local_database_is_whole(sql: pgwire.Connection) -> None:
    """Sessions that convert by themselves ask it for Python values; the functions never do."""
    sql.query("SELECT dblink_get_connections()")  # brings the folder into the module search path
    sql.execute(
        """
        CREATE FUNCTION pg_temp.asked(query text) RETURNS text LANGUAGE plpython3u AS $$
        import dblink
        from dblink.plpython.spi import SpiLocal
        local = SpiLocal(plpy)
        try:
            columns = [(c.name, c.type_oid, c.type_modifier) for c in local.describe(query)]
            return repr((columns, local.query(query), local.query_typed(query)))
        except dblink.plpython.spi.errors.DatabaseError as error:
            return repr((error.sqlstate, error.message, error.detail, error.hint))
        $$
        """
    )

    def asked(query: str) -> object:
        return sql.query("SELECT pg_temp.asked($1)", (query,)).rows[0][0]

    assert asked(
        "SELECT 1 AS a, NULL AS a, '{1,2}'::int[] AS \"b c\", 'x'::varchar(3) AS q"
    ) == repr(
        (
            [("a", 23, -1), ("a", 25, -1), ("b c", 1007, -1), ("q", 1043, 7)],
            [("1", None, "{1,2}", "x")],
            [(1, None, [1, 2], "x")],
        )
    )
    assert asked("SELECT 1 / 0") == repr(("22012", "division by zero", None, None))
    # No name is known for its code.
    sql.execute(
        "CREATE FUNCTION pg_temp.failing() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE 'm' USING ERRCODE = 'XYZ01', DETAIL = 'd', HINT = 'h'; END $$"
    )
    assert asked("SELECT pg_temp.failing()") == repr(("XYZ01", "m", "d", "h"))
