"""Cancelled tasks: the query ends on the server, and the next answer is the next query's."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from time import monotonic

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, close, expect, login, stall

ROUNDS = 6
TASKS = 200
CONNECTIONS = 20


def backends(cluster: Cluster) -> list[tuple[object, ...]]:
    with pgwire.connect(cluster.conninfo()) as judge:
        return list(
            judge.query(
                "SELECT pid, state, query FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
                "AND application_name = 'storm'"
            )
        )


def none_left(cluster: Cluster) -> bool:
    limit = monotonic() + 10
    while backends(cluster) and monotonic() < limit:
        pass
    return backends(cluster) == []


async def ask(connection: pgwire.AsyncConnection, mark: int, kind: int) -> None:
    """One query of several kinds; its answer must be its own."""
    if kind == 0:
        assert (await connection.query("SELECT $1::int", [mark])).scalar() == mark
    elif kind == 1:
        rows = await connection.query(f"SELECT {mark} FROM generate_series(1, 3000)")
        assert set(rows) == {(mark,)} and len(rows) == 3000
    elif kind == 2:
        assert (await connection.query(f"SELECT {mark}, pg_sleep(0.02)"))[0][0] == mark
    elif kind == 3:
        columns = await connection.describe(f"SELECT 1 AS m{mark}")
        assert [column.name for column in columns] == [f"m{mark}"]
    elif kind == 4:
        async with connection.transaction():
            assert (await connection.query("SELECT $1::int", [mark])).scalar() == mark
    elif kind == 5:
        assert (await connection.query(f"SELECT $1::int, {mark}", [mark])).rows == [(mark, mark)]
    elif kind == 6:
        sql = f"SELECT {mark} FROM generate_series(1, 900)"
        async with connection.stream(sql, chunk_rows=50) as stream:
            seen = [row async for row in stream] if mark % 2 else [await anext(stream)]
        assert set(seen) == {(mark,)} and len(seen) == (900 if mark % 2 else 1)
    elif kind == 7:
        sql = f"SELECT {mark} FROM generate_series(1, $1)"
        async with connection.transaction(), connection.cursor(sql, [30]) as cursor:
            assert (await cursor.fetch(20)).rows == [(mark,)] * 20
    else:
        reply = await connection.send(f"SELECT {mark} FROM generate_series(1, 5000)")
        await reply.next_result()
        while (rows := await reply.next_rows()) is not None:
            assert set(rows) == {(mark,)}
        assert await reply.finish() is None


async def storm(cluster: Cluster, chance: random.Random) -> None:
    conninfo = cluster.conninfo(application_name="storm")
    pool: asyncio.Queue[pgwire.AsyncConnection | None] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        pool.put_nowait(None)
    marks = iter(range(1_000_000))

    async def work() -> None:
        connection = await pool.get()
        try:
            if connection is None or connection.closed:
                connection = None
                connection = await pgwire.connect_async(conninfo)
            for _ in range(3):
                await ask(connection, next(marks), chance.randrange(9))
        finally:
            pool.put_nowait(connection)

    for _ in range(ROUNDS):
        tasks = [asyncio.create_task(work()) for _ in range(TASKS)]
        while waiting := [task for task in tasks if not task.done()]:
            victim = chance.choice(waiting)
            victim.cancel()
            if chance.random() < 0.1:
                await asyncio.sleep(0)
                victim.cancel()  # while it recovers
            await asyncio.sleep(chance.random() * 0.004)
        for task in tasks:
            if not task.cancelled():
                task.result()  # nothing but being cancelled has gone wrong
    while not pool.empty():
        connection = pool.get_nowait()
        if connection is not None:
            if not connection.closed:
                await ask(connection, next(marks), 0)
            await connection.close()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_cancellations(cluster: Cluster, runner: asyncio.Runner, seed: int) -> None:
    runner.run(storm(cluster, random.Random(seed)))
    assert none_left(cluster)


@pytest.mark.parametrize("turns", range(12))
def test_connecting_cancelled_at_any_moment(
    cluster: Cluster, runner: asyncio.Runner, turns: int
) -> None:
    async def main() -> None:
        task = asyncio.create_task(pgwire.connect_async(cluster.conninfo(application_name="storm")))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await (await task).close()

    runner.run(main())
    assert none_left(cluster)


def test_a_cancelled_query_is_cancelled_on_the_server(
    cluster: Cluster, runner: asyncio.Runner
) -> None:
    async def main() -> None:
        async with await pgwire.connect_async(cluster.conninfo()) as connection:
            for params in (None, []):
                begun = monotonic()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await connection.query("SELECT pg_sleep(60)", params)
                assert monotonic() - begun < 5
                assert not connection.closed
                assert (await connection.query("SELECT 'next'")).scalar() == "next"
            reply = await connection.send("SELECT pg_sleep(60)")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reply.next_result()
            assert reply.done
            assert (await connection.query("SELECT 'next'")).scalar() == "next"

    runner.run(main())


def test_another_task_cancels(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with await pgwire.connect_async(cluster.conninfo()) as connection:
            query = asyncio.create_task(connection.query("SELECT pg_sleep(60)"))
            await asyncio.sleep(0.05)
            await connection.cancel()
            with pytest.raises(errors.error_class("57014")):
                await query
            assert (await connection.query("SELECT 'next'")).scalar() == "next"

    runner.run(main())


def test_a_second_task_is_refused(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def main() -> None:
        async with await pgwire.connect_async(cluster.conninfo()) as connection:
            first = asyncio.create_task(connection.query("SELECT 'first', pg_sleep(0.2)"))
            await asyncio.sleep(0.05)
            for use in (
                connection.query("SELECT 'second'"),
                connection.query("SELECT 'second'", []),
                connection.describe("SELECT 'second'"),
                connection.take_notifications(),
                anext(connection.notifies()),
            ):
                with pytest.raises(errors.InterfaceError, match=r"already in progress|busy"):
                    await use
            assert (await first)[0][0] == "first"
            listening = asyncio.create_task(anext(connection.notifies()))
            await asyncio.sleep(0)
            with pytest.raises(errors.InterfaceError, match="busy"):
                await connection.query("SELECT 'second'", [])
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            assert (await connection.query("SELECT 'next'")).scalar() == "next"

    runner.run(main())


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_a_server_that_does_not_cancel_loses_the_connection(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    monkeypatch.setattr("pgwire.session.core.CANCEL_GRACE", 30 if again else 0.2)
    from pgwire.protocol.frontend import Query

    async def main(conninfo: str) -> None:
        connection = await pgwire.connect_async(conninfo)
        query = asyncio.create_task(connection.query("SELECT 1"))
        await asyncio.sleep(0.05)
        query.cancel()
        if again:
            await asyncio.sleep(0.05)
            with pytest.raises(errors.InterfaceError, match="already in progress"):
                await connection.query("SELECT 2", [])
            query.cancel()
        begun = monotonic()
        with pytest.raises(asyncio.CancelledError):
            await query
        assert connection.closed
        assert monotonic() - begun < 5

    with ScriptedServer([login(), expect(Query), stall()], [close()]) as server:
        runner.run(main(server.conninfo()))


def test_a_task_that_is_thrown_away(cluster: Cluster) -> None:
    async def main() -> pgwire.AsyncConnection:
        connection = await pgwire.connect_async(cluster.conninfo(application_name="storm"))
        query = connection.query("SELECT pg_sleep(60)")
        query.send(None)
        query.close()
        await asyncio.sleep(0)
        return connection

    assert asyncio.run(main()).closed


def test_hashing_does_not_hold_up_the_loop(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgwire.testing.logins import scram

    async def main(conninfo: str) -> float:
        longest = 0.0
        connecting = asyncio.create_task(pgwire.connect_async(conninfo))
        while not connecting.done():
            begun = monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, monotonic() - begun)
        await (await connecting).close()
        return longest

    with ScriptedServer(scram("secret", iterations=800_000)) as server:
        begun = monotonic()
        longest = runner.run(main(server.conninfo(password="secret")))
        assert longest < (monotonic() - begun) / 2
