"""SQLAlchemy on three drivers, through the gateway."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tests.dblink.gateway.clients.kit import Place

pytestmark = pytest.mark.clients

EXPECTED = [(1, "lamp", 35, Decimal("24.50")), (2, "chair", 120, Decimal("49.90"))]


@pytest.fixture
def alchemy() -> ModuleType:
    return pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")


def url(driver: str, place: Place) -> str:
    module = driver.removesuffix("_async")
    pytest.importorskip(module, reason=f"{module} is not installed", exc_type=ImportError)
    return f"postgresql+{driver}://{place.user}@{place.host}:{place.port}/{place.dbname}"


def joined(alchemy: ModuleType, orders: Any, least: int) -> Any:
    """Orders with what the remote database knows of their items."""
    stock = (
        alchemy.func.dblink("far", "SELECT item, amount, price FROM stock")
        .table_valued(
            alchemy.column("item", alchemy.Text),
            alchemy.column("amount", alchemy.Integer),
            alchemy.column("price", alchemy.Numeric(10, 2)),
            name="stock",
        )
        .render_derived(with_types=True)
    )
    return (
        alchemy.select(orders.c.id, stock.c.item, stock.c.amount, stock.c.price)
        .join_from(orders, stock, orders.c.item == stock.c.item)
        .where(stock.c.amount > least)
        .order_by(orders.c.id)
    )


@pytest.mark.parametrize("driver", ["psycopg", "pg8000"])
def test_blocking(alchemy: ModuleType, place: Place, driver: str) -> None:
    engine = alchemy.create_engine(url(driver, place))
    try:
        # Reflection asks the catalogues of everything.
        orders = alchemy.Table("orders", alchemy.MetaData(), autoload_with=engine)
        assert [column.name for column in orders.columns] == ["id", "item", "ordered"]
        with engine.connect() as connection:
            connection.execute(alchemy.text(place.connect))
            assert connection.execute(joined(alchemy, orders, 30)).all() == EXPECTED
            connection.rollback()
            insert = orders.insert().returning(orders.c.id)
            with connection.begin() as transaction:
                told = connection.execute(insert, [{"id": n, "item": "desk"} for n in (10, 11)])
                assert told.scalars().all() == [10, 11]
                transaction.rollback()
            with pytest.raises(alchemy.exc.ProgrammingError, match='"nowhere" does not exist'):
                connection.execute(alchemy.text("SELECT dblink_exec('far', 'TRUNCATE nowhere')"))
    finally:
        engine.dispose()


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg_async"])
def test_on_a_loop(alchemy: ModuleType, place: Place, driver: str) -> None:
    pytest.importorskip("greenlet", reason="greenlet is not installed")
    from sqlalchemy.ext.asyncio import create_async_engine

    async def body() -> None:
        engine = create_async_engine(url(driver, place))
        orders = alchemy.table("orders", alchemy.column("id"), alchemy.column("item"))
        try:
            async with engine.connect() as connection:
                await connection.execute(alchemy.text(place.connect))
                found = await connection.execute(joined(alchemy, orders, 30))
                assert found.all() == EXPECTED
                rows = await connection.stream(
                    alchemy.text(
                        "SELECT n FROM dblink('far', 'SELECT generate_series(1, 5000)') AS t(n int)"
                    )
                )
                assert sum([row.n async for row in rows]) == 5000 * 5001 // 2
        finally:
            await engine.dispose()

    asyncio.run(asyncio.wait_for(body(), 30))
