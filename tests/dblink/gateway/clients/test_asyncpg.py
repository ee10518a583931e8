"""asyncpg, which asks for everything in binary and looks types up, through the gateway."""

from __future__ import annotations

import asyncio
import datetime
import io
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.dblink.gateway.clients.kit import Place

pytestmark = pytest.mark.clients

STOCK = "dblink('far', $1) AS s(item text, amount int, price numeric(6,1), tags text[])"


@pytest.fixture
def asyncpg() -> ModuleType:
    return pytest.importorskip("asyncpg", reason="asyncpg is not installed", exc_type=ImportError)


@pytest.fixture
def running(
    asyncpg: ModuleType, place: Place
) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Runs a coroutine function on a connection that has the link `far`."""

    async def connected(body: Callable[[Any], Awaitable[None]]) -> None:
        options = {"host": place.host, "port": place.port, "user": place.user}
        connection = await asyncpg.connect(**options, database=place.dbname)
        try:
            await connection.execute(place.connect)
            await body(connection)
        finally:
            await connection.close()

    return lambda body: asyncio.run(asyncio.wait_for(connected(body), 30))


def test_rows(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        told: list[Any] = []
        connection.add_log_listener(lambda _, message: told.append(message))
        sql = f"SELECT o.id, o.ordered, s.* FROM orders o JOIN {STOCK} USING (item)"
        rows = await connection.fetch(f"{sql} WHERE amount > $2", "SELECT * FROM stock", 30)
        found = {row["id"]: tuple(row)[1:] for row in rows}
        noon = datetime.datetime(2026, 5, 19, 12, tzinfo=datetime.UTC)
        assert found == {
            1: (noon, "lamp", 35, Decimal("24.5"), []),
            2: (None, "chair", 120, Decimal("49.9"), ["wood", "four legs"]),
        }
        assert told == []

    running(body)


def test_a_statement_that_is_prepared_once(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        statement = await connection.prepare(f"SELECT * FROM {STOCK}")
        names = [(a.name, a.type.name) for a in statement.get_attributes()]
        assert names == [
            ("item", "text"),
            ("amount", "int4"),
            ("price", "numeric"),
            ("tags", "text[]"),
        ]
        for item in ("lamp", "chair"):
            row = await statement.fetchrow(f"SELECT * FROM stock WHERE item = '{item}'")
            assert row["item"] == item

    running(body)


def test_a_portal_that_is_fetched_in_pieces(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        sql = "SELECT n FROM dblink('far', 'SELECT generate_series(1, 1000)') AS t(n int)"
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            cursor = await connection.cursor(sql)
            assert [row["n"] for row in await cursor.fetch(3)] == [1, 2, 3]
            assert await cursor.forward(900) == 900
            assert (await cursor.fetchrow())["n"] == 904

    running(body)


def test_types_of_ones_own(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        await connection.execute("CREATE TYPE pg_temp.size AS (width int, name text)")
        sql = "SELECT s FROM dblink('far', 'SELECT ''(3,wide)''') AS t(s pg_temp.size)"
        assert tuple(await connection.fetchval(sql)) == (3, "wide")

    running(body)


def test_copy(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        await connection.execute("CREATE TEMP TABLE copied (item text, amount int4)")
        file = io.BytesIO()
        sql = f"SELECT item, amount FROM {STOCK}"
        tag = await connection.copy_from_query(
            sql, "SELECT * FROM stock", output=file, format="binary"
        )
        assert tag == "COPY 3"
        file.seek(0)
        assert await connection.copy_to_table("copied", source=file, format="binary") == "COPY 3"
        tag = await connection.copy_records_to_table("copied", records=[("desk", 5)])
        assert tag == "COPY 1"
        assert await connection.fetchval("SELECT sum(amount) FROM copied") == 178

    running(body)


def test_notifications(running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

        def listener(_: object, pid: int, channel: str, payload: str) -> None:
            told.put_nowait((channel, payload))

        await connection.add_listener("deliveries", listener)
        await connection.execute("NOTIFY deliveries, '20 chairs'")
        assert await told.get() == ("deliveries", "20 chairs")
        await connection.remove_listener("deliveries", listener)

    running(body)


def test_errors(asyncpg: ModuleType, running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        with pytest.raises(asyncpg.UndefinedTableError) as caught:
            await connection.fetch(f"SELECT * FROM {STOCK}", "SELECT 1 FROM nowhere")
        assert str(caught.value) == 'relation "nowhere" does not exist'
        assert await connection.fetchval("SELECT 1") == 1

    running(body)


def test_a_timeout_cancels(asyncpg: ModuleType, running: Callable[..., None]) -> None:
    async def body(connection: Any) -> None:
        sql = "SELECT dblink_exec('far', 'DO ''BEGIN PERFORM pg_sleep(60); END''')"
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval(sql, timeout=0.3)
        assert await connection.fetchval("SELECT 1") == 1

    running(body)
