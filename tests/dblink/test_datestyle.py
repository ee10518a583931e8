"""Remote servers that write values otherwise: the value is right, or there is a clear error."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from itertools import product

import pytest

import dblink
import pgwire
from pgwire.testing.cluster import Cluster
from pgwire.types.range import Range

STYLES = ["ISO, MDY", "German, DMY", "SQL, MDY", "SQL, DMY", "Postgres, MDY", "Postgres, DMY"]
ZONES = ["UTC", "Asia/Kolkata", "America/New_York"]

VALUES = {
    "date": ("'2020-02-03'", datetime.date(2020, 2, 3)),
    "timestamp": (
        "'2020-02-03 01:02:03.5'",
        datetime.datetime(2020, 2, 3, 1, 2, 3, 500000),
    ),
    "timestamptz": (
        "'2020-02-03 01:02:03+00'",
        datetime.datetime(2020, 2, 3, 1, 2, 3, tzinfo=datetime.UTC),
    ),
    "date[]": ("'{2020-02-03,NULL}'", [datetime.date(2020, 2, 3), None]),
    "timestamptz[]": (
        "'{2020-02-03 01:02:03+00}'",
        [datetime.datetime(2020, 2, 3, 1, 2, 3, tzinfo=datetime.UTC)],
    ),
}


@pytest.fixture(scope="module", params=["built in", "local", "odd local"])
def session(
    request: pytest.FixtureRequest, remote: str, local_conninfo: str
) -> Iterator[dblink.Session]:
    """Sessions without a local database, with one, and with one that writes otherwise itself."""
    local = None
    if request.param != "built in":
        local = pgwire.connect(local_conninfo)
    if local is not None and request.param == "odd local":
        local.execute("SET DateStyle = 'Postgres, DMY'; SET TimeZone = 'Asia/Kolkata'")
    with dblink.Session(local, privileged=True) as session:
        session.dblink_connect("c", remote)
        yield session
    if local is not None:
        local.close()


@pytest.mark.parametrize(("style", "zone"), list(product(STYLES, ZONES)))
def test_the_value_is_right_or_there_is_an_error(
    session: dblink.Session, style: str, zone: str
) -> None:
    session.dblink_exec("c", f"SET DateStyle = '{style}'; SET TimeZone = '{zone}'")
    local = session.local
    before = [local.parameter(n) for n in ("DateStyle", "IntervalStyle")] if local else None
    for sql_type, (literal, expected) in VALUES.items():
        # An abbreviation of a time zone means different zones at different places.
        ambiguous = "timestamptz" in sql_type and zone != "UTC" and not style.startswith("ISO")
        sql = f"SELECT {literal}::{sql_type}"
        for columns in (None, f"a {sql_type}"):
            try:
                value = session.dblink("c", sql, columns=columns).scalar()
            except pgwire.DatabaseError as error:
                assert ambiguous, (sql_type, style, zone, error)
                assert error.sqlstate is not None and error.sqlstate.startswith("22")
            else:
                assert value == expected, (sql_type, style, zone)
    if local is not None:
        assert [local.parameter(n) for n in ("DateStyle", "IntervalStyle")] == before


@pytest.mark.parametrize("style", STYLES)
def test_a_text_is_read_in_the_remote_order_of_day_and_month(
    session: dblink.Session, style: str
) -> None:
    # The remote column is a text: only the remote DateStyle says which way round it is.
    session.dblink_exec("c", f"SET DateStyle = '{style}'; SET TimeZone = 'UTC'")
    if session.local is None:
        return  # such a text is for a server's input function
    value = session.dblink("c", "SELECT '02/03/2020'", columns="a date").scalar()
    expected = (2020, 3, 2) if style.endswith("DMY") else (2020, 2, 3)
    assert value == datetime.date(*expected)


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
@pytest.mark.parametrize("literal", ["-1 day -2:03:04", "1 year 2 mons -3 days", "0", "-0.5 s"])
def test_intervals(session: dblink.Session, style: str, literal: str) -> None:
    session.dblink_exec("c", "SET DateStyle = ISO; SET IntervalStyle = postgres")
    sql = f"SELECT interval '{literal}'"
    expected = session.dblink("c", sql).scalar()
    session.dblink_exec("c", f"SET IntervalStyle = {style}")
    for columns in (None, "a interval"):
        assert session.dblink("c", sql, columns=columns).scalar() == expected


SET_FIRST = [
    "SET DateStyle = '{}'; SELECT {}",
    "SELECT set_config('DateStyle', '{}', false); SELECT {}",
    "DO $$ BEGIN PERFORM set_config('DateStyle', '{}', false); END $$; SELECT {}",
    "BEGIN; SET LOCAL DateStyle = '{}'; SELECT {}; COMMIT; SELECT {}",
    "INSERT INTO scratch SELECT set_config('DateStyle', '{}', false); SELECT {}",
    "EXPLAIN (ANALYZE, COSTS OFF) SELECT set_config('DateStyle', '{}', false); SELECT {}",
    "MOVE ALL FROM mover; SELECT {1}",
]


DECLARED = {
    None: datetime.date(2020, 2, 3),
    "a date": datetime.date(2020, 2, 3),
    "a timestamp": datetime.datetime(2020, 2, 3),  # not the remote type
}


@pytest.mark.parametrize("columns", DECLARED)
@pytest.mark.parametrize("sql", SET_FIRST)
@pytest.mark.parametrize(
    ("reported", "other"),
    [("SQL, MDY", "SQL, DMY"), ("SQL, DMY", "German"), ("ISO, MDY", "German"), ("ISO", "SQL")],
)
@pytest.mark.parametrize("how", ["dblink", "send_query"])
def test_a_style_that_the_string_itself_changes(
    session: dblink.Session, sql: str, reported: str, other: str, columns: str | None, how: str
) -> None:
    # The server reports it only after the last statement: C dblink gives 2020-03-02 here.
    session.dblink_exec(
        "c",
        f"ROLLBACK; SET DateStyle = '{reported}'; CREATE TEMP TABLE IF NOT EXISTS scratch(a text)",
    )
    session.dblink_exec(
        "c",
        "BEGIN; DECLARE mover CURSOR WITH HOLD FOR"
        f" SELECT set_config('DateStyle', '{other}', false)",
    )
    value = "date '2020-02-03'"
    strings = sql.format(other, value, value)
    try:
        if how == "dblink":
            results = [lambda: session.dblink("c", strings, columns=columns)]
        else:
            session.dblink_send_query("c", strings)
            results = [
                lambda: session.dblink_get_result("c", columns=columns)
                for _ in range(strings.count(";") + 2)
            ]
        for result in results:
            try:
                rows = result().fetchall()
            except pgwire.DatabaseError as error:
                assert error.sqlstate in ("22007", "22P02", "42804", "0A000"), error
            else:
                dates = [row[0] for row in rows if isinstance(row[0], datetime.date)]
                assert dates in ([], [DECLARED[columns]])
    finally:
        session.dblink_exec("c", "ROLLBACK; SET DateStyle = ISO; CLOSE ALL")


def test_what_is_known_to_leave_the_style_alone_does_no_harm(session: dblink.Session) -> None:
    session.dblink_exec("c", "SET DateStyle = 'German'")
    sql = (
        "BEGIN; SAVEPOINT s; DECLARE cur CURSOR FOR SELECT 1; CLOSE cur; RELEASE s;"
        "CREATE TEMP TABLE harmless(a int); LISTEN x; SELECT date '2020-02-03'"
    )
    try:
        assert session.dblink("c", sql, columns=None).scalar() == datetime.date(2020, 2, 3)
    finally:
        session.dblink_exec("c", "ROLLBACK; SET DateStyle = ISO")


def test_a_range_of_dates(session: dblink.Session) -> None:
    sql = "SELECT daterange('2020-02-03', '2020-03-02')"
    session.dblink_exec("c", "SET DateStyle = ISO")
    expected = "[2020-02-03,2020-03-02)"
    assert list(session.dblink("c", sql, columns="a text").text_rows()) == [(expected,)]
    declared = session.dblink("c", sql, columns="a daterange")
    assert list(declared.text_rows()) == [(expected,)]
    for odd in ("German", "SQL", "Postgres"):
        with contextlib.suppress(pgwire.DatabaseError):
            string = f"SET DateStyle = {odd}; {sql}"
            value = session.dblink("c", string, columns="a daterange").scalar()
            assert session.local is None, value
        session.dblink_exec("c", "SET DateStyle = ISO")
    session.dblink_exec("c", "SET DateStyle = German")
    try:
        value = session.dblink("c", sql, columns="a daterange").scalar()
    except pgwire.DatabaseError as error:
        assert error.sqlstate == "22007"
        assert error.hint is not None and "SET DateStyle = ISO" in error.hint
    else:
        assert session.local is None
        assert value == Range(datetime.date(2020, 2, 3), datetime.date(2020, 3, 2))
    # As text it is what the server wrote.
    text = session.dblink("c", sql, columns="a text").scalar()
    assert text == "[03.02.2020,02.03.2020)"
    session.dblink_exec("c", "SET DateStyle = ISO")


# Settings of a role or a database, which nobody sees in a connection string.


@pytest.fixture(scope="module")
def odd_database(cluster: Cluster) -> Iterator[str]:
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE dblink_tests_odd")
        admin.execute(
            "CREATE ROLE dblink_tests_odd LOGIN SUPERUSER;"
            "ALTER DATABASE dblink_tests_odd SET DateStyle = 'German';"
            "ALTER DATABASE dblink_tests_odd SET extra_float_digits = -15;"
            "ALTER ROLE dblink_tests_odd SET TimeZone = 'Asia/Kolkata';"
            "ALTER ROLE dblink_tests_odd SET IntervalStyle = 'sql_standard';"
            "ALTER ROLE dblink_tests_odd SET bytea_output = 'escape'"
        )
    yield cluster.conninfo("dblink_tests_odd", "dblink_tests_odd")
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute("DROP DATABASE dblink_tests_odd WITH (FORCE)")
        admin.execute("DROP ROLE dblink_tests_odd")


def test_settings_of_a_role_and_a_database(session: dblink.Session, odd_database: str) -> None:
    sql = (
        "SELECT date '2020-02-03', 0.1::float8 + 0.2::float8, 0.1::float4, '\\x00ff'::bytea,"
        " interval '-1 day -2:03:04', 1.7976931348623157e308::float8,"
        " '{0.30000000000000004}'::float8[]"
    )
    for columns in (
        None,
        "a date, b float8, c float4, d bytea, e interval, f float8, g float8[]",
    ):
        (row,) = session.dblink(odd_database, sql, columns=columns)
        assert row[:4] == (datetime.date(2020, 2, 3), 0.1 + 0.2, 0.1, b"\x00\xff")
        assert row[5:] == (1.7976931348623157e308, [0.30000000000000004])
        assert row[4] == session.dblink("c", "SELECT interval '-1 day -2:03:04'").scalar()
    (row,) = session.dblink(odd_database, "SELECT 0.1::float8 + 0.2::float8", columns="a numeric")
    assert str(row[0]) == "0.30000000000000004"
    session.dblink_connect("odd", odd_database)
    try:
        session.dblink_send_query("odd", "SELECT 0.1::float8 + 0.2::float8")
        assert session.dblink_get_result("odd").scalar() == 0.1 + 0.2
        session.dblink_get_result("odd")
        session.dblink_open("odd", "cur", "SELECT date '2020-02-03'")
        assert session.dblink_fetch("odd", "cur", 1).scalar() == datetime.date(2020, 2, 3)
    finally:
        session.dblink_disconnect("odd")
