"""pg8000, the other driver in pure Python, by its native interface."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pg8000.native

from bench.address import Server
from bench.drivers import Clock, memory_file


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._server = server.as_dict()
        self._server["database"] = self._server.pop("dbname")
        if connect:
            self._connection = pg8000.native.Connection(**self._server)

    def fetch_rows(self, clock: Clock, sql: str) -> int:
        with clock:
            rows = self._connection.run(sql)
        return len(rows)

    def fetch_value(self, clock: Clock, sql: str) -> int:
        with clock:
            ((value,),) = self._connection.run(sql)
        return len(value)

    def prepared_queries(self, clock: Clock, sql: str, times: int) -> None:
        statement = self._connection.prepare(sql)
        with clock:
            for _ in range(times):
                statement.run()

    def simple_queries(self, clock: Clock, sql: str, times: int) -> None:
        run = self._connection.run
        with clock:
            for _ in range(times):
                run(sql)

    def insert_many(self, clock: Clock, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        sql = sql.replace("$1", ":a").replace("$2", ":b").replace("$3", ":c")
        with clock:
            self._connection.run("begin")
            statement = self._connection.prepare(sql)
            for a, b, c in rows:
                statement.run(a=a, b=b, c=c)
            self._connection.run("commit")

    def copy_in(self, clock: Clock, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        # It has no COPY of tuples: this is the documented way.
        with clock:
            text = io.StringIO()
            csv.writer(text).writerows(rows)
            text.seek(0)
            self._connection.run(f"copy {table} from stdin with (format csv)", stream=text)

    def copy_out(self, clock: Clock, table: str, binary: bool) -> None:
        sql = f"copy {table} to stdout" + (" with (format binary)" if binary else "")
        with memory_file() as file, clock:
            self._connection.run(sql, stream=file)

    def connect(self, clock: Clock, times: int) -> None:
        pg8000.native.Connection(**self._server).close()
        for _ in range(times):
            with clock:
                connection = pg8000.native.Connection(**self._server)
            connection.close()
