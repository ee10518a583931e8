"""Queries and results of any size, in both directions at once: nobody waits for ever, and what has
been received does not pile up."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import pgwire
from pgwire.testing import Cluster

QUERIES = 600
SIZE = 100_000
SQL = "SELECT $1::int4, repeat('x', $2), octet_length($3)"
BUFFER = 4 << 20
"""Bytes that the receive buffer may grow to: a few rows."""


def small_buffers(cluster: Cluster) -> socket.socket:
    sock = socket.socket()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 4096)
    sock.connect(("127.0.0.1", cluster.port))
    return sock


def check(number: int, rows: list[Any], buffer: bytearray) -> None:
    assert rows == [(number, "x" * SIZE, SIZE)]
    assert len(buffer) < BUFFER


def test_blocking(cluster: Cluster) -> None:
    payload = bytes(SIZE)
    with pgwire.connect(
        cluster.conninfo(host="127.0.0.1"), sock=small_buffers(cluster)
    ) as connection:
        with connection.pipeline(timeout=60) as pipeline:
            promises = []
            for number in range(QUERIES):
                promises.append((number, pipeline.query(SQL, (number, SIZE, payload))))
                assert len(connection.frames) < BUFFER
                if promises[0][1].done:  # all results together need not be held, either
                    first, promise = promises.pop(0)
                    check(first, promise.result().rows, connection.frames)
        for first, promise in promises:
            check(first, promise.result().rows, connection.frames)


@pytest.mark.parametrize("reading", [False, True])
def test_asyncio(cluster: Cluster, runner: asyncio.Runner, reading: bool) -> None:
    async def main() -> None:
        payload = bytes(SIZE)
        sock = small_buffers(cluster)
        async with await pgwire.connect_async(
            cluster.conninfo(host="127.0.0.1"), sock=sock
        ) as connection:
            async with connection.pipeline(timeout=60) as pipeline:
                promises = []
                for number in range(QUERIES // 3):
                    promise = await pipeline.query(SQL, (number, SIZE, payload))
                    promises.append(promise)
                    assert len(connection.frames) < BUFFER
                    if reading and number % 50 == 0:
                        await asyncio.sleep(0.001)
            for number, promise in enumerate(promises):
                check(number, (await promise).rows, connection.frames)

    runner.run(main())


def test_a_large_result_while_much_is_sent(cluster: Cluster) -> None:
    with pgwire.connect(
        cluster.conninfo(host="127.0.0.1"), sock=small_buffers(cluster)
    ) as connection:
        with connection.pipeline(timeout=60) as pipeline:
            many = pipeline.query("SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n")
            pipeline.query("SELECT octet_length($1)", [bytes(10_000_000)])
        assert len(many.result()) == 30000
        assert len(connection.frames) < BUFFER


def test_executemany(cluster: Cluster) -> None:
    with pgwire.connect(
        cluster.conninfo(host="127.0.0.1"), sock=small_buffers(cluster)
    ) as connection:
        rows = ((number, SIZE, bytes(SIZE)) for number in range(300))
        assert connection.executemany(SQL, rows, timeout=60) == 300
        assert len(connection.frames) < BUFFER
