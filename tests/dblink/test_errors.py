from __future__ import annotations

import logging

import pytest

import dblink
import pgwire
from pgwire import sqlstates
from tests.dblink.kit import eventually, raises

RAISE = (
    "DO $$ BEGIN RAISE EXCEPTION 'told' USING ERRCODE = 'ZX123', DETAIL = 'the detail',"
    " HINT = 'the hint', COLUMN = 'col', TABLE = 'tab', SCHEMA = 'sch', DATATYPE = 'dat',"
    " CONSTRAINT = 'con'; END $$"
)
CONTEXT = "PL/pgSQL function inline_code_block line 1 at RAISE\nwhile executing {} on {}"


def test_every_field_of_a_remote_error(session: dblink.Session) -> None:
    with raises(
        "ZX123",
        "told",
        detail="the detail",
        hint="the hint",
        context=CONTEXT.format("command", 'dblink connection named "c"'),
        # What C dblink drops rides along.
        column="col",
        table="tab",
        schema="sch",
        datatype="dat",
        constraint="con",
    ) as caught:
        session.dblink_exec("c", RAISE)
    assert caught.error.severity == "ERROR"
    assert isinstance(caught.error.__cause__, pgwire.DatabaseError)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM nosuch", sqlstates.UndefinedTable),
        ("SELECT 1/0", sqlstates.DivisionByZero),
        ("SELEC", sqlstates.SyntaxError),
    ],
)
def test_the_class_is_that_of_the_sqlstate(
    session: dblink.Session, sql: str, expected: type[pgwire.Error]
) -> None:
    with pytest.raises(expected):
        session.dblink("c", sql)


def test_what_the_context_calls_action_and_connection(session: dblink.Session, remote: str) -> None:
    named, unnamed = 'dblink connection named "c"', "unnamed dblink connection"
    session.dblink_connect(remote)
    session.dblink_exec("BEGIN")
    for action, label, call in (
        ("executing query", named, lambda: session.dblink("c", "SELECT 1/0")),
        ("executing query", unnamed, lambda: session.dblink(remote, "SELECT 1/0")),
        ("executing command", named, lambda: session.dblink_exec("c", "SELECT 1/0")),
        ("executing command", unnamed, lambda: session.dblink_exec(remote, "SELECT 1/0")),
        ('fetching from cursor "x"', named, lambda: session.dblink_fetch("c", "x", 1)),
        ('closing cursor "x"', named, lambda: session.dblink_close("c", "x")),
        ('opening cursor "x"', unnamed, lambda: session.dblink_open("x", "SELEC")),
        ("executing query", unnamed, lambda: session.dblink("SELECT 1")),
    ):
        with pytest.raises(pgwire.DatabaseError) as caught:
            call()
        assert caught.value.context == f"while {action} on {label}"
    session.dblink_send_query("c", "SELECT 1/0")
    with raises("22012", context=f"while executing query on {named}"):
        session.dblink_get_result("c")


def test_an_action_is_cut_at_511_characters(session: dblink.Session) -> None:
    cursor = "x" * 600
    with raises("34000") as caught:
        session.dblink_close("c", cursor)
    action = f'closing cursor "{cursor}"'[:511]
    assert caught.error.context == f'while {action} on dblink connection named "c"'


def test_fail_false_makes_it_a_notice(
    session: dblink.Session,
    notices: list[pgwire.Diagnostics],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "dblink"):
        assert session.dblink_exec("c", RAISE, False) == "ERROR"
        assert session.dblink_exec("c", RAISE, fail=False) == "ERROR"
        assert session.dblink("c", "SELECT 1/0", False).fetchall() == []
    assert [n.sqlstate for n in notices] == ["ZX123", "ZX123", "22012"]
    told = notices[0]
    assert (told.severity, told.message, told.detail, told.hint) == (
        "NOTICE",
        "told",
        "the detail",
        "the hint",
    )
    assert told.context == CONTEXT.format("command", 'dblink connection named "c"')
    assert told.render().splitlines()[0] == "NOTICE:  told"
    logged = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert logged == ["NOTICE ZX123: told"] * 2 + ["NOTICE 22012: division by zero"]


def test_fail_false_without_a_handler(remote: str) -> None:
    with dblink.Session(privileged=True) as session:
        session.dblink_connect(remote)
        assert session.dblink_exec("SELECT 1/0", False) == "ERROR"
        assert session.dblink("SELECT 1").scalar() == 1


def test_rows_before_the_error(session: dblink.Session, notices: list[pgwire.Diagnostics]) -> None:
    for sql, expected in (
        ("SELECT 1/(2 - g) FROM generate_series(1, 3) AS g", [(1,)]),
        ("SELECT 5; SELECT 1/0; SELECT 7", [(5,)]),
        ("SELECT 1; SET work_mem = '1MB'; SELECT 1/0", [(1,)]),
        ("SELECT 1/0; SELECT 5", []),
    ):
        assert session.dblink("c", sql, fail=False).fetchall() == expected
    assert [n.sqlstate for n in notices] == ["22012"] * 4


@pytest.mark.parametrize("fail", [True, False])
def test_what_fail_false_does_not_cover(
    session: dblink.Session, notices: list[pgwire.Diagnostics], fail: bool
) -> None:
    with raises("08003", "connection not available", context=None):
        session.dblink("SELECT 1", fail)
    with raises("08003", 'connection "nosuch" not available'):
        session.dblink_open("nosuch", "cur", "SELECT 1", fail)
    with raises("08001", detail='missing "=" after "nosuch" in connection info string'):
        session.dblink_exec("nosuch", "SELECT 1", fail)
    with raises("42804", context=None):
        session.dblink("c", "SELECT 1", fail, columns="a int, b int")
    with raises("22P02", context=None):
        session.dblink("c", "SELECT 'x'", fail, columns="a int")
    session.dblink_exec("c", "CREATE TEMP TABLE t(a int)")
    with raises("2F003", "statement returning results not allowed", context=None):
        session.dblink_exec("c", "INSERT INTO t VALUES (1) RETURNING a", fail)
    assert session.dblink("c", "SELECT * FROM t").fetchall() == [(1,)]  # it has been run
    assert notices == []


@pytest.mark.parametrize("sql", ["", "  ", "-- nothing", "/* nothing */;"])
def test_an_empty_query(
    session: dblink.Session, notices: list[pgwire.Diagnostics], sql: str
) -> None:
    message = "could not obtain message string for remote error"
    with raises("08006", message):
        session.dblink("c", sql)
    with raises("08006", message):
        session.dblink_exec("c", sql)
    assert session.dblink("c", sql, False).fetchall() == []
    assert session.dblink_exec("c", sql, False) == "ERROR"
    assert [n.message for n in notices] == [message, message]


def test_every_row_set_must_fit_and_all_statements_are_run(session: dblink.Session) -> None:
    session.dblink_exec("c", "CREATE TEMP TABLE t(a int)")
    message = "remote query result rowtype does not match the specified FROM clause rowtype"
    with raises("42804", message):
        session.dblink("c", "SELECT 1, 2; INSERT INTO t VALUES (1); SELECT 3", columns="a int")
    assert session.dblink("c", "SELECT * FROM t").fetchall() == [(1,)]
    with raises("42804", message):
        session.dblink("c", "SELECT", columns="a int")
    with raises("42804", message):
        session.dblink("c", "SELECT 1, 2 WHERE false", columns="a int")


# dblink_error_message.


def test_error_message(session: dblink.Session) -> None:
    assert session.dblink_error_message("c") == "OK"
    session.dblink_exec("c", RAISE, False)
    assert session.dblink_error_message("c") == (
        "ERROR:  told\n"
        "DETAIL:  the detail\n"
        "HINT:  the hint\n"
        "CONTEXT:  PL/pgSQL function inline_code_block line 1 at RAISE"
    )
    with pytest.raises(sqlstates.UndefinedColumn):
        session.dblink("c", "SELECT 1,\n  nosuch FROM foo")
    assert session.dblink_error_message("c") == (
        'ERROR:  column "nosuch" does not exist\nLINE 2:   nosuch FROM foo\n          ^'
    )
    with raises("22P02"):  # it is not the remote side's
        session.dblink("c", "SELECT 'x'", columns="a int")
    assert session.dblink_error_message("c") == "OK"
    session.dblink("c", "SELECT 1/0", False)
    assert session.dblink_error_message("c") == "ERROR:  division by zero"
    session.dblink("c", "SELECT 1")
    assert session.dblink_error_message("c") == "OK"
    with raises("08003", 'connection "nosuch" not available'):
        session.dblink_error_message("nosuch")


# Remote notices.


def test_remote_notices_reach_their_handler(
    session: dblink.Session,
    notices: list[pgwire.Diagnostics],
    remote_notices: list[tuple[pgwire.Diagnostics, str | None]],
    remote: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sql = "DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'look'; END $$"
    with caplog.at_level(logging.INFO, "dblink"):
        session.dblink_exec("c", sql)
        session.dblink_exec(remote, sql)
    assert [(n.severity, n.message, n.hint, name) for n, name in remote_notices] == [
        ("WARNING", "careful", "look", "c"),
        ("WARNING", "careful", "look", None),
    ]
    assert notices == []
    assert "WARNING 01000 on connection 'c': careful" in caplog.text


def test_a_handler_that_fails_leaves_the_connection_in_step(remote: str) -> None:
    class Broken(Exception):
        pass

    def handler(told: pgwire.Diagnostics, name: str | None) -> None:
        raise Broken(told.message)

    with dblink.Session(privileged=True, on_remote_notice=handler) as session:
        session.dblink_connect(remote)
        for number in (1, 2):
            with pytest.raises(Broken):
                session.dblink_exec("DO $$ BEGIN RAISE NOTICE 'x'; END $$")
            assert session.dblink(f"SELECT {number}").scalar() == number


# Lost connections.


def lose(session: dblink.Session, admin: pgwire.Connection) -> None:
    pid = session.dblink("c", "SELECT pg_backend_pid()").scalar()
    admin.query("SELECT pg_terminate_backend($1)", (pid,))
    sql = "SELECT 1 FROM pg_stat_activity WHERE pid = $1"
    eventually(lambda: not admin.query(sql, (pid,)).rows, "the end of the session")


def test_a_lost_connection(
    session: dblink.Session, admin: pgwire.Connection, notices: list[pgwire.Diagnostics]
) -> None:
    lose(session, admin)
    with pytest.raises(pgwire.DatabaseError) as caught:
        session.dblink_exec("c", "SELECT 1")
    assert caught.value.sqlstate in ("08006", "57P01")
    assert "terminating connection due to administrator command" in caught.value.message
    for _ in range(2):
        with raises("08006", "no connection to the server"):
            session.dblink_exec("c", "SELECT 1")
    assert session.dblink_exec("c", "SELECT 1", False) == "ERROR"
    with raises("XX000", "could not send query: no connection to the server", context=None):
        session.dblink("c", "SELECT 1", False)
    assert session.dblink_send_query("c", "SELECT 1") == 0
    assert notices[-1].message == "could not send query: no connection to the server"
    assert session.dblink_is_busy("c") == 0
    assert session.dblink_get_notify("c") == []
    assert session.dblink_cancel_query("c") == "connection not open"
    assert session.dblink_error_message("c") != "OK"
    # Nobody connects again by himself: the name is taken until it is given back.
    assert session.dblink_get_connections() == ["c"]
    assert session.dblink_disconnect("c") == "OK"
    assert session.dblink_get_connections() is None


def test_a_connection_lost_in_a_transaction_of_ours(
    session: dblink.Session, admin: pgwire.Connection
) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    lose(session, admin)
    with pytest.raises(pgwire.DatabaseError):
        session.dblink_fetch("c", "cur", 1)
    with raises("08006", "no connection to the server"):
        session.dblink_close("c", "cur")
    assert session.dblink_disconnect("c") == "OK"


def test_the_end_of_a_session_closes_its_connections(remote: str, admin: pgwire.Connection) -> None:
    with dblink.Session(privileged=True) as session:
        for name in ("a", "b", ""):
            session.dblink_connect(name, f"{remote} application_name=the_end")
        session.dblink_connect(f"{remote} application_name=the_end")
        assert sorted(session.dblink_get_connections() or []) == ["", "a", "b"]
        sql = "SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'the_end'"
        assert admin.query(sql).rows == [(4,)]
    eventually(lambda: admin.query(sql).rows == [(0,)])
    assert session.dblink_get_connections() is None
