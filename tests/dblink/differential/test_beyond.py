"""Deliberate differences that a scenario cannot show. `KEYS` are theirs in docs/differences.md."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic

import pytest

import dblink
import pgwire
from pgwire import errors
from tests.dblink.differential.runners import Original
from tests.dblink.differential.steps import call, local
from tests.dblink.differential.world import World

KEYS = frozenset(("nested-use", "connect-timeout", "cancel", "remote-notices", "streams"))

_NOISY = """
CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'from afar' USING DETAIL = 'd', HINT = 'h'; RETURN 1; END $$;
"""

# How C dblink gets to a nested use: the check of a domain runs in the middle of a conversion.
_CHECKED = """
CREATE FUNCTION nested() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN EXECUTE current_setting('nested.sql'); RETURN true; END $$;
CREATE DOMAIN checked AS int CHECK (nested());
"""

Handler = Callable[[pgwire.Diagnostics, str | None], None]


@contextmanager
def _session(world: World, on_remote_notice: Handler | None = None) -> Iterator[dblink.Session]:
    world.reset()
    with (
        closing(world.connect("postgres", lambda notice: None)) as connection,
        dblink.Session(connection, on_remote_notice=on_remote_notice) as session,
    ):
        yield session


NESTED: dict[str, tuple[Callable[[dblink.Session], object], str]] = {
    "disconnect": (lambda s: s.dblink_disconnect("c1"), "dblink_disconnect('c1')"),
    "query": (
        lambda s: s.dblink("c1", "select 1"),
        "a FROM dblink('c1', 'select 1') AS t(a int)",
    ),
    "exec": (lambda s: s.dblink_exec("c1", "begin"), "dblink_exec('c1', 'begin')"),
    "exec, no error wanted": (
        lambda s: s.dblink_exec("c1", "begin", False),
        "dblink_exec('c1', 'begin', false)",
    ),
    "open": (
        lambda s: s.dblink_open("c1", "cur", "select 1"),
        "dblink_open('c1', 'cur', 'select 1')",
    ),
    "fetch": (
        lambda s: s.dblink_fetch("c1", "cur", 1),
        "a FROM dblink_fetch('c1', 'cur', 1) AS t(a int)",
    ),
    "close": (lambda s: s.dblink_close("c1", "cur"), "dblink_close('c1', 'cur')"),
    "send_query": (
        lambda s: s.dblink_send_query("c1", "select 1"),
        "dblink_send_query('c1', 'select 1')",
    ),
    "is_busy": (lambda s: s.dblink_is_busy("c1"), "dblink_is_busy('c1')"),
    "get_result": (
        lambda s: s.dblink_get_result("c1"),
        "a FROM dblink_get_result('c1') AS t(a int)",
    ),
    "cancel_query": (lambda s: s.dblink_cancel_query("c1"), "dblink_cancel_query('c1')"),
    "error_message": (lambda s: s.dblink_error_message("c1"), "dblink_error_message('c1')"),
    "get_notify": (lambda s: s.dblink_get_notify("c1"), "dblink_get_notify('c1')"),
}


@pytest.mark.parametrize("nested", NESTED)
def test_nested_use_is_refused(world: World, nested: str) -> None:
    ours, theirs = NESTED[nested]
    seen: list[tuple[str | None, str]] = []

    def on_remote_notice(notice: pgwire.Diagnostics, name: str | None) -> None:
        try:
            ours(session)
        except pgwire.DatabaseError as error:
            seen.append((error.sqlstate, error.message))

    with _session(world, on_remote_notice) as session:
        world.remote_admin.query_all(_NOISY)
        session.dblink_connect("c1", world.fill_in("<remote>"))
        assert session.dblink("c1", "select noisy()", columns="a int").fetchall() == [(1,)]
        assert session.dblink("c1", "select 2", columns="a int").fetchall() == [(2,)]
    assert seen == [("55006", 'connection "c1" is already in use')]

    if world.admin.info.server_version // 10000 == 15 and world.admin.info.server_version >= 150020:
        # An older one would crash, and of newer branches it is not known which release has it.
        with closing(Original(world, "postgres")) as original:
            for sql in (_CHECKED, f"SET nested.sql = $$SELECT {theirs}$$"):
                assert original.run(local(sql)).error is None
            assert original.run(call("connect", "c1", "<remote>")).error is None
            error = original.run(call("dblink", "c1", "select 1", columns="a checked")).error
            assert error is not None
            assert (error["sqlstate"], error["message"]) == seen[0]


def test_connect_timeout_is_honoured(world: World) -> None:
    # Nobody answers: the connection waits in the listener's queue.
    with socket.create_server(("127.0.0.1", 0)) as silent, _session(world) as session:
        port = silent.getsockname()[1]
        began = monotonic()
        with pytest.raises(errors.OperationalError) as caught:
            session.dblink_connect(f"host=127.0.0.1 port={port} user=x connect_timeout=2")
        assert 1.5 < monotonic() - began < 6
    error = caught.value
    assert (error.sqlstate, error.message) == ("08001", "could not establish connection")
    assert (error.detail or "").endswith("failed: timeout expired")


def test_timeout_cancels_the_remote_query(world: World) -> None:
    with _session(world) as session:
        session.dblink_connect("c1", world.fill_in("<remote>"))
        began = monotonic()
        with pytest.raises(errors.TimeoutExpired):
            session.dblink_exec("c1", "do $$ begin perform pg_sleep(60); end $$", timeout=0.1)
        assert monotonic() - began < 10
        assert session.dblink("c1", "select 1", columns="a int").fetchall() == [(1,)]
        running = world.remote_admin.query(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
            " AND state = 'active' AND pid <> pg_backend_pid()"
        )
        assert running.scalar() == 0


def test_remote_notices_reach_a_handler(world: World) -> None:
    seen: list[tuple[str | None, str | None, str | None]] = []

    def on_remote_notice(notice: pgwire.Diagnostics, name: str | None) -> None:
        seen.append((name, notice.message, notice.detail))

    with _session(world, on_remote_notice) as session:
        world.remote_admin.query_all(_NOISY)
        session.dblink_connect("c1", world.fill_in("<remote>"))
        assert session.dblink("c1", "select noisy()", columns="a int").fetchall() == [(1,)]
    assert seen == [("c1", "from afar", "d")]


def test_errors_of_a_large_result_come_with_its_rows(world: World) -> None:
    sql = "select repeat('x', 1000), 1/(3000-g) from generate_series(1, 4000) g"
    with _session(world) as session:
        session.dblink_connect(world.fill_in("<remote>"))
        result = iter(session.dblink(sql, columns="a text, b int"))
        rows = 1 if next(result) else 0
        with pytest.raises(errors.DataError) as caught:
            for _ in result:
                rows += 1
        assert rows == 2999
    assert caught.value.sqlstate == "22012"
    assert caught.value.context == "while executing query on unnamed dblink connection"
