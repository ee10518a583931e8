"""The programs that measure an import: nothing else may be imported before the clock runs, so
they are no use of `bench.child` but texts for `python -c`."""

from __future__ import annotations

from bench.address import Server

_PROGRAM = """
from time import perf_counter
start = perf_counter()
try:
    {imported}
except ModuleNotFoundError as error:
    told = {{"unavailable": f"{{error.name}} is not installed"}}
else:
    {first_query}
    told = {{"seconds": perf_counter() - start}}
from bench.memory import peak_memory
told["peak"] = peak_memory()
import json
print(json.dumps(told))
"""

#: The import, and how the shortest program asks its first question.
_DRIVERS = {
    # Asked for a name, too: pgwire loads them when they are wanted, and to import none is no use.
    "pgwire": ("import pgwire; pgwire.connect", "pgwire.connect({conninfo!r}).query({sql!r})"),
    "psycopg": ("import psycopg", "psycopg.connect({conninfo!r}).execute({sql!r}).fetchall()"),
    "psycopg2": (
        "import psycopg2",
        "cursor = psycopg2.connect({conninfo!r}).cursor()\n"
        "    cursor.execute({sql!r}), cursor.fetchall()",
    ),
    "asyncpg": (
        "import asyncpg",
        "import asyncio\n"
        "    async def main(): await (await asyncpg.connect(**{keywords})).fetch({sql!r})\n"
        "    asyncio.run(main())",
    ),
    "pg8000": (
        "import pg8000.native",
        "pg8000.native.Connection(**{keywords}).run({sql!r})",
    ),
}


def program(driver: str, server: Server, sql: str | None = None) -> str:
    """The text of a program that imports a driver and tells the seconds as `bench.child` does.

    Args:
        sql: asked afterwards, on a new connection, and still within the time.

    Raises KeyError for a driver that has no such program.
    """
    imported, first_query = _DRIVERS[driver]
    if sql is None:
        first_query = "pass"
    else:
        keywords = server.as_dict()
        keywords["database"] = keywords.pop("dbname")
        first_query = first_query.format(conninfo=server.conninfo(), keywords=keywords, sql=sql)
    return _PROGRAM.format(imported=imported, first_query=first_query)
