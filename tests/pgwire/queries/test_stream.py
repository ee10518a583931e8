"""Streams give what queries give, in bounded memory, and may be left at any time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    BindComplete,
    CommandComplete,
    DataRow,
    FieldDescription,
    NoData,
    ParameterDescription,
    ParseComplete,
    PortalSuspended,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import Bind, Describe, Execute, Flush, Parse, Sync
from pgwire.protocol.message import Message
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, expect, login, send

SERIES = "SELECT i, 'row ' || i, nullif(i % 3, 0) FROM generate_series(1, $1) i"


@pytest.fixture(params=[100, 0], ids=["kept", "unnamed"])
def connection(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=request.param) as opened:
        opened.execute("CREATE TEMP SEQUENCE counter")
        yield opened
        assert opened.closed or opened.query("SELECT 'in step'").scalar() == "in step"


@pytest.fixture
def no_cancelling(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError("a cancel request is sent")

    for home in ("pgwire.net.connect", "pgwire.net.aio_connect"):
        monkeypatch.setattr(f"{home}.send_cancel_request", refuse)


@pytest.mark.parametrize("rows", [0, 1, 10, 211])
@pytest.mark.parametrize("chunk_rows", [1, 10, 1000])
def test_a_stream_gives_what_a_query_gives(
    connection: pgwire.Connection, rows: int, chunk_rows: int
) -> None:
    expected = connection.query(SERIES, [rows])
    with connection.stream(SERIES, [rows], chunk_rows=chunk_rows) as stream:
        assert [column.name for column in stream.columns] == ["i", "?column?", "nullif"]
        assert stream.tag == ""
        assert list(stream) == expected.rows
        assert stream.tag == f"SELECT {rows}"
        assert list(stream) == []
    assert list(connection.stream(SERIES, [rows], chunk_rows=chunk_rows)) == expected.rows


def counted(connection: pgwire.Connection) -> object:
    return connection.query("SELECT last_value FROM counter").scalar()


COUNTING = "SELECT nextval('counter') FROM generate_series(1, 100000)"


@pytest.mark.usefixtures("no_cancelling")
@pytest.mark.parametrize(
    ("seen", "computed", "inside"),
    [(0, 10, False), (1, 10, True), (10, 10, False), (11, 30, True), (25, 40, False)],
)
def test_who_leaves_early_has_no_more_rows_computed(
    connection: pgwire.Connection, seen: int, computed: int, inside: bool
) -> None:
    if inside:
        connection.execute("BEGIN")
    with connection.stream(COUNTING, chunk_rows=10) as stream:
        assert [next(stream)[0] for _ in range(seen)] == list(range(1, seen + 1))
    assert counted(connection) == computed
    assert connection.info.transaction_status == ("T" if inside else "I")


@pytest.mark.usefixtures("no_cancelling")
def test_who_has_left_is_told_so(connection: pgwire.Connection) -> None:
    with connection.stream("SELECT generate_series(1, 9)") as stream:
        assert next(stream) == (1,)
    with pytest.raises(errors.InterfaceError, match="closed before its end"):
        next(stream)
    with pytest.raises(errors.InterfaceError, match="closed before its end"):
        list(stream)
    with connection.stream("SELECT generate_series(1, 9)") as stream:
        assert len(list(stream)) == 9
    assert list(stream) == []
    never = connection.stream("SELECT 1")
    never.close()
    with pytest.raises(errors.InterfaceError, match="closed"):
        list(never)


@pytest.mark.usefixtures("no_cancelling")
def test_leaving_by_an_exception(connection: pgwire.Connection) -> None:
    with pytest.raises(ZeroDivisionError), connection.stream(COUNTING, chunk_rows=10):
        raise ZeroDivisionError
    assert not connection.closed


def test_going_on_after_a_break(connection: pgwire.Connection) -> None:
    with connection.stream(SERIES, [100], chunk_rows=7) as stream:
        for row in stream:
            if row[0] == 10:
                break
        assert [row[0] for row in stream] == list(range(11, 101))


def test_the_rows_before_an_error_come_first(connection: pgwire.Connection) -> None:
    for _ in range(2):
        seen = []
        with (
            pytest.raises(errors.error_class("22012")),
            connection.stream(
                "SELECT 1 / (26 - i) FROM generate_series(1, 99) i", chunk_rows=10
            ) as s,
        ):
            for row in s:
                seen.append(row)
        assert len(seen) == 25
        assert list(s) == []
        assert connection.info.transaction_status == "I"


def test_an_error_that_nobody_has_seen(connection: pgwire.Connection) -> None:
    # It matters only where it has ended a transaction.
    sql = "SELECT 1 / (5 - i) FROM generate_series(1, 99) i"
    with connection.stream(sql) as stream:
        next(stream)
    connection.execute("BEGIN")
    with pytest.raises(errors.error_class("22012")), connection.stream(sql) as stream:
        next(stream)
    assert connection.info.transaction_status == "E"
    connection.execute("ROLLBACK")


STATEMENTS: dict[str, tuple[str, list[tuple[object, ...]], str]] = {
    "insert": (
        "INSERT INTO pg_temp.t SELECT generate_series(1, 5) RETURNING a",
        [(i,) for i in range(1, 6)],
        "INSERT 0 5",
    ),
    "insert without rows": ("INSERT INTO pg_temp.t VALUES (1), (2)", [], "INSERT 0 2"),
    "show": ("SHOW server_encoding", [("UTF8",)], "SHOW"),
    "empty": ("", [], ""),
    "no columns": ("SELECT FROM generate_series(1, 5)", [()] * 5, "SELECT 5"),
    "values": ("VALUES (1), (2), (3)", [(1,), (2,), (3,)], "SELECT 3"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_other_statements(connection: pgwire.Connection, name: str) -> None:
    sql, rows, tag = STATEMENTS[name]
    connection.execute("CREATE TEMP TABLE t (a int)")
    for _ in range(2):
        with connection.stream(sql, chunk_rows=2) as stream:
            assert list(stream) == rows
        assert stream.tag == tag


@pytest.mark.parametrize("sql", ["COPY pg_type TO STDOUT", "COPY pg_temp.t FROM STDIN"])
def test_copy_is_refused(connection: pgwire.Connection, sql: str) -> None:
    connection.execute("CREATE TEMP TABLE t (a int)")
    with pytest.raises(errors.NotSupportedError):
        list(connection.stream(sql))


def test_errors_at_the_beginning(connection: pgwire.Connection) -> None:
    for _ in range(2):
        with pytest.raises(errors.error_class("42P01")):
            list(connection.stream("SELECT * FROM nowhere"))
        with pytest.raises(errors.error_class("22012")), connection.stream("SELECT 1 / 0") as s:
            list(s)
        with pytest.raises(errors.ProgrammingError):
            list(connection.stream("SELECT $1", [object()]))
        with pytest.raises(errors.DataError):
            list(connection.stream("SELECT '\0'"))
    for bad in (0, -1, 2**31, "10", None):
        with pytest.raises(errors.ProgrammingError, match="chunk_rows must be"):
            connection.stream("SELECT 1", chunk_rows=bad)  # type: ignore[arg-type]


def test_the_connection_is_busy_meanwhile(connection: pgwire.Connection) -> None:
    with connection.stream(SERIES, [100], chunk_rows=2) as stream:
        next(stream)
        for params in (None, ()):
            with pytest.raises(errors.InterfaceError, match="in progress: a stream is open"):
                connection.query("SELECT 1", params)
        with pytest.raises(errors.InterfaceError, match="in progress: a stream is open"):
            next(connection.stream("SELECT 1"))
        assert len(list(stream)) == 99
    stream.close()
    with pytest.raises(errors.InterfaceError, match="ended"), stream:
        pass


def test_a_stream_that_the_connection_has_gone_on_without(connection: pgwire.Connection) -> None:
    stream = connection.stream(SERIES, [100], chunk_rows=2)
    next(stream)
    connection.resynchronise()
    assert connection.query("SELECT 1").scalar() == 1
    with pytest.raises(errors.InterfaceError, match="gone on without"):
        list(stream)


def test_row_factories(connection: pgwire.Connection) -> None:
    with connection.stream("SELECT 1 AS a, 2 AS b", rows=pgwire.dict_row) as stream:
        assert list(stream) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_a_row_factory_that_raises(
    connection: pgwire.Connection, raised: type[BaseException]
) -> None:
    def factory(columns: object) -> Any:
        def make(row: Any) -> object:
            if row[0] == 5:
                raise raised("from the factory")
            return row

        return make

    with pytest.raises(raised, match="from the factory"):
        list(connection.stream(SERIES, [100], rows=factory, chunk_rows=2))
    if not connection.closed:
        assert connection.query("SELECT 1").scalar() == 1


def test_a_timeout(connection: pgwire.Connection) -> None:
    slow = "SELECT i, pg_sleep(CASE i WHEN 5 THEN 30 ELSE 0 END) FROM generate_series(1, 9) i"
    with (
        pytest.raises(errors.TimeoutExpired, match=r"0\.2 seconds"),
        connection.stream(slow, chunk_rows=2, timeout=0.2) as s,
    ):
        assert len(list(s)) < 5
    assert connection.query("SELECT 1").scalar() == 1


def test_streams_inside_transactions(connection: pgwire.Connection) -> None:
    with connection.transaction():
        with connection.stream(SERIES, [50], chunk_rows=7) as stream:
            assert next(stream)[0] == 1
        with connection.transaction(), connection.stream(SERIES, [50], chunk_rows=7) as stream:
            assert len(list(stream)) == 50
        assert connection.query("SELECT 1", ()).scalar() == 1


def test_values_that_look_like_the_end_of_a_chunk(connection: pgwire.Connection) -> None:
    # The last bytes of a row: s, and a length of 4 before its value.
    sql = "SELECT 'is', i FROM generate_series(1, 6000) i"
    assert [row[1] for row in connection.stream(sql, chunk_rows=2000)] == list(range(1, 6001))


CHILD = """
import asyncio, resource, sys
import pgwire

SQL = "SELECT i, repeat('x', 200), i::float8 FROM generate_series(1, 400000) i"

def grown(before):
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024

def rows(connection, count):
    return sum(1 for _ in connection.stream(SQL + f" LIMIT {count}"))

async def rows_async(connection, count):
    number = 0
    async for _ in connection.stream(SQL + f" LIMIT {count}"):
        number += 1
    return number

async def main():
    connection = await pgwire.connect_async(sys.argv[1])
    await rows_async(connection, 5000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await rows_async(connection, 400000) == 400000
    print(grown(before))

if sys.argv[2] == "blocking":
    connection = pgwire.connect(sys.argv[1])
    rows(connection, 5000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert rows(connection, 400000) == 400000
    print(grown(before))
else:
    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage")
@pytest.mark.parametrize("body", ["blocking", "asyncio"])
def test_memory_is_bounded(cluster: Cluster, body: str) -> None:
    command = [sys.executable, "-c", CHILD, cluster.conninfo(), body]
    told = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout
    assert int(told) < 10  # MiB, of the 90 that the rows have


FIELDS = RowDescription([FieldDescription(b"a", type_oid=25)])
ROW = DataRow([b"x"])
LIES: dict[str, tuple[Message | bytes, ...]] = {
    "ready before Sync": (BindComplete(), ROW, ReadyForQuery(b"I")),
    "ready instead of more": (BindComplete(), ROW, PortalSuspended(), ReadyForQuery(b"I")),
    "row after the chunk": (BindComplete(), ROW, PortalSuspended(), ROW, ROW, PortalSuspended())
    * 2,
    "two descriptions": (BindComplete(), FIELDS),
    "no data": (BindComplete(), NoData()),
    "empty query after a row": (BindComplete(), ROW, b"I\0\0\0\4"),
    "two fields": (BindComplete(), DataRow([b"x", b"y"]), PortalSuspended()),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_closes_the_connection(name: str) -> None:
    script = [
        login(),
        *(expect(Parse), expect(Describe), expect(Flush)),
        send(ParseComplete(), ParameterDescription([]), FIELDS),
        *(expect(Bind), expect(Execute), expect(Flush)),
        send(*LIES[name]),
    ]
    with ScriptedServer(script) as server:
        connection = pgwire.connect(server.conninfo())
        with pytest.raises(errors.ProtocolError):
            list(connection.stream("SELECT a", chunk_rows=1, timeout=5))
        assert connection.closed


def test_the_messages_of_a_stream() -> None:
    more = [expect(lambda m: isinstance(m, Execute) and m.max_rows == 2), expect(Flush)]
    script = [
        login(),
        *(expect(Parse), expect(Describe), expect(Flush)),
        send(ParseComplete(), ParameterDescription([]), FIELDS),
        *(expect(Bind), *more, send(BindComplete(), ROW, ROW, PortalSuspended())),
        *(*more, send(ROW, ROW, PortalSuspended())),
        *(*more, send(ROW, CommandComplete(b"SELECT 1"))),
        *(expect(Sync), send(ReadyForQuery(b"I"))),
    ]
    with ScriptedServer(script) as server, pgwire.connect(server.conninfo()) as connection:
        with connection.stream("SELECT a", chunk_rows=2) as stream:
            assert list(stream) == [("x",)] * 5
        assert stream.tag == "SELECT 5"
