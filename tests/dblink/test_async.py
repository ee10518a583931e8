from __future__ import annotations

import time

import pytest

import dblink
import pgwire
from tests.dblink.kit import eventually, raises, running

LOCK = 4242
"""An advisory lock: a query that waits for it is busy until the test lets it go."""


@pytest.fixture
def gate(admin: pgwire.Connection) -> pgwire.Connection:
    """Holds the advisory lock until it is asked to `open_gate`."""
    admin.query("SELECT pg_advisory_lock($1)", (LOCK,))
    return admin


def open_gate(gate: pgwire.Connection) -> None:
    gate.query("SELECT pg_advisory_unlock($1)", (LOCK,))


WAIT = f"SELECT pg_advisory_xact_lock_shared({LOCK})"
# The lock is given back at once: it is that of a transaction of its own.
WAITING = f"{WAIT}; SELECT 'done'"


def results(session: dblink.Session, name: str, columns: str | None = None) -> list[list[object]]:
    """All results of the pending query; the last, empty one ends it and is not returned."""
    found: list[list[object]] = []
    while True:
        result = session.dblink_get_result(name, columns=columns)
        rows: list[object] = list(result)
        if not rows and not result.columns:
            return found
        found.append(rows)


def test_one_result_per_call_and_an_empty_one_at_the_end(session: dblink.Session) -> None:
    sql = "SELECT * FROM foo WHERE f1 < 3; SELECT * FROM foo WHERE f1 > 6"
    assert session.dblink_send_query("c", sql) == 1
    columns = "f1 int, f2 text"
    assert session.dblink_get_result("c", columns=columns).fetchall() == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
    ]
    assert session.dblink_get_result("c", columns=columns).fetchall() == [
        (7, "h"),
        (8, "i"),
        (9, "j"),
    ]
    end = session.dblink_get_result("c", columns=columns)
    assert end.fetchall() == []
    assert [c.name for c in end.columns] == ["f1", "f2"]
    # From here on nothing is pending, and asking again does no harm.
    assert session.dblink_get_result("c").fetchall() == []
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_a_command_gives_its_tag(session: dblink.Session) -> None:
    session.dblink_send_query("c", "CREATE TEMP TABLE t(a int); INSERT INTO t VALUES (1), (2)")
    assert results(session, "c") == [[("CREATE TABLE",)], [("INSERT 0 2",)]]


def test_busy_until_the_result_is_there(session: dblink.Session, gate: pgwire.Connection) -> None:
    assert session.dblink_is_busy("c") == 0
    session.dblink_send_query("c", WAITING)
    assert session.dblink_is_busy("c") == 1
    assert session.dblink_wait_any(["c"], timeout=0.01) == []
    open_gate(gate)
    assert session.dblink_wait_any(["c"], timeout=10) == ["c"]
    assert session.dblink_is_busy("c") == 0
    assert session.dblink_get_result("c").fetchall() == [("",)]
    assert session.dblink_get_result("c").scalar() == "done"
    assert session.dblink_get_result("c").fetchall() == []
    assert session.dblink_is_busy("c") == 0


def test_is_busy_never_waits_for_the_rest_of_a_result(
    session: dblink.Session, gate: pgwire.Connection
) -> None:
    # Its first rows are on their way, and then it waits for us.
    session.dblink_send_query(
        "c",
        "SELECT g, CASE WHEN g = 200000 THEN"
        f" (SELECT pg_advisory_lock_shared({LOCK})::text) END FROM generate_series(1, 200000) AS g",
    )
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        start = time.monotonic()
        assert session.dblink_is_busy("c") == 1
        assert time.monotonic() - start < 5
    open_gate(gate)
    assert session.dblink_wait_any(["c"], timeout=20) == ["c"]
    assert len(session.dblink_get_result("c").fetchall()) == 200000
    assert session.dblink_get_result("c").fetchall() == []


def test_several_connections(session: dblink.Session, gate: pgwire.Connection, remote: str) -> None:
    for name in ("d", "e"):
        session.dblink_connect(name, remote)
    session.dblink_send_query("c", WAITING)
    session.dblink_send_query("d", "SELECT 'd'")
    session.dblink_send_query("e", "SELECT 1/0")
    ready: set[str] = set()

    def both() -> bool:
        ready.update(session.dblink_wait_any(["c", "d", "e"], timeout=10))
        return ready == {"d", "e"}

    eventually(both)
    # "d" and "e" keep being ready until their results have been fetched.
    assert sorted(session.dblink_wait_any(["e", "d", "c"], timeout=0)) == ["d", "e"]
    assert results(session, "d") == [[("d",)]]
    with raises("22012"):
        session.dblink_get_result("e")
    assert results(session, "e") == []
    assert session.dblink_wait_any(["c", "d", "e"], timeout=0.01) == []
    open_gate(gate)
    assert session.dblink_wait_any(["c", "d", "e"]) == ["c"]
    assert results(session, "c") == [[("",)], [("done",)]]


def test_wait_any_does_not_wait_for_nothing(session: dblink.Session) -> None:
    assert session.dblink_wait_any([]) == []
    assert session.dblink_wait_any(["c"]) == []
    with raises("08003", 'connection "nosuch" not available'):
        session.dblink_wait_any(["c", "nosuch"])


def test_pending_results_are_never_lost(
    session: dblink.Session, notices: list[pgwire.Diagnostics]
) -> None:
    session.dblink_send_query("c", "SELECT 1; SELECT 2")
    busy = "another command is already in progress"
    with raises("XX000", f"could not send query: {busy}"):
        session.dblink("c", "SELECT 'lost'")
    with raises("08006"):
        session.dblink_exec("c", "SELECT 'lost'")
    assert session.dblink_exec("c", "SELECT 'lost'", False) == "ERROR"
    with raises("08006"):
        session.dblink_open("c", "cur", "SELECT 1")
    with raises("08006"):
        session.dblink_fetch("c", "cur", 1)
    assert session.dblink_close("c", "cur", False) == "ERROR"
    assert session.dblink_send_query("c", "SELECT 'lost'") == 0
    assert notices[-1].message.startswith(f"could not send query: {busy}")
    assert session.dblink_get_notify("c") == []
    assert results(session, "c") == [[(1,)], [(2,)]]
    assert session.dblink("c", "SELECT 3").scalar() == 3


def test_an_error_ends_the_query_and_its_empty_result_still_comes(
    session: dblink.Session, notices: list[pgwire.Diagnostics]
) -> None:
    sql = "SELECT 1; SELECT 1/(1 - g) FROM generate_series(0, 1) AS g; SELECT 3"
    context = 'while executing query on dblink connection named "c"'
    session.dblink_send_query("c", sql)
    assert session.dblink_get_result("c").scalar() == 1
    with raises("22012", "division by zero", context=context):
        session.dblink_get_result("c")
    with raises("XX000"):
        session.dblink("c", "SELECT 1")
    assert session.dblink_get_result("c").fetchall() == []
    session.dblink_send_query("c", sql)
    assert session.dblink_get_result("c", False).scalar() == 1
    assert session.dblink_get_result("c", False).fetchall() == []
    assert [(n.sqlstate, n.context) for n in notices] == [("22012", context)]
    assert session.dblink_get_result("c", False).fetchall() == []
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_a_result_that_does_not_fit_is_consumed_and_the_next_is_not(
    session: dblink.Session,
) -> None:
    session.dblink_send_query("c", "SELECT 1, 2; SELECT 'x'; SELECT 3")
    with raises("42804"):
        session.dblink_get_result("c", columns="a int")
    with raises("22P02"):
        session.dblink_get_result("c", columns="a int")
    assert session.dblink_get_result("c", columns="a int").fetchall() == [(3,)]
    assert session.dblink_get_result("c", columns="a int").fetchall() == []
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_streams_of_pending_results(session: dblink.Session) -> None:
    many = "SELECT g, repeat('x', 40) FROM generate_series(1, 100000) AS g"
    session.dblink_send_query("c", f"{many}; {many}; SELECT 'last'")
    first = session.dblink_get_result("c")
    assert "streaming" in repr(first)
    assert first.scalar() == 1
    second = session.dblink_get_result("c")
    assert session.dblink_get_result("c").scalar() == "last"
    assert session.dblink_get_result("c").fetchall() == []
    assert len(first.fetchall()) == 99_999
    assert len(second.fetchall()) == 100_000
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_a_cancelled_query(session: dblink.Session, gate: pgwire.Connection) -> None:
    session.dblink_send_query("c", f"{WAIT} /* cancelled */")
    eventually(lambda: running(gate, "/* cancelled */"))
    assert session.dblink_cancel_query("c") == "OK"
    with raises("57014", "canceling statement due to user request"):
        session.dblink_get_result("c")
    assert session.dblink_error_message("c") == ("ERROR:  canceling statement due to user request")
    assert session.dblink_get_result("c").fetchall() == []
    assert session.dblink_cancel_query("c") == "OK"  # nothing runs: no harm
    assert session.dblink("c", "SELECT 1").scalar() == 1
    assert session.dblink_error_message("c") == "OK"


def test_a_timeout_cancels(session: dblink.Session, gate: pgwire.Connection) -> None:
    session.dblink_send_query("c", f"{WAIT} /* timed out */; SELECT 'never'")
    with pytest.raises(pgwire.TimeoutExpired):
        session.dblink_get_result("c", timeout=0.05)
    eventually(lambda: not running(gate, "/* timed out */"))
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_a_query_that_was_sent_before_may_take_as_long_as_it_likes(
    session: dblink.Session, gate: pgwire.Connection
) -> None:
    assert session.dblink("c", "SELECT 1", timeout=0.5).scalar() == 1
    session.dblink_send_query("c", WAITING)
    assert session.dblink_wait_any(["c"], timeout=0.02) == []
    open_gate(gate)
    assert results(session, "c") == [[("",)], [("done",)]]


@pytest.mark.parametrize("polled", [False, True])
def test_a_connection_lost_while_a_query_is_pending(
    session: dblink.Session, gate: pgwire.Connection, polled: bool
) -> None:
    pid = session.dblink("c", "SELECT pg_backend_pid()").scalar()
    session.dblink_send_query("c", WAIT)
    gate.query("SELECT pg_terminate_backend($1)", (pid,))
    if polled:
        assert session.dblink_wait_any(["c"], timeout=10) == ["c"]
        assert session.dblink_is_busy("c") == 0
    seen = []
    for _ in range(3):
        try:
            assert session.dblink_get_result("c").fetchall() == []
            break
        except pgwire.DatabaseError as error:
            seen.append(error.sqlstate)
    assert seen in (["57P01", "08006"], ["57P01"], ["08006"])
    assert session.dblink_is_busy("c") == 0
    assert session.dblink_send_query("c", "SELECT 1") == 0
    with raises("08006", "no connection to the server"):
        session.dblink_exec("c", "SELECT 1")
    assert session.dblink_disconnect("c") == "OK"


def test_disconnecting_in_the_middle_of_a_query(
    session: dblink.Session, gate: pgwire.Connection
) -> None:
    session.dblink_send_query("c", WAIT)
    assert session.dblink_disconnect("c") == "OK"
    assert session.dblink_get_connections() is None


def test_notifications_while_a_query_is_pending(
    session: dblink.Session, gate: pgwire.Connection
) -> None:
    session.dblink_exec("c", "LISTEN news")
    assert session.dblink_get_notify("c") == []
    session.dblink_send_query("c", WAITING)
    gate.execute("NOTIFY news, 'one'; NOTIFY news, 'two'")
    open_gate(gate)
    assert results(session, "c") == [[("",)], [("done",)]]
    told: list[dblink.Notify] = []

    def both() -> bool:
        told.extend(session.dblink_get_notify("c"))
        return len(told) == 2

    eventually(both)
    assert [(n.notify_name, n.be_pid, n.extra) for n in told] == [
        ("news", gate.info.process_id, "one"),
        ("news", gate.info.process_id, "two"),
    ]
    assert session.dblink_get_notify("c") == []


def test_notifications_of_the_unnamed_connection(session: dblink.Session, remote: str) -> None:
    assert session.dblink_get_notify() == []  # not even an error without a connection
    with raises("08003", 'connection "nosuch" not available'):
        session.dblink_get_notify("nosuch")
    session.dblink_connect(remote)
    session.dblink_exec("LISTEN own")
    session.dblink_exec("NOTIFY own")
    pid = session.dblink("SELECT pg_backend_pid()").scalar()
    assert session.dblink_get_notify() == [("own", pid, "")]
