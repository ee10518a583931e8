"""Cursors on the server: forwards, backwards, held, and other commands in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster

SERIES = "SELECT i, 'row ' || i AS text FROM generate_series(1, $1) i"


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as opened:
        yield opened
        assert opened.closed or opened.query("SELECT 'in step'").scalar() == "in step"


def row(number: int) -> tuple[object, ...]:
    return (number, f"row {number}")


def cursors(connection: pgwire.Connection) -> list[object]:
    return [name for (name,) in connection.query("SELECT name FROM pg_cursors WHERE name <> ''")]


def test_forwards(connection: pgwire.Connection) -> None:
    with connection.transaction():
        with connection.cursor(SERIES, [10], name='My "cursor"; é') as cursor:
            assert cursor.name == 'My "cursor"; é'
            assert [(c.name, c.type_oid) for c in cursor.columns] == [("i", 23), ("text", 25)]
            assert cursors(connection) == [cursor.name]
            assert cursor.fetch().rows == [row(1)]
            assert cursor.fetch(3).rows == [row(2), row(3), row(4)]
            assert connection.query("SELECT $1::int", [5]).scalar() == 5
            assert cursor.move(2) == 2
            assert cursor.fetch_all().rows == [row(7), row(8), row(9), row(10)]
            assert cursor.fetch(5).rows == []
            assert cursor.move(5) == 0
        assert cursors(connection) == []
        cursor.close()
        with pytest.raises(errors.InterfaceError, match="closed"):
            cursor.fetch()


def test_backwards(connection: pgwire.Connection) -> None:
    with connection.transaction(), connection.cursor(SERIES, [10], scroll=True) as cursor:
        assert cursor.fetch_last() == row(10)
        assert cursor.fetch_prior(2).rows == [row(9), row(8)]
        assert cursor.fetch_first() == row(1)
        assert cursor.fetch_absolute(5) == row(5)
        assert cursor.fetch_absolute(-3) == row(8)
        assert cursor.fetch_relative(-2) == row(6)
        assert cursor.fetch_relative(0) == row(6)
        assert cursor.fetch_relative(1) == row(7)
        assert cursor.move(-3) == 3
        assert cursor.fetch_relative(0) == row(4)
        assert cursor.fetch_absolute(11) is None
        assert cursor.fetch_absolute(0) is None
        assert [number for number, _ in cursor] == list(range(1, 11))


def test_without_scroll_there_is_no_way_back(connection: pgwire.Connection) -> None:
    with (
        pytest.raises(errors.error_class("55000")),
        connection.transaction(),
        connection.cursor(SERIES, [10]) as cursor,
    ):
        assert cursor.fetch(2).rows == [row(1), row(2)]
        cursor.fetch_prior()


def test_iterating(connection: pgwire.Connection) -> None:
    with connection.transaction():
        with connection.cursor(SERIES, [2500]) as cursor:
            for number, row_ in enumerate(cursor, 1):
                if number % 1000 == 1:
                    assert connection.query("SELECT $1::int", [number]).scalar() == number
                assert row_ == row(number)
            assert number == 2500
        with connection.cursor(SERIES, [1], rows=pgwire.dict_row) as cursor:
            assert cursor.fetch_all().rows == [{"i": 1, "text": "row 1"}]  # type: ignore[comparison-overlap]


def test_iterating_again(connection: pgwire.Connection) -> None:
    with connection.transaction(), connection.cursor(SERIES, [3], scroll=True) as cursor:
        for _ in range(3):
            assert list(cursor) == [row(1), row(2), row(3)]
            assert list(cursor) == []
            assert cursor.fetch_absolute(0) is None


def test_iterating_after_an_error(connection: pgwire.Connection) -> None:
    sql = "SELECT 1 / (i - 2) FROM generate_series(1, 3) i"
    with pytest.raises(errors.Error), connection.transaction():
        cursor = connection.cursor(sql)
        for error in ("22012", "25P02", "25P02"):  # never as if there were no rows
            with pytest.raises(errors.error_class(error)):
                list(cursor)
        cursor.close()


def test_outside_a_transaction(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.ProgrammingError, match="hold=True") as caught:
        connection.cursor(SERIES, [1]).fetch()
    assert caught.value.sqlstate == "25P01"
    with connection.cursor(SERIES, [3], hold=True, scroll=True) as cursor:
        assert cursor.fetch().rows == [row(1)]
        assert connection.query("SELECT 1", ()).scalar() == 1
        assert cursor.fetch_last() == row(3)
    assert cursors(connection) == []


def test_held_beyond_its_transaction(connection: pgwire.Connection) -> None:
    with connection.transaction():
        cursor = connection.cursor(SERIES, [5], hold=True)
        assert cursor.fetch(2).rows == [row(1), row(2)]
    assert cursor.fetch(2).rows == [row(3), row(4)]
    cursor.close()
    assert cursors(connection) == []


def test_gone_with_its_transaction(connection: pgwire.Connection) -> None:
    with connection.transaction():
        cursor = connection.cursor(SERIES, [5])
        assert cursor.fetch(2).rows == [row(1), row(2)]
    with pytest.raises(errors.error_class("34000")):
        cursor.fetch()
    cursor.close()
    with (
        pytest.raises(ZeroDivisionError),
        connection.transaction(),
        connection.cursor(SERIES, [5]),
    ):
        with pytest.raises(errors.error_class("22012")):
            connection.query("SELECT 1 / 0", ())
        raise ZeroDivisionError
    assert cursors(connection) == []


def test_errors(connection: pgwire.Connection) -> None:
    for name in ("", "x" * 64, "a\0b"):
        with pytest.raises(errors.ProgrammingError, match="name of a cursor"):
            connection.cursor("SELECT 1", name=name)
    for sql, code in (("SELECT * FROM nowhere", "42P01"), ("DELETE FROM x", "42601")):
        with pytest.raises(errors.error_class(code)), connection.transaction():
            connection.cursor(sql).fetch()
    with connection.transaction(), connection.cursor(SERIES, [9], scroll=True) as cursor:
        for call in (
            lambda: cursor.fetch(0),
            lambda: cursor.fetch(-1),
            lambda: cursor.fetch("1; DROP TABLE x"),  # type: ignore[arg-type]
            lambda: cursor.fetch_prior(0),
            lambda: cursor.fetch_absolute(1.5),  # type: ignore[arg-type]
            lambda: cursor.move(True),
        ):
            with pytest.raises(errors.ProgrammingError):
                call()
        with connection.stream("SELECT 1") as stream:
            with pytest.raises(errors.InterfaceError, match="in progress"):
                cursor.fetch()
            assert list(stream) == [(1,)]
        assert cursor.fetch().rows == [row(1)]
    with pytest.raises(errors.error_class("22012")), connection.transaction():
        list(connection.cursor("SELECT 1 / (5 - i) FROM generate_series(1, 9) i"))


def test_a_cursor_names_the_row_to_change(connection: pgwire.Connection) -> None:
    with connection.transaction():
        connection.execute("CREATE TEMP TABLE changing ON COMMIT DROP AS SELECT 1 AS a")
        with connection.cursor("SELECT a FROM changing FOR UPDATE", name="c") as cursor:
            assert cursor.fetch().rows == [(1,)]
            connection.execute("UPDATE changing SET a = 2 WHERE CURRENT OF c")
        assert connection.query("SELECT a FROM changing").scalar() == 2
