"""Where the session is meant to differ from C dblink, on a server without C dblink."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import dblink
import pgwire
from tests.dblink.kit import raises

# COPY, which makes C dblink spin forever.

COPIES = [
    "COPY foo TO STDOUT",
    "COPY (SELECT g FROM generate_series(1, 100000) AS g) TO STDOUT",
    "COPY scratch FROM STDIN",
    "SELECT 1; COPY foo TO STDOUT; SELECT 2",
    "COPY scratch FROM STDIN; SELECT 1",
    "COPY foo TO STDOUT; COPY scratch FROM STDIN",
]


@pytest.mark.parametrize("sql", COPIES)
def test_copy_is_refused_and_the_connection_usable(
    session: dblink.Session, notices: list[pgwire.Diagnostics], sql: str
) -> None:
    session.dblink_exec("c", "CREATE TEMP TABLE scratch(a text)")
    with raises("0A000"):
        session.dblink("c", sql)
    assert session.dblink("c", "SELECT 'usable'").scalar() == "usable"
    with raises("0A000"):
        session.dblink_exec("c", sql)
    assert session.dblink_exec("c", sql, False) == "ERROR"
    session.dblink("c", sql, False)
    assert [n.sqlstate for n in notices] == ["0A000", "0A000"]
    session.dblink_send_query("c", sql)
    seen = []
    for _ in range(4):
        try:
            session.dblink_get_result("c")
        except pgwire.DatabaseError as error:
            seen.append(error.sqlstate)
    assert "0A000" in seen
    assert session.dblink("c", "SELECT count(*)::int FROM scratch").fetchall() == [(0,)]


# Names of more than 63 bytes.


def test_a_long_name_is_never_met_by_its_beginning(
    session: dblink.Session, notices: list[pgwire.Diagnostics], remote: str
) -> None:
    short, long = "n" * 63, "n" * 63 + "x"
    session.dblink_connect(short, remote)
    with raises("08003", f'connection "{long}" not available'):
        session.dblink_open(long, "cur", "SELECT 1")
    with raises("08001"):  # it is taken for a connection string
        session.dblink(long, "SELECT 1")
    assert notices == []
    with raises("42710", "duplicate connection name"):
        session.dblink_connect(long, remote)
    session.dblink_disconnect(short)
    assert session.dblink_connect(long, remote) == "OK"
    assert (notices[-1].severity, notices[-1].sqlstate, notices[-1].message) == (
        "NOTICE",
        "42622",
        f'identifier "{long}" will be truncated to "{short}"',
    )
    assert sorted(session.dblink_get_connections() or []) == ["c", short]
    for name in (long, short):
        assert session.dblink(name, "SELECT 1").scalar() == 1
    with raises("08003"):
        session.dblink_disconnect(long + "y")
    assert session.dblink_disconnect(long) == "OK"
    assert session.dblink_get_connections() == ["c"]


def test_a_connection_string_does_not_meet_a_connection_called_like_its_beginning(
    session: dblink.Session, remote: str, local_conninfo: str
) -> None:
    padded = local_conninfo + " " * 63
    session.dblink_connect(padded[:63], remote)
    assert session.dblink(padded, "SELECT current_database()").scalar() == "dblink_tests_local"


def test_names(session: dblink.Session, remote: str, local_conninfo: str) -> None:
    for name in ("", "C", "a=b", "ü'\"", " "):
        assert session.dblink_connect(name, remote) == "OK"
    assert sorted(session.dblink_get_connections() or []) == ["", " ", "C", "a=b", "c", "ü'\""]
    session.dblink_connect("dbname=x", local_conninfo)
    # An open connection comes before a connection string.
    assert session.dblink("dbname=x", "SELECT current_database()").scalar() == (
        "dblink_tests_local"
    )


def test_the_unnamed_connection_is_replaced_by_a_new_one_that_works(
    session: dblink.Session, remote: str, local_conninfo: str
) -> None:
    session.dblink_connect(remote)
    with raises("08001"):
        session.dblink_connect(f"{remote} dbname=nosuch")
    sql = "SELECT current_database()"
    assert session.dblink(sql).scalar() == "dblink_tests_remote"
    session.dblink_connect(local_conninfo)
    assert session.dblink(sql).scalar() == "dblink_tests_local"
    assert session.dblink_disconnect() == "OK"
    with raises("08003", "connection not available"):
        session.dblink_disconnect()
    with raises("08001"):
        session.dblink_connect("d", f"{remote} dbname=nosuch")
    assert session.dblink_connect("d", remote) == "OK"  # the name stayed free


# Nested use, which crashes servers without the fix.


NOTICE = "DO $$ BEGIN RAISE NOTICE 'x'; END $$"
CALLS: dict[str, Callable[[dblink.Session, tuple[str, ...]], object]] = {
    "dblink": lambda s, c: s.dblink(*c, "SELECT 1"),
    "dblink_exec": lambda s, c: s.dblink_exec(*c, "SELECT 1"),
    "dblink_open": lambda s, c: s.dblink_open(*c, "cur", "SELECT 1"),
    "dblink_fetch": lambda s, c: s.dblink_fetch(*c, "cur", 1),
    "dblink_close": lambda s, c: s.dblink_close(*c, "cur"),
    "dblink_get_notify": lambda s, c: s.dblink_get_notify(*c),
    "dblink_disconnect": lambda s, c: s.dblink_disconnect(*c),
}
NAMED_CALLS: dict[str, Callable[[dblink.Session, tuple[str, ...]], object]] = {
    "dblink_send_query": lambda s, c: s.dblink_send_query(*c, "SELECT 1"),
    "dblink_is_busy": lambda s, c: s.dblink_is_busy(*c),
    "dblink_get_result": lambda s, c: s.dblink_get_result(*c),
    "dblink_cancel_query": lambda s, c: s.dblink_cancel_query(*c),
    "dblink_error_message": lambda s, c: s.dblink_error_message(*c),
}


@pytest.mark.parametrize("outer", ["dblink", "dblink_exec", "dblink_get_result", "own notice"])
@pytest.mark.parametrize("named", [True, False])
def test_nested_use_of_a_connection_is_refused(remote: str, outer: str, named: bool) -> None:
    connection = ("c",) if named else ()
    if outer == "dblink_get_result" and not named:
        return  # asynchronous queries go to named connections only
    seen: dict[str, str] = {}
    other: list[object] = []

    def nested(*_: object) -> None:
        for name, call in {**CALLS, **(NAMED_CALLS if named else {})}.items():
            with raises("55006") as caught:
                call(session, connection)
            seen[name] = caught.error.message
        if not named:
            with raises("55006", "connection is already in use"):
                session.dblink_connect(remote)
        # Other connections may be used, and the list may be read.
        other.append(session.dblink("d", "SELECT 'other'").scalar())
        session.dblink_get_connections()

    handlers = {"on_notice": nested} if outer == "own notice" else {"on_remote_notice": nested}
    with dblink.Session(privileged=True, **handlers) as session:
        session.dblink_connect(*connection, remote)
        session.dblink_connect("d", remote)
        if outer == "dblink":
            session.dblink(*connection, NOTICE)
        elif outer == "dblink_exec":
            session.dblink_exec(*connection, NOTICE)
        elif outer == "dblink_get_result":
            session.dblink_send_query("c", NOTICE)
            session.dblink_get_result("c")
            session.dblink_get_result("c")
        else:
            session.dblink_exec(*connection, "SELECT 1/0", False)
        assert other == ["other"]
        called = 'connection "c"' if named else "connection"
        message = f"{called} is already in use"
        assert set(seen.values()) == {message}
        assert len(seen) == len(CALLS) + (len(NAMED_CALLS) if named else 0)
        assert session.dblink(*connection, "SELECT 'in step'").scalar() == "in step"


def test_reading_a_stream_in_the_middle_of_a_call_on_its_connection(remote: str) -> None:
    caught: list[str | None] = []

    def nested(*_: object) -> None:
        try:
            next(rows)
        except pgwire.DatabaseError as error:
            caught.append(error.sqlstate)

    with dblink.Session(privileged=True, on_remote_notice=nested) as session:
        session.dblink_connect(remote)
        result = session.dblink("SELECT g, repeat('x', 40) FROM generate_series(1, 100000) AS g")
        rows = iter(result)
        session.dblink_exec(NOTICE)  # has taken over what was unread: that may be read meanwhile
        assert caught == []
        assert sum(1 for _ in result) + 1 == 100_000


# What a client adds.


def test_floats_keep_their_digits(session: dblink.Session) -> None:
    assert session.dblink("c", "SHOW extra_float_digits").scalar() in ("1", "2", "3")


def test_the_wire_is_utf8_whatever_the_string_says(session: dblink.Session, remote: str) -> None:
    session.dblink_connect("latin", f"{remote} client_encoding=LATIN1")
    assert session.dblink("latin", "SHOW client_encoding").scalar() == "UTF8"
    assert session.dblink("latin", "SELECT '€', chr(228)").fetchall() == [("€", "ä")]
    session.dblink_exec("latin", "SET client_encoding = LATIN1")
    assert session.dblink("latin", "SELECT chr(228)").scalar() == "ä"


def test_application_name_is_what_the_string_says(session: dblink.Session, remote: str) -> None:
    assert session.dblink("c", "SHOW application_name").scalar() == ""
    conninfo = f"{remote} application_name=mine"
    assert session.dblink(conninfo, "SHOW application_name").scalar() == "mine"
