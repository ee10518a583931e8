"""Statements are kept prepared, and never get into the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    BindComplete,
    CommandComplete,
    DataRow,
    FieldDescription,
    ParameterDescription,
    ParseComplete,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import Bind, Describe, Execute, Flush, Parse, Sync
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, expect, login, send
from pgwire.types.codec import Codec, always

SETUP = """
    DROP SCHEMA IF EXISTS kept CASCADE;
    CREATE SCHEMA kept;
    SET search_path = kept;
    CREATE TABLE t (a int, b text);
    INSERT INTO t VALUES (1, 'one');
    CREATE SEQUENCE counter;
"""


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as opened:
        opened.execute(SETUP)
        yield opened


@pytest.fixture(params=[100, 0], ids=["kept", "unnamed"])
def either(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=request.param) as opened:
        opened.execute(SETUP)
        yield opened


def prepared(connection: pgwire.Connection) -> list[str]:
    """The statements that the server has."""
    return [
        str(row[0])
        for row in connection.query("SELECT statement FROM pg_prepared_statements ORDER BY 1")
    ]


def rows(connection: pgwire.Connection, sql: str, *params: object) -> list[tuple[object, ...]]:
    return connection.query(sql, params).rows


def test_a_statement_is_prepared_once(connection: pgwire.Connection) -> None:
    for number in range(5):
        assert rows(connection, "SELECT $1::int + 1", number) == [(number + 1,)]
        assert connection.execute("INSERT INTO t VALUES ($1, $2)", [number, "x"]) == "INSERT 0 1"
    assert prepared(connection) == ["INSERT INTO t VALUES ($1, $2)", "SELECT $1::int + 1"]


FIELDS = RowDescription([FieldDescription(b"a", type_oid=23)])


def test_the_second_use_is_one_flight() -> None:
    answer = send(
        BindComplete(),
        DataRow([b"\0\0\0\1"]),
        CommandComplete(b"SELECT 1"),
        ReadyForQuery(b"I"),
    )
    flight = [expect(Bind), expect(Execute), expect(Sync), answer]
    script = [
        login(),
        *(expect(Parse), expect(Describe), expect(Flush)),
        send(ParseComplete(), ParameterDescription([]), FIELDS),
        *(flight * 3),
    ]
    with ScriptedServer(script) as server, pgwire.connect(server.conninfo()) as connection:
        for _ in range(3):
            assert rows(connection, "SELECT 1") == [(1,)]


def test_unnamed_statements_take_one_flight_too() -> None:
    described = RowDescription([FieldDescription(b"a", type_oid=23, format=1)])
    rest = [
        DataRow([b"\0\0\0\1"]),
        CommandComplete(b"SELECT 1"),
        ReadyForQuery(b"I"),
    ]
    again = [
        *(expect(kind) for kind in (Parse, Bind, Describe, Execute, Sync)),
        send(ParseComplete(), BindComplete(), described, *rest),
    ]
    script = [
        login(),
        *(expect(Parse), expect(Describe), expect(Flush)),
        send(ParseComplete(), ParameterDescription([]), FIELDS),
        *(expect(kind) for kind in (Bind, Describe, Execute, Sync)),
        send(BindComplete(), described, *rest),
        *(again * 2),
    ]
    with (
        ScriptedServer(script) as server,
        pgwire.connect(server.conninfo(), statement_cache_size=0) as connection,
    ):
        for _ in range(3):
            assert rows(connection, "SELECT 1") == [(1,)]


def test_nothing_is_left_on_the_server_without_a_cache(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=0) as connection:
        for _ in range(3):
            assert rows(connection, "SELECT $1::int", 7) == [(7,)]
            assert rows(connection, "SELECT $1::text", "x") == [("x",)]
        assert prepared(connection) == []


CHANGES = {
    "a type": "ALTER TABLE t ALTER a TYPE text",
    "a column more": "ALTER TABLE t ADD c date DEFAULT '2026-11-20'",
    "a column less": "ALTER TABLE t DROP b",
    "a column for another": "ALTER TABLE t DROP b; ALTER TABLE t ADD c date",
    "another table": "DROP TABLE t; CREATE TABLE t (x bool, y bool); INSERT INTO t VALUES (true)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_table(either: pgwire.Connection, change: str) -> None:
    for _ in range(2):
        assert rows(either, "SELECT * FROM t") == [(1, "one")]
    either.query_all(CHANGES[change])
    expected = either.query("SELECT * FROM t")
    for _ in range(3):
        assert rows(either, "SELECT * FROM t") == expected.rows
        with either.stream("SELECT * FROM t") as stream:
            assert list(stream) == expected.rows
    names = [column.name for column in either.query("SELECT * FROM t", ()).columns]
    assert names == [column.name for column in expected.columns]


def test_parameters_of_a_changed_type(either: pgwire.Connection) -> None:
    insert = "INSERT INTO t (a) VALUES ($1)"
    for value in (2, 3):
        either.execute(insert, [value])
    either.execute("ALTER TABLE t ALTER a TYPE date USING '2026-01-01'")
    with pytest.raises(errors.ProgrammingError):
        either.execute(insert, [4])
    either.execute("ALTER TABLE t ALTER a TYPE int USING 1")
    either.execute(insert, [5])
    assert rows(either, "SELECT count(*) FROM t") == [(4,)]


def test_a_changed_table_inside_a_transaction(
    connection: pgwire.Connection, cluster: Cluster
) -> None:
    with connection.transaction():
        assert rows(connection, "SELECT * FROM t") == [(1, "one")]
        connection.execute("ALTER TABLE t ADD c int")  # by ourselves: the tag tells
        assert rows(connection, "SELECT * FROM t") == [(1, "one", None)]
    with pgwire.connect(cluster.conninfo()) as other:
        other.execute("ALTER TABLE kept.t DROP c")
    with pytest.raises(errors.NotSupportedError, match="cached plan"), connection.transaction():
        rows(connection, "SELECT * FROM t")
    with connection.transaction():
        assert rows(connection, "SELECT * FROM t") == [(1, "one")]


HIDING = {
    "CREATE TEMP TABLE": "CREATE TEMP TABLE t (a int, b text); INSERT INTO t VALUES (2, 'two')",
    "CREATE TABLE AS": "CREATE TEMP TABLE t AS SELECT 2 AS a, 'two'::text AS b",
    "SELECT INTO": "SELECT 2 AS a, 'two'::text AS b INTO TEMP t",
}


@pytest.mark.parametrize("how", HIDING)
@pytest.mark.parametrize("way", ["simple", "extended", "pipeline"])
def test_a_table_that_hides_another(either: pgwire.Connection, how: str, way: str) -> None:
    """The server looks no name up again as long as what it has found is there."""
    either.execute("SET search_path = pg_temp, kept; CREATE TEMP TABLE another ()")
    for _ in range(2):
        assert rows(either, "SELECT * FROM t") == [(1, "one")]
    statements = HIDING[how].split("; ")
    with either.transaction():
        if way == "simple":
            for statement in statements:
                either.execute(statement)
        elif way == "extended":
            for statement in statements:
                either.execute(statement, ())
        else:
            with either.pipeline() as pipeline:
                for statement in statements:
                    pipeline.query(statement, ())
                found = pipeline.query("SELECT * FROM t", ())
            assert found.result().rows == [(2, "two")]
        assert rows(either, "SELECT * FROM t") == [(2, "two")]
    either.execute("DROP TABLE pg_temp.t")
    assert rows(either, "SELECT * FROM t") == [(1, "one")]


def test_a_function_that_fits_better(either: pgwire.Connection) -> None:
    either.execute("CREATE FUNCTION f(bigint) RETURNS int LANGUAGE sql AS 'SELECT 8'")
    assert rows(either, "SELECT f(1)") == [(8,)]
    either.execute("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 4'")
    assert rows(either, "SELECT f(1)") == [(4,)]


INSERT_A = "INSERT INTO t (a) VALUES ($1)"


def test_an_inferred_type_is_not_kept_beyond_its_column(
    either: pgwire.Connection, cluster: Cluster
) -> None:
    either.execute(INSERT_A, ["007"])
    either.execute("ALTER TABLE t ALTER a TYPE text")
    either.execute(INSERT_A, ["007"])  # as an int it would come out as 7
    with pgwire.connect(cluster.conninfo()) as other:
        other.execute("ALTER TABLE kept.t ALTER a TYPE int USING 1")
        either.execute(INSERT_A, ["5"])
        other.execute("ALTER TABLE kept.t ALTER a TYPE text")
    either.execute(INSERT_A, ["five"])
    assert rows(either, "SELECT a FROM t WHERE b IS NULL") == [("1",), ("1",), ("5",), ("five",)]
    with pytest.raises(errors.error_class("22P02")):
        rows(either, "SELECT * FROM generate_series(1, $1)", "many")


def test_an_inferred_type_is_not_kept_beyond_a_rollback(either: pgwire.Connection) -> None:
    either.execute("ALTER TABLE t ALTER a TYPE text")
    with pytest.raises(ZeroDivisionError), either.transaction():
        either.execute("ALTER TABLE t ALTER a TYPE int USING 1")
        either.execute(INSERT_A, ["007"])
        raise ZeroDivisionError
    either.execute(INSERT_A, ["007"])
    assert rows(either, "SELECT a FROM t WHERE b IS NULL") == [("007",)]


def test_an_inferred_type_is_not_kept_beyond_its_search_path(either: pgwire.Connection) -> None:
    either.execute("DROP SCHEMA IF EXISTS other CASCADE")
    either.execute("CREATE SCHEMA other; CREATE TABLE other.t (a text)")
    either.execute(INSERT_A, ["007"])
    with either.transaction():
        either.execute("SET LOCAL search_path = other")
        either.execute(INSERT_A, ["007"])
        assert rows(either, "SELECT a FROM t") == [("007",)]
    either.execute(INSERT_A, ["007"])
    either.execute("SET search_path = other")
    either.execute(INSERT_A, ["007"])
    assert rows(either, "SELECT a FROM t") == [("007",), ("007",)]


OTHERS = {
    "an enum and money": "SELECT 'ok'::kept.mood AS a, 3::money AS b",
    "a composite": "SELECT (1, 'x')::kept.pair AS a, 5 AS b",
    "no binary format": "SELECT relacl[1] AS a, 5 AS b FROM pg_class WHERE relname = 'pg_type'",
}


@pytest.mark.parametrize("other_view", OTHERS)
def test_a_view_of_other_types(
    either: pgwire.Connection, cluster: Cluster, other_view: str
) -> None:
    """What was asked for in binary format must not be what cannot be read in it."""
    either.execute("CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE pair AS (i int, t text)")
    either.execute("CREATE VIEW v AS SELECT 1 AS a, 2::int8 AS b")
    for _ in range(2):
        assert rows(either, "SELECT * FROM v") == [(1, 2)]
    with pgwire.connect(cluster.conninfo()) as other:
        other.execute(f"DROP VIEW kept.v; CREATE VIEW kept.v AS {OTHERS[other_view]}")
    expected = either.query("SELECT * FROM v").rows
    for _ in range(2):
        assert rows(either, "SELECT * FROM v") == expected
        with either.stream("SELECT * FROM v") as stream:
            assert list(stream) == expected


def test_a_statement_runs_once_however_often_it_is_prepared(either: pgwire.Connection) -> None:
    count = "SELECT nextval('counter'), * FROM t"
    assert rows(either, count) == [(1, 1, "one")]
    either.execute("ALTER TABLE t DROP b")
    assert rows(either, count) == [(2, 1)]
    either.execute("DROP TABLE t")
    for _ in range(3):
        with pytest.raises(errors.error_class("42P01")):
            rows(either, count)
    either.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (5)")
    assert rows(either, count) == [(3, 5)]


def test_another_search_path(either: pgwire.Connection) -> None:
    either.execute("DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other")
    either.execute("CREATE TABLE other.t (b text, a text); INSERT INTO other.t VALUES ('x', '9')")
    select, where = "SELECT * FROM t", "SELECT a FROM t WHERE a = $1"
    for _ in range(2):
        assert rows(either, select) == [(1, "one")]
        assert rows(either, where, 1) == [(1,)]
        either.execute("SET search_path = other")
        assert rows(either, select) == [("x", "9")]
        assert rows(either, where, "9") == [("9",)]
        either.execute("SET search_path = kept")


FORGETTING = {
    "DISCARD ALL": ("DISCARD ALL; SET search_path = kept", None),
    "DEALLOCATE ALL": ("DEALLOCATE ALL", None),
    "extended": ("DEALLOCATE ALL", ()),
    "one of several statements": ("SELECT 1; DEALLOCATE ALL; SELECT 2", None),
    "behind our back": ("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", None),
    "one by one": ("PREPARE mine AS SELECT 1; DEALLOCATE mine", None),
}


@pytest.mark.parametrize("how", FORGETTING)
def test_what_has_been_deallocated_is_prepared_again(
    connection: pgwire.Connection, how: str
) -> None:
    sql, params = FORGETTING[how]
    for _ in range(3):
        assert rows(connection, "SELECT * FROM t") == [(1, "one")]
        if params is None:
            for statement in sql.split("; ") if "DISCARD" in sql else [sql]:
                connection.query_all(statement)
        else:
            connection.query(sql, params)
    if how != "behind our back":  # the tag has told
        connection.execute("BEGIN")
    assert rows(connection, "SELECT * FROM t") == [(1, "one")]
    connection.query_all("ROLLBACK")
    assert prepared(connection).count("SELECT * FROM t") == 1


def test_deallocated_behind_our_back_inside_a_transaction(connection: pgwire.Connection) -> None:
    assert rows(connection, "SELECT * FROM t") == [(1, "one")]
    with pytest.raises(errors.error_class("26000")), connection.transaction():
        connection.query(*FORGETTING["behind our back"])
        rows(connection, "SELECT * FROM t")
    with connection.transaction():
        assert rows(connection, "SELECT * FROM t") == [(1, "one")]


def test_a_rollback_does_not_undo_preparing(connection: pgwire.Connection) -> None:
    with pytest.raises(ZeroDivisionError), connection.transaction():
        rows(connection, "SELECT * FROM t")
        raise ZeroDivisionError
    with connection.transaction():
        assert rows(connection, "SELECT * FROM t") == [(1, "one")]
    assert prepared(connection) == ["SELECT * FROM t"]


def test_the_least_recently_used_is_forgotten(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=3) as connection:
        for number in range(10):
            assert rows(connection, f"SELECT {number}") == [(number,)]
            rows(connection, "SELECT 0")
        rows(connection, "SELECT 0")  # takes the last of the closing along
        assert prepared(connection) == ["SELECT 0", "SELECT 8", "SELECT 9"]


def test_what_cannot_be_prepared_leaves_nothing(connection: pgwire.Connection) -> None:
    for _ in range(3):
        with pytest.raises(errors.error_class("42703")):
            rows(connection, "SELECT nothing FROM t")
        with pytest.raises(errors.error_class("42601")):
            rows(connection, "SELECT 1; SELECT 2")
        with pytest.raises(errors.DataError):
            rows(connection, "SELECT '\0'")
    assert prepared(connection) == []
    with pytest.raises(errors.error_class("25P02")), connection.transaction():
        with pytest.raises(errors.error_class("42703")):
            rows(connection, "SELECT nothing FROM t")
        rows(connection, "SELECT 1")
    assert rows(connection, "SELECT 1") == [(1,)]


def test_statements_whose_columns_nobody_checks(connection: pgwire.Connection) -> None:
    connection.execute("PREPARE mine AS SELECT 1, 2")
    for _ in range(2):
        assert rows(connection, "EXECUTE mine") == [(1, 2)]
    for definition in ("'a'::text, 2.5", "true, now()", "1.5, 'x', 2", "7"):
        # The tag of DEALLOCATE would empty the cache: this one nobody sees.
        connection.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE mine'; END $$")
        connection.execute(f"PREPARE mine AS SELECT {definition}")
        shown = connection.query("EXECUTE mine").columns
        result = connection.query("EXECUTE mine", ())
        assert [c.type_oid for c in result.columns] == [c.type_oid for c in shown]
        plain = connection.query("EXECUTE mine")[0]
        assert [type(value) for value in result[0]] == [type(value) for value in plain]
    for path in ("kept", "kept, public"):
        connection.execute(f"SET search_path = {path}")
        assert rows(connection, "SHOW search_path") == [(path,)]


def test_a_type_of_the_same_name(either: pgwire.Connection) -> None:
    for labels, label in (("'sad', 'ok'", "sad"), ("'up', 'down'", "up")):
        either.execute(f"CREATE TYPE mood AS ENUM ({labels}); ALTER TABLE t ADD m mood")
        either.execute(f"UPDATE t SET m = '{label}'")
        for _ in range(2):
            assert rows(either, "SELECT m FROM t") == [(label,)]
            assert rows(either, "SELECT a FROM t WHERE m = $1", label) == [(1,)]
        either.execute("DROP TYPE mood CASCADE")


def test_a_codec_that_comes_later(either: pgwire.Connection) -> None:
    either.registry = either.registry.copy()
    assert rows(either, "SELECT 5") == [(5,)]
    either.registry.register(
        Codec("int4", 23, 1007, text_decoder=always(bytes), text_encoder=always(str))
    )
    assert rows(either, "SELECT 5") == [(b"5",)]
    either.registry = either.registry.copy()
    either.registry.register(
        Codec("int4", 23, 1007, text_decoder=always(len), text_encoder=always(str))
    )
    assert rows(either, "SELECT 5") == [(1,)]


def test_parameters_that_the_session_has_changed(either: pgwire.Connection) -> None:
    for style in ("ISO", "German", "SQL, DMY"):
        either.execute(f"SET DateStyle = {style}")
        assert rows(either, "SELECT 'ä', date '2026-03-02'")[0][1].isoformat() == "2026-03-02"  # type: ignore[attr-defined]
    for encoding in ("LATIN1", "UTF8"):
        either.execute(f"SET client_encoding = {encoding}")
        for _ in range(2):
            assert rows(either, "SELECT 'ä', date '2026-03-02'")[0][0] == "ä"
            assert rows(either, "SELECT $1::text", "ö") == [("ö",)]


def test_values_choose_the_types_of_parameters(connection: pgwire.Connection) -> None:
    for value in (1, 2**40, 2**70, 1.5, "x", True, None, b"x", [1]):
        for _ in range(2):
            assert rows(connection, "SELECT $1", value)[0][0] == value


def test_notices_amid_a_reply(cluster: Cluster) -> None:
    told: list[str] = []
    with pgwire.connect(cluster.conninfo(), on_notice=lambda n: told.append(n.message)) as opened:
        opened.execute(
            "CREATE FUNCTION pg_temp.say(int) RETURNS int LANGUAGE plpgsql VOLATILE AS "
            "$$ BEGIN RAISE NOTICE 'n%', $1; RETURN $1; END $$"
        )
        told.clear()
        for _ in range(2):
            assert rows(opened, "SELECT pg_temp.say(i) FROM generate_series(1, 3) i") == [
                (1,),
                (2,),
                (3,),
            ]
    assert told == ["n1", "n2", "n3"] * 2


def test_an_error_amid_the_rows(either: pgwire.Connection) -> None:
    for _ in range(3):
        with pytest.raises(errors.error_class("22012")):
            rows(either, "SELECT 1 / (3000 - i) FROM generate_series(1, 5000) i")
        assert rows(either, "SELECT i FROM generate_series(1, 2) i") == [(1,), (2,)]


def test_a_timeout_while_a_statement_is_prepared(
    either: pgwire.Connection, cluster: Cluster
) -> None:
    with pgwire.connect(cluster.conninfo()) as other, other.transaction():
        other.execute("LOCK TABLE kept.t")
        for _ in range(2):
            with pytest.raises(errors.TimeoutExpired):
                either.query("SELECT * FROM t", (), timeout=0.1)
            assert rows(either, "SELECT 1") == [(1,)]
        with pytest.raises(errors.TimeoutExpired), either.transaction():
            either.query("SELECT * FROM t", (), timeout=0.1)
    assert rows(either, "SELECT * FROM t") == [(1, "one")]


def test_a_server_that_stalls_amid_preparing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgwire.session.core.CANCEL_GRACE", 0.2)
    script = [login(), expect(Parse), expect(Describe), expect(Flush), send(ParseComplete())]
    with ScriptedServer(script, timeout=20.0) as server:
        connection = pgwire.connect(server.conninfo())
        with pytest.raises(errors.OperationalError):
            connection.query("SELECT 1", (), timeout=0.1)
        assert connection.closed


def test_large_parameters_and_results(either: pgwire.Connection) -> None:
    text = "é" * 3_000_000
    for _ in range(2):
        assert rows(either, "SELECT $1::text, $2::bytea", text, b"\0" * 1_000_000) == [
            (text, b"\0" * 1_000_000)
        ]


@pytest.mark.parametrize("size", [-1, "10", 1.5, True, None])
def test_a_size_that_is_none(size: object) -> None:
    with pytest.raises(errors.ProgrammingError, match="statement_cache_size must be 0"):
        pgwire.connect("host=/nowhere", statement_cache_size=size)  # type: ignore[arg-type]


def test_rows_as_something_else(connection: pgwire.Connection) -> None:
    for params in (None, ()):
        result = connection.query("SELECT 1 AS a, 'x' AS b", params, rows=pgwire.dict_row)
        assert result.rows == [{"a": 1, "b": "x"}]  # type: ignore[comparison-overlap]
        assert result.tag == "SELECT 1" and result.columns[1].name == "b"
