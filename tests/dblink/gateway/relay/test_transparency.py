"""Whatever passes, passes as it came: compared with the same conversation without the gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import pgwire
from dblink.gateway import Running
from pgwire.protocol.backend import (
    CommandComplete,
    CopyBothResponse,
    DataRow,
    ErrorResponse,
    NoticeResponse,
)
from pgwire.protocol.frontend import (
    Bind,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    Parse,
    Query,
    StartupMessage,
    Sync,
    Terminate,
)
from pgwire.protocol.message import Message
from pgwire.testing.cluster import Cluster
from pgwire.testing.script import ScriptedServer, drip, expect, greeting, login, ready, send
from tests.dblink.gateway.relay.wire import Wire, startup
from tests.programs import run

# What the client sends, and how many ReadyForQuery it waits for before it goes on.
CONVERSATION: list[tuple[list[Message], int]] = [
    ([Query(b"SELECT 1, 'x', NULL; SELECT 2; VALUES (repeat('ab', 50000))")], 1),
    ([Query(b"SELECT 1/0; SELECT 2")], 1),
    ([Query(b"")], 1),
    ([Query(b"DO $$BEGIN RAISE NOTICE 'n'; RAISE WARNING 'w' USING ERRCODE = 'DBL01'; END$$")], 1),
    ([Query(b"SET client_encoding TO LATIN1; SHOW client_encoding; RESET client_encoding")], 1),
    ([Query(b"LISTEN news; NOTIFY news, 'x'; UNLISTEN news")], 1),
    (
        [
            Parse(b"s", b"SELECT g, g::text FROM generate_series(1, $1::int) g"),
            Describe(b"S", b"s"),
            Bind(b"p", b"s", [1], [b"\0\0\0\x05"], [1, 0]),
            Describe(b"P", b"p"),
            Execute(b"p", 2),
            Flush(),
            Execute(b"p", 2),
            Sync(),
            Parse(b"", b"SELECT nonsense"),
            Sync(),
        ],
        2,
    ),
    ([Query(b"COPY (SELECT g, md5(g::text) FROM generate_series(1, 2000) g) TO STDOUT")], 1),
    ([Query(b"COPY (SELECT g FROM generate_series(1, 100) g) TO STDOUT (FORMAT binary)")], 1),
    (
        [
            Query(
                b"CREATE TEMP TABLE t (a int, b text); COPY t FROM STDIN;"
                b"SELECT a + 0, b || '' FROM t"
            ),
            *[CopyData(b"%d\tline\n" % n) for n in range(300)],
            CopyDone(),
        ],
        1,
    ),
    ([Query(b"COPY t FROM STDIN"), CopyData(b"1\tx\n"), CopyFail(b"no")], 1),
    ([FunctionCall(177, [0], [b"1", b"2"])], 1),
    ([Query(b"SELECT g, repeat('r', g % 200) FROM generate_series(1, 5000) g")], 1),
    ([Query(b"SELECT g::int8 FROM generate_series(1000, 9000) g")], 1),
    ([Query(b"BEGIN; SELECT 1; ROLLBACK")], 1),
]


def converse(address: tuple[str, int], chunk: int) -> list[bytes]:
    with Wire(address) as wire:
        wire.send(startup(application_name="converse"), chunk)
        heard = [frame for frame in wire.frames() if frame[:1] != b"K"]
        for messages, count in CONVERSATION:
            wire.send(b"".join(message.encode() for message in messages), chunk)
            heard += wire.frames(count=count)
        wire.send(Terminate().encode())
        assert wire.rest() == b""
    # The process id of a notification is the session's own.
    return [re.sub(rb"^(A....)....", rb"\1", frame, flags=re.DOTALL) for frame in heard]


@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_every_byte_is_as_without_the_gateway(cluster: Cluster, relay: Running, chunk: int) -> None:
    direct = converse((cluster.tcp_host, cluster.port), 0)
    assert converse(relay.addresses[0], chunk) == direct


UNHEARD_OF = b"w" + (4 + 3).to_bytes(4) + b"abc" + b"\x01" + (4).to_bytes(4)
SAID = (
    NoticeResponse({"S": b"NOTICE", "V": b"NOTICE", "C": b"DBL01", "M": b"no call"}).encode()
    + UNHEARD_OF
    + b"".join(DataRow([b"x" * n]).encode() for n in range(40))
    + DataRow([b"x"]).encode() * 40
    + ErrorResponse({"S": b"ERROR", "V": b"ERROR", "C": b"XX000", "M": b"dblink"}).encode()
    + CommandComplete(b"DONE").encode()
    + b"Z\0\0\0\5I"
)


def test_single_bytes_and_unknown_messages_pass(relaying: Callable[..., Running]) -> None:
    script = [login(), expect(Query), drip(SAID), expect(Terminate)]
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert wire.exactly(len(SAID)) == SAID
        wire.terminate()
        server.join()


def test_options_and_versions_of_the_future_pass(relaying: Callable[..., Running]) -> None:
    negotiation = (
        b"v" + (4 + 8 + 7).to_bytes(4) + (3 << 16).to_bytes(4) + (1).to_bytes(4) + b"_pq_.x\0"
    )
    script = [expect(StartupMessage), send(negotiation), greeting(), expect(Terminate)]
    packet = StartupMessage({b"user": b"u", b"_pq_.x": b"1", b"a.b": b"c"}, 3 << 16 | 9).encode()
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.send(packet)
        assert next(iter(wire.frames())) == negotiation
        list(wire.frames())
        wire.terminate()
        server.join()
        assert packet in bytes(server.peers[0].input)


def test_copying_in_both_directions_at_once_passes(relaying: Callable[..., Running]) -> None:
    script = [
        login(),
        expect(Query),
        send(CopyBothResponse(0, [])),
        *[step for n in range(5) for step in (send(b"d\0\0\0\5x"), expect(CopyData))],
        ready(),
        expect(Terminate),
    ]
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"START_REPLICATION").encode())
        assert wire.frame()[:1] == b"W"
        for _ in range(5):
            assert wire.frame() == b"d\0\0\0\5x"
            wire.send(CopyData(b"y").encode())
        assert wire.frame() == b"Z\0\0\0\5I"
        wire.terminate()
        server.join()


def test_a_replication_connection_passes(relay: Running, cluster: Cluster, tmp_path: Path) -> None:
    options = {"user": cluster.superuser, "dbname": "postgres"}
    where = relay.conninfo(**options, replication="1")
    identity = run("psql", "-XAtc", "IDENTIFY_SYSTEM", where).stdout
    assert re.fullmatch(r"\d+\|1\|[0-9A-F/]+\|\n", identity)
    run(
        "pg_basebackup",
        *("-d", relay.conninfo(**options), "-X", "stream", "-c", "fast", "-D", str(tmp_path / "b")),
        server=cluster.binaries.major,
    )
    assert (tmp_path / "b" / "PG_VERSION").exists()


def test_notifications_come_unasked(relay: Running, local: str) -> None:
    with pgwire.connect(relay.conninfo(user="postgres", dbname="postgres")) as listener:
        listener.execute("LISTEN through_the_gateway")
        with pgwire.connect(local) as other:
            other.execute("NOTIFY through_the_gateway, 'hello'")
        heard = next(iter(listener.notifies(timeout=20)))
        assert heard.payload == "hello"
