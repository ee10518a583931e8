"""Calls inside of a block that can be interrupted: in no phase anything leaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import dblink
import pgwire
from pgwire.protocol.frontend import Query
from pgwire.testing.script import ScriptedServer, expect, login, stall
from tests.dblink.kit import asleep, eventually, listener, raises, running, was_dialled
from tests.dblink.test_interrupt import CALLS, SLEEP, STREAMED, still_in_step

EVERY = 0.02
BOUND = 2.0
"""Seconds in which a call must have come back, and the remote query have ended."""


class Stop(Exception):
    """What the program raises: an Exception, as inside a server."""


class Check:
    """Raises as soon as `when` holds."""

    def __init__(self, when: Callable[[], object]) -> None:
        self.when = when
        self.raised = 0.0

    def __call__(self) -> None:
        if self.when():
            self.raised = time.monotonic()
            raise Stop


def stopped(when: Callable[[], object], call: Callable[[], object]) -> None:
    check = Check(when)
    with pytest.raises(Stop), pgwire.interruptible(check, every=EVERY, grace=BOUND / 2):
        call()
    assert time.monotonic() - check.raised < BOUND


@pytest.fixture
def watcher(remote: str) -> Iterator[pgwire.Connection]:
    """A connection of the program's own, for its checks."""
    with pgwire.connect(remote) as connection:
        yield connection


def sessions(watcher: pgwire.Connection, name: str) -> int:
    ((count,),) = watcher.query(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", (name,)
    )
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("call", CALLS)
def test_a_call(session: dblink.Session, watcher: pgwire.Connection, call: str) -> None:
    marker = f"interruptible {call}"
    stopped(
        lambda: asleep(watcher, marker), lambda: CALLS[call](session, SLEEP.format(marker), None)
    )
    start = time.monotonic()
    eventually(lambda: not running(watcher, marker))
    assert time.monotonic() - start < BOUND
    still_in_step(session)


@pytest.mark.parametrize("name", [None, "new"])
def test_connecting_to_who_does_not_answer(session: dblink.Session, name: str | None) -> None:
    with listener() as server:
        host, port = server.getsockname()
        connstr = f"host={host} port={port} user=u"
        args = (connstr,) if name is None else (name, connstr)
        stopped(lambda: was_dialled(server), lambda: session.dblink_connect(*args))
        stopped(lambda: was_dialled(server), lambda: session.dblink(connstr, "SELECT 1"))
    assert session.dblink_get_connections() == ["c"]
    with raises("08003"):
        session.dblink_disconnect(*args[:-1])


def test_the_name_can_be_used_again(
    session: dblink.Session, watcher: pgwire.Connection, remote: str
) -> None:
    script = [login(), expect(Query), stall()]
    with ScriptedServer(script) as server:
        # It lets us in, and does not answer to the first thing that a new connection is asked.
        conninfo = f"{server.conninfo()} connect_timeout=60"
        stopped(
            lambda: any(type(m) is Query for peer in server.peers for m in peer.received),
            lambda: session.dblink_connect("new", conninfo),
        )
        eventually(lambda: server.peers[0].client_closed, "the end of the connection")
    assert session.dblink_get_connections() == ["c"]
    session.dblink_connect("new", remote)
    assert session.dblink("new", "SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("call", ["dblink", "dblink_exec", "columns_of"])
def test_a_transient_connection_is_closed(
    session: dblink.Session, watcher: pgwire.Connection, remote: str, call: str
) -> None:
    connstr = f"{remote} application_name=interruptible_{call}"
    calls: dict[str, Callable[[], object]] = {
        "dblink": lambda: session.dblink(connstr, SLEEP.format(call)),
        "dblink_exec": lambda: session.dblink_exec(connstr, SLEEP.format(call)),
        # Nothing is run: what it waits for is a lock.
        "columns_of": lambda: session.columns_of(connstr, "SELECT * FROM locked"),
    }
    with watcher.transaction():
        watcher.execute("CREATE TABLE IF NOT EXISTS locked(a int)")
    with watcher.transaction():
        watcher.execute("LOCK TABLE locked")
        stopped(lambda: sessions(watcher, f"interruptible_{call}"), calls[call])
    watcher.execute("DROP TABLE locked")
    eventually(lambda: not sessions(watcher, f"interruptible_{call}"))
    still_in_step(session)


def streaming(session: dblink.Session, conn: str, marker: str) -> dblink.Result:
    many = f"SELECT repeat('x', 100) FROM generate_series(1, {STREAMED})"
    sql = f"{many} UNION ALL SELECT ({SLEEP.format(marker)})::text"
    result = session.dblink(conn, sql)
    assert result.size is None
    return result


@pytest.mark.parametrize("way", ["iteration", "portable", "another call"])
def test_a_stream_does_not_end_silently(
    session: dblink.Session, watcher: pgwire.Connection, way: str
) -> None:
    marker = f"interruptible stream by {way}"
    result = streaming(session, "c", marker)
    calls: dict[str, Callable[[], object]] = {
        "iteration": lambda: list(result),
        "portable": lambda: list(result.portable()),
        "another call": lambda: session.dblink("c", "SELECT 1"),
    }
    stopped(lambda: asleep(watcher, marker), calls[way])
    eventually(lambda: not running(watcher, marker))
    with raises("57014", "the rows that were left of this result have been given up"):
        list(result)
    still_in_step(session)


def test_a_transient_stream_is_closed(
    session: dblink.Session, watcher: pgwire.Connection, remote: str
) -> None:
    marker = "interruptible transient stream"
    name = "interruptible_stream"
    result = streaming(session, f"{remote} application_name={name}", marker)
    stopped(lambda: asleep(watcher, marker), lambda: list(result))
    eventually(lambda: not sessions(watcher, name))
    with raises("57014"):
        list(result)


def test_the_unnamed_connection_is_replaced_all_the_same(
    session: dblink.Session, watcher: pgwire.Connection, remote: str
) -> None:
    session.dblink_connect(f"{remote} application_name=interruptible_old")
    marker = "interruptible unnamed"
    many = f"SELECT repeat('x', 100) FROM generate_series(1, {STREAMED})"
    result = session.dblink(f"{many} UNION ALL SELECT ({SLEEP.format(marker)})::text")
    stopped(lambda: asleep(watcher, marker), lambda: session.dblink_connect(remote))
    eventually(lambda: not sessions(watcher, "interruptible_old"))
    assert session.dblink("SELECT 1").fetchall() == [(1,)]
    with raises("57014"):
        list(result)


def test_closing_a_session_closes_all(watcher: pgwire.Connection, remote: str) -> None:
    session = dblink.Session(privileged=True)
    marker = "interruptible close"
    for name in ("a", "b", "d"):
        session.dblink_connect(name, f"{remote} application_name=interruptible_close")
    result = streaming(session, "b", marker)
    stopped(lambda: asleep(watcher, marker), session.close)
    eventually(lambda: not sessions(watcher, "interruptible_close"))
    assert session.dblink_get_connections() in (None, [])
    del result


def test_copying_between_links(
    session: dblink.Session, watcher: pgwire.Connection, remote: str
) -> None:
    session.dblink_connect("d", remote)
    session.dblink_exec("d", "CREATE TEMP TABLE taken(a text)")
    marker = "interruptible copy"
    many = "SELECT repeat('x', 100) FROM generate_series(1, 50000)"
    query = f"{many} UNION ALL SELECT ({SLEEP.format(marker)})::text"
    stopped(lambda: asleep(watcher, marker), lambda: session.dblink_copy("c", query, "d", "taken"))
    eventually(lambda: not running(watcher, marker))
    still_in_step(session)
    assert session.dblink("d", "SELECT count(*) FROM taken").scalar() == 0


def test_waiting_for_any_gives_nothing_up(
    session: dblink.Session, watcher: pgwire.Connection
) -> None:
    marker = "interruptible wait for any"
    session.dblink_send_query("c", SLEEP.format(marker))
    stopped(lambda: asleep(watcher, marker), lambda: session.dblink_wait_any(["c"]))
    assert running(watcher, marker)
    session.dblink_cancel_query("c")
    with raises("57014"):
        session.dblink_get_result("c")
    with suppress(pgwire.Error):
        session.dblink_get_result("c")
    still_in_step(session)
