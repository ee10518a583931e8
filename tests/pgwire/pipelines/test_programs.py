"""Random pipelines have the outcome of the same queries run one by one, each segment in a
transaction of its own that its first error ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.testing import Cluster

Query = tuple[str, tuple[object, ...]]
SYNC = ("sync", ())
WAIT = ("wait", ())

_KEYS = st.integers(0, 9)
_QUERIES = st.one_of(
    st.builds(lambda n: ("INSERT INTO p VALUES ($1) RETURNING id", (n,)), _KEYS),
    st.builds(lambda n: ("DELETE FROM p WHERE id >= $1", (n,)), _KEYS),
    st.builds(lambda n: ("SELECT id, repeat('x', $1) FROM p ORDER BY id", (n * 9000,)), _KEYS),
    st.builds(lambda n: ("SELECT 10 / ($1 - g) FROM generate_series(0, 4) g", (n,)), _KEYS),
    st.builds(lambda n: (f"SELECT nonsense_{n}", ()), _KEYS),
    st.builds(lambda n: ("SELECT $1::text", ("é" * n * 20_000,)), _KEYS),
    st.just(("", ())),
    st.just(("DEALLOCATE ALL", ())),
    st.just(("SET LOCAL application_name = 'p'", ())),
)
_PROGRAMS = st.lists(st.one_of(_QUERIES, _QUERIES, st.sampled_from([SYNC, WAIT])), max_size=25)


@pytest.fixture
def connections(cluster: Cluster) -> Iterator[tuple[Any, Any]]:
    with (
        pgwire.connect(cluster.conninfo(), statement_cache_size=4) as one,
        pgwire.connect(cluster.conninfo()) as other,
    ):
        for connection in (one, other):
            connection.execute("CREATE TEMP TABLE p (id int PRIMARY KEY)")
        yield one, other


def pipelined(connection: Any, program: list[Query]) -> list[object]:
    promises: list[Any] = []
    with connection.pipeline(timeout=30) as pipeline:
        for query in program:
            if query == SYNC:
                pipeline.sync()
            elif query == WAIT:
                with suppress(errors.Error):
                    [promise.result() for promise in promises[-1:]]
            else:
                promises.append(pipeline.query(*query))
        for promise in promises[-1:]:
            with suppress(errors.Error):
                promise.result()
        for promise in promises:
            assert promise.error is None or promise.done
    return [outcome(promise.error) or promise.result().rows for promise in promises]


def outcome(error: Exception | None) -> object:
    if error is None:
        return None
    return "not run" if isinstance(error, errors.PipelineAborted) else type(error)


def one_by_one(connection: Any, program: list[Query]) -> list[object]:
    found: list[object] = []
    failed = False
    connection.execute("BEGIN")
    for query in [*program, SYNC]:
        if query == WAIT:
            continue
        if query == SYNC:
            connection.execute("ROLLBACK" if failed else "COMMIT")
            connection.execute("BEGIN")
            failed = False
        elif failed:
            found.append("not run")
        else:
            try:
                found.append(connection.query(*query).rows)
            except errors.Error as error:
                failed = True
                found.append(type(error))
    connection.execute("ROLLBACK")
    return found


def agree(connections: tuple[Any, Any], program: list[Query]) -> None:
    one, other = connections
    assert pipelined(one, program) == one_by_one(other, program)
    tables = [
        connection.query("SELECT id FROM p ORDER BY id", ()).rows for connection in connections
    ]
    assert tables[0] == tables[1]


def test_programs(connections: tuple[Any, Any]) -> None:
    given(_PROGRAMS)(lambda program: agree(connections, program))()


@pytest.mark.usefixtures("on_loop")
def test_programs_on_a_loop(connections: tuple[Any, Any]) -> None:
    given(_PROGRAMS)(lambda program: agree(connections, program))()
