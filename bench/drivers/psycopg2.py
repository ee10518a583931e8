"""psycopg2: libpq, text, no prepared statements of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import psycopg2
import psycopg2.extras

from bench.address import Server
from bench.drivers import Clock, memory_file


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._server = server.as_dict()
        if connect:
            self._connection = psycopg2.connect(**self._server)
            self._connection.autocommit = True
            self._cursor = self._connection.cursor()

    def fetch_rows(self, clock: Clock, sql: str) -> int:
        with clock:
            self._cursor.execute(sql)
            rows = self._cursor.fetchall()
        return len(rows)

    def fetch_value(self, clock: Clock, sql: str) -> int:
        with clock:
            self._cursor.execute(sql)
            (value,) = self._cursor.fetchone()
        return len(value)

    def prepared_queries(self, clock: Clock, sql: str, times: int) -> None:
        self._cursor.execute(f"prepare prepared as {sql}")
        self.simple_queries(clock, "execute prepared", times)

    def simple_queries(self, clock: Clock, sql: str, times: int) -> None:
        cursor = self._cursor
        with clock:
            for _ in range(times):
                cursor.execute(sql)
                cursor.fetchall()

    def insert_many(self, clock: Clock, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = sql.replace("$1", "%s").replace("$2", "%s").replace("$3", "%s")
        self._connection.autocommit = False
        with clock, self._connection:
            self._cursor.executemany(sql, rows)

    def insert_at_once(self, clock: Clock, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = "insert into ins values %s"
        self._connection.autocommit = False
        with clock, self._connection:
            psycopg2.extras.execute_values(self._cursor, sql, rows, page_size=1000)

    def copy_in(self, clock: Clock, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        # It has no COPY of tuples: this is the documented way.
        with clock:
            text = io.StringIO()
            csv.writer(text).writerows(rows)
            text.seek(0)
            self._cursor.copy_expert(f"copy {table} from stdin (format csv)", text)

    def copy_out(self, clock: Clock, table: str, binary: bool) -> None:
        sql = f"copy {table} to stdout" + (" (format binary)" if binary else "")
        with memory_file() as file, clock:
            self._cursor.copy_expert(sql, file)

    def connect(self, clock: Clock, times: int) -> None:
        psycopg2.connect(**self._server).close()
        for _ in range(times):
            with clock:
                connection = psycopg2.connect(**self._server)
            connection.close()
