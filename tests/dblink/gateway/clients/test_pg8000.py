"""pg8000, both its faces, through the gateway."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from tests.dblink.gateway.clients.kit import Place

pytestmark = pytest.mark.clients


@pytest.fixture
def options(place: Place) -> dict[str, Any]:
    return {
        "user": place.user,
        "host": place.host,
        "port": place.port,
        "database": place.dbname,
    }


@pytest.fixture
def native(options: dict[str, Any], place: Place) -> Iterator[Any]:
    pg8000 = pytest.importorskip("pg8000.native", reason="pg8000 is not installed")
    with closing(pg8000.Connection(**options)) as connection:
        connection.run(place.connect)
        yield connection


def test_native(native: Any) -> None:
    rows = native.run(
        "SELECT * FROM dblink('far', :far_sql) AS s(item text, amount int, price numeric(6,1),"
        " tags text[]) WHERE amount > :least ORDER BY item",
        far_sql="SELECT * FROM stock",
        least=30,
    )
    assert rows == [
        ["chair", 120, Decimal("49.9"), ["wood", "four legs"]],
        ["lamp", 35, Decimal("24.5"), []],
    ]
    assert [column["name"] for column in native.columns] == ["item", "amount", "price", "tags"]
    assert list(native.notices) == []


def test_prepared(native: Any) -> None:
    statement = native.prepare("SELECT * FROM dblink('far', :sql) AS t(a int)")
    assert [statement.run(sql=f"SELECT {n}") for n in range(3)] == [[[0]], [[1]], [[2]]]
    statement.close()


def test_copy(native: Any) -> None:
    native.run("CREATE TEMP TABLE copied (item text, amount int)")
    file = io.BytesIO()
    native.run(
        "COPY (SELECT * FROM dblink('far', 'SELECT item, amount FROM stock ORDER BY item')"
        " AS s(item text, amount int)) TO STDOUT",
        stream=file,
    )
    assert file.getvalue() == b"chair\t120\nlamp\t35\ntable\t18\n"
    file.seek(0)
    native.run("COPY copied FROM STDIN", stream=file)
    assert native.run("SELECT sum(amount) FROM copied") == [[173]]


def test_notifications(native: Any) -> None:
    native.run("LISTEN deliveries")
    native.run("NOTIFY deliveries, '20 chairs'")
    native.run("SELECT 1")
    assert [told[1:] for told in native.notifications] == [("deliveries", "20 chairs")]


def test_pep_249(options: dict[str, Any], place: Place) -> None:
    dbapi = pytest.importorskip("pg8000.dbapi", reason="pg8000 is not installed")
    with closing(dbapi.connect(**options)) as connection:
        cursor = connection.cursor()
        cursor.execute(place.connect)
        cursor.execute(
            "SELECT id, price FROM orders JOIN dblink('far', %s) AS s(item text, price numeric)"
            " USING (item) ORDER BY id",
            ("SELECT item, price FROM stock",),
        )
        assert cursor.fetchall() == ([1, Decimal("24.50")], [2, Decimal("49.90")])
        with pytest.raises(dbapi.DatabaseError) as caught:
            cursor.execute("SELECT * FROM dblink('far', 'SELECT * FROM nowhere') AS t(a int)")
        told = caught.value.args[0]
        assert (told["C"], told["M"]) == ("42P01", 'relation "nowhere" does not exist')
        assert told["W"] == 'while executing query on dblink connection named "far"'
        connection.rollback()
