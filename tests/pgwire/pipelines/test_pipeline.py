"""Pipelines in the blocking body, on a real server; asyncio: `test_pipeline_on_loop`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster
from pgwire.types.codec import Codec, always

DIVISION_BY_ZERO = errors.error_class("22012")
UNIQUE_VIOLATION = errors.error_class("23505")


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    opened = pgwire.connect(cluster.conninfo())
    opened.registry = opened.registry.copy()
    opened.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, name text)")
    yield opened
    assert_in_step(opened)
    opened.close()


def assert_in_step(connection: pgwire.Connection) -> None:
    if not connection.closed:
        assert connection.query("SELECT 'mine', $1::int", [7])[0] == ("mine", 7)
        assert connection.query("SELECT 'mine'").scalar() == "mine"


def ids(connection: pgwire.Connection) -> list[object]:
    return [row[0] for row in connection.query("SELECT id FROM t ORDER BY id", ())]


# Answers.


def test_each_answer_is_its_own(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        made = pipeline.execute("INSERT INTO t VALUES ($1, $2), ($3, $4)", (1, "é", 2, None))
        rows = pipeline.query("SELECT id, name FROM t ORDER BY id")
        numbers = [pipeline.query("SELECT $1::int8", [n]) for n in range(1000)]
        bare = pipeline.query("SELECT FROM t")
        empty = pipeline.query("")
        shown = pipeline.query("SHOW server_version_num")
        assert not rows.done
        assert rows.error is None
    assert made.result() == "INSERT 0 2"
    assert rows.result().rows == [(1, "é"), (2, None)]
    assert [column.name for column in rows.result().columns] == ["id", "name"]
    assert rows.result().tag == "SELECT 2"
    assert [promise.result().scalar() for promise in numbers] == list(range(1000))
    assert bare.result().rows == [(), ()]
    assert (empty.result().rows, empty.result().tag) == ([], "")
    assert shown.result().scalar() == str(connection.info.server_version)
    assert rows.done
    assert rows.error is None
    assert "done: query 2" in repr(rows)


def test_an_answer_before_the_end(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        first = pipeline.query("SELECT pg_backend_pid()")
        second = pipeline.query("SELECT 2")
        assert second.result().scalar() == 2
        assert first.done
        third = pipeline.query("SELECT 3")
        pipeline.flush()
        assert third.result().scalar() == 3
        pipeline.flush()
        assert first.result().scalar() == connection.info.process_id


def test_a_row_factory(connection: pgwire.Connection) -> None:
    from pgwire.rows.factories import dict_row

    with connection.pipeline() as pipeline:
        promise = pipeline.query("SELECT 1 AS a, 'x' AS b", rows=dict_row)
    assert promise.result().rows == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize("size", [0, 1, 100])
def test_with_any_statement_cache(cluster: Cluster, size: int) -> None:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=size) as connection:
        for _ in range(2):
            with connection.pipeline() as pipeline:
                promises = [pipeline.query(f"SELECT $1::int + {n % 3}", [n]) for n in range(20)]
            assert [p.result().scalar() for p in promises] == [n + n % 3 for n in range(20)]
        kept = connection.query("SELECT count(*) FROM pg_prepared_statements").scalar()
        assert kept in ({0: [0], 1: [1, 2, 3], 100: [3]}[size])


def test_what_is_known_comes_in_its_best_format(connection: pgwire.Connection) -> None:
    for expected in (0, 1):
        with connection.pipeline() as pipeline:
            promise = pipeline.query("SELECT 1::int8")
        assert promise.result().columns[0].format == expected


# Errors.


def test_errors_are_where_they_belong(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        good = pipeline.execute("INSERT INTO t VALUES (1)")
        bad = pipeline.query("SELECT 1 / $1::int", [0])
        skipped = pipeline.query("SELECT 1")
        late = [pipeline.query("SELECT $1::text", ["x" * 1000]) for _ in range(200)]
        with pytest.raises(DIVISION_BY_ZERO) as caught:
            bad.result()
        assert caught.value.__notes__ == ["query 2 of the pipeline"]
        too_late = pipeline.query("SELECT 2")
        synced = pipeline.sync()
        after = pipeline.execute("INSERT INTO t VALUES (2)")
        assert after.result() == "INSERT 0 1"
        assert good.result() == "INSERT 0 1"
        assert synced.result() is None
    for promise in (skipped, *late, too_late):
        with pytest.raises(
            errors.PipelineAborted, match="since query 2 of the pipeline"
        ) as aborted:
            promise.result()
        assert aborted.value.__cause__ is bad.error
    assert isinstance(skipped.error, errors.OperationalError)
    assert ids(connection) == [2]
    assert "failed: query 2" in repr(bad)


def test_an_error_that_nobody_looks_at_is_raised_at_the_end(connection: pgwire.Connection) -> None:
    with pytest.raises(UNIQUE_VIOLATION) as caught, connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO t VALUES (1)")
        kept = pipeline.execute("INSERT INTO t VALUES (1)")
        pipeline.sync()
        fine = pipeline.query("SELECT 1")
    assert caught.value is kept.error
    assert caught.value.__notes__ == ["query 2 of the pipeline"]
    assert fine.result().scalar() == 1
    with connection.pipeline() as pipeline:
        looked_at = pipeline.query("SELECT nonsense")
        while looked_at.error is None:
            with suppress(errors.ProgrammingError):
                looked_at.result()


def test_a_statement_that_cannot_be_parsed_is_prepared_by_nobody(
    connection: pgwire.Connection,
) -> None:
    with connection.pipeline() as pipeline:
        first = pipeline.query("SELECT * FROM not_yet")
        again = pipeline.query("SELECT * FROM not_yet")
        pipeline.sync()
        pipeline.execute("CREATE TEMP TABLE not_yet AS SELECT 5 AS five")
        third = pipeline.query("SELECT * FROM not_yet")
        pipeline.sync()
        fourth = pipeline.query("SELECT * FROM not_yet")
        assert isinstance(first.error or _failure(first), errors.ProgrammingError)
        assert isinstance(again.error, errors.PipelineAborted)
    assert third.result().rows == fourth.result().rows == [(5,)]


def _failure(promise: Any) -> Exception | None:
    with suppress(errors.Error):
        promise.result()
    error: Exception | None = promise.error
    return error


def test_what_cannot_be_sent_is_not_queued(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        for params, kind in (
            ([object()], errors.ProgrammingError),
            (["a\0b"], errors.DataError),
            ([(1, 2, 3)], errors.ProgrammingError),
        ):
            with pytest.raises(kind, match=r".") as caught:
                pipeline.query("SELECT $1", params)
            assert "parameter $1" in caught.value.__notes__
        with pytest.raises(errors.DataError, match="NUL"):
            pipeline.query("SELECT '\0'")
        assert pipeline.query("SELECT 1").result().scalar() == 1


@pytest.mark.parametrize("raised", [KeyError, errors.DataError, MemoryError])
def test_a_value_that_cannot_be_decoded_spoils_its_query_alone(
    connection: pgwire.Connection, raised: type[Exception]
) -> None:
    def decode(data: bytes) -> object:
        if data == b"13":
            raise raised("unlucky")
        return int(data)

    connection.registry.register(
        Codec(
            "int4",
            23,
            1007,
            text_decoder=always(decode),
            text_encoder=always(lambda value: b"%d" % value),
        )
    )
    with connection.pipeline() as pipeline:
        before = pipeline.query("SELECT 1::int4")
        bad = pipeline.query("SELECT generate_series(1, 3000)")
        after = pipeline.query("SELECT 2::int4")
        with pytest.raises(raised, match="unlucky"):
            bad.result()
    assert (before.result().scalar(), after.result().scalar()) == (1, 2)


# Transactions.


def test_a_segment_is_a_transaction(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO t VALUES (1)")
        pipeline.sync()
        pipeline.execute("INSERT INTO t VALUES (2)")
        assert isinstance(_failure(pipeline.execute("INSERT INTO t VALUES (1)")), UNIQUE_VIOLATION)
        pipeline.sync()
        pipeline.execute("INSERT INTO t VALUES (3)")
    assert ids(connection) == [1, 3]


def test_explicit_transactions(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        for end in ("ROLLBACK", "COMMIT"):
            pipeline.execute("BEGIN")
            pipeline.execute("INSERT INTO t VALUES (1)")
            pipeline.sync()  # ends nothing here
            pipeline.execute("INSERT INTO t VALUES (2)")
            pipeline.execute(end)
    assert ids(connection) == [1, 2]
    with connection.transaction(), connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(UNIQUE_VIOLATION), connection.transaction():  # noqa: SIM117
        with connection.pipeline() as pipeline:
            pipeline.execute("INSERT INTO t VALUES (4)")
            pipeline.sync()
            pipeline.execute("INSERT INTO t VALUES (1)")
    assert ids(connection) == [1, 2, 3]


def test_a_commit_that_fails(connection: pgwire.Connection) -> None:
    connection.execute("CREATE TEMP TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with connection.pipeline() as pipeline:
        made = [pipeline.execute("INSERT INTO d VALUES (1)") for _ in range(2)]
        synced = pipeline.sync()
        after = pipeline.query("SELECT count(*) FROM d")
        assert after.result().scalar() == 0
        with pytest.raises(UNIQUE_VIOLATION) as caught:
            synced.result()
        assert caught.value.__notes__ == ["the commit after query 2 of the pipeline"]
    assert [promise.result() for promise in made] == ["INSERT 0 1"] * 2
    with pytest.raises(UNIQUE_VIOLATION), connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO d VALUES (1), (1)")


class Leave(Exception):
    """What leaves a block."""


@pytest.mark.parametrize("raised", [Leave, KeyboardInterrupt])
def test_left_by_an_exception(connection: pgwire.Connection, raised: type[BaseException]) -> None:
    with pytest.raises(raised), connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO t VALUES (1)")
        pipeline.sync()
        sent = pipeline.execute("INSERT INTO t VALUES (2)")
        sent.result()
        unsent = pipeline.execute("INSERT INTO t VALUES (3)")
        raise raised
    with pytest.raises(errors.PipelineAborted, match="query 3 of the pipeline was not sent"):
        unsent.result()
    assert ids(connection) == [1]


def test_left_before_anything_was_sent(connection: pgwire.Connection) -> None:
    with pytest.raises(Leave), connection.pipeline() as pipeline:
        unsent = pipeline.execute("INSERT INTO t VALUES (3)")
        raise Leave
    assert isinstance(unsent.error, errors.PipelineAborted)
    with connection.pipeline():
        pass
    assert ids(connection) == []


def test_left_in_a_transaction_block(connection: pgwire.Connection) -> None:
    with pytest.raises(Leave), connection.transaction(), connection.pipeline() as pipeline:
        pipeline.execute("INSERT INTO t VALUES (2)").result()
        raise Leave
    assert ids(connection) == []


# COPY, and statements that come and go.


@pytest.mark.parametrize(
    "sql",
    [
        "COPY t FROM STDIN",
        "copy t to stdout",
        " \n;; -- a comment, COPY\n /* another /* one */ ; */ Copy t FROM stdin",
        "/* */COPY (SELECT 1) TO STDOUT",
    ],
)
def test_copy_is_refused(connection: pgwire.Connection, sql: str) -> None:
    with connection.pipeline() as pipeline:
        before = pipeline.query("SELECT 1")
        with pytest.raises(errors.NotSupportedError, match="COPY"):
            pipeline.query(sql)
        after = pipeline.query("SELECT 'COPY t FROM STDIN'")
    assert before.result().scalar() == 1
    assert after.result().scalar() == "COPY t FROM STDIN"
    with pytest.raises(errors.NotSupportedError, match="COPY"):
        connection.executemany(sql, [()])


@pytest.mark.parametrize("sql", ["DEALLOCATE ALL", "/**/discard all"])
def test_statements_are_deallocated_in_the_middle(connection: pgwire.Connection, sql: str) -> None:
    for _ in range(2):
        with connection.pipeline() as pipeline:
            pipeline.query("SELECT $1::int", [1])
            pipeline.sync()
            pipeline.execute(sql)
            pipeline.sync()
            promises = [pipeline.query("SELECT $1::int", [n]) for n in range(3)]
        assert [promise.result().scalar() for promise in promises] == [0, 1, 2]


def test_a_statement_is_deallocated_before_it_is_known(connection: pgwire.Connection) -> None:
    for _ in range(20):
        connection.execute("DISCARD ALL")
        with connection.pipeline() as pipeline:
            first = pipeline.query("SELECT octet_length($1)", ["x" * 200_000])
            pipeline.execute("DEALLOCATE ALL")
            first.result()
            second = pipeline.query("SELECT octet_length($1)", ["x"])
        assert second.result().scalar() == 1


def test_a_result_that_has_changed(connection: pgwire.Connection) -> None:
    connection.query("SELECT * FROM t", ())
    # Behind our back: the tag of an ALTER TABLE would tell.
    connection.execute("DO $$BEGIN ALTER TABLE t ADD COLUMN more int; END$$")
    connection.execute("INSERT INTO t VALUES (1, 'x', 2)")
    with connection.pipeline() as pipeline:
        stale = pipeline.query("SELECT * FROM t", ())
        pipeline.sync()
        assert isinstance(_failure(stale), errors.NotSupportedError)
        fresh = pipeline.query("SELECT * FROM t", ())
    assert fresh.result().rows == [(1, "x", 2)]


# The connection.


def test_the_connection_is_busy_meanwhile(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        for use in (
            lambda: connection.query("SELECT 1"),
            lambda: connection.query("SELECT 1", ()),
            lambda: connection.executemany("SELECT $1::int", [(1,)]),
            lambda: connection.describe("SELECT 1"),
            lambda: (
                connection.pipeline().__enter__()
                if isinstance(connection, pgwire.Connection)
                else connection.query("SELECT 1")
            ),
        ):
            with pytest.raises(errors.InterfaceError, match="already in progress"):
                use()
        assert pipeline.query("SELECT 1").result().scalar() == 1
    with pytest.raises(errors.InterfaceError, match="the pipeline has ended"):
        pipeline.query("SELECT 1")


def test_a_closed_connection(connection: pgwire.Connection) -> None:
    connection.close()
    with pytest.raises(errors.InterfaceError, match="closed"), connection.pipeline():
        pass


def test_the_server_ends_the_session(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo()) as connection:
        pid = connection.info.process_id
        with pytest.raises(errors.error_class("57P01")), connection.pipeline() as pipeline:
            first = pipeline.query("SELECT 1")
            pipeline.sync()
            end = pipeline.query("SELECT pg_terminate_backend($1), pg_sleep(5)", [pid])
            pipeline.sync()
            rest = [pipeline.query("SELECT 2") for _ in range(10)]
        assert first.result().scalar() == 1
        assert isinstance(end.error, errors.error_class("57P01"))
        for promise in rest:
            assert isinstance(promise.error, errors.OperationalError)
        assert connection.closed


def test_a_notice_handler_raises(cluster: Cluster) -> None:
    def handler(notice: errors.Diagnostics) -> None:
        raise Leave

    with pgwire.connect(cluster.conninfo(), on_notice=handler) as connection:
        with pytest.raises(Leave), connection.pipeline() as pipeline:
            pipeline.query("SELECT 1")
            pipeline.execute("DO $$BEGIN RAISE NOTICE 'hello'; END$$")
        assert not connection.closed
        assert_in_step(connection)


def test_a_timeout_cancels_all_of_it(connection: pgwire.Connection) -> None:
    begun = monotonic()
    with (
        pytest.raises(errors.TimeoutExpired, match=r"the pipeline did not end within 0\.1 sec"),
        connection.pipeline(timeout=0.1) as pipeline,
    ):
        pipeline.execute("INSERT INTO t VALUES (1)")
        sleeps = []
        for _ in range(3):
            sleeps.append(pipeline.query("SELECT pg_sleep(30)"))
            pipeline.query("SELECT 1")
            pipeline.sync()
    assert monotonic() - begun < 5
    assert not connection.closed
    for sleep in sleeps:
        assert isinstance(sleep.error, errors.OperationalError)
    assert ids(connection) == []


def test_a_timeout_met_inside_the_block_ends_the_pipeline(connection: pgwire.Connection) -> None:
    with connection.pipeline(timeout=0.05) as pipeline:
        with pytest.raises(errors.TimeoutExpired):
            pipeline.query("SELECT pg_sleep(30)").result()
        with pytest.raises(errors.InterfaceError, match="the pipeline has ended"):
            pipeline.query("SELECT 1")
        assert connection.query("SELECT 1").scalar() == 1


def test_statements_that_went_out_of_use_are_closed(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=3) as connection:
        with connection.pipeline() as pipeline:
            for n in range(50):
                pipeline.query(f"SELECT {n}")
                pipeline.sync()
                if n % 10 == 9:
                    pipeline.query("SELECT 1").result()
        connection.query("SELECT 1", ())
        assert connection.query("SELECT count(*) FROM pg_prepared_statements").scalar() <= 4
