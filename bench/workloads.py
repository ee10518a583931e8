"""What is measured: a workload per function, a driver per class, all doing the same.

Every driver runs in a process of its own (`python -m bench.workloads DRIVER WORKLOAD CONNINFO
SIZE`), which prints the seconds that the workload took, without imports and, where it is not
the connecting that is measured, without the connection.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

MIXED = (
    "SELECT g, g::int8 * 1000003, (g * 0.37)::float8, g % 3 = 0, 'text no ' || g,"
    " CASE WHEN g % 10 > 0 THEN (g * 1.01)::numeric(12,2) END,"
    " timestamp '2020-01-01' + g * interval '1.5 s' FROM generate_series(1, {size}) AS g"
)


class Driver(Protocol):
    """A connection and the two things that workloads do with it."""

    def fetch(self, sql: str) -> int:
        """Run a query and build all its rows; their number."""
        ...

    def close(self) -> None: ...


class Pgwire:
    def __init__(self, conninfo: str) -> None:
        import pgwire

        self._connection = pgwire.connect(conninfo)

    def fetch(self, sql: str) -> int:
        return len(self._connection.query(sql))

    def close(self) -> None:
        self._connection.close()


class Psycopg:
    def __init__(self, conninfo: str) -> None:
        import psycopg

        self._connection = psycopg.connect(conninfo, autocommit=True)

    def fetch(self, sql: str) -> int:
        return len(self._connection.execute(sql).fetchall())

    def close(self) -> None:
        self._connection.close()


class Pg8000:
    def __init__(self, conninfo: str) -> None:
        import pg8000.native

        from pgwire import conninfo as strings

        said = strings.parse(conninfo)
        self._connection = pg8000.native.Connection(
            said["user"],
            host=said["host"],
            port=int(said["port"]),
            database=said["dbname"],
            password=said.get("password"),
        )

    def fetch(self, sql: str) -> int:
        return len(self._connection.run(sql))

    def close(self) -> None:
        self._connection.close()


class Asyncpg:
    def __init__(self, conninfo: str) -> None:
        import asyncio

        import asyncpg

        from pgwire import conninfo as strings

        said = strings.parse(conninfo)
        self._loop = asyncio.new_event_loop()
        self._connection: Any = self._loop.run_until_complete(
            asyncpg.connect(
                host=said["host"],
                port=int(said["port"]),
                user=said["user"],
                database=said["dbname"],
                password=said.get("password"),
                statement_cache_size=0,
            )
        )

    def fetch(self, sql: str) -> int:
        return len(self._loop.run_until_complete(self._connection.fetch(sql)))

    def close(self) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


class Dblink:
    """Our dblink, to the server's own: a remote query whose rows are counted."""

    def __init__(self, conninfo: str) -> None:
        import dblink

        self._session = dblink.Session(privileged=True)
        self._session.dblink_connect("remote", conninfo)

    def fetch(self, sql: str) -> int:
        return sum(1 for _ in self._session.dblink("remote", sql))

    def close(self) -> None:
        self._session.close()


class CDblink:
    """C dblink, called in SQL; what it returns is one count."""

    def __init__(self, conninfo: str) -> None:
        import pgwire

        self._connection = pgwire.connect(conninfo)
        self._connection.query("SELECT dblink_connect('remote', $1)", [conninfo])

    def fetch(self, sql: str) -> int:
        columns = "a int, b int8, c float8, d bool, e text, f numeric, g timestamp"
        count = self._connection.query(
            f"SELECT count(*) FROM dblink('remote', $1) AS t({columns})", [sql]
        ).scalar()
        assert isinstance(count, int)
        return count

    def close(self) -> None:
        self._connection.close()


DRIVERS: dict[str, Callable[[str], Driver]] = {
    "pgwire": Pgwire,
    "psycopg": Psycopg,
    "asyncpg": Asyncpg,
    "pg8000": Pg8000,
    "dblink": Dblink,
    "C dblink": CDblink,
}


def connecting(driver: Callable[[str], Driver], conninfo: str, size: int) -> float:
    """`size` connections with SCRAM, one after the other."""
    driver(conninfo).close()  # imports
    start = perf_counter()
    for _ in range(size):
        driver(conninfo).close()
    return perf_counter() - start


def round_trips(driver: Callable[[str], Driver], conninfo: str, size: int) -> float:
    """`size` times SELECT 1."""
    connection = driver(conninfo)
    connection.fetch("SELECT 1")
    start = perf_counter()
    for _ in range(size):
        connection.fetch("SELECT 1")
    elapsed = perf_counter() - start
    connection.close()
    return elapsed


def mixed_rows(driver: Callable[[str], Driver], conninfo: str, size: int) -> float:
    """One result of `size` rows of seven types, as Python values."""
    connection = driver(conninfo)
    connection.fetch(MIXED.format(size=1))
    start = perf_counter()
    assert connection.fetch(MIXED.format(size=size)) == size
    elapsed = perf_counter() - start
    connection.close()
    return elapsed


_CLIENTS = ("pgwire", "psycopg", "asyncpg", "pg8000")

# Name -> (the workload, its size, the drivers that take part).
WORKLOADS: dict[str, tuple[Callable[..., float], int, tuple[str, ...]]] = {
    "connect": (connecting, 40, _CLIENTS),
    "select 1": (round_trips, 5000, _CLIENTS),
    "mixed rows": (mixed_rows, 200_000, _CLIENTS),
    "remote rows": (mixed_rows, 200_000, ("dblink", "C dblink")),
}


if __name__ == "__main__":
    driver_name, workload_name, conninfo, size = sys.argv[1:]
    workload = WORKLOADS[workload_name][0]
    print(workload(DRIVERS[driver_name], conninfo, int(size)))
