"""psycopg 3, through a gateway of which it knows nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.dblink.gateway.clients.kit import Place

pytestmark = pytest.mark.clients

STOCK = "dblink('far', %s) AS s(item text, amount int, price numeric(6,1), tags text[])"


@pytest.fixture
def psycopg() -> ModuleType:
    return pytest.importorskip("psycopg", reason="psycopg is not installed", exc_type=ImportError)


@pytest.fixture
def notices() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def connection(psycopg: ModuleType, place: Place, notices: list[tuple[str, str]]) -> Iterator[Any]:
    with psycopg.connect(place.conninfo(), autocommit=True) as connection:
        connection.add_notice_handler(
            lambda told: notices.append((told.sqlstate, told.message_primary))
        )
        connection.execute(place.connect)
        yield connection


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("prepare", [False, True], ids=["plain", "prepared"])
def test_rows(connection: Any, notices: list[Any], binary: bool, prepare: bool) -> None:
    for least in (100, 30):  # a prepared statement also for the second time
        rows = connection.execute(
            f"SELECT o.id, s.* FROM orders o JOIN {STOCK} USING (item) WHERE amount > %s",
            ("SELECT * FROM stock", least),
            binary=binary,
            prepare=prepare,
        ).fetchall()
        found = {row[0]: row[1:] for row in rows}
        assert found[2] == ("chair", 120, Decimal("49.9"), ["wood", "four legs"])
    assert found[1] == ("lamp", 35, Decimal("24.5"), [])
    assert notices == []


def test_arguments_that_vary_by_row(connection: Any) -> None:
    rows = connection.execute(
        "SELECT id, price FROM orders, LATERAL dblink('far',"
        " format('SELECT price FROM stock WHERE item = %%L', item)) AS s(price numeric)"
        " WHERE id = ANY (%s) ORDER BY id",
        ([1, 2],),
    ).fetchall()
    assert rows == [(1, Decimal("24.50")), (2, Decimal("49.90"))]


def test_a_large_result(connection: Any) -> None:
    big = "SELECT n, repeat('x', 100) FROM generate_series(1, 30000) n"
    with connection.transaction(), connection.cursor("portal") as cursor:
        cursor.execute("SELECT * FROM dblink('far', %s) AS t(n int, x text)", (big,))
        assert sum(n for n, _ in cursor) == 30000 * 30001 // 2


def test_errors_come_as_they_are(psycopg: ModuleType, connection: Any) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable) as caught:
        connection.execute("SELECT * FROM dblink('far', 'SELECT 1 FROM nowhere') AS t(a int)")
    told = caught.value.diag
    assert told.message_primary == 'relation "nowhere" does not exist'
    assert told.context == 'while executing query on dblink connection named "far"'
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_notices_come_as_they_are(connection: Any, notices: list[tuple[str, str]]) -> None:
    connection.execute("SELECT dblink_exec('far', 'DROP TABLE nowhere', false)")
    connection.execute("DO $$ BEGIN RAISE INFO 'an INFO of its own'; END $$")
    assert notices == [
        ("42P01", 'table "nowhere" does not exist'),
        ("00000", "an INFO of its own"),
    ]


@pytest.mark.parametrize("form", ["text", "binary"])
def test_copy(connection: Any, form: str) -> None:
    connection.execute("CREATE TEMP TABLE copied (item text, amount int4)")
    out = f"COPY (SELECT item, amount FROM {STOCK}) TO STDOUT (FORMAT {form})"
    out = out.replace("%s", "'SELECT * FROM stock ORDER BY item'")
    cursor = connection.cursor()
    with cursor.copy(out) as copied:
        data = list(copied)
    with cursor.copy(f"COPY copied FROM STDIN (FORMAT {form})") as copy:
        for piece in data:
            copy.write(piece)
    assert connection.execute("SELECT count(*), sum(amount) FROM copied").fetchone() == (3, 173)


def test_a_pipeline(connection: Any) -> None:
    with connection.pipeline():
        cursors = [
            connection.execute(
                "SELECT a FROM dblink('far', %s) AS t(a int)", (f"SELECT {n} WHERE {n} <> 3",)
            )
            for n in range(6)
        ]
        assert [cursor.fetchone() for cursor in cursors] == [(0,), (1,), (2,), None, (4,), (5,)]


def test_notifications(connection: Any) -> None:
    connection.execute("LISTEN deliveries")
    connection.execute("SELECT dblink_exec('far', 'NOTIFY deliveries, ''not here''')")
    connection.execute("NOTIFY deliveries, '20 chairs'")
    (told,) = connection.notifies(timeout=10, stop_after=1)
    assert (told.channel, told.payload) == ("deliveries", "20 chairs")


def test_cancel(psycopg: ModuleType, connection: Any, place: Place) -> None:
    async def cancelled() -> None:
        other = await psycopg.AsyncConnection.connect(place.conninfo(), autocommit=True)
        async with other:
            await other.execute(place.connect)
            sleeping = asyncio.ensure_future(
                other.execute(
                    "SELECT * FROM dblink('far', 'SELECT 1 FROM pg_sleep(60) /* psycopg */')"
                    " AS t(a int)"
                )
            )
            watched = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = %s"
            wanted = ("SELECT 1 FROM pg_sleep(60) /* psycopg */", "active")
            while connection.execute(watched, wanted).fetchone() == (0,):
                await asyncio.sleep(0.01)
            await other.cancel_safe()
            with pytest.raises(psycopg.errors.QueryCanceled):
                await sleeping
            while connection.execute(watched, wanted).fetchone() != (0,):
                await asyncio.sleep(0.01)
            assert await (await other.execute("SELECT 1")).fetchone() == (1,)

    asyncio.run(asyncio.wait_for(cancelled(), 20))
