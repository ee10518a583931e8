"""asyncpg on the event loop of the standard library."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import asyncpg

from bench.address import Server
from bench.drivers import Clock, memory_file


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._server = server.as_dict()
        self._server["database"] = self._server.pop("dbname")
        self._loop = asyncio.new_event_loop()
        if connect:
            self._connection: Any = self._run(asyncpg.connect(**self._server))

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(coroutine)

    def fetch_rows(self, clock: Clock, sql: str) -> int:
        with clock:
            rows = self._run(self._connection.fetch(sql))
        return len(rows)

    def fetch_value(self, clock: Clock, sql: str) -> int:
        with clock:
            value = self._run(self._connection.fetchval(sql))
        return len(value)

    def prepared_queries(self, clock: Clock, sql: str, times: int) -> None:
        async def loop() -> None:
            statement = await self._connection.prepare(sql)
            with clock:
                for _ in range(times):
                    await statement.fetch()

        self._run(loop())

    def simple_queries(self, clock: Clock, sql: str, times: int) -> None:
        async def loop() -> None:
            execute = self._connection.execute
            with clock:
                for _ in range(times):
                    await execute(sql)

        self._run(loop())

    def insert_many(self, clock: Clock, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        async def insert() -> None:
            async with self._connection.transaction():
                await self._connection.executemany(sql, rows)

        with clock:
            self._run(insert())

    def insert_at_once(self, clock: Clock, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = "insert into ins select * from unnest($1::int[], $2::text[], $3::float8[])"

        async def insert() -> None:
            async with self._connection.transaction():
                columns = [list(column) for column in zip(*rows, strict=True)]
                await self._connection.execute(sql, *columns)

        with clock:
            self._run(insert())

    def copy_in(self, clock: Clock, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with clock:
            self._run(self._connection.copy_records_to_table(table, records=rows))

    def copy_out(self, clock: Clock, table: str, binary: bool) -> None:
        copying = self._connection.copy_from_table
        with memory_file() as file, clock:
            self._run(copying(table, output=file, format="binary" if binary else "text"))

    def concurrently(self, clock: Clock, sql: str, connections: int, queries: int) -> None:
        async def one(statement: Any) -> None:
            for number in range(queries):
                await statement.fetch(number)

        async def all_of_them() -> None:
            opened = [await asyncpg.connect(**self._server) for _ in range(connections)]
            statements = [await connection.prepare(sql) for connection in opened]
            with clock:
                await asyncio.gather(*map(one, statements))
            for connection in opened:
                await connection.close()

        self._run(all_of_them())

    def connect(self, clock: Clock, times: int) -> None:
        async def loop() -> None:
            await (await asyncpg.connect(**self._server)).close()
            for _ in range(times):
                with clock:
                    connection = await asyncpg.connect(**self._server)
                await connection.close()

        self._run(loop())
