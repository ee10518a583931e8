"""What becomes of dates and times that Python's classes cannot hold, on a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator

import pytest

import pgwire
from pgwire.aio import connect_async
from pgwire.testing.cluster import Cluster

VALUES = {
    "'infinity'::date": "infinity",
    "'-infinity'::timestamp": "-infinity",
    "'infinity'::timestamptz": "infinity",
    "'0044-03-15 BC'::date": "0044-03-15 BC",
    "'12020-01-01 00:00'::timestamp": "12020-01-01 00:00:00",
    "'24:00'::time": "24:00:00",
    "'24:00-08'::timetz": "24:00:00-08",
}


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        yield connection


@pytest.mark.parametrize("params", [None, ()], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", VALUES)
def test_an_error_unless_text_is_wanted(
    connection: pgwire.Connection, sql: str, params: tuple[()] | None
) -> None:
    assert connection.unrepresentable == "error"
    for select in (f"SELECT {sql}", f"SELECT array[{sql}, NULL]"):
        with pytest.raises(pgwire.DataError) as caught:
            connection.query(select, params)
        assert caught.value.sqlstate == "22008"
        assert VALUES[sql] in caught.value.message
        assert 'unrepresentable = "text"' in str(caught.value.hint)
    assert connection.query("SELECT date '2020-01-01'", params).scalar() == dt.date(2020, 1, 1)
    connection.unrepresentable = "text"
    got = connection.query(f"SELECT {sql}, array[{sql}, NULL], now()", params)[0]
    assert got[:2] == (VALUES[sql], [VALUES[sql], None])
    assert isinstance(got[2], dt.datetime)
    # And back: the text is a value again.
    assert connection.query(f"SELECT $1 = {sql}", [VALUES[sql]]).scalar() is True


def test_an_infinite_interval(cluster: Cluster, connection: pgwire.Connection) -> None:
    if connection.info.server_version < 170000:
        with pytest.raises(pgwire.DataError, match="invalid input syntax"):
            connection.query("SELECT '-infinity'::interval")  # they are finite there
        return
    with pytest.raises(pgwire.DataError, match="infinity"):
        connection.query("SELECT '-infinity'::interval")
    connection.unrepresentable = "text"
    assert connection.query("SELECT '-infinity'::interval").scalar() == "-infinity"


def test_the_choice_outlives_what_the_server_reports(connection: pgwire.Connection) -> None:
    connection.unrepresentable = "text"
    connection.execute("SET datestyle = 'German'; SET client_encoding = latin1; RESET ALL")
    connection.execute("SET datestyle = 'German'")
    assert connection.unrepresentable == "text"
    assert connection.query("SELECT '0044-03-15 BC'::date").scalar() == "0044-03-15 BC"
    connection.unrepresentable = "error"
    with pytest.raises(pgwire.DataError):
        connection.query("SELECT '0044-03-15 BC'::date")


def test_what_is_no_choice(connection: pgwire.Connection) -> None:
    for wrong in ("clamp", "", None):
        with pytest.raises(pgwire.ProgrammingError, match="'error', 'text'"):
            connection.unrepresentable = wrong  # type: ignore[assignment]
    assert connection.unrepresentable == "error"


def test_on_an_event_loop(cluster: Cluster) -> None:
    async def main() -> None:
        async with await connect_async(cluster.conninfo()) as connection:
            with pytest.raises(pgwire.DataError):
                await connection.query("SELECT 'infinity'::date")
            connection.unrepresentable = "text"
            assert (await connection.query("SELECT 'infinity'::date")).scalar() == "infinity"

    asyncio.run(main())
