from __future__ import annotations

import gc

import pytest

import dblink
import pgwire
from dblink import query, rowstore
from tests.dblink.kit import eventually, memory_below, raises, running

ROWS = 300_000
MANY = f"SELECT g, repeat('x', 40) FROM generate_series(1, {ROWS}) AS g"
"""About 17 MB on the wire: far more than is read ahead, and than a row store keeps in memory."""

FAILS_LATE = f"SELECT g, 1 / ({ROWS} - g) FROM generate_series(1, {ROWS}) AS g"


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results stream after some kilobytes already, and stores go to disk as early."""
    monkeypatch.setattr(query, "READ_AHEAD", 8 * 1024)
    monkeypatch.setattr(rowstore, "IN_MEMORY", 16 * 1024)


SERIES = "SELECT g, 'row ' || g FROM generate_series(1, 20000) AS g"


def numbers(rows: object) -> list[int]:
    return [row[0] for row in rows]  # type: ignore[attr-defined]


def test_a_large_result_is_streamed_in_bounded_memory(session: dblink.Session) -> None:
    with memory_below(8 * 1024 * 1024):
        result = session.dblink("c", MANY)
        assert "streaming" in repr(result) and result.tag is None
        total = count = 0
        for number, text in result:
            total += number
            count += 1
            assert len(text) == 40
    assert (count, total) == (ROWS, ROWS * (ROWS + 1) // 2)
    assert result.tag == f"SELECT {ROWS}"


def test_the_server_waits_while_nobody_reads(
    session: dblink.Session, admin: pgwire.Connection
) -> None:
    result = session.dblink("c", f"{MANY} /* unread */")
    assert running(admin, "/* unread */")  # 17 MB do not fit in the sockets' buffers
    assert len(result.fetchall()) == ROWS
    eventually(lambda: not running(admin, "/* unread */"))


def test_who_gives_up_a_streamed_result_cancels_its_query(
    session: dblink.Session, admin: pgwire.Connection
) -> None:
    result = session.dblink("c", f"{MANY} /* given up */")
    next(iter(result))
    result.give_up()
    assert not running(admin, "/* given up */")
    assert list(result) == []
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_giving_up_a_result_that_has_been_read_drops_its_rows(session: dblink.Session) -> None:
    result = session.dblink("c", "SELECT * FROM foo")
    other = session.dblink("c", MANY)
    result.give_up()
    assert list(result) == []
    assert other.count() == ROWS


def test_a_small_result_has_been_read_when_the_call_returns(session: dblink.Session) -> None:
    result = session.dblink("c", "SELECT * FROM foo")
    assert result.tag == "SELECT 10"
    assert repr(result) == "<Result (f1 integer, f2 text) SELECT 10>"
    assert session.dblink("c", "SELECT 1").scalar() == 1
    assert len(result.fetchall()) == 10


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize("read_before", [0, 1, 700, 19_999])
def test_the_next_call_takes_over(session: dblink.Session, read_before: int) -> None:
    result = session.dblink("c", SERIES)
    rows = iter(result)
    before = [next(rows) for _ in range(read_before)]
    assert session.dblink_exec("c", "SET work_mem = '1MB'") == "SET"
    assert session.dblink("c", "SELECT 'other'").scalar() == "other"
    assert result.tag == "SELECT 20000"
    after = list(rows)
    assert numbers(before + after) == list(range(1, 20001))


@pytest.mark.usefixtures("few_bytes")
def test_reading_through_several_iterators_gives_every_row_once(session: dblink.Session) -> None:
    for interrupted in (False, True):
        result = session.dblink("c", SERIES)
        assert result.scalar() == 1
        assert next(iter(result)) == (2, "row 2")
        if interrupted:
            session.dblink_exec("c", "SET work_mem = '1MB'")
        text = result.text_rows()
        assert next(text) == ("3", "row 3")
        first, second = iter(result), iter(result)
        got = [next(first)[0], next(second)[0], next(first)[0], int(next(text)[0] or 0)]
        assert got == [4, 5, 6, 7]
        assert numbers(result) == list(range(8, 20001))
        assert list(first) == list(second) == list(text) == result.fetchall() == []
        assert result.scalar() is None


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize("limit", [3, 20_000])
def test_text_rows(session: dblink.Session, limit: int) -> None:
    sql = (
        f"SELECT g, NULL, 1.50, true, '{{1,2}}'::int[], date '2020-02-03'"
        f" FROM generate_series(1, {limit}) AS g"
    )
    rows = list(session.dblink("c", sql).text_rows())
    assert rows == [(str(g), None, "1.50", "t", "{1,2}", "2020-02-03") for g in range(1, limit + 1)]


def test_text_rows_need_no_conversion(session: dblink.Session) -> None:
    result = session.dblink("c", "SET work_mem = '1MB'")
    assert list(result.text_rows()) == [("SET",)]
    assert result.fetchall() == []


@pytest.mark.usefixtures("few_bytes")
def test_streams_of_several_connections_side_by_side(session: dblink.Session, remote: str) -> None:
    names = ["c", "d", "e"]
    for name in names[1:]:
        session.dblink_connect(name, remote)
    streams = [iter(session.dblink(name, SERIES)) for name in names]
    for expected in range(1, 20001):
        assert [next(stream)[0] for stream in streams] == [expected] * 3
    assert [list(stream) for stream in streams] == [[], [], []]


@pytest.mark.usefixtures("few_bytes")
def test_an_abandoned_stream_is_skipped(session: dblink.Session) -> None:
    assert session.dblink("c", SERIES).scalar() == 1
    gc.collect()
    assert session.dblink("c", "SELECT 'next'").scalar() == "next"
    rows = iter(session.dblink("c", SERIES))
    next(rows)
    del rows
    gc.collect()
    assert session.dblink_exec("c", "SET work_mem = '1MB'") == "SET"


@pytest.mark.usefixtures("few_bytes")
def test_a_stream_whose_connection_is_closed_has_been_taken_over(
    session: dblink.Session, remote: str
) -> None:
    result = session.dblink("c", SERIES)
    session.dblink_disconnect("c")
    assert len(result.fetchall()) == 20000
    session.dblink_connect(remote)
    result = session.dblink(SERIES)
    session.dblink_connect(remote)  # takes the place of the unnamed connection
    assert len(result.fetchall()) == 20000
    result = session.dblink(SERIES)
    session.close()
    assert len(result.fetchall()) == 20000


# Errors behind what has been read ahead come when the rows are read.


def test_an_error_in_the_middle_of_a_stream(
    session: dblink.Session, notices: list[pgwire.Diagnostics]
) -> None:
    rows = iter(session.dblink("c", FAILS_LATE))
    count = 0
    with raises(
        "22012",
        "division by zero",
        context='while executing query on dblink connection named "c"',
    ):
        for _ in rows:
            count += 1
    assert 1000 < count < ROWS
    assert notices == []
    assert session.dblink_error_message("c") == "ERROR:  division by zero"
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_an_error_in_the_middle_of_a_stream_as_a_notice(
    session: dblink.Session, notices: list[pgwire.Diagnostics]
) -> None:
    result = session.dblink("c", FAILS_LATE, fail=False)
    assert notices == []
    assert 1000 < len(result.fetchall()) < ROWS
    (notice,) = notices
    assert (notice.severity, notice.sqlstate, notice.message) == (
        "NOTICE",
        "22012",
        "division by zero",
    )
    assert notice.context == 'while executing query on dblink connection named "c"'


@pytest.mark.parametrize("fail", [True, False])
def test_an_error_of_a_stream_is_told_to_its_reader_and_to_nobody_else(
    session: dblink.Session, notices: list[pgwire.Diagnostics], fail: bool
) -> None:
    result = session.dblink("c", FAILS_LATE, fail=fail)
    assert session.dblink("c", "SELECT 'another query'").scalar() == "another query"
    rows = iter(result)
    assert next(rows) == (1, 0)
    if fail:
        with raises("22012"):
            list(rows)
        assert notices == []
    else:
        list(rows)
        assert [notice.sqlstate for notice in notices] == ["22012"]
    assert list(result) == []  # told once


def test_small_results_fail_in_the_call(
    session: dblink.Session, notices: list[pgwire.Diagnostics]
) -> None:
    sql = "SELECT 1 / (2 - g) FROM generate_series(1, 3) AS g"
    with raises("22012"):
        session.dblink("c", sql)
    assert session.dblink("c", sql, False).fetchall() == [(1,)]
    assert len(notices) == 1


def test_a_value_that_cannot_be_converted_in_the_middle_of_a_stream(
    session: dblink.Session,
) -> None:
    sql = f"SELECT CASE WHEN g < {ROWS} THEN g::text ELSE 'x' END FROM generate_series(1,{ROWS}) g"
    rows = iter(session.dblink("c", sql, columns="a int"))
    assert next(rows) == (1,)
    with raises("22P02", 'invalid input syntax for type integer: "x"'):
        list(rows)
    assert session.dblink("c", "SELECT 1").scalar() == 1


def test_a_lost_connection_in_the_middle_of_a_stream(
    session: dblink.Session, admin: pgwire.Connection
) -> None:
    pid = session.dblink("c", "SELECT pg_backend_pid()").scalar()
    rows = iter(session.dblink("c", MANY))
    next(rows)
    admin.query("SELECT pg_terminate_backend($1)", (pid,))
    with pytest.raises(pgwire.DatabaseError) as caught:
        list(rows)
    assert caught.value.sqlstate in ("57P01", "08006")
    with raises("XX000", "could not send query: no connection to the server"):
        session.dblink("c", "SELECT 1")
    assert session.dblink_get_connections() == ["c"]
    assert session.dblink_disconnect("c") == "OK"


# Several statements.


def test_several_statements_are_not_streamed(session: dblink.Session) -> None:
    result = session.dblink("c", f"{MANY}; SELECT 'last', 1")
    assert result.fetchall() == [("last", 1)]
    result = session.dblink("c", f"SELECT 'first', 1; {MANY}")
    assert result.tag == f"SELECT {ROWS}"  # it is in the store by now
    assert session.dblink("c", "SELECT 1").scalar() == 1
    assert len(result.fetchall()) == ROWS


# Connections of one call.


def sessions_of(admin: pgwire.Connection, name: str) -> int:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
    (row,) = admin.query(sql, (name,))
    return int(str(row[0]))


def test_a_transient_connection_ends_with_its_call(
    session: dblink.Session, admin: pgwire.Connection, remote: str
) -> None:
    conninfo = f"{remote} application_name=transient1"
    assert session.dblink(conninfo, "SELECT current_setting('application_name')").scalar() == (
        "transient1"
    )
    assert session.dblink_exec(conninfo, "SET work_mem = '1MB'") == "SET"
    with raises("22012", context="while executing query on unnamed dblink connection"):
        session.dblink(conninfo, "SELECT 1/0")
    with raises("42804"):
        session.dblink(conninfo, "SELECT 1", columns="a int, b int")
    with raises("2F003"):
        session.dblink_exec(conninfo, "SELECT 1")
    eventually(lambda: sessions_of(admin, "transient1") == 0)
    assert session.dblink_get_connections() == ["c"]


def test_a_transient_connection_lasts_as_long_as_its_stream(
    session: dblink.Session, admin: pgwire.Connection, remote: str
) -> None:
    result = session.dblink(f"{remote} application_name=transient2", MANY)
    assert sessions_of(admin, "transient2") == 1
    assert len(result.fetchall()) == ROWS
    eventually(lambda: sessions_of(admin, "transient2") == 0)


def test_a_transient_connection_ends_when_nobody_holds_its_stream(
    session: dblink.Session, admin: pgwire.Connection, remote: str
) -> None:
    result = session.dblink(f"{remote} application_name=transient3", MANY)
    assert result.scalar() == 1
    assert sessions_of(admin, "transient3") == 1
    del result
    gc.collect()
    eventually(lambda: sessions_of(admin, "transient3") == 0)


def test_a_transient_connection_whose_stream_fails(
    session: dblink.Session, admin: pgwire.Connection, remote: str
) -> None:
    result = session.dblink(f"{remote} application_name=transient4", FAILS_LATE)
    with raises("22012", context="while executing query on unnamed dblink connection"):
        list(result)
    eventually(lambda: sessions_of(admin, "transient4") == 0)


def test_params(session: dblink.Session) -> None:
    result = session.dblink("c", "SELECT $1::int + 1, $2::text", params=(1, "O'Neil; --"))
    assert result.fetchall() == [(2, "O'Neil; --")]
    session.dblink_exec("c", "CREATE TEMP TABLE p(a text)")
    assert session.dblink_exec("c", "INSERT INTO p VALUES ($1)", params=("x;y",)) == "INSERT 0 1"
    sql = "SELECT g FROM generate_series(1, $1::int) AS g"
    assert numbers(session.dblink("c", sql, params=(ROWS,))) == list(range(1, ROWS + 1))


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize("rows", [5000, 5025, 5050, 5075])
def test_a_shorter_row_behind_rows_that_are_alike_counts(
    session: dblink.Session, rows: int
) -> None:
    length = f"CASE WHEN g < {rows} THEN 40 ELSE 1 END"
    sql = f"SELECT repeat('x', {length}) FROM generate_series(1, {rows}) g"
    assert session.dblink("c", sql).count() == rows
