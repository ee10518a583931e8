"""Replies of simple queries that are taken at once, and those that only look like them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

import pgwire
from pgwire import errors
from pgwire.flows.query import Completed, CopyRefused, EmptyQuery, Failed, RowSet
from pgwire.flows.simple import SimpleQuery
from pgwire.flows.whole import Whole
from pgwire.protocol.backend import (
    CommandComplete,
    DataRow,
    FieldDescription,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import Query
from pgwire.protocol.message import Message
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, close, expect, login, send

FIELDS = RowDescription([FieldDescription(b"a", type_oid=23)])
ROW = DataRow([b"7"])
DONE = CommandComplete(b"SELECT 1")
READY = ReadyForQuery(b"I")


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as made:
        yield made


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each reply whether it has been taken at once."""
    taken: list[bool] = []
    real: Callable[[SimpleQuery], Whole | None] = SimpleQuery.whole_reply

    def watched(query: SimpleQuery) -> Whole | None:
        reply = real(query)
        taken.append(reply is not None)
        return reply

    monkeypatch.setattr(SimpleQuery, "whole_reply", watched)
    return taken


def test_what_is_taken_at_once_is_what_is_read_step_by_step(
    connection: pgwire.Connection, whole: list[bool]
) -> None:
    for sql in (
        "SELECT 1",
        "SELECT n, n::text FROM generate_series(1, 30) AS n",
        "SELECT NULL::int AS a, 'x' AS b",
        "SELECT 1 WHERE false",
        "SET application_name TO 'x'",
        "SELECT",
    ):
        for _ in range(2):  # and once more, with what is remembered of the first time
            (step_by_step,) = connection.query_all(sql)
            result = connection.query(sql)
            assert result.rows == step_by_step.rows
            assert result.tag == step_by_step.tag
            assert [c.name for c in result.columns] == [c.name for c in step_by_step.columns]
    assert whole.count(True) >= 10


def test_what_is_remembered_is_bounded_and_follows_the_codecs(
    connection: pgwire.Connection, whole: list[bool]
) -> None:
    for number in range(200):
        assert connection.query(f"SELECT {number} AS c{number}").scalar() == number
    assert all(whole)
    assert len(connection._channel.descriptions) <= 64
    connection.registry = connection.registry.copy()
    assert connection.query("SELECT 7 AS c199").scalar() == 7
    connection.execute("SET DateStyle TO 'German'")
    assert str(connection.query("SELECT date '2026-02-03' AS d").scalar()) == "2026-02-03"
    connection.execute("SET DateStyle TO 'SQL, DMY'")
    assert str(connection.query("SELECT date '2026-02-03' AS d").scalar()) == "2026-02-03"


def test_a_reply_is_taken_at_once_and_undecoded(connection: pgwire.Connection) -> None:
    for sql in (
        "SELECT n, n::text FROM generate_series(1, 30) AS n",
        "SELECT NULL::int AS a, 'x' AS b",
        "SELECT 1 WHERE false",
        "SET application_name TO 'x'",
        "SELECT",
        "DISCARD PLANS",
    ):
        reply = connection.send(sql)
        first = reply.next_result()
        assert isinstance(first, RowSet | Completed)
        frames = b""
        while isinstance(first, RowSet) and (run := reply.next_frames()) is not None:
            frames += run
        assert reply.next_result() is None
        status = connection.info.transaction_status
        reply = connection.send(sql)
        whole = reply.whole()
        assert whole is not None
        assert whole[1] == frames
        assert type(whole[0]) is type(first)
        assert whole[0].tag == first.tag
        if isinstance(first, RowSet) and isinstance(whole[0], RowSet):
            assert [c.name for c in whole[0].columns] == [c.name for c in first.columns]
            assert whole[0].error is None
        assert reply.done
        assert reply.whole() is None
        assert reply.next_result() is None
        assert connection.info.transaction_status == status


def test_a_reply_is_taken_at_once_on_a_loop(cluster: Cluster) -> None:
    async def work() -> None:
        async with await pgwire.connect_async(cluster.conninfo()) as connection:
            whole = await (await connection.send("SELECT 7 AS a")).whole()
            assert whole is not None
            assert whole[0].tag == "SELECT 1"
            assert whole[1] == ROW.encode()
            reply = await connection.send("SELECT 1 / 0")
            assert await reply.whole() is None
            assert isinstance(await reply.next_result(), Failed)

    asyncio.run(work())


def test_what_cannot_be_taken_at_once_is_left_to_be_read(connection: pgwire.Connection) -> None:
    for sql, params, results in (
        ("SELECT 1; SELECT 2", None, [RowSet, RowSet]),
        ("SELECT 1 / 0", None, [Failed]),
        ("", None, [EmptyQuery]),
        ("SELECT $1", ("x",), [RowSet]),
        ("COPY (SELECT 1) TO STDOUT", None, [CopyRefused]),
        ("DO 'BEGIN RAISE WARNING $$x$$; END'", None, [Completed]),
        ("SELECT repeat('x', 100000), n FROM generate_series(1, 10) AS n", None, [RowSet]),
    ):
        reply = connection.send(sql, params)
        assert reply.whole() is None
        found = []
        while (outcome := reply.next_result()) is not None:
            found.append(type(outcome))
            assert reply.whole() is None  # it is too late
        assert found == results
    reply = connection.send("SELECT pg_sleep(0.2)")
    with pytest.raises(errors.TimeoutExpired):
        reply.whole(timeout=0)
    whole = reply.whole()
    assert whole is not None
    assert whole[0].tag == "SELECT 1"


def test_several_statements_and_errors_go_step_by_step(
    connection: pgwire.Connection, whole: list[bool]
) -> None:
    assert connection.query("SELECT 1; SELECT 2").rows == [(2,)]
    with pytest.raises(errors.DatabaseError, match="division by zero"):
        connection.query("SELECT 1 / 0")
    assert connection.query("").tag == ""
    assert whole == [False, False, False]
    assert connection.query("SELECT 3").scalar() == 3
    assert whole[-1]


def test_the_status_is_followed(connection: pgwire.Connection) -> None:
    for sql, status in (("BEGIN", "T"), ("SELECT 1", "T"), ("COMMIT", "I"), ("SELECT 1", "I")):
        connection.query(sql)
        assert connection.info.transaction_status == status


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ([FIELDS, ROW, DONE, b"Z\0\0\0\5?"], "transaction status|ReadyForQuery"),
        ([FIELDS, ROW, ROW, b"C\0\0\0\7SEL", READY], "CommandComplete|SEL"),
        ([FIELDS, DataRow([b"7", b"8"]), DONE, READY], "field count"),
        ([FIELDS, b"D\0\0\0\5\0", DONE, READY], "D|insufficient"),
        ([b"T\0\0\0\6\0\1", ROW, DONE, READY], "."),
        ([FIELDS, FIELDS, DONE, READY], '"T"|T'),
        ([ROW, DONE, READY], "D"),
        ([FIELDS, ROW, READY], "Z"),
    ],
    ids=[
        *("status", "tag without end", "two fields", "short row"),
        *("short description", "described twice", "not described", "no end"),
    ],
)
def test_a_wrong_byte_is_refused(reply: list[Message | bytes], words: str) -> None:
    good = [FIELDS, ROW, DONE, READY]
    script = [login(), expect(Query), send(*good), expect(Query), send(*reply), close()]
    with ScriptedServer(script) as server:
        connection = pgwire.connect(server.conninfo())
        assert connection.query("SELECT 7").rows == [(7,)]
        with pytest.raises((errors.ProtocolError, errors.DataError), match=words):
            connection.query("SELECT 7")
        assert connection.closed


@pytest.mark.parametrize(
    "reply",
    [
        [FIELDS, ROW, DONE, b"Z\0\0\0\5?"],
        [FIELDS, ROW, ROW, b"C\0\0\0\7SEL", READY],
        [b"T\0\0\0\6\0\1", ROW, DONE, READY],
        [FIELDS, FIELDS, DONE, READY],
        [FIELDS, b"D\0\0\0\3", DONE, READY],
        [ROW, DONE, READY],
        [FIELDS, ROW, READY],
    ],
    ids=[
        *("status", "tag without end", "short description", "described twice", "impossible row"),
        *("not described", "no end"),
    ],
)
def test_a_wrong_byte_is_left_to_be_refused(reply: list[Message | bytes]) -> None:
    with ScriptedServer([login(), expect(Query), send(*reply), close()]) as server:
        connection = pgwire.connect(server.conninfo())
        exchange = connection.send("SELECT 7")
        assert exchange.whole() is None
        with pytest.raises(errors.ProtocolError):
            while exchange.next_result() is not None:
                while exchange.next_frames() is not None:
                    pass
        assert connection.closed
