"""Replies of simple queries that are taken at once, and those that only look like them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import pgwire
from pgwire import errors
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
