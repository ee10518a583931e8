"""The user's own sockets and resolvers, functions and coroutine functions; connect_timeout."""

from __future__ import annotations

import asyncio
import functools
import socket
from time import monotonic
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster


def plain(cluster: Cluster, target: object, seconds: float | None) -> socket.socket:
    return socket.create_connection((cluster.tcp_host, cluster.port), seconds)


async def coroutine(cluster: Cluster, target: object, seconds: float | None) -> socket.socket:
    await asyncio.sleep(0)
    return plain(cluster, target, seconds)


@pytest.mark.parametrize("way", [plain, coroutine])
def test_a_dialled_socket(cluster: Cluster, runner: asyncio.Runner, way: Any) -> None:
    async def main() -> None:
        dial = functools.partial(way, cluster)
        async with await pgwire.connect_async(
            "host=nowhere.invalid user=postgres connect_timeout=10", dial=dial
        ) as connection:
            with pytest.raises(errors.TimeoutExpired):  # cancelling dials, too
                await connection.query("SELECT pg_sleep(60)", timeout=0.05)
            assert (await connection.query("SELECT 1")).scalar() == 1

    runner.run(main())


def test_a_given_socket(cluster: Cluster, runner: asyncio.Runner) -> None:
    async def main() -> None:
        sock = plain(cluster, None, None)
        async with await pgwire.connect_async("user=postgres", sock=sock) as connection:
            assert connection.fileno() == sock.fileno()
            with pytest.raises(errors.OperationalError):
                await connection.cancel()
            assert (await connection.query("SELECT 1")).scalar() == 1

    runner.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_resolver(cluster: Cluster, runner: asyncio.Runner, asynchronous: bool) -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return [cluster.tcp_host]

    async def resolve_async(host: str, port: int) -> list[str]:
        return resolve(host, port)

    async def main() -> None:
        async with await pgwire.connect_async(
            f"host=db.invalid port={cluster.port} user=postgres",
            resolve=resolve_async if asynchronous else resolve,
        ) as connection:
            assert (await connection.query("SELECT 1")).scalar() == 1
        assert asked == [("db.invalid", cluster.port)]

    runner.run(main())


def test_what_never_comes_is_not_waited_for(runner: asyncio.Runner) -> None:
    async def never(*arguments: object) -> Any:
        await asyncio.Event().wait()

    async def main() -> None:
        for options in ({"dial": never}, {"resolve": never}):
            begun = monotonic()
            with pytest.raises(errors.OperationalError, match="timeout expired"):
                await pgwire.connect_async("host=db.invalid user=u connect_timeout=1", **options)
            assert monotonic() - begun < 5

    runner.run(main())
