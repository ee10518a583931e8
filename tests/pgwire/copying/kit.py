"""What the tests of COPY share."""

from __future__ import annotations

import itertools
from typing import Any

import pgwire

fresh = (f"fresh {n}" for n in itertools.count())

SQL = "CREATE TEMP TABLE t (a int, b text, c numeric, d timestamp, e bool)"


def in_step(connection: Any) -> bool:
    """Whether the connection is open, its next answer the next query's, and nothing left open."""
    mark = next(fresh)
    assert connection.query(f"SELECT '{mark}'").rows == [(mark,)]
    assert connection.query("SELECT $1::text", [mark]).rows == [(mark,)]
    return not connection.closed and connection.info.transaction_status == "I"


def table(connection: Any) -> list[tuple[Any, ...]]:
    """What is in the table t."""
    rows: list[tuple[Any, ...]] = connection.query("SELECT * FROM t ORDER BY a").rows
    return rows


__all__ = ["SQL", "in_step", "pgwire", "table"]
