"""The blocking connection against a real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as opened:
        yield opened
        if not opened.closed:
            assert opened.query("SELECT 'still in step'").scalar() == "still in step"


# Queries.


def test_a_query_gives_rows_columns_and_a_tag(connection: pgwire.Connection) -> None:
    result = connection.query("SELECT 1 AS a, 'x'::text AS b UNION ALL SELECT 2, NULL ORDER BY 1")
    assert list(result) == [(1, "x"), (2, None)]
    assert [column.name for column in result.columns] == ["a", "b"]
    assert [column.type_oid for column in result.columns] == [23, 25]
    assert result.tag == "SELECT 2"
    assert result.scalar() == 1


def test_parameters_go_by_the_extended_protocol(connection: pgwire.Connection) -> None:
    assert list(connection.query("SELECT $1::int + 1, $2::text, $3::int", [41, "é", None])) == [
        (42, "é", None)
    ]
    assert list(connection.query("SELECT 1", [])) == [(1,)]
    with pytest.raises(errors.error_class("42601")):
        connection.query("SELECT 1; SELECT 2", [])


def test_several_statements_give_several_results(connection: pgwire.Connection) -> None:
    results = connection.query_all("SELECT 1; CREATE TEMP TABLE m (a int); SELECT 2 WHERE false")
    assert [(result.tag, list(result)) for result in results] == [
        ("SELECT 1", [(1,)]),
        ("CREATE TABLE", []),
        ("SELECT 0", []),
    ]
    assert connection.query("SELECT 1; SELECT 2").scalar() == 2
    with pytest.raises(errors.error_class("22012")):
        connection.query_all("SELECT 1; SELECT 1/0; SELECT 2")


def test_an_error_in_the_middle_of_rows_is_raised(connection: pgwire.Connection) -> None:
    for params in (None, []):
        with pytest.raises(errors.error_class("22012")):
            connection.query("SELECT 1 / (5000 - n) FROM generate_series(1, 9000) n", params)


def test_what_an_error_tells(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.error_class("42P01")) as caught:
        connection.query("SELECT *\nFROM nowhere")
    assert caught.value.message == 'relation "nowhere" does not exist'
    assert caught.value.position == 15
    assert caught.value.diagnostics.render("SELECT *\nFROM nowhere").splitlines()[1:] == [
        "LINE 2: FROM nowhere",
        "             ^",
    ]


@pytest.mark.parametrize("params", [None, []])
def test_nothing_and_no_columns(connection: pgwire.Connection, params: list[object] | None) -> None:
    for sql in ("", "-- a comment", " ; "):
        result = connection.query(sql, params)
        assert (list(result), result.columns, result.tag) == ([], (), "")
    result = connection.query("SELECT FROM generate_series(1, 3)", params)
    assert (list(result), result.columns, result.tag) == ([(), (), ()], (), "SELECT 3")


def test_query_text_shows_what_psql_would(connection: pgwire.Connection) -> None:
    assert connection.query_text("SELECT true, 1.50, NULL, '{1,2}'::int[]") == [
        ("t", "1.50", None, "{1,2}")
    ]


def test_execute_gives_the_tag(connection: pgwire.Connection) -> None:
    assert connection.execute("CREATE TEMP TABLE t (a int)") == "CREATE TABLE"
    assert connection.execute("INSERT INTO t VALUES ($1), ($2)", [1, 2]) == "INSERT 0 2"


def test_describe_runs_nothing(connection: pgwire.Connection) -> None:
    columns = connection.describe("SELECT 1/0 AS x, now() AS y")
    assert [(column.name, column.type_oid) for column in columns] == [("x", 23), ("y", 1184)]
    assert connection.describe("CREATE TABLE never (a int)") == ()
    with pytest.raises(errors.error_class("42703")):
        connection.describe("SELECT nothing")


@pytest.mark.parametrize("params", [None, []], ids=["simple", "extended"])
def test_copy_in_is_refused_in_step(
    connection: pgwire.Connection, params: list[object] | None
) -> None:
    connection.execute("CREATE TEMP TABLE c AS SELECT generate_series(1, 1000) a")
    with pytest.raises(errors.NotSupportedError, match=r"(?s)FROM STDIN is not possible.*copy_in"):
        connection.query("COPY c FROM STDIN", params)
    assert connection.query("SELECT count(*) FROM c").scalar() == 1000


@pytest.mark.parametrize("sql", ["TABLE c", "SELECT repeat('x', 9999999)"])
def test_a_reply_refuses_copy_out_in_step(connection: pgwire.Connection, sql: str) -> None:
    connection.execute("CREATE TEMP TABLE c AS SELECT generate_series(1, 1000) a")
    reply = connection.send(f"COPY ({sql}) TO STDOUT")
    assert isinstance(reply.next_result(), pgwire.CopyRefused)
    assert isinstance(reply.finish(), type(None))
    assert connection.query("SELECT count(*) FROM c").scalar() == 1000


def test_copy_out_among_other_statements(connection: pgwire.Connection) -> None:
    results = connection.query_all(
        "SELECT 1; COPY (SELECT generate_series(1, 3)) TO STDOUT; COPY (SELECT 1) TO STDOUT"
        " (FORMAT binary); SELECT 2; COPY (SELECT repeat('x', 9999999)) TO STDOUT"
    )
    first, text, binary, second, large = results
    assert (first.scalar(), second.scalar()) == (1, 2)
    assert isinstance(text, pgwire.CopyResult) and isinstance(binary, pgwire.CopyResult)
    assert (text.data, text.format, text.tag, list(text)) == (b"1\n2\n3\n", "text", "COPY 3", [])
    assert binary.format == "binary" and binary.data.startswith(b"PGCOPY\n\xff\r\n\0")
    assert isinstance(large, pgwire.CopyResult) and large.data == b"x" * 9999999 + b"\n"
    assert "9999999" not in repr(text) and "COPY 3" in repr(text)
    with pytest.raises(errors.error_class("22012")):
        connection.query("COPY (SELECT 1 / (5 - n) FROM generate_series(1, 9) n) TO STDOUT")
    assert connection.query("SELECT 'next'").scalar() == "next"


# Large things.


def test_values_of_64_megabytes(connection: pgwire.Connection) -> None:
    size = 64 << 20
    value = "é" * (size // 2)
    assert connection.query("SELECT octet_length($1::text)", [value]).scalar() == size
    assert connection.query("SELECT repeat('é', $1)", [size // 2]).scalar() == value


def test_65535_parameters_are_the_limit(connection: pgwire.Connection) -> None:
    numbers: list[object] = list(range(65535))
    array = ", ".join(f"${n}" for n in range(1, 65536))
    sql = f"SELECT a[65535], cardinality(a) FROM (SELECT ARRAY[{array}]::int[] AS a) s"
    assert list(connection.query(sql, numbers)) == [(65534, 65535)]
    with pytest.raises(errors.ProgrammingError, match="65535"):
        connection.query("SELECT 1", [*numbers, 1])


def test_many_rows(connection: pgwire.Connection) -> None:
    result = connection.query("SELECT n, n::text FROM generate_series(1, 100000) n")
    assert len(result) == 100_000
    assert result[99_999] == (100_000, "100000")
    assert result[1:3] == [(2, "2"), (3, "3")]


# Streaming.


def test_a_reply_is_read_as_it_comes(connection: pgwire.Connection) -> None:
    reply = connection.send("SELECT generate_series(1, 50000); SELECT 'x'")
    first = reply.next_result()
    assert isinstance(first, pgwire.RowSet)
    assert reply.next_rows()
    second = reply.next_result()  # what is left of the rows is skipped
    assert isinstance(second, pgwire.RowSet)
    assert first.tag == "SELECT 50000"
    assert reply.next_rows() == [("x",)]
    assert reply.next_rows() is None
    assert reply.next_result() is None
    assert reply.done
    assert reply.next_result() is None


@pytest.mark.parametrize("params", [None, []], ids=["simple", "extended"])
def test_a_second_query_does_not_read_the_answer_of_the_first(
    connection: pgwire.Connection, params: list[object] | None
) -> None:
    reply = connection.send("SELECT 'first'", params)
    for intruder in (
        lambda: connection.query("SELECT 'second'"),
        lambda: connection.query("SELECT 'second'", []),
        lambda: connection.describe("SELECT 'second'"),
        lambda: connection.take_notifications(),
        lambda: next(connection.notifies(timeout=0)),
    ):
        with pytest.raises(errors.InterfaceError, match="already in progress"):
            intruder()
    assert isinstance(reply.next_result(), pgwire.RowSet)
    assert reply.next_rows() == [("first",)]
    assert reply.finish() is None


def test_wait_any_tells_who_has_answered(cluster: Cluster) -> None:
    with (
        pgwire.connect(cluster.conninfo()) as quick,
        pgwire.connect(cluster.conninfo()) as slow,
    ):
        slow.send("SELECT pg_sleep(60)")
        reply = quick.send("SELECT 1")
        assert pgwire.wait_any([slow, quick], timeout=10) == [quick]
        reply.finish()
        assert pgwire.wait_any([slow, quick], timeout=0) == []
        slow.resynchronise()
        assert slow.query("SELECT 2").scalar() == 2


# Transactions.


def test_transactions_and_savepoints(connection: pgwire.Connection) -> None:
    connection.execute("CREATE TEMP TABLE s (a int)")
    with connection.transaction():
        assert connection.info.transaction_status == "T"
        connection.execute("INSERT INTO s VALUES (1)")
        with pytest.raises(errors.error_class("22012")), connection.transaction():
            connection.execute("INSERT INTO s VALUES (2)")
            connection.execute("SELECT 1/0")
        with connection.transaction():
            connection.execute("INSERT INTO s VALUES (3)")
    assert connection.info.transaction_status == "I"
    assert list(connection.query("SELECT a FROM s ORDER BY 1")) == [(1,), (3,)]
    with pytest.raises(ZeroDivisionError), connection.transaction():
        connection.execute("DELETE FROM s")
        raise ZeroDivisionError
    assert connection.query("SELECT count(*) FROM s").scalar() == 2


def test_an_error_that_is_ignored_does_not_pass_for_a_commit(connection: pgwire.Connection) -> None:
    with (
        pytest.raises(errors.error_class("25P02"), match="rolled back instead of committed"),
        connection.transaction(),
        pytest.raises(errors.error_class("22012")),
    ):
        connection.execute("SELECT 1/0")
    assert connection.info.transaction_status == "I"


def test_a_transaction_left_in_the_middle_of_a_reply(connection: pgwire.Connection) -> None:
    connection.execute("CREATE TEMP TABLE u (a int)")
    with pytest.raises(KeyboardInterrupt), connection.transaction():
        connection.execute("INSERT INTO u VALUES (1)")
        connection.send("SELECT pg_sleep(60)")
        raise KeyboardInterrupt
    assert connection.query("SELECT count(*) FROM u").scalar() == 0


def test_a_transaction_on_a_lost_connection_tells_why(cluster: Cluster) -> None:
    connection = pgwire.connect(cluster.conninfo())
    with pytest.raises(errors.error_class("57P01")), connection.transaction():
        connection.query("SELECT pg_terminate_backend(pg_backend_pid())")
    assert connection.closed


# Notices, notifications, parameters.


def test_notices_are_told_at_once(cluster: Cluster) -> None:
    told: list[errors.Diagnostics] = []
    with pgwire.connect(cluster.conninfo(), on_notice=told.append) as connection:
        connection.execute("DO $$BEGIN RAISE WARNING 'é %', 1 USING HINT = 'h'; END$$")
    assert [(n.severity, n.message, n.hint) for n in told] == [("WARNING", "é 1", "h")]


def test_notifications_arrive_in_order(cluster: Cluster, connection: pgwire.Connection) -> None:
    with pgwire.connect(cluster.conninfo()) as other:
        connection.execute('LISTEN "canal é"')
        for payload in ("", "eins", "zwei é"):
            other.query("SELECT pg_notify('canal é', $1)", [payload])
        sender = other.info.process_id
        got = []
        for notification in connection.notifies(timeout=10):
            got.append(notification)
            if len(got) == 3:
                break
        assert got == [
            pgwire.Notification("canal é", payload, sender) for payload in ("", "eins", "zwei é")
        ]
        assert list(connection.notifies(timeout=0.01)) == []
        other.query("SELECT pg_notify('canal é', 'late')")
        connection.query("SELECT 1")
        connection.take_notifications()
        assert [n.payload for n in connection.received_notifications()] == ["late"]
        assert connection.received_notifications() == []


def test_parameters_are_followed(connection: pgwire.Connection) -> None:
    assert connection.info.parameters["TimeZone"] == "UTC"
    connection.execute("SET TIME ZONE 'Asia/Tokyo'; SET DateStyle = 'German'")
    assert connection.info.parameters["TimeZone"] == "Asia/Tokyo"
    sql = "SELECT '2026-01-02'::date"
    assert str(connection.query(sql).scalar()) == "2026-01-02"
    assert connection.query_text(sql) == [("02.01.2026",)]


def test_an_encoding_that_nobody_can_read_ends_the_session(cluster: Cluster) -> None:
    connection = pgwire.connect(cluster.conninfo())
    with pytest.raises(errors.NotSupportedError, match="EUC_TW"):
        connection.execute("SET client_encoding = 'EUC_TW'")
    assert connection.closed


# Cancelling, ending.


def test_cancel_from_another_thread(connection: pgwire.Connection) -> None:
    timer = threading.Timer(0.1, connection.cancel)
    timer.start()
    begun = monotonic()
    with pytest.raises(errors.error_class("57014")):
        connection.query("SELECT pg_sleep(60)")
    assert monotonic() - begun < 10
    timer.join()


def test_a_timeout_cancels_on_the_server(connection: pgwire.Connection, cluster: Cluster) -> None:
    with pytest.raises(errors.TimeoutExpired, match=r"within 0\.1 seconds"):
        connection.query("SELECT pg_sleep(60)", timeout=0.1)
    with pgwire.connect(cluster.conninfo()) as other:
        running = "SELECT state, query FROM pg_stat_activity WHERE pid = $1"
        assert other.query(running, [connection.info.process_id])[0][0] == "idle"
    assert connection.query("SELECT 7").scalar() == 7
    with pytest.raises(TimeoutError):
        connection.query("SELECT pg_sleep(60)", [], timeout=0.05)


def test_a_timeout_while_sending(connection: pgwire.Connection) -> None:
    reply = connection.send("SELECT pg_sleep(60)")
    with pytest.raises(errors.TimeoutExpired):
        reply.next_result(timeout=0)
    connection.resynchronise()
    assert connection.query("SELECT 8").scalar() == 8


def test_a_terminated_session_says_why_and_is_closed(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo()) as killer:
        for running in (True, False):
            victim = pgwire.connect(cluster.conninfo())
            reply = victim.send("SELECT pg_sleep(60)") if running else None
            killer.query("SELECT pg_terminate_backend($1)", [victim.info.process_id])
            with pytest.raises(errors.OperationalError) as caught:
                if reply is None:
                    victim.query("SELECT 1")
                else:
                    reply.finish()
            assert caught.value.sqlstate in ("57P01", "08006")
            assert victim.closed
            with pytest.raises(errors.InterfaceError, match="closed"):
                victim.query("SELECT 1")


def test_the_end_of_a_session_that_only_listens(cluster: Cluster) -> None:
    victim = pgwire.connect(cluster.conninfo())
    with pgwire.connect(cluster.conninfo()) as killer:
        killer.query("SELECT pg_terminate_backend($1)", [victim.info.process_id])
    with pytest.raises(errors.error_class("57P01")):
        next(victim.notifies(timeout=10))
    assert victim.closed


def test_close_may_be_repeated_and_ends_the_session(cluster: Cluster) -> None:
    connection = pgwire.connect(cluster.conninfo())
    process = connection.info.process_id
    connection.close()
    connection.close()
    assert connection.closed
    assert "closed" in repr(connection)
    with pytest.raises(errors.InterfaceError):
        connection.query("SELECT 1")
    with pytest.raises(errors.InterfaceError):
        connection.cancel()
    with pgwire.connect(cluster.conninfo()) as other:
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1"
        limit = monotonic() + 10
        while other.query(gone, [process]).scalar() and monotonic() < limit:
            pass
        assert other.query(gone, [process]).scalar() == 0


def test_close_in_the_middle_of_a_reply(cluster: Cluster) -> None:
    connection = pgwire.connect(cluster.conninfo())
    reply = connection.send("SELECT generate_series(1, 1000000)")
    reply.next_result()
    connection.close()
    with pytest.raises(errors.Error):
        while reply.next_rows() is not None:
            pass


# Where to.


def test_a_silent_listener_does_not_hold_us(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begun = monotonic()
        with pytest.raises(errors.TimeoutExpired, match=f"port {port} failed: timeout expired"):
            pgwire.connect(f"host=127.0.0.1 port={port} user=u connect_timeout=1")
        assert monotonic() - begun < 5
        hosts = f"host=127.0.0.1,{cluster.host} port={port},{cluster.port}"
        with pgwire.connect(f"{hosts} user=postgres connect_timeout=1") as connection:
            assert cluster.host in connection.info.server


def test_hosts_are_tried_in_turn(cluster: Cluster) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        hosts = f"host=127.0.0.1,127.0.0.1 port={port},{cluster.port} user=postgres"
        with pgwire.connect(hosts) as connection:
            assert connection.query("SELECT inet_server_port()").scalar() == cluster.port
        with pytest.raises(errors.OperationalError) as caught:
            pgwire.connect(f"host=127.0.0.1,/nowhere port={port} user=postgres")
    lines = str(caught.value).splitlines()
    assert (
        lines[0] == f'connection to server at "127.0.0.1", port {port} failed: Connection refused'
    )
    assert f'on socket "/nowhere/.s.PGSQL.{port}" failed: No such file or directory' in lines[2]
    # A server that answers, and refuses, is the end of the list.
    both = f"host=127.0.0.1,{cluster.host} port={cluster.port} user=postgres dbname=nowhere"
    with pytest.raises(errors.error_class("3D000")) as caught:
        pgwire.connect(both)
    assert str(caught.value).count("failed: ") == 1
