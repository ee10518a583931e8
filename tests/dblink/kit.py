"""What the tests of dblink share besides fixtures."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import pgwire

PATIENCE = 10.0
"""Seconds that something which happens soon is waited for, on a machine that is busy."""


class Caught:
    """The error that `raises` has seen."""

    error: pgwire.DatabaseError


@contextmanager
def raises(sqlstate: str, message: str | None = None, **fields: str | None) -> Iterator[Caught]:
    """Expect a DatabaseError with this SQLSTATE and message; `fields`: its detail, hint, …."""
    caught = Caught()
    with pytest.raises(pgwire.DatabaseError) as info:
        yield caught
    error = caught.error = info.value
    assert error.sqlstate == sqlstate, error
    if message is not None:
        assert error.message == message
    assert {name: getattr(error, name) for name in fields} == fields


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Expect that the block never holds more than `limit` bytes of new objects."""
    try:
        import tracemalloc
    except ImportError:  # PyPy: what the process has taken at most, its compiler's code included
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert growth < limit + 64 * 1024 * 1024
        return
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


def eventually(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true in {PATIENCE} s"
        time.sleep(0.005)


def running(admin: pgwire.Connection, marker: str) -> list[int]:
    """Process ids of the sessions that run a statement with `marker` in it at this moment."""
    return [
        row[0]
        for row in admin.query(
            "SELECT pid FROM pg_stat_activity WHERE state = 'active'"
            " AND pid <> pg_backend_pid() AND strpos(query, $1) > 0",
            (marker,),
        )
    ]


def asleep(admin: pgwire.Connection, marker: str) -> bool:
    """Whether a statement with `marker` in it has come to its pg_sleep()."""
    ((found,),) = admin.query(
        "SELECT count(*) > 0 FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND strpos(query, $1) > 0",
        (marker,),
    )
    return bool(found)


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A socket that listens on 127.0.0.1 and never answers: connections wait in its queue."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def was_dialled(server: socket.socket) -> bool:
    """Whether somebody has connected to a `listener`."""
    try:
        connection, _ = server.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True
