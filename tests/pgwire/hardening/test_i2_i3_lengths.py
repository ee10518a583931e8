"""I2, I3: lengths, counts and NULs are checked before a byte goes out; the connection stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import (
    BindComplete,
    CommandComplete,
    NoData,
    ParameterDescription,
    ParseComplete,
    ReadyForQuery,
)
from pgwire.protocol.constants import LARGE_MESSAGE_LIMIT
from pgwire.protocol.frontend import Bind, Describe, Execute, Flush, Parse, Query, Sync
from pgwire.testing.script import Script, ScriptedServer, expect, login, ready, send
from pgwire.types.codec import Codec, always


class Liar(bytes):
    """Bytes that say they are longer, or shorter, than they are (CVE-2024-27304)."""

    claimed = 0

    def __len__(self) -> int:
        return self.claimed


# Only the statement after the refusal may arrive: everything else breaks the script.
SCRIPT: Script = [
    login(),
    expect(lambda message: message == Query(b"SELECT 'next'")),
    send(CommandComplete(b"SELECT 0"), ReadyForQuery(b"I")),
]


@pytest.fixture
def connection() -> Iterator[pgwire.Connection]:
    with ScriptedServer(SCRIPT) as server, pgwire.connect(server.conninfo()) as opened:
        opened.registry = opened.registry.copy()
        yield opened
        assert opened.execute("SELECT 'next'") == "SELECT 0"


@pytest.mark.parametrize("claimed", [0, 1 << 30, 1 << 31, (1 << 32) + 5, (1 << 63) - 1])
def test_a_value_that_lies_about_its_length(claimed: int) -> None:
    script: Script = [
        login(),
        expect(Parse),
        expect(Describe),
        expect(Flush),
        send(ParseComplete(), ParameterDescription([23]), NoData()),
        expect(lambda message: isinstance(message, Bind) and message.parameters == (b"real",)),
        expect(Execute),
        expect(Sync),
        send(BindComplete(), CommandComplete(b"SELECT 0")),
        ready(),
    ]
    with ScriptedServer(script) as server, pgwire.connect(server.conninfo()) as connection:
        connection.registry = connection.registry.copy()
        lie = always(lambda value: type("Liar", (Liar,), {"claimed": claimed})(b"real"))
        connection.registry.register(
            Codec("int4", 23, 1007, text_decoder=always(int), text_encoder=lie)
        )
        assert connection.execute("SELECT $1", [1]) == "SELECT 0"


def test_a_query_that_is_too_long(
    connection: pgwire.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Query, "limit", 1000)  # a real one takes a gigabyte
    with pytest.raises(errors.DataError):
        connection.query("SELECT '" + "x" * 2000 + "'")
    assert LARGE_MESSAGE_LIMIT == 0x3FFFFFFE


REFUSED: dict[str, Callable[[pgwire.Connection], object]] = {
    "65536 parameters": lambda c: c.query("SELECT 1", [0] * 65536),
    "NUL in a query": lambda c: c.query("SELECT 'a\0b'"),
    "NUL in an extended query": lambda c: c.query("SELECT 'a\0b'", []),
    "NUL in a statement to describe": lambda c: c.describe("SELECT 'a\0b'"),
    "NUL in a parameter": lambda c: c.query("SELECT $1", ["a\0b"]),
    "NUL in an array": lambda c: c.query("SELECT $1", [["a\0b"]]),
    "a lone surrogate": lambda c: c.query("SELECT '\ud800'"),
    "a lone surrogate in a parameter": lambda c: c.query("SELECT $1", ["\ud800"]),
    "a class without a codec": lambda c: c.query("SELECT $1", [object()]),
    "several statements": lambda c: c.query_all("SELECT 1; SELECT '\0'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_no_trace(connection: pgwire.Connection, name: str) -> None:
    for _ in range(2):
        with pytest.raises(errors.DatabaseError):
            REFUSED[name](connection)
    assert not connection.closed
    assert connection.info.transaction_status == "I"
