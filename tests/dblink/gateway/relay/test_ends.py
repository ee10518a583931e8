"""Cancelling, and how sessions end: whoever goes first, nobody is left behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress

import pytest

import pgwire
from dblink.gateway import Running
from pgwire import errors, sqlstates
from pgwire.protocol.backend import ErrorResponse
from pgwire.protocol.frontend import CancelRequest, Query, Terminate
from pgwire.testing.cluster import Cluster
from pgwire.testing.script import ScriptedServer, close, expect, login, reset, send, stall
from tests.dblink.gateway.relay.conftest import NOBODY
from tests.dblink.gateway.relay.wire import PATIENCE, Wire, fields


def login_of(relay: Running, **options: object) -> str:
    return relay.conninfo(user="postgres", dbname="postgres", **options)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
    """Wait until the condition holds; how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it has not come to pass"
        time.sleep(0.01)
    return time.monotonic() - started


def running_in(admin: pgwire.Connection, name: str) -> int:
    (told,) = admin.query(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'",
        [name],
    )
    return int(told[0])


def sessions_of(admin: pgwire.Connection, name: str) -> int:
    (told,) = admin.query(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", [name]
    )
    return int(told[0])


def cancelled(connection: pgwire.Connection) -> None:
    with pytest.raises(sqlstates.QueryCanceled):
        connection.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_a_cancel_request_is_relayed(relay: Running, local: str, version: str) -> None:
    name = f"cancel {version}"
    where = login_of(relay, application_name=name, max_protocol_version=version)
    with pgwire.connect(where) as connection, pgwire.connect(local) as admin:
        waiting = threading.Thread(target=cancelled, args=(connection,))
        waiting.start()
        until(lambda: running_in(admin, name) == 1)
        connection.cancel()
        waiting.join()
        assert connection.query("SELECT 1").rows == [(1,)]


def test_a_cancel_request_that_is_not_ours_is_passed_on(relaying: Callable[..., Running]) -> None:
    with ScriptedServer([expect(CancelRequest), close()]) as server:
        gateway = relaying(server.conninfo(sslmode="disable"))
        with Wire(gateway.addresses[0]) as wire:
            wire.send(CancelRequest(1234, b"a key that is long").encode())
            assert wire.rest() == b""
        server.join()
        assert server.peers[0].received == [CancelRequest(1234, b"a key that is long")]


def test_the_key_must_be_right(relay: Running, local: str) -> None:
    with Wire(relay.addresses[0]) as wire, Wire(relay.addresses[0]) as enemy:
        (key,) = [frame for frame in wire.log_in() if frame[:1] == b"K"]
        pid = int.from_bytes(key[5:9])
        wire.send(Query(b"SELECT pg_sleep(0.2)").encode())
        enemy.send(CancelRequest(pid, bytes(b ^ 1 for b in key[9:])).encode())
        assert enemy.rest() == b""
        assert not [frame for frame in wire.frames() if frame[:1] == b"E"]


@pytest.mark.parametrize("politely", [False, True])
def test_what_a_client_that_is_gone_was_running_is_cancelled(
    relay: Running, local: str, politely: bool
) -> None:
    # Whoever takes leave properly has what it asked for done, as without a gateway.
    name = f"gone {politely}"
    with pgwire.connect(local) as admin:
        wire = Wire(relay.addresses[0])
        wire.log_in(application_name=name)
        seconds = 0.5 if politely else 60
        wire.send(Query(b"SELECT pg_sleep(%f)" % seconds).encode())
        until(lambda: running_in(admin, name) == 1)
        started = time.monotonic()
        if politely:
            wire.terminate()
        else:
            wire.socket.close()
        until(lambda: sessions_of(admin, name) == 0)
        assert (time.monotonic() - started > 0.2) is politely


def test_the_last_words_of_a_server_pass(relaying: Callable[..., Running]) -> None:
    words = ErrorResponse({"S": b"FATAL", "V": b"FATAL", "C": b"57P01", "M": b"so long"}).encode()
    cut = b"N\0\0\1\0SNOTI"
    script = [login(), expect(Query), send(words + cut), close()]
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert wire.rest() == words + cut


def test_a_server_that_breaks_off_ends_the_session(relaying: Callable[..., Running]) -> None:
    script = [login(), expect(Query), reset()]
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert wire.rest() == b""


def test_a_server_that_makes_no_sense_is_not_listened_to(
    relaying: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    script = [login(), expect(Query), send(b"D\0\0\0\0")]
    with ScriptedServer(script) as server, Wire(relaying(server.conninfo()).addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"x").encode())
        assert wire.rest() == b""
    assert "lost synchronization with server" in caplog.text


def test_a_session_that_does_nothing_ends(relaying: Callable[..., Running], local: str) -> None:
    gateway = relaying(local, idle_timeout=0.2)
    with Wire(gateway.addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"SELECT pg_sleep(0.5)").encode())  # that is something
        assert not [frame for frame in wire.frames() if frame[:1] == b"E"]
        farewell = fields(wire.frame())
        assert (farewell["S"], farewell["C"]) == ("FATAL", "57P05")
        assert wire.rest() == b""


def test_stopping_is_graceful(relaying: Callable[..., Running], local: str) -> None:
    gateway = relaying(local)
    with Wire(gateway.addresses[0]) as idle, Wire(gateway.addresses[0]) as busy:
        idle.log_in()
        busy.log_in()
        busy.send(Query(b"SELECT 'begun'; SELECT pg_sleep(0.5); SELECT 'done'").encode())
        assert b"begun" in b"".join(busy.frames(until=b"C"))
        stopping = threading.Thread(target=gateway.close)
        stopping.start()
        assert fields(idle.frame())["C"] == "57P01"
        assert idle.rest() == b""
        assert b"done" in b"".join(busy.frames())
        assert fields(busy.frame())["C"] == "57P01"
        assert busy.rest() == b""
        stopping.join()
        with pytest.raises(ConnectionRefusedError):
            Wire(gateway.addresses[0])


def test_stopping_does_not_wait_for_ever(relaying: Callable[..., Running], local: str) -> None:
    gateway = relaying(local)
    with Wire(gateway.addresses[0]) as busy, pgwire.connect(local) as admin:
        busy.log_in(application_name="does not end")
        busy.send(Query(b"SELECT pg_sleep(60)").encode())
        until(lambda: running_in(admin, "does not end") == 1)
        started = time.monotonic()
        gateway.close(grace=0.1)
        assert time.monotonic() - started < 5
        assert fields(busy.frame())["C"] == "57P01"
        assert until(lambda: sessions_of(admin, "does not end") == 0) < 5


def test_stopping_a_second_time_shortens_it(local: str) -> None:
    from dblink.gateway import Gateway

    async def main() -> None:
        async with Gateway(local, NOBODY, listen=["127.0.0.1:0"]) as gateway:
            where = gateway.conninfo(user="postgres", dbname="postgres")
            connection = await pgwire.connect_async(where)
            query = asyncio.create_task(connection.query("SELECT pg_sleep(60)"))
            while not any(relay.busy for relay in gateway._sessions):
                await asyncio.sleep(0.01)
            started = time.monotonic()
            await asyncio.gather(gateway.stop(60), gateway.stop(0))
            assert time.monotonic() - started < 10
            with pytest.raises(errors.OperationalError, match="administrator command"):
                await query
            await connection.close()

    asyncio.run(main())


def test_nothing_is_said_in_the_middle_of_a_message(relaying: Callable[..., Running]) -> None:
    beginning = b"D" + (1000).to_bytes(4) + b"x" * 500
    script = [login(), expect(Query), send(beginning), stall()]
    with ScriptedServer(script) as server:
        gateway = relaying(server.conninfo())
        with Wire(gateway.addresses[0]) as wire:
            wire.log_in()
            wire.send(Query(b"x").encode())
            assert wire.exactly(len(beginning)) == beginning
            gateway.close(grace=0.1)
            assert wire.rest() == b""


def test_nothing_is_left_on_the_loop(local: str) -> None:
    from dblink.gateway import Gateway

    async def main() -> None:
        async with Gateway(local, listen=["127.0.0.1:0"]) as gateway:
            where = gateway.conninfo(user="postgres", dbname="postgres")
            async with await pgwire.connect_async(where) as connection:
                assert (await connection.query("SELECT 1")).rows == [(1,)]
        (this,) = asyncio.all_tasks()
        assert this is asyncio.current_task()

    asyncio.run(main())


def test_unix_domain_sockets(
    relaying: Callable[..., Running], local: str, cluster: Cluster, tmp_path_factory: object
) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="gw") as folder:  # short: paths of sockets must be
        path = Path(folder, ".s.PGSQL.6432")
        gateway = relaying(cluster.conninfo(), listen=[folder, "127.0.0.1:0"])
        assert gateway.addresses[0] == (folder, 6432)
        with pgwire.connect(login_of(gateway)) as connection:
            assert connection.query("SELECT 1").rows == [(1,)]
        with pytest.raises(errors.OperationalError, match="another process listens there"):
            relaying(local, listen=[folder])
        gateway.close()
        assert not path.exists()
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
        relaying(local, listen=[f"{folder}:6432"]).close()
        path.write_text("no socket")
        with pytest.raises(errors.OperationalError, match="is no socket"):
            relaying(local, listen=[folder])


@pytest.mark.parametrize("turns", range(6))
def test_who_is_just_being_accepted_is_not_forgotten(local: str, turns: int) -> None:
    from dblink.gateway import Gateway

    async def main() -> None:
        gateway = Gateway(local, NOBODY, listen=["127.0.0.1:0"])
        await gateway.start()
        with socket.create_connection(gateway.addresses[0]) as client:
            for _ in range(turns):
                await asyncio.sleep(0)
            await gateway.stop()
            client.settimeout(PATIENCE)
            with suppress(ConnectionResetError):
                while client.recv(1000):  # a farewell, if it has become a relay
                    pass

    with warnings.catch_warnings(record=True) as told:  # of sockets that nobody has closed
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(main())
        gc.collect()
    assert [str(one.message) for one in told] == []


@pytest.mark.parametrize("address", ["", "6432", ":6432", "host", "h:x", "h:70000", "::1", "::1:5"])
def test_addresses_that_cannot_be(address: str, local: str) -> None:
    from dblink.gateway import Gateway

    with pytest.raises(errors.ConninfoError, match="cannot listen on"):
        Gateway(local, listen=[address])


def test_options_that_cannot_be_followed(local: str) -> None:
    from dblink.gateway import Gateway

    with pytest.raises(errors.ConninfoError, match="target_session_attrs"):
        Gateway(f"{local} target_session_attrs=primary")
    with pytest.raises(errors.ConninfoError, match="there must be an address"):
        Gateway(local, listen=[])


def test_terminate_ends_it(relay: Running) -> None:
    with Wire(relay.addresses[0]) as wire:
        wire.log_in()
        wire.send(Terminate().encode())
        assert wire.rest() == b""


def test_stopping_does_not_wait_for_who_does_not_read(
    relaying: Callable[..., Running], local: str
) -> None:
    gateway = relaying(local)
    with Wire(gateway.addresses[0]) as wire:
        wire.log_in()
        wire.send(Query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)").encode())
        wire.frame()
        started = time.monotonic()
        gateway.close(grace=0.1)
        assert time.monotonic() - started < 10
