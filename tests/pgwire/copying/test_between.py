"""copy_between: whole messages from one connection to another, and errors on either side."""

from __future__ import annotations

from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.connection import connect
from pgwire.testing import Cluster
from tests.pgwire.copying.kit import in_step, table

FORMATS = ["binary", "text", "csv"]
ROWS = "SELECT n, 'text ' || n, n / 8.0, timestamp '2020-01-01' + n * interval '1 s', n % 3 = 0"
SELECT = f"{ROWS} FROM generate_series(1, 20000) n"
# Not as a function in FROM: the server would compute all of it first.
NUMBERS = "(SELECT generate_series(1, 1000000000) AS n) AS numbers"
ENDLESS = f"COPY ({ROWS} FROM {NUMBERS}) TO STDOUT"


def between(*arguments: Any, **options: Any) -> int:
    return pgwire.copy_between(*arguments, **options)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(connection: pgwire.Connection, other: pgwire.Connection, format: str) -> None:
    connection.execute(f"INSERT INTO t {SELECT}; INSERT INTO t VALUES (0)")
    calls: list[tuple[int, int]] = []
    copied = between(
        *(connection, f"COPY t TO STDOUT (FORMAT {format})"),
        *(other, f"COPY t FROM STDIN (FORMAT {format})"),
        progress=lambda *args: calls.append(args),
    )
    assert copied == 20001
    assert table(other) == table(connection)
    size = bytearray()
    connection.copy_out(f"COPY t TO STDOUT (FORMAT {format})", size)
    assert calls[-1] == (len(size), 20001)


def test_large_rows(connection: pgwire.Connection, other: pgwire.Connection) -> None:
    sql = "COPY (SELECT n, repeat('x', 5000000) FROM generate_series(1, 4) n) TO STDOUT"
    assert between(connection, sql, other, "COPY t (a, b) FROM STDIN") == 4
    assert other.query("SELECT sum(length(b)) FROM t").scalar() == 20000000


def test_nothing(connection: pgwire.Connection, other: pgwire.Connection) -> None:
    for options in ("", " (FORMAT binary)"):
        sql = f"COPY t TO STDOUT{options}", f"COPY t FROM STDIN{options}"
        assert between(connection, sql[0], other, sql[1]) == 0


OUT, IN = "COPY t TO STDOUT", "COPY t FROM STDIN"
REFUSED = {
    "formats": (f"{OUT} (FORMAT binary)", IN, "gives binary, the target takes text or CSV"),
    "formats, too": (OUT, f"{IN} (FORMAT binary)", "gives text or CSV, the target takes binary"),
    "columns": ("COPY t (a) TO STDOUT", IN, "gives 1 columns, the target takes 5"),
    "no source": ("COPY nope TO STDOUT", IN, "(?s)does not exist.*source of copy_between"),
    "no target": (OUT, "COPY nope FROM STDIN", "(?s)does not exist.*target of copy_between"),
    "no copy out": ("SELECT 1", IN, "(?s)needs a COPY … TO STDOUT.*source of"),
    "no copy in": (OUT, "SELECT 1", "(?s)needs a COPY … FROM STDIN.*target of"),
    "in as source": (IN, IN, "(?s)use copy_in.*source of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(
    connection: pgwire.Connection, other: pgwire.Connection, name: str
) -> None:
    connection.execute(f"INSERT INTO t {SELECT}")
    out, into, match = REFUSED[name]
    with pytest.raises(errors.ProgrammingError, match=match):
        between(connection, out, other, into)
    assert in_step(connection) and in_step(other)
    assert table(other) == []


def test_one_connection_is_refused(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.ProgrammingError, match="needs two connections"):
        between(connection, OUT, connection, IN)


MEANINGS = {
    "client_encoding": ("client_encoding", "LATIN1", "client_encoding is iso8859-1 at the source"),
    "DateStyle": ("DateStyle", "'SQL, DMY'", "DateStyle is SQL, DMY at the source"),
    "IntervalStyle": ("IntervalStyle", "sql_standard", "IntervalStyle is sql_standard"),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_data_that_would_mean_something_else(
    connection: pgwire.Connection, other: pgwire.Connection, name: str
) -> None:
    parameter, value, match = MEANINGS[name]
    connection.execute(f"SET {parameter} = {value}; INSERT INTO t VALUES (1)")
    with pytest.raises(errors.ProgrammingError, match=match):
        between(connection, OUT, other, IN)
    binary = f"{OUT} (FORMAT binary)", f"{IN} (FORMAT binary)"
    if name != "client_encoding":
        assert between(connection, binary[0], other, binary[1]) == 1
    other.execute(f"SET {parameter} = {value}")
    assert between(connection, OUT, other, IN) == 1


def test_an_error_of_the_source(connection: pgwire.Connection, other: pgwire.Connection) -> None:
    sql = "COPY (SELECT 1 / (n - 20000), 'x' FROM generate_series(1, 30000) n) TO STDOUT"
    with pytest.raises(errors.error_class("22012"), match=r"(?s)by zero.*source of copy_between"):
        between(connection, sql, other, "COPY t (a, b) FROM STDIN")
    assert in_step(connection) and in_step(other)
    assert table(other) == []


def test_an_error_of_the_target(connection: pgwire.Connection, other: pgwire.Connection) -> None:
    sql = f"COPY (SELECT CASE WHEN n = 20000 THEN 'x' ELSE n::text END FROM {NUMBERS}) TO STDOUT"
    with pytest.raises(
        errors.error_class("22P02"), match=r'(?s)COPY t, line 20000, column a: "x".*target of'
    ):
        between(connection, sql, other, "COPY t (a) FROM STDIN")
    assert in_step(connection) and in_step(other)
    assert table(other) == []


def test_a_timeout(connection: pgwire.Connection, other: pgwire.Connection) -> None:
    for sql in (ENDLESS, "COPY (SELECT pg_sleep(100), 1, 2, 3, 4) TO STDOUT"):
        with pytest.raises(errors.TimeoutExpired, match="has been cancelled"):
            between(connection, sql, other, IN, timeout=0.2)
        assert in_step(connection) and in_step(other)
        assert table(other) == []


def test_a_target_that_waits_for_a_lock(
    connection: pgwire.Connection, other: pgwire.Connection
) -> None:
    connection.execute("CREATE TABLE shared (a int)")
    connection.execute("BEGIN; LOCK TABLE shared")
    try:
        with pytest.raises(errors.TimeoutExpired):
            between(
                connection, "COPY t (a) TO STDOUT", other, "COPY shared FROM STDIN", timeout=0.2
            )
        assert in_step(other)
    finally:
        connection.execute("ROLLBACK; DROP TABLE IF EXISTS shared")


class Stop(BaseException):
    """As KeyboardInterrupt."""


@pytest.mark.parametrize("raised", [ZeroDivisionError, Stop])
def test_a_progress_function_that_raises(
    connection: pgwire.Connection, other: pgwire.Connection, raised: type[BaseException]
) -> None:
    def progress(size: int, rows: int | None) -> None:
        raise raised("from the function")

    with pytest.raises(raised, match="from the function"):
        between(connection, ENDLESS, other, IN, progress=progress)
    assert in_step(connection) and in_step(other)
    assert table(other) == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_side_that_is_lost(
    cluster: Cluster, connection: pgwire.Connection, other: pgwire.Connection, side: str
) -> None:
    victim, survivor = (connection, other) if side == "source" else (other, connection)

    def progress(size: int, rows: int | None) -> None:
        with connect(cluster.conninfo()) as judge:
            judge.execute("SELECT pg_terminate_backend($1)", [victim.info.process_id])

    # A server that is stuck in sending dies without a word.
    words = f"(?s)(terminating connection|lost in phase).*{side} of copy_between"
    with pytest.raises(errors.DatabaseError, match=words):
        between(connection, ENDLESS, other, IN, progress=progress)
    assert victim.closed
    assert in_step(survivor)
