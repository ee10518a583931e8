"""psycopg 3 with its C implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bench.address import Server
from bench.drivers import Clock, NotAvailableError, memory_file


class Driver:
    """Options: `binary`, the result format of cursors, and the format of COPY."""

    def __init__(self, server: Server, *, connect: bool = True, binary: bool = False) -> None:
        if psycopg.pq.__impl__ not in ("binary", "c"):
            raise NotAvailableError(f"psycopg uses its implementation {psycopg.pq.__impl__}")
        self._server = server.as_dict()
        self._binary = binary
        if connect:
            self._connection = psycopg.connect(**self._server, autocommit=True)
            self._cursor = self._connection.cursor(binary=binary)

    def fetch_rows(self, clock: Clock, sql: str) -> int:
        with clock:
            rows = self._cursor.execute(sql).fetchall()
        return len(rows)

    def fetch_value(self, clock: Clock, sql: str) -> int:
        with clock:
            (value,) = self._cursor.execute(sql).fetchone()
        return len(value)

    def prepared_queries(self, clock: Clock, sql: str, times: int) -> None:
        cursor = self._cursor
        cursor.execute(sql, prepare=True).fetchall()
        with clock:
            for _ in range(times):
                cursor.execute(sql, prepare=True).fetchall()

    def simple_queries(self, clock: Clock, sql: str, times: int) -> None:
        cursor = self._cursor
        with clock:
            for _ in range(times):
                cursor.execute(sql, prepare=False).fetchall()

    def insert_many(self, clock: Clock, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = sql.replace("$1", "%s").replace("$2", "%s").replace("$3", "%s")
        with clock, self._connection.transaction():
            self._cursor.executemany(sql, rows)

    def insert_at_once(self, clock: Clock, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = "insert into ins select * from unnest(%b::int[], %b::text[], %b::float8[])"
        with clock, self._connection.transaction():
            self._cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])

    def copy_in(self, clock: Clock, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = f"copy {table} from stdin" + (" (format binary)" if self._binary else "")
        with clock, self._cursor.copy(sql) as copy:
            if self._binary:
                copy.set_types(["int4", "int8", "float8", "bool", "timestamp"])
            for row in rows:
                copy.write_row(row)

    def copy_out(self, clock: Clock, table: str, binary: bool) -> None:
        sql = f"copy {table} to stdout" + (" (format binary)" if binary else "")
        with memory_file() as file, clock, self._cursor.copy(sql) as copy:
            for data in copy:
                file.write(data)

    def concurrently(self, clock: Clock, sql: str, connections: int, queries: int) -> None:
        import asyncio

        sql = sql.replace("$1", "%s")

        async def one(connection: psycopg.AsyncConnection[Any]) -> None:
            cursor = connection.cursor()
            for number in range(queries):
                await cursor.execute(sql, [number], prepare=True)
                await cursor.fetchall()

        async def all_of_them() -> None:
            opened = [
                await psycopg.AsyncConnection.connect(**self._server, autocommit=True)
                for _ in range(connections)
            ]
            for connection in opened:
                await connection.execute(sql, [0], prepare=True)
            with clock:
                await asyncio.gather(*map(one, opened))
            for connection in opened:
                await connection.close()

        asyncio.run(all_of_them())

    def connect(self, clock: Clock, times: int) -> None:
        psycopg.connect(**self._server).close()
        for _ in range(times):
            with clock:
                connection = psycopg.connect(**self._server)
            connection.close()
