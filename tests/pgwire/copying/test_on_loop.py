"""What only the asyncio body has: sources that are awaited, and tasks that are cancelled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster
from tests.pgwire.copying.kit import SQL
from tests.pgwire.copying.test_between import ENDLESS


async def connect(cluster: Cluster) -> pgwire.AsyncConnection:
    connection = await pgwire.connect_async(cluster.conninfo())
    await connection.execute(SQL)
    return connection


def test_asynchronous_sources_and_targets(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(1000):
            await asyncio.sleep(0)
            yield b"%d\tx\n" % number

    async def rows() -> AsyncIterator[tuple[int, str]]:
        for number in range(1000):
            await asyncio.sleep(0)
            yield number, "x"

    class File:
        """As a package for asynchronous files gives them."""

        def __init__(self, data: bytes) -> None:
            self.data = data

        async def read(self, size: int) -> bytes:
            await asyncio.sleep(0)
            data, self.data = self.data[:77], self.data[77:]
            return data

        async def write(self, data: bytes) -> int:
            await asyncio.sleep(0)
            self.data += data[:999]
            return min(len(data), 999)

    async def main() -> None:
        async with await connect(cluster) as connection:
            sql = "COPY t (a, b) FROM STDIN"
            assert await connection.copy_in(sql, lines()) == 1000
            assert await connection.copy_rows_in("t", rows(), columns=["a", "b"]) == 1000
            assert await connection.copy_in(sql, File(b"5\tfile\n" * 100)) == 100
            file, told = File(b""), []

            async def progress(size: int, rows: int | None) -> None:
                await asyncio.sleep(0)
                told.append(rows)

            await connection.copy_out("COPY t (a) TO STDOUT", file, progress=progress)
            assert file.data.count(b"\n") == 2100 and told == [2100]

    runner.run(main())


def test_a_source_that_never_gives_anything(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"1\tx\n"
        await asyncio.sleep(100)

    async def main() -> None:
        async with await connect(cluster) as connection:
            with pytest.raises(errors.TimeoutExpired):
                await connection.copy_in("COPY t (a, b) FROM STDIN", source(), timeout=0.1)
            assert (await connection.query("SELECT count(*) FROM t")).scalar() == 0

    runner.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_cancelled_at_any_moment(cluster: Cluster, runner: asyncio.Runner, seed: int) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        one, two = await connect(cluster), await connect(cluster)

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"1\tx\n" * 1000

        async def iterate() -> None:
            async with one.copy_rows_out("SELECT generate_series(1, 1000000000)") as rows:
                async for _ in rows:
                    pass

        endless_in = "COPY t (a, b) FROM STDIN"
        for turn in range(16):
            ways = (
                one.copy_in(endless_in, endless()),
                one.copy_out(ENDLESS, lambda data: None),
                pgwire.copy_between_async(one, ENDLESS, two, "COPY t FROM STDIN"),
                iterate(),
            )
            task = asyncio.ensure_future(ways[turn % 4])
            for way in ways:
                if way is not ways[turn % 4]:
                    way.close()
            await asyncio.sleep(chance.choice([0, 0.0005, 0.005, 0.03]))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
            for connection in (one, two):
                assert (await connection.query("SELECT $1::int", [turn])).scalar() == turn
                assert (await connection.query("SELECT count(*) FROM t")).scalar() == 0
        await one.close()
        await two.close()

    runner.run(main())
