"""pgwire, both bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pgwire
from bench.address import Server
from bench.drivers import Clock, memory_file


class Driver:
    """Options: `spin`, as `pgwire.connect` takes it; `cached`: SCRAM keys are kept."""

    def __init__(
        self, server: Server, *, connect: bool = True, spin: int = 0, cached: bool = False
    ) -> None:
        self._server = server.as_dict()
        self._cached = cached
        self._server["spin"] = spin
        if connect:
            self._connection = pgwire.connect(**self._server)

    def fetch_rows(self, clock: Clock, sql: str) -> int:
        with clock:
            rows = self._connection.query(sql, ()).rows
        return len(rows)

    def fetch_value(self, clock: Clock, sql: str) -> int:
        with clock:
            value: Any = self._connection.query(sql, ()).scalar()
        return len(value)

    def prepared_queries(self, clock: Clock, sql: str, times: int) -> None:
        query = self._connection.query
        query(sql, ())
        with clock:
            for _ in range(times):
                query(sql, ())

    def simple_queries(self, clock: Clock, sql: str, times: int) -> None:
        query = self._connection.query
        query(sql)
        with clock:
            for _ in range(times):
                query(sql)

    def insert_many(self, clock: Clock, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with clock, self._connection.transaction():
            self._connection.executemany(sql, rows)

    def insert_at_once(self, clock: Clock, rows: Sequence[tuple[Any, ...]]) -> None:
        # With a cast, as anybody would write it who does not name the types otherwise.
        sql = "insert into ins select * from unnest($1::int[], $2::text[], $3::float8[])"
        with clock, self._connection.transaction():
            self._connection.execute(sql, [list(column) for column in zip(*rows, strict=True)])

    def copy_in(self, clock: Clock, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with clock:
            self._connection.copy_rows_in(table, rows)

    def copy_out(self, clock: Clock, table: str, binary: bool) -> None:
        sql = f"copy {table} to stdout" + (" (format binary)" if binary else "")
        with memory_file() as file, clock:
            self._connection.copy_out(sql, file)

    def concurrently(self, clock: Clock, sql: str, connections: int, queries: int) -> None:
        import asyncio

        async def one(connection: pgwire.AsyncConnection) -> None:
            for number in range(queries):
                await connection.query(sql, [number])

        async def all_of_them() -> None:
            opened = [await pgwire.connect_async(**self._server) for _ in range(connections)]
            for connection in opened:
                await connection.query(sql, [0])
            with clock:
                await asyncio.gather(*map(one, opened))
            for connection in opened:
                await connection.close()

        asyncio.run(all_of_them())

    def connect(self, clock: Clock, times: int) -> None:
        pgwire.connect(**self._server).close()
        for _ in range(times):
            if not self._cached:
                pgwire.forget_scram_keys()
            with clock:
                connection = pgwire.connect(**self._server)
            connection.close()
