"""Ctrl-C and timeouts: what runs remotely is cancelled, and the connection stays in step."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

import dblink
import pgwire
from tests.dblink.kit import asleep, eventually, listener, raises, running

SLEEP = "SELECT pg_sleep(60) /* {} */"
STREAMED = 50_000
READ: list[object] = []
"""What the call named "stream" has read so far."""

BOUND = 5.0
"""Seconds in which a call must have come back, and the remote query have ended."""


@contextmanager
def interrupted(when: Callable[[], object]) -> Iterator[None]:
    """Press Ctrl-C as soon as `when` holds; expect KeyboardInterrupt within the bound."""
    main = threading.get_ident()
    failures: list[BaseException] = []
    pressed: list[float] = []

    def press() -> None:
        try:
            eventually(when, "what was to be interrupted")
        except BaseException as failure:
            failures.append(failure)
        # Let the other thread get to where it waits: an interrupt in the very moment in which bytes
        # come in may close the connection.
        over.wait(0.03)
        pressed.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)
        # An interrupt that comes in a weakref's callback is lost: Python only prints it. Whoever
        # sits at the keyboard presses again.
        while not over.wait(BOUND / 3):
            signal.pthread_kill(main, signal.SIGINT)

    over = threading.Event()
    presser = threading.Thread(target=press)
    presser.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        over.set()
        assert time.monotonic() - pressed[0] < BOUND
    finally:
        over.set()
        with suppress(KeyboardInterrupt):  # pressed once more than was needed
            presser.join()
            signal.pthread_sigmask(signal.SIG_BLOCK, ())  # lets what is pending be raised here
        presser.join()
    assert not failures, failures


@pytest.fixture
def watcher(remote: str) -> Iterator[pgwire.Connection]:
    """A connection for the thread that presses Ctrl-C."""
    with pgwire.connect(remote) as connection:
        yield connection


Call = Callable[[dblink.Session, str, float | None], object]


def fetch(session: dblink.Session, sql: str, timeout: float | None) -> object:
    cursor = '"' + sql.partition("/* ")[2].partition(" */")[0] + '"'  # FETCH shows its name only
    session.dblink_open("c", cursor, "SELECT pg_sleep(60)")
    return session.dblink_fetch("c", cursor, 1, timeout=timeout)


def get_result(session: dblink.Session, sql: str, timeout: float | None) -> object:
    session.dblink_send_query("c", f"{sql}; SELECT 'never'")
    return session.dblink_get_result("c", timeout=timeout)


def stream(session: dblink.Session, sql: str, timeout: float | None) -> object:
    many = f"SELECT repeat('x', 100) FROM generate_series(1, {STREAMED})"
    result = session.dblink("c", f"{many} UNION ALL SELECT ({sql})::text", timeout=timeout)
    assert "streaming" in repr(result)
    READ.clear()
    for (value,) in result:
        READ.append(value)
    return None


def close(session: dblink.Session, sql: str, timeout: float | None) -> object:
    # The commit that dblink_close makes is what takes long.
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_exec("c", f"INSERT INTO slow VALUES ('{sql}')")
    return session.dblink_close("c", "cur", timeout=timeout)


CALLS: dict[str, Call] = {
    "dblink": lambda s, sql, t: s.dblink("c", sql, timeout=t),
    "dblink of several statements": lambda s, sql, t: s.dblink("c", f"SELECT 1; {sql}", timeout=t),
    "dblink with params": lambda s, sql, t: s.dblink("c", f"{sql}", params=(), timeout=t),
    "dblink_exec": lambda s, sql, t: s.dblink_exec("c", sql, timeout=t),
    "dblink_exec, fail false": lambda s, sql, t: s.dblink_exec("c", sql, False, timeout=t),
    "dblink_fetch": fetch,
    "dblink_get_result": get_result,
    "stream": stream,
}


def still_in_step(session: dblink.Session) -> None:
    session.dblink_exec("c", "ROLLBACK")
    for number in (1, 2):
        assert session.dblink("c", f"SELECT {number}").fetchall() == [(number,)]


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c(session: dblink.Session, watcher: pgwire.Connection, call: str) -> None:
    marker = f"interrupt {call}"

    def waiting() -> bool:
        # In the middle of reading what streams in there would be nothing left to wait for; the
        # last of the rows stay in the server's buffer.
        return asleep(watcher, marker) and (call != "stream" or len(READ) > STREAMED - 500)

    with interrupted(waiting):
        CALLS[call](session, SLEEP.format(marker), None)
    start = time.monotonic()
    eventually(lambda: not running(watcher, marker))
    assert time.monotonic() - start < BOUND
    still_in_step(session)


@pytest.mark.parametrize("call", CALLS)
def test_timeout(session: dblink.Session, watcher: pgwire.Connection, call: str) -> None:
    marker = f"timeout {call}"
    start = time.monotonic()
    with pytest.raises(pgwire.TimeoutExpired):
        CALLS[call](session, SLEEP.format(marker), 0.3)
    eventually(lambda: not running(watcher, marker))
    assert 0.3 <= time.monotonic() - start < BOUND
    still_in_step(session)


@pytest.mark.parametrize("how", ["interrupt", "timeout"])
def test_the_commit_of_dblink_close(
    session: dblink.Session, watcher: pgwire.Connection, how: str
) -> None:
    watcher.execute(
        "CREATE TABLE slow(a text);"
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION slow()"
    )
    try:
        if how == "interrupt":
            with interrupted(lambda: asleep(watcher, "COMMIT")):
                close(session, "x", None)
        else:
            with pytest.raises(pgwire.TimeoutExpired):
                close(session, "x", 0.3)
        eventually(lambda: not running(watcher, "COMMIT"))
        still_in_step(session)
        assert watcher.query("SELECT * FROM slow").rows == []
    finally:
        watcher.execute("DROP TABLE slow; DROP FUNCTION slow")


def test_ctrl_c_in_a_transient_connection(
    session: dblink.Session, watcher: pgwire.Connection, remote: str
) -> None:
    marker = "interrupt transient"
    with interrupted(lambda: asleep(watcher, marker)):
        session.dblink_exec(remote, SLEEP.format(marker))
    eventually(lambda: not running(watcher, marker))
    still_in_step(session)


def test_ctrl_c_while_waiting_for_any(session: dblink.Session, watcher: pgwire.Connection) -> None:
    # What runs goes on: whoever waits for several has not given up on any of them.
    marker = "wait for any"
    session.dblink_send_query("c", SLEEP.format(marker))
    with interrupted(lambda: asleep(watcher, marker)):
        session.dblink_wait_any(["c"])
    assert running(watcher, marker)
    session.dblink_cancel_query("c")
    with raises("57014"):
        session.dblink_get_result("c")
    assert session.dblink_get_result("c").fetchall() == []
    still_in_step(session)


def test_what_was_not_given_up_is_not_cancelled(
    session: dblink.Session, watcher: pgwire.Connection
) -> None:
    # The timeout is that of one call, and not of the connection.
    assert session.dblink("c", "SELECT 1", timeout=0.05).scalar() == 1
    assert session.dblink("c", "SELECT pg_sleep(0.2), 'done'").fetchall() == [("", "done")]
    assert session.dblink_exec("c", "SET work_mem = '1MB'", timeout=5) == "SET"
    still_in_step(session)


def test_connect_timeout(session: dblink.Session) -> None:
    with listener() as silent:
        host, port = silent.getsockname()
        start = time.monotonic()
        with raises(
            "08001",
            "could not establish connection",
            detail=f'connection to server at "{host}", port {port} failed: timeout expired',
        ):
            session.dblink_connect("d", f"host={host} port={port} connect_timeout=2")
        assert 1.5 < time.monotonic() - start < 4
    assert session.dblink_get_connections() == ["c"]
    still_in_step(session)


def test_ctrl_c_while_connecting(session: dblink.Session) -> None:
    with listener() as silent:
        silent.settimeout(BOUND)
        host, port = silent.getsockname()
        accepted = []
        with interrupted(lambda: accepted.append(silent.accept()[0]) or True):
            session.dblink_connect("d", f"host={host} port={port}")
        for connection in accepted:
            connection.settimeout(BOUND)
            while connection.recv(4096):  # the client has hung up
                pass
            connection.close()
    assert session.dblink_get_connections() == ["c"]
    still_in_step(session)
