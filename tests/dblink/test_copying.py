"""dblink_copy and Result.count: what this package adds to dblink for moving many rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dblink
import pgwire
from pgwire import errors
from tests.dblink.kit import memory_below, raises


@pytest.fixture
def pair(remote: str) -> Iterator[dblink.Session]:
    """A session with two connections, `a` and `b`; `b` has a table t of its own."""
    with dblink.Session(privileged=True) as session:
        session.dblink_connect("a", remote)
        session.dblink_connect("b", remote)
        session.dblink_exec("b", 'CREATE TEMP TABLE t (n int, "T x" text, o oid)')
        yield session
        assert session.dblink("a", "SELECT 'in step'").scalar() == "in step"
        assert session.dblink("b", "SELECT 'in step'").scalar() == "in step"


def count(session: dblink.Session) -> object:
    return session.dblink("b", "SELECT count(*) FROM t").scalar()


QUERY = "SELECT n, 'x' || n, n::oid FROM generate_series(1, 20000) n"


@pytest.mark.parametrize("binary", [None, True, False])
@pytest.mark.parametrize("query", [QUERY, f"{QUERY};\n", f"{QUERY} -- the end"])
def test_rows_are_moved(pair: dblink.Session, query: str, binary: bool | None) -> None:
    calls: list[tuple[int, int | None]] = []
    moved = pair.dblink_copy(
        "a", query, "b", "t", binary=binary, progress=lambda *args: calls.append(args)
    )
    assert moved == calls[-1][1] == count(pair) == 20000
    assert pair.dblink("b", "SELECT * FROM t WHERE n = 7").fetchall() == [(7, "x7", 7)]


def test_names_are_read_as_sql_reads_them(pair: dblink.Session) -> None:
    assert pair.dblink_copy("a", "SELECT 'x', 1", "b", ' PG_TEMP . "t" ', columns=["T x", "n"]) == 1
    assert pair.dblink("b", "SELECT * FROM t").fetchall() == [(1, "x", None)]


@pytest.mark.parametrize(
    ("query", "binary"),
    [
        ("SELECT 1, 'x'::text, 1::oid", True),
        ("SELECT 1::int8, 'x'::text, 1::oid", False),  # read by the target from its text
        ("SELECT 1, 'x'::varchar, 1::oid", False),
    ],
)
def test_binary_is_chosen_if_the_types_agree(
    pair: dblink.Session, query: str, binary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    between = pgwire.copy_between

    def spy(source: object, sql: str, *rest: object, **options: object) -> int:
        seen.append(sql)
        return between(source, sql, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pgwire, "copy_between", spy)
    assert pair.dblink_copy("a", query, "b", "t") == 1
    assert ("FORMAT binary" in seen[0]) is binary


def test_what_is_an_oid_inside_goes_by_its_name(pair: dblink.Session) -> None:
    pair.dblink_exec("b", "CREATE TEMP TABLE r (c regclass)")
    pair.dblink_exec("a", "CREATE TEMP TABLE own (n int)")
    pair.dblink_exec("b", "CREATE TEMP TABLE own (n int)")
    pair.dblink_copy("a", "SELECT 'own'::regclass", "b", "r")
    assert pair.dblink("b", "SELECT c = 'own'::regclass FROM r").scalar() is True


def test_connections_for_the_call(remote: str, pair: dblink.Session) -> None:
    pair.dblink_exec("a", "CREATE TABLE moved (n int)")
    try:
        assert pair.dblink_copy(remote, "SELECT 7", remote, "moved") == 1
    finally:
        pair.dblink_exec("a", "DROP TABLE moved")


def test_errors_tell_the_connection(pair: dblink.Session) -> None:
    with raises("22012", "division by zero") as caught:
        pair.dblink_copy(
            "a", "SELECT 1 / (n - 9), '', 1::oid FROM generate_series(1, 9) n", "b", "t"
        )
    assert caught.error.context == 'while copying from a query on dblink connection named "a"'
    with raises("22P02") as caught:
        pair.dblink_copy("a", "SELECT 'x', 'y', 'z'", "b", "t")
    assert caught.error.context == (
        'COPY t, line 1, column n: "x"\nwhile copying into table "t" on dblink connection named "b"'
    )
    with raises("42P01"):
        pair.dblink_copy("a", "SELECT 1", "b", "nope")
    with raises("42602", "invalid name syntax"):
        pair.dblink_copy("a", "SELECT 1", "b", "two words")
    with raises("42601"):
        pair.dblink_copy("a", "SELEC", "b", "t")
    with raises("08001"):
        pair.dblink_copy("nobody", "SELECT 1", "b", "t")
    with raises("08003", "connection not available"):
        pair.dblink_copy(None, "SELECT 1", "b", "t")
    with raises("55006", 'connection "a" is already in use'):
        pair.dblink_copy("a", "SELECT 1", "a", "t")
    with pytest.raises(errors.TimeoutExpired):
        pair.dblink_copy("a", "SELECT 1, '', 1::oid, pg_sleep(60)", "b", "t", timeout=0.1)
    assert count(pair) == 0


def test_a_busy_or_a_lost_connection(pair: dblink.Session) -> None:
    pair.dblink_send_query("a", "SELECT 1")
    with raises("XX000", "could not send query: another command is already in progress"):
        pair.dblink_copy("a", "SELECT 1", "b", "t")
    assert pair.dblink_get_result("a").fetchall() == [(1,)]
    assert pair.dblink_get_result("a").fetchall() == []


def test_rows_are_counted_without_decoding_them(pair: dblink.Session) -> None:
    many = "SELECT n, repeat('x', n % 7) FROM (SELECT generate_series(1, 300000) n) s"
    with memory_below(4 << 20):
        assert pair.dblink("a", many).count() == 300000
    result = pair.dblink("a", many)
    rows = iter(result)
    assert [next(rows)[0] for _ in range(3)] == [1, 2, 3]
    assert result.count() == 299997
    assert result.count() == 0 and list(result) == []
    assert result.tag == "SELECT 300000"
    assert pair.dblink("a", "SELECT 1 WHERE false").count() == 0
    assert pair.dblink("a", "SELECT 1").count() == 1
    assert pair.dblink("a", "CREATE TEMP TABLE c ()").count() == 1  # its status
