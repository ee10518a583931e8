"""Whoever waits for the remote server can be interrupted, and then the remote server is too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import pgwire
from tests.dblink.kit import asleep, eventually, listener, raises, running, was_dialled

SOON = 0.2
"""Seconds within which the backend notices; the measurements allow as much again for a busy
machine."""

WAITS = {
    "dblink_exec": "SELECT dblink_exec('c', 'DO $$BEGIN PERFORM pg_sleep(60); END$$')",
    "dblink": "SELECT * FROM dblink('c', 'SELECT pg_sleep(60)') AS t(a text)",
    "stream": "SELECT count(*) FROM dblink('c', 'SELECT repeat(''x'', 8192), CASE g WHEN 1000"
    " THEN pg_sleep(60) END FROM generate_series(1, 1000) AS g') AS t(a text, b text)",
    "transient": "SELECT * FROM dblink('{far}', 'SELECT pg_sleep(60)') AS t(a text)",
    "dblink_get_result": "SELECT * FROM dblink_send_query('c', 'SELECT pg_sleep(60)'),"
    " LATERAL dblink_get_result('c') AS t(a text)",
    "dblink_fetch": "SELECT * FROM dblink_open('c', '\"pg_sleep(60)\"', 'SELECT pg_sleep(60)'),"
    " LATERAL dblink_fetch('c', '\"pg_sleep(60)\"', 1) AS t(a text)",
}


@contextmanager
def meanwhile(do: Callable[[], object]) -> Iterator[None]:
    """Do something in a thread while the block waits."""
    thread = threading.Thread(target=do)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("call", WAITS)
def test_a_cancel_ends_the_wait_and_the_remote_query(
    sql: pgwire.Connection, admin: pgwire.Connection, far: str, call: str
) -> None:
    cancelled: list[float] = []

    def cancel() -> None:
        with pgwire.connect(far) as watcher:
            eventually(lambda: asleep(watcher, "pg_sleep(60)"), "the remote query")
        cancelled.append(time.monotonic())
        sql.cancel()

    with meanwhile(cancel), raises("57014", "canceling statement due to user request"):
        sql.query(WAITS[call].format(far=far.replace("'", "''")))
    assert time.monotonic() - cancelled[0] < 2 * SOON
    eventually(lambda: not running(admin, "pg_sleep(60)"), "the end of the remote query")
    sql.query("SELECT dblink_exec('c', 'ROLLBACK')")  # of dblink_open's transaction
    assert sql.query("SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)").rows == [(1,)]


@pytest.mark.parametrize("call", ["dblink", "stream"])
def test_statement_timeout_ends_the_wait(
    sql: pgwire.Connection, admin: pgwire.Connection, call: str
) -> None:
    sql.execute("SET statement_timeout = '300ms'")
    started = time.monotonic()
    with raises("57014", "canceling statement due to statement timeout"):
        sql.query(WAITS[call])
    assert time.monotonic() - started < 0.3 + 2 * SOON
    eventually(lambda: not running(admin, "pg_sleep(60)"), "the end of the remote query")
    sql.execute("SET statement_timeout = 0")
    assert sql.query("SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)").rows == [(1,)]


def test_connecting_can_be_interrupted(sql: pgwire.Connection) -> None:
    with listener() as silent:
        port = silent.getsockname()[1]
        sql.execute("SET statement_timeout = '300ms'")
        started = time.monotonic()
        with raises("57014"):
            sql.query(f"SELECT dblink_connect('new', 'host=127.0.0.1 port={port}')")
        assert time.monotonic() - started < 0.3 + 2 * SOON
        assert was_dialled(silent)
    sql.execute("SET statement_timeout = 0")
    assert sql.query("SELECT dblink_get_connections()").rows == [(["c"],)]


def test_others_do_not_catch_an_interrupt(sql: pgwire.Connection) -> None:
    sql.execute("SET statement_timeout = '300ms'")
    with raises("57014"):
        sql.execute(
            "DO $$BEGIN PERFORM dblink_exec('c', 'DO $x$BEGIN PERFORM pg_sleep(60); END$x$');"
            " EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught'; END$$"
        )


def test_a_caught_interrupt_leaves_the_connection_in_step(sql: pgwire.Connection) -> None:
    sql.execute("SET statement_timeout = '300ms'")
    sql.execute("BEGIN; CREATE TEMP TABLE kept (a int) ON COMMIT DROP; SAVEPOINT s")
    with raises("57014"):
        sql.query(WAITS["dblink"])
    sql.execute("ROLLBACK TO s; SET LOCAL statement_timeout = 0")
    assert sql.query("SELECT * FROM dblink('c', 'SELECT 2') AS t(a int)").rows == [(2,)]
    assert sql.query("SELECT count(*) FROM kept").rows == [(0,)]
    sql.execute("ROLLBACK")


@pytest.mark.parametrize("call", ["dblink_exec", "stream"])
def test_a_terminated_backend_goes_at_once(
    near: str, far: str, admin: pgwire.Connection, call: str
) -> None:
    with pgwire.connect(near) as doomed:
        doomed.query("SELECT dblink_connect('c', $1)", (far + " application_name=doomed",))
        process_id = doomed.info.process_id
        ended: list[float] = []

        def terminate() -> None:
            with pgwire.connect(far) as watcher:
                eventually(lambda: asleep(watcher, "pg_sleep(60)"), "the remote query")
                ended.append(time.monotonic())
                watcher.query("SELECT pg_terminate_backend($1::int)", (process_id,))

        with meanwhile(terminate), raises("57P01"):
            doomed.query(WAITS[call])
        assert time.monotonic() - ended[0] < 2 * SOON
    # As with C dblink, the remote server learns of it when it next writes or looks at its client.
    admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'"
    )
