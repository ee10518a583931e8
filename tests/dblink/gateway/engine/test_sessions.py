"""Calls as a client makes them, from the function in the database to the remote server."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import pgwire
from dblink import shells
from dblink.functions import FUNCTIONS
from dblink.gateway import Gateway, running
from dblink.gateway.engine import Database
from dblink.gateway.worker import IN_FUNCTION, IN_ROW
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.engine.conftest import NEAR
from tests.dblink.kit import PATIENCE, asleep, eventually, raises
from tests.dblink.kit import running as runs

LEVELS = pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])


def rows(client: pgwire.Connection, sql: str) -> list[tuple[str | None, ...]]:
    return client.query_text(sql)


@pytest.fixture
def connected(client: pgwire.Connection, far: str) -> pgwire.Connection:
    """The client, whose session has the connection "c"."""
    assert client.query("SELECT dblink_connect('c', $1)", (far,)).scalar() == "OK"
    return client


@LEVELS
def test_every_function(connected: pgwire.Connection, far: str, level: str) -> None:
    connected.execute("CREATE TEMP TABLE keyed (a int, b text, PRIMARY KEY (b, a))")
    connected.execute("INSERT INTO keyed VALUES (1, 'x, \"y')")
    calls = {
        "dblink_connect": ("SELECT dblink_connect($${far}$$)", "OK"),
        "dblink_connect_u": ("SELECT dblink_connect_u('u', $${far}$$)", "OK"),
        "dblink_disconnect": ("SELECT dblink_disconnect('u')", "OK"),
        "dblink": ("SELECT a FROM dblink('c', 'SELECT 7, NULL') AS t(a int, b text)", "7"),
        "dblink_exec": ("SELECT dblink_exec('c', 'SET a.b = 1')", "SET"),
        "dblink_open": ("SELECT dblink_open('c', 'cur', 'SELECT generate_series(1, 3)')", "OK"),
        "dblink_fetch": ("SELECT sum(a) FROM dblink_fetch('c', 'cur', 2) AS t(a int)", "3"),
        "dblink_close": ("SELECT dblink_close('c', 'cur')", "OK"),
        "dblink_get_connections": ("SELECT dblink_get_connections()", "{c}"),
        "dblink_error_message": ("SELECT dblink_error_message('c')", "OK"),
        "dblink_send_query": ("SELECT dblink_send_query('c', 'SELECT 8')", "1"),
        "dblink_is_busy": ("SELECT dblink_is_busy('c') BETWEEN 0 AND 1", "t"),
        "dblink_get_result": ("SELECT a FROM dblink_get_result('c') AS t(a int)", "8"),
        "dblink_cancel_query": ("SELECT dblink_cancel_query('c')", "OK"),
        "dblink_get_notify": ("SELECT count(*) FROM dblink_get_notify('c')", "0"),
        "dblink_get_pkey": ("SELECT string_agg(colname, position) FROM"
                            " (SELECT colname, position::text FROM dblink_get_pkey('keyed')) AS k",
                            "b2a"),
        "dblink_build_sql_insert": (
            "SELECT dblink_build_sql_insert('keyed', '2 1', 2, ARRAY['x, \"y', '1'], '{n,2}')",
            "INSERT INTO keyed(a,b) VALUES('2','n')",
        ),
        "dblink_build_sql_delete": (
            "SELECT dblink_build_sql_delete('keyed', '1', 1, ARRAY['5'])",
            "DELETE FROM keyed WHERE a = '5'",
        ),
        "dblink_build_sql_update": (
            "SELECT dblink_build_sql_update('keyed', '1', 1, '{1}', '{9}')",
            "UPDATE keyed SET a = '9', b = 'x, \"y' WHERE a = '9'",
        ),
    }  # fmt: skip
    assert calls.keys() == FUNCTIONS.keys()
    connected.execute(f"BEGIN ISOLATION LEVEL {level}")
    for name, (sql, expected) in calls.items():
        answer = rows(connected, sql.replace("{far}", far))
        assert answer == [(expected,)], name
    connected.execute("ROLLBACK")


@LEVELS
@pytest.mark.parametrize("size", [0, 1, IN_FUNCTION - 100, IN_FUNCTION, IN_ROW, 3_000_000])
def test_answers_of_any_size(
    connected: pgwire.Connection, admin: pgwire.Connection, level: str, size: int
) -> None:
    connected.execute(f"BEGIN ISOLATION LEVEL {level}")
    for text in ("é", "x"):
        sql = f"SELECT g, repeat(''{text}'', {size // 10}) FROM generate_series(1, 10) AS g"
        found = rows(
            connected,
            "SELECT count(*), sum(a), sum(length(b)), min(b) = max(b)"
            f" FROM dblink('c', '{sql}') AS t(a int, b text)",
        )
        assert found == [("10", "55", str(size // 10 * 10), "t")]
    connected.execute("COMMIT")
    left = "SELECT relname FROM pg_class WHERE relname ~ ('^reply_'||$1||'_') AND relkind = 'r'"
    eventually(lambda: not admin.query(left, (connected.info.process_id,)).rows)


def test_a_large_answer_that_fails_in_the_middle(
    connected: pgwire.Connection, admin: pgwire.Connection
) -> None:
    sql = "SELECT repeat(''x'', 1000), 1 / (3000 - g) FROM generate_series(1, 5000) AS g"
    with raises("22012", "division by zero"):
        rows(connected, f"SELECT count(*) FROM dblink('c', '{sql}') AS t(a text, b int)")
    found = rows(connected, f"SELECT count(*) FROM dblink('c', '{sql}', false) AS t(a text, b int)")
    assert found == [("2999",)]
    assert rows(connected, "SELECT dblink_exec('c', 'SET a.b = 1')") == [("SET",)]


@LEVELS
def test_a_large_answer_comes_in_parts(
    connected: pgwire.Connection,
    admin: pgwire.Connection,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
) -> None:
    monkeypatch.setattr("dblink.gateway.replies.FIRST_PART", 1)
    connected.execute("CREATE DOMAIN pg_temp.odd AS int CHECK (VALUE <> 29000)")
    series = "SELECT g, repeat(''x'', 100) FROM generate_series(1, {}) AS g"
    counted = "SELECT count(*), sum(a) FROM dblink('c', '{}'{}) AS t(a {}, b text)"
    connected.execute(f"BEGIN ISOLATION LEVEL {level}")
    for declared in ("int", "pg_temp.odd"):
        found = rows(connected, counted.format(series.format(28000), "", declared))
        assert found == [("28000", str(28000 * 28001 // 2))]
    # An error of the remote server behind the first part, and one of the conversion.
    failing = series.format(30000).replace("SELECT g", "SELECT 29000 / (29000 - g)")
    connected.execute("SAVEPOINT s")
    with raises("22012"):
        rows(connected, counted.format(failing, "", "int"))
    connected.execute("ROLLBACK TO s")
    assert rows(connected, counted.format(failing, ", false", "int"))[0][0] == "28999"
    with raises("23514"):
        rows(connected, counted.format(series.format(30000), "", "pg_temp.odd"))
    connected.execute("ROLLBACK TO s")
    assert rows(connected, "SELECT dblink_exec('c', 'SET a.b = 1')") == [("SET",)]
    connected.execute("COMMIT")
    left = "SELECT relname FROM pg_class WHERE relname ~ ('^reply_'||$1||'_') AND relkind = 'r'"
    eventually(lambda: not admin.query(left, (connected.info.process_id,)).rows)


def test_a_table_that_is_being_read_is_dropped_afterwards(
    connected: pgwire.Connection, admin: pgwire.Connection
) -> None:
    """A cursor goes on reading while the next call is made."""
    count = "SELECT count(*) FROM pg_class WHERE relname ~ ('^reply_'||$1||'_') AND relkind = 'r'"
    pid = connected.info.process_id
    connected.execute("CREATE DOMAIN pg_temp.seven AS int")
    connected.execute("BEGIN")
    connected.execute(
        "DECLARE cur CURSOR FOR SELECT a FROM dblink('c', 'SELECT generate_series(1, 20000)')"
        " AS t(a pg_temp.seven)"
    )
    assert rows(connected, "FETCH 2 FROM cur") == [("1",), ("2",)]
    assert rows(connected, "SELECT dblink_exec('c', 'SET a.b = 1')") == [("SET",)]
    assert rows(connected, "FETCH 1 FROM cur") == [("3",)]
    connected.execute("COMMIT")
    eventually(lambda: admin.query(count, (pid,)).scalar() == 0)


@pytest.mark.parametrize("how", ["timeout", "cancel", "terminate", "close"])
def test_whoever_stops_waiting_stops_the_remote_query(
    gateway: Gateway, cluster: Cluster, far: str, admin: pgwire.Connection, how: str
) -> None:
    marker = f"marked_{how}"
    client = pgwire.connect(gateway.conninfo(user=cluster.superuser, dbname=NEAR))
    client.query("SELECT dblink_connect('c', $1)", (far,))
    if how == "timeout":
        client.execute("SET statement_timeout = '300ms'")
    reply = client.send(
        f"SELECT * FROM dblink('c', 'SELECT pg_sleep(60) /* {marker} */') AS t(a text)"
    )
    eventually(lambda: asleep(admin, marker))
    if how == "cancel":
        client.cancel()
    elif how == "terminate":
        admin.query("SELECT pg_terminate_backend($1)", (client.info.process_id,))
    elif how == "close":
        client.close()
    eventually(lambda: not runs(admin, marker))
    if how in ("timeout", "cancel"):
        error = reply.finish()
        assert error is not None and error.sqlstate == "57014"
        client.execute("SET statement_timeout = 0")
        assert rows(client, "SELECT dblink_exec('c', 'SET a.b = 1')") == [("SET",)]
    client.close()
    row = "SELECT 1 FROM dblink_gateway.session WHERE pid = $1"
    eventually(lambda: not admin.query(row, (client.info.process_id,)).rows)


def test_a_failure_that_is_caught_leaves_the_next_call_alone(connected: pgwire.Connection) -> None:
    connected.execute("SET statement_timeout = '1500ms'")
    connected.execute(
        """DO $$BEGIN
          BEGIN
            PERFORM * FROM dblink('c', 'SELECT pg_sleep(60)') AS t(a text);
          EXCEPTION WHEN query_canceled THEN
            PERFORM dblink_exec('c', 'SET a.b = 1');
          END;
          BEGIN
            -- The query that the gateway asks for fails: keys of a table that nobody may read.
            PERFORM dblink_build_sql_delete('pg_catalog.nosuch', '1', 1, '{1}');
          EXCEPTION WHEN undefined_table THEN
            PERFORM dblink_exec('c', 'SET a.b = 2');
          END;
        END$$"""
    )
    assert rows(connected, "SELECT * FROM dblink('c', 'SHOW a.b') AS t(a text)") == [("2",)]


def test_waits_are_shown_to_those_who_may_see_them(
    connected: pgwire.Connection, cluster: Cluster, admin: pgwire.Connection
) -> None:
    reply = connected.send("SELECT * FROM dblink('c', 'SELECT pg_sleep(60)') AS t(a text)")
    shown = (
        "SELECT connection, event, query, since BETWEEN now() - interval '1 min' AND now()"
        " FROM dblink_gateway.activity WHERE session = $1"
    )
    pid = connected.info.process_id
    expected = [("c", "DblinkGetResult", "SELECT pg_sleep(60)", True)]
    eventually(lambda: admin.query(shown, (pid,)).rows == expected)
    with pgwire.connect(cluster.conninfo(NEAR, user="engine_plain")) as other:
        assert other.query(shown, (pid,)).rows == []
    connected.cancel()
    reply.finish()
    eventually(lambda: admin.query(shown, (pid,)).rows == [])


def test_the_log_tells_of_calls_and_no_secrets(
    near: str, far: str, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2"
    with (
        caplog.at_level(logging.DEBUG, "dblink.gateway"),
        running(near) as gateway,
        pgwire.connect(gateway.conninfo(user=cluster.superuser, dbname=NEAR)) as client,
    ):
        rows(client, f"SELECT dblink_connect('c', '{far} password={secret}')")
        rows(client, f"SELECT dblink_exec('c', 'SET a.b = ''{secret}''')")
        rows(client, f"SELECT * FROM dblink('{far} password={secret}', 'SELECT 1') AS t(a int)")
        with raises("42P01"):
            rows(client, f"SELECT dblink_exec('c', 'DROP TABLE {secret}')")
    assert secret not in caplog.text
    assert "dblink_exec on 'c'" in caplog.text
    assert "42P01" in caplog.text


def test_an_allow_list_is_asked_for_each_address(near: str, cluster: Cluster, far: str) -> None:
    tcp = cluster.conninfo("engine_far", tcp=True)
    with (
        running(near, allow=[f"127.0.0.1:{cluster.port}"]) as gateway,
        pgwire.connect(gateway.conninfo(user=cluster.superuser, dbname=NEAR)) as client,
    ):
        assert client.query("SELECT dblink_connect('tcp', $1)", (tcp,)).scalar() == "OK"
        for elsewhere in (far, f"{tcp} port=1", "host=169.254.169.254"):
            with raises("08001") as caught:
                client.query("SELECT dblink_connect('unix', $1)", (elsewhere,))
            assert "does not connect to" in str(caught.error.detail)


def test_what_the_database_cannot_hold_is_an_error(
    cluster: Cluster, gateway: Gateway, far: str
) -> None:
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE engine_latin TEMPLATE template0 ENCODING 'LATIN1'")
    try:
        with pgwire.connect(cluster.conninfo("engine_latin")) as admin:
            shells.setup(admin)
        with pgwire.connect(
            gateway.conninfo(user=cluster.superuser, dbname="engine_latin")
        ) as client:
            client.query("SELECT dblink_connect('c', $1)", (far,))
            sql = "SELECT a FROM dblink('c', 'SELECT {}') AS t(a text)"
            assert rows(client, sql.format("''ä''")) == [("ä",)]
            for level in ("READ COMMITTED", "SERIALIZABLE"):
                for long in ("chr(8364)", "repeat(chr(8364), 100000)"):
                    client.execute(f"BEGIN ISOLATION LEVEL {level}")
                    with raises("22P05"):
                        rows(client, sql.format(long))
                    client.execute("ROLLBACK")
            assert rows(client, sql.format("''ä''")) == [("ä",)]
    finally:
        with pgwire.connect(cluster.conninfo()) as admin:
            admin.execute("DROP DATABASE engine_latin WITH (FORCE)")


def test_a_database_can_be_dropped_when_its_sessions_have_left(
    cluster: Cluster, gateway: Gateway
) -> None:
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE engine_gone")
        with pgwire.connect(cluster.conninfo("engine_gone")) as connection:
            shells.setup(connection)
        with pgwire.connect(
            gateway.conninfo(user=cluster.superuser, dbname="engine_gone")
        ) as client:
            assert rows(client, "SELECT dblink_get_connections()") == [(None,)]
        began = time.monotonic()
        admin.execute("DROP DATABASE engine_gone")  # waits five seconds for others to leave
        assert time.monotonic() - began < 5


def test_a_call_in_the_moment_in_which_a_session_is_registered(
    gateway: Gateway, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function sees that there is a gateway, which does not know it yet."""
    seen, known = threading.Event(), threading.Event()
    register = Database.register

    def refused(*_: object) -> pgwire.Connection:
        raise pgwire.errors.error_class("53300")("too many clients already", sqlstate="53300")

    def slowly(self: Database, pid: int, user: str) -> object:
        registered = register(self, pid, user)
        seen.set()
        assert known.wait(PATIENCE)
        return registered

    def waits(admin: pgwire.Connection, pid: int) -> bool:
        sql = "SELECT wait_event FROM pg_stat_activity WHERE pid = $1"
        return admin.query(sql, [pid]).scalar() in ("advisory", "PgSleep")

    monkeypatch.setattr("dblink.gateway.engine.RETRY", 0.0)
    with (
        running(cluster.conninfo(NEAR)) as other,
        pgwire.connect(cluster.conninfo()) as admin,
        ThreadPoolExecutor(1) as thread,
    ):
        with monkeypatch.context() as patch:
            patch.setattr("dblink.gateway.side.connect", refused)
            client = pgwire.connect(other.conninfo(user=cluster.superuser, dbname=NEAR))
        monkeypatch.setattr(Database, "register", slowly)
        with client:
            while not seen.is_set():  # each end of a query is an occasion
                pid = client.query("SELECT pg_backend_pid()").scalar()
            call = thread.submit(rows, client, "SELECT dblink_get_connections()")
            eventually(lambda: waits(admin, pid))
            known.set()
            assert call.result(PATIENCE) == [(None,)]


def test_a_session_that_could_not_be_registered_is_when_it_can(
    gateway: Gateway, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> pgwire.Connection:
        raise pgwire.errors.error_class("53300")("too many clients already", sqlstate="53300")

    monkeypatch.setattr("dblink.gateway.engine.RETRY", 0.2)
    with running(cluster.conninfo(NEAR)) as other:
        with monkeypatch.context() as patch:
            patch.setattr("dblink.gateway.side.connect", refused)
            client = pgwire.connect(other.conninfo(user=cluster.superuser, dbname=NEAR))
            with client, raises("55000"):
                rows(client, "SELECT dblink_get_connections()")
            client = pgwire.connect(other.conninfo(user=cluster.superuser, dbname=NEAR))

        def works() -> bool:
            try:
                return rows(client, "SELECT dblink_get_connections()") == [(None,)]
            except pgwire.DatabaseError:
                return False

        with client:
            eventually(works)
