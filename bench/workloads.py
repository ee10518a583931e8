"""What is measured, against what, and what must be reached: the one table, as data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bench.sizes import Sizes

#: Names of contestants: the driver's, what it is set to, and `pypy:` in front if that runs it.
CONTESTANTS: dict[str, Contestant]


class Contestant(NamedTuple):
    """A driver, and how it is set."""

    #: The module of `bench.drivers`, or for imports alone the package.
    driver: str
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    #: Ours, in C, or in pure Python as ours.
    kind: str = "C"
    interpreter: str = "cpython"
    #: What stands between it and the server, of `bench.relays`.
    relay: str | None = None
    #: The database that it is connected to, where that is not the one with the tables.
    dbname: str | None = None


class Target(NamedTuple):
    """A ratio of medians, or a time, that is to be reached at scale 1."""

    contestant: str
    must: float | None = None
    goal: float | None = None
    #: What a prototype has reached.
    prototype: float | None = None
    #: To whom the ratio is; None: to the base of the workload.
    base: str | None = None
    #: MiB that the process may have had at most.
    peak: float | None = None
    #: Seconds that the median may be at most.
    seconds: float | None = None


class Workload(NamedTuple):
    """One thing to do, done by every contestant."""

    title: str
    #: The method of the driver.
    task: str
    #: Its arguments, made before the clock runs.
    arguments: Callable[[Sizes], tuple[Any, ...]]
    contestants: tuple[str, ...]
    targets: tuple[Target, ...] = ()
    #: Among whom the best median is what the others are divided by; () for all drivers in C.
    base: tuple[str, ...] = ()
    #: What the method must return.
    returns: Callable[[Sizes], object] = lambda sizes: None
    #: The seconds of the method are for so many, and one is what is told.
    times: Callable[[Sizes], int] = lambda sizes: 1
    #: What is told of: the whole, or one of `times`.
    unit: str = ""
    #: False where connecting is what is measured.
    connects: bool = True
    #: Run before each measurement.
    before: str = ""
    #: Run after it, and what its only value must be.
    after: tuple[str, Callable[[Sizes], int]] | None = None


CONTESTANTS = {
    "pgwire": Contestant("pgwire", kind="ours"),
    "pgwire spinning": Contestant("pgwire", {"spin": 60}, kind="ours"),
    "pgwire keys cached": Contestant("pgwire", {"cached": True}, kind="ours"),
    "psycopg C text": Contestant("psycopg"),
    "psycopg C binary": Contestant("psycopg", {"binary": True}),
    "psycopg2": Contestant("psycopg2"),
    "asyncpg": Contestant("asyncpg"),
    "pg8000": Contestant("pg8000", kind="Python"),
    "dblink": Contestant("dblink", kind="ours"),
    "C dblink": Contestant("sql"),
    "gateway": Contestant("sql", kind="ours", relay="gateway", dbname="gateway"),
    "directly": Contestant("relayed"),
    "PgBouncer": Contestant("relayed", relay="pgbouncer"),
    "through the gateway": Contestant("relayed", kind="ours", relay="gateway"),
    "pypy:pgwire": Contestant("pgwire", kind="ours", interpreter="pypy"),
    "pypy:dblink": Contestant("dblink", kind="ours", interpreter="pypy"),
    "pypy:pg8000": Contestant("pg8000", kind="Python", interpreter="pypy"),
}

_PYPY = ("pypy:pgwire", "pypy:pg8000")
_ALL = ("pgwire", "psycopg C text", "psycopg2", "asyncpg", "pg8000", *_PYPY)
_TEXT_AND_BINARY = ("pgwire", "psycopg C text", "psycopg C binary", *_ALL[2:])
_DBLINKS = ("dblink", "C dblink", "pypy:dblink")
_FACES = ("gateway", "C dblink")
_RELAYS = ("directly", "through the gateway", "PgBouncer")

_COLUMNS = "a int4, b int8, c float8, d bool, e timestamp"
_INSERT = "insert into ins values ($1, $2, $3)"
_INSERTED: tuple[str, Callable[[Sizes], int]] = (
    "select count(*) from ins",
    lambda sizes: sizes.inserted_rows,
)
_COPIED: tuple[str, Callable[[Sizes], int]] = (
    "select count(*) from fixed1m_copy",
    lambda sizes: sizes.fixed_rows,
)


def _rows_to_insert(sizes: Sizes) -> list[tuple[int, str, float]]:
    return [(n, f"value {n}", n * 0.5) for n in range(sizes.inserted_rows)]


def _rows_to_copy(sizes: Sizes) -> list[tuple[int, int, float, bool, datetime]]:
    """The rows of fixed1m."""
    first, step = datetime(2020, 1, 1), timedelta(seconds=1.234567)
    return [
        (n, n * 1000003, n * 0.37, n % 3 == 0, first + n * step)
        for n in range(1, sizes.fixed_rows + 1)
    ]


def _pypy(must: float, goal: float, prototype: float) -> Target:
    return Target("pypy:pgwire", must, goal, prototype, base="pypy:pg8000")


def _calls(title: str, task: str, most: float) -> Workload:
    """Calls of one function, each a statement."""
    level = title.rpartition(", ")[2].lower()
    return Workload(
        title,
        task,
        lambda sizes: (level, sizes.calls),
        _FACES,
        (Target("gateway", seconds=most),),
        base=("C dblink",),
        times=lambda sizes: sizes.calls,
        unit="a call",
    )


#: The goal: no more than twice what another relay takes.
_AS_PGBOUNCER = Target("through the gateway", goal=2.0, base="PgBouncer")


def _selects(clients: str, count: int) -> Workload:
    """What pgbench tells of its script select-only."""
    return Workload(
        f"pgbench select-only, {clients}",
        "pgbench",
        lambda sizes: (count, sizes.transactions),
        _RELAYS,
        (_AS_PGBOUNCER,),
        base=("directly",),
        unit="a transaction",
    )


WORKLOADS: dict[str, Workload] = {
    "a": Workload(
        "1M rows of 5 fixed-width columns",
        "fetch_rows",
        lambda sizes: ("select * from fixed1m",),
        _TEXT_AND_BINARY,
        (Target("pgwire", 0.90, 0.70, 0.73), _pypy(0.40, 0.28, 0.28)),
        returns=lambda sizes: sizes.fixed_rows,
    ),
    "b": Workload(
        "500k rows of 6 mixed columns",
        "fetch_rows",
        lambda sizes: ("select * from mixed500k",),
        _TEXT_AND_BINARY,
        (Target("pgwire", 1.25, 0.95, 1.03), _pypy(0.50, 0.38, 0.41)),
        returns=lambda sizes: sizes.mixed_rows,
    ),
    "c": Workload(
        "500k rows of 3 text columns",
        "fetch_rows",
        lambda sizes: ("select * from text500k",),
        _TEXT_AND_BINARY,
        (Target("pgwire", 1.25, 1.00, 1.08), _pypy(0.83, 0.60, 0.76)),
        returns=lambda sizes: sizes.text_rows,
    ),
    "d1": Workload(
        "one text of 64 MiB",
        "fetch_value",
        lambda sizes: ("select t from wide",),
        _ALL,
        (Target("pgwire", 1.15, 1.00, 1.03),),
        returns=lambda sizes: sizes.wide_bytes,
    ),
    "d2": Workload(
        "one bytea of 64 MiB",
        "fetch_value",
        lambda sizes: ("select b from wide",),
        _TEXT_AND_BINARY,
        (Target("pgwire", 1.15, 0.85, 0.86),),
        returns=lambda sizes: sizes.wide_bytes,
    ),
    "e1": Workload(
        "select 1, prepared",
        "prepared_queries",
        lambda sizes: ("select 1", sizes.queries),
        ("pgwire", "pgwire spinning", *_ALL[1:]),
        (Target("pgwire", 1.00, 0.85, 0.83), Target("pgwire spinning", 1.00, 0.85, 0.28)),
        times=lambda sizes: sizes.queries,
        unit="a query",
    ),
    "e2": Workload(
        "select 1, simple protocol",
        "simple_queries",
        lambda sizes: ("select 1", sizes.queries),
        ("pgwire", "pgwire spinning", *_ALL[1:]),
        (Target("pgwire", 1.00, 0.85, 0.85), Target("pgwire spinning", 1.00, 0.85, 0.28)),
        times=lambda sizes: sizes.queries,
        unit="a query",
    ),
    "f1": Workload(
        "executemany of 20k inserts",
        "insert_many",
        lambda sizes: (_INSERT, _rows_to_insert(sizes)),
        _ALL,
        (Target("pgwire", 1.20, 0.95, 0.93),),
        before="truncate ins",
        after=_INSERTED,
    ),
    "f2": Workload(
        "20k rows in one insert",
        "insert_at_once",
        lambda sizes: (_rows_to_insert(sizes),),
        ("pgwire", "psycopg C text", "psycopg2", "asyncpg", "pypy:pgwire"),
        (Target("pgwire", 0.40, 0.26, 0.26),),
        # The notes compare with execute_values; the others insert by unnest, as ours does.
        base=("psycopg2",),
        before="truncate ins",
        after=_INSERTED,
    ),
    "g1": Workload(
        "COPY in of 1M tuples",
        "copy_in",
        lambda sizes: ("fixed1m_copy", _rows_to_copy(sizes)),
        _TEXT_AND_BINARY,
        (Target("pgwire", 1.20, 1.00, 1.03),),
        before="truncate fixed1m_copy",
        after=_COPIED,
    ),
    "g2": Workload(
        "COPY of 1M rows out, text",
        "copy_out",
        lambda sizes: ("fixed1m", False),
        _ALL,
        (Target("pgwire", 1.15, 1.00, 1.05),),
    ),
    "g3": Workload(
        "COPY of 1M rows out, binary",
        "copy_out",
        lambda sizes: ("fixed1m", True),
        _ALL,
        (Target("pgwire", 1.15, 1.00, 1.05),),
    ),
    "h": Workload(
        "50 connections x 400 queries, one event loop",
        "concurrently",
        lambda sizes: ("select $1::int4+1", sizes.connections, sizes.queries_each),
        ("pgwire", "psycopg C text", "asyncpg", "pypy:pgwire"),
        (Target("pgwire", 0.75, 0.55, 0.57),),
        connects=False,
    ),
    "i": Workload(
        "connect with SCRAM",
        "connect",
        lambda sizes: (sizes.connects,),
        ("pgwire", "pgwire keys cached", *_ALL[1:]),
        (Target("pgwire", 0.90, None, 0.76), Target("pgwire keys cached", 0.90, 0.60, 0.54)),
        times=lambda sizes: sizes.connects,
        unit="a connection",
        connects=False,
    ),
    "j1": Workload(
        "dblink, 1M rows into a local table",
        "remote_insert",
        lambda sizes: ("select * from fixed1m", _COLUMNS, "fixed1m_copy"),
        _DBLINKS,
        (Target("dblink", 0.40, 0.29, 0.29, peak=25),),
        base=("C dblink",),
        before="truncate fixed1m_copy",
        after=_COPIED,
    ),
    "j2": Workload(
        "dblink, count of 1M rows on the client",
        "remote_count",
        lambda sizes: ("select * from fixed1m", _COLUMNS),
        _DBLINKS,
        (Target("dblink", 0.45, 0.30, 0.28),),
        base=("C dblink",),
        returns=lambda sizes: sizes.fixed_rows,
    ),
    "k1": Workload(
        "import",
        "import",
        lambda sizes: (),
        _ALL,
        (Target("pgwire", 0.85, 0.60, 0.55),),
        connects=False,
    ),
    # No target: it shows that an import that is put off is not only put off.
    "k2": Workload(
        "import, connect, first query",
        "import",
        lambda sizes: ("select 1",),
        _ALL,
        connects=False,
    ),
    "l1": _calls("dblink_exec() in SQL, READ COMMITTED", "scalar_calls", 1e-3),
    "l2": _calls("dblink_exec() in SQL, REPEATABLE READ", "scalar_calls", 3e-3),
    "l3": _calls("a row of dblink() in SQL, READ COMMITTED", "row_calls", 1e-3),
    "l4": _calls("a row of dblink() in SQL, REPEATABLE READ", "row_calls", 3e-3),
    "l5": Workload(
        "INSERT of 1M rows of dblink() in SQL",
        "remote_insert",
        lambda sizes: ("select * from fixed1m", _COLUMNS, "fixed1m_copy"),
        _FACES,
        (Target("gateway", 2.00, 1.00),),
        base=("C dblink",),
        before="truncate fixed1m_copy",
        after=_COPIED,
    ),
    "m1": _selects("1 client", 1),
    "m2": _selects("10 clients", 10),
    "m3": Workload(
        "a SELECT of 1M rows, counted",
        "large_select",
        lambda sizes: ("select * from fixed1m",),
        _RELAYS,
        (_AS_PGBOUNCER,),
        base=("directly",),
        returns=lambda sizes: sizes.fixed_rows,
    ),
}
