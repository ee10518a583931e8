"""Invariant I1 for pipelines: interrupted anywhere, the next answer belongs to the next query, or
the connection is closed; and no promise waits for ever."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    BindComplete,
    CommandComplete,
    CopyInResponse,
    DataRow,
    NoData,
    ParameterDescription,
    ParseComplete,
)
from pgwire.protocol.frontend import Parse
from pgwire.protocol.message import Message
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, Step, expect, login, ready, reset, send, stall
from tests.pgwire.hardening.test_i1_in_step import FlakySocket, Stop, assert_in_step


def work(connection: pgwire.Connection, promises: list[pgwire.Promise[pgwire.Result]]) -> None:
    with connection.pipeline() as pipeline:
        for number in range(40):
            promises.append(pipeline.query("SELECT $1::int, repeat('x', 8000)", [number]))
            if number % 10 == 3:
                pipeline.sync()
            if number == 20:
                promises[10].result()
    connection.executemany("SELECT $1::int, $2", [(number, "x" * 3000) for number in range(300)])


@pytest.mark.parametrize("raised", [Stop, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_in_the_middle_of_input_and_output(
    cluster: Cluster, raised: type[BaseException], late: bool
) -> None:
    met = 0
    for at in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        connection = pgwire.connect(cluster.conninfo())
        flaky = FlakySocket(connection._transport.sock, at, raised("now"), late)
        connection._transport.sock = flaky  # type: ignore[assignment]
        promises: list[pgwire.Promise[pgwire.Result]] = []
        try:
            with suppress(raised):
                work(connection, promises)
                continue
            met += 1
            for number, promise in enumerate(promises):
                assert promise.done
                if promise.error is None:
                    assert promise.result().rows == [(number, "x" * 8000)]
            open_still = assert_in_step(connection)
            assert not (late and open_still)
        finally:
            connection.close()
    assert met >= 5


def test_a_storm_of_cancellations(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def ask(connection: pgwire.AsyncConnection, chance: random.Random, mark: int) -> None:
        if chance.random() < 0.4:
            rows = [(mark, "x" * chance.randrange(2000)) for _ in range(300)]
            assert await connection.executemany("SELECT $1::int, $2", rows) == 300
            return
        async with connection.pipeline() as pipeline:
            promises = []
            for number in range(chance.randrange(60)):
                sql = "SELECT $1::int, pg_sleep($2)"
                promises.append(await pipeline.query(sql, [mark + number, number % 20 * 1e-4]))
                if chance.random() < 0.1:
                    await pipeline.sync()
                if chance.random() < 0.1:
                    assert (await chance.choice(promises))[0][0] in range(mark, mark + 60)
        for number, promise in enumerate(promises):
            assert (await promise)[0][0] == mark + number

    async def main(chance: random.Random) -> None:
        connection = None
        survived = 0
        for mark in range(0, 15_000, 100):
            if connection is None or connection.closed:
                connection = await pgwire.connect_async(cluster.conninfo())
            task = asyncio.create_task(ask(connection, chance, mark))
            await asyncio.sleep(chance.random() * 0.006)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if not connection.closed:
                survived += 1
                assert (await connection.query("SELECT $1::int", [mark])).scalar() == mark
                assert (await connection.query("SELECT 'x'")).scalar() == "x"
        assert survived > 100
        if connection is not None:
            await connection.close()

    runner.run(main(random.Random(4)))


def lost(*steps: Step) -> errors.Error:
    """What a pipeline of two queries raises when the server does `steps`."""
    with ScriptedServer([login(), expect(Parse), *steps]) as server:
        connection = pgwire.connect(server.conninfo())
        with (
            pytest.raises(errors.OperationalError) as caught,
            connection.pipeline(timeout=5) as pipeline,
        ):
            promises = [pipeline.query("SELECT 1"), pipeline.query("SELECT 2")]
        assert connection.closed
        assert all(promise.done for promise in promises)
        assert promises[1].error is not None
        return caught.value


PREPARED = (ParseComplete(), ParameterDescription(()), NoData(), BindComplete())


@pytest.mark.parametrize(
    "messages",
    [
        (CommandComplete(b"SELECT 1"),),
        (*PREPARED, DataRow((b"1",))),
        (*PREPARED, CopyInResponse(0, ())),
        (*PREPARED, CommandComplete(b"SELECT 1"), CommandComplete(b"SELECT 1")),
        (*PREPARED, CommandComplete(b"SELECT 1"), *PREPARED[1:]),
    ],
)
def test_a_server_that_breaks_the_protocol(messages: tuple[Message, ...]) -> None:
    assert isinstance(lost(send(*messages), stall()), errors.ProtocolError)


def test_a_server_that_is_gone() -> None:
    complete = CommandComplete(b"SELECT 1")
    assert isinstance(lost(send(*PREPARED, complete), reset()), errors.ConnectionLost)
    error = lost(send(*PREPARED, complete), ready())
    assert isinstance(error, errors.ProtocolError)
