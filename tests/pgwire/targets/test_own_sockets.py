"""The user's own socket, dialler and resolver."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import pgwire
from pgwire import errors
from pgwire.conninfo import Target
from pgwire.protocol.frontend import StartupMessage
from pgwire.testing.cluster import Cluster
from pgwire.testing.logins import fatal
from pgwire.testing.script import ScriptedServer, expect, login, send
from tests.pgwire.targets.kit import closed_port
from tests.pgwire.tls.conftest import World
from tests.pgwire.tls.kit import HOST, TLSServer


class Tunnels:
    """Ways to a server through threads that pass bytes on, as an SSH or WebSocket tunnel would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.dialled: list[tuple[str, float | None]] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def dial(self, target: Target, seconds: float | None) -> socket.socket:
        self.dialled.append((target.host, seconds))
        near, far = socket.socketpair()
        server = socket.create_connection(("127.0.0.1", self.port))
        self._sockets += [far, server]
        for source, sink in ((far, server), (server, far)):
            self._threads.append(threading.Thread(target=carry, args=(source, sink)))
            self._threads[-1].start()
        return near

    async def dial_async(self, target: Target, seconds: float | None) -> socket.socket:
        await asyncio.sleep(0)
        return self.dial(target, seconds)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        for sock in self._sockets:
            sock.close()


def carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for sock in (sink, source):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def tunnels(cluster: Cluster) -> Iterator[Tunnels]:
    made = Tunnels(cluster.port)
    yield made
    made.join()


WHO = "user=postgres dbname=postgres"


def test_dial(tunnels: Tunnels) -> None:
    with pgwire.connect(
        f"host=far.invalid {WHO} connect_timeout=9", dial=tunnels.dial, environ={}
    ) as connection:
        assert connection.query("SELECT 1").rows == [(1,)]
        assert connection.info.server == 'connection to server at "far.invalid", port 5432'
    ((host, seconds),) = tunnels.dialled
    assert host == "far.invalid"
    assert seconds is not None
    assert 8 < seconds <= 9


def test_cancelling_dials_again(tunnels: Tunnels) -> None:
    with pgwire.connect(WHO, dial=tunnels.dial, environ={}) as connection:
        with pytest.raises(errors.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.2)
        assert len(tunnels.dialled) == 2
        assert connection.query("SELECT 2").rows == [(2,)]


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_dial_in_the_asyncio_body(tunnels: Tunnels, kind: str) -> None:
    dial = tunnels.dial if kind == "function" else tunnels.dial_async

    async def main() -> None:
        connection = await pgwire.connect_async(WHO, dial=dial, environ={})
        try:
            with pytest.raises(errors.TimeoutExpired):
                await connection.query("SELECT pg_sleep(60)", timeout=0.2)
            assert len(tunnels.dialled) == 2
            assert (await connection.query("SELECT 2")).rows == [(2,)]
        finally:
            await connection.close()

    asyncio.run(main())


def test_sock(tunnels: Tunnels) -> None:
    sock = tunnels.dial(Target("", "", "5432"), None)
    with pgwire.connect(WHO, sock=sock, environ={}) as connection:
        assert connection.query("SELECT 1").rows == [(1,)]
        with pytest.raises(errors.OperationalError) as caught:
            connection.cancel()
        assert caught.value.message == (
            "connection to server on the given socket failed: "
            "the given socket is in use, and there is no `dial` to open another one"
        )
        assert connection.query("SELECT 2").rows == [(2,)]
        # What cannot be cancelled can only be given up.
        with pytest.raises(errors.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.1)
        assert connection.closed
    assert sock.fileno() == -1


def test_sock_and_dial(tunnels: Tunnels) -> None:
    sock = tunnels.dial(Target("", "", "5432"), None)
    with pgwire.connect(WHO, sock=sock, dial=tunnels.dial, environ={}) as connection:
        with pytest.raises(errors.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.2)
        assert connection.query("SELECT 2").rows == [(2,)]
    assert len(tunnels.dialled) == 2


def test_sock_in_the_asyncio_body(tunnels: Tunnels) -> None:
    async def main() -> None:
        sock = tunnels.dial(Target("", "", "5432"), None)
        connection = await pgwire.connect_async(WHO, sock=sock, environ={})
        assert (await connection.query("SELECT 1")).rows == [(1,)]
        with pytest.raises(errors.OperationalError, match="the given socket is in use"):
            await connection.cancel()
        await connection.close()

    asyncio.run(main())


def test_a_socket_can_be_tried_once_only() -> None:
    sock = socket.socket()
    with pytest.raises(errors.ConninfoError, match="with one host"):
        pgwire.connect("host=a,b", sock=sock, environ={})
    assert sock.fileno() == -1
    with ScriptedServer([expect(StartupMessage), send(fatal("no", "28000"))]) as server:
        sock = socket.create_connection((server.host, server.port))
        with pytest.raises(errors.OperationalError) as caught:
            pgwire.connect("host=h sslmode=allow user=u", sock=sock, environ={})
    assert caught.value.message.count("failed: ") == 1
    assert sock.fileno() == -1


def test_hooks_that_exclude_each_other() -> None:
    with pytest.raises(errors.ConninfoError, match="nothing is looked up"):
        pgwire.connect("host=h", resolve=lambda h, p: [], dial=lambda t, s: None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(111, "the gate is closed"), "the gate is closed"),
        (OSError("no gate"), "no gate"),
        (TimeoutError(), "timeout expired"),
        (errors.OperationalError("not today"), "not today"),
    ],
)
def test_a_dialler_that_fails_means_the_next_host(error: Exception, told: str) -> None:
    def dial(target: Target, seconds: float | None) -> socket.socket:
        if target.host == "a":
            raise error
        return socket.create_connection((server.host, server.port))

    with ScriptedServer(login()) as server:
        pgwire.connect("host=a,b user=u sslmode=disable", dial=dial, environ={}).close()
        with pytest.raises(errors.OperationalError) as caught:
            pgwire.connect("host=a user=u sslmode=disable", dial=dial, environ={})
    assert caught.value.message == f'connection to server at "a", port 5432 failed: {told}'


def test_a_dialler_that_is_broken_is_not_hidden() -> None:
    def dial(target: Target, seconds: float | None) -> socket.socket:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pgwire.connect("host=a,b", dial=dial, environ={})


def test_what_is_no_plain_socket_is_refused() -> None:
    with pytest.raises(errors.InterfaceError, match="not a connected socket: int"):
        pgwire.connect("host=a", dial=lambda target, seconds: 3, environ={})
    near, far = socket.socketpair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with far, context.wrap_socket(near, do_handshake_on_connect=False) as wrapped:
        with pytest.raises(errors.InterfaceError, match="SSLSocket"):
            pgwire.connect("host=a", sock=wrapped, environ={})
        assert wrapped.fileno() == -1


def test_requirepeer_holds_for_given_sockets() -> None:
    near, far = socket.socketpair()
    with far, pytest.raises(errors.OperationalError, match="requirepeer specifies"):
        pgwire.connect("requirepeer=nobody-of-that-name", sock=near, environ={})


# Resolvers.


def resolvers(found: object) -> list[tuple[str, Callable[..., object]]]:
    async def resolve(host: str, port: int) -> object:
        return found

    return [("function", lambda host, port: found), ("coroutine function", resolve)]


def test_resolve(cluster: Cluster) -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.2", "127.0.0.1"]  # the server listens on the second one only

    with pgwire.connect(
        f"host=db.invalid port={cluster.port} {WHO}", resolve=resolve, environ={}
    ) as connection:
        assert connection.info.server == (
            f'connection to server at "db.invalid" (127.0.0.1), port {cluster.port}'
        )
        connection.cancel()  # goes to the same address, and asks nobody
    assert asked == [("db.invalid", cluster.port)]


@pytest.mark.parametrize(("kind", "resolve"), resolvers("127.0.0.1"))
def test_resolve_in_the_asyncio_body(
    cluster: Cluster, kind: str, resolve: Callable[..., object]
) -> None:
    async def main() -> None:
        connection = await pgwire.connect_async(
            f"host=db.invalid port={cluster.port} {WHO}", resolve=resolve, environ={}
        )
        assert "(127.0.0.1)" in connection.info.server
        await connection.close()

    asyncio.run(main())


def test_what_needs_no_resolver_does_not_ask_it(cluster: Cluster) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    for place in (f"host={cluster.host}", "host=127.0.0.1", "host=x hostaddr=127.0.0.1"):
        text = f"{place} port={cluster.port} {WHO}"
        pgwire.connect(text, resolve=resolve, environ={}).close()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], "the resolver found no address"),
        (["db2.invalid"], "Name or service not known"),
        (OSError(5, "the resolver is down"), "the resolver is down"),
    ],
)
def test_resolver_that_fails(found: object, reason: str) -> None:
    def resolve(host: str, port: int) -> object:
        if isinstance(found, OSError):
            raise found
        return found

    with pytest.raises(errors.OperationalError) as caught:
        pgwire.connect(f"host=db port={closed_port()}", resolve=resolve, environ={})
    assert caught.value.message == f'could not translate host name "db" to address: {reason}'


# TLS.


def test_tls_through_a_tunnel(tls_server: TLSServer, world: World, home: Path) -> None:
    tls_server.use(world.server, hba="hostssl")
    tunnels = Tunnels(tls_server.cluster.port)
    options = f"{WHO} sslmode=verify-full sslrootcert={world.root_file}"
    with pgwire.connect(f"host={HOST} {options}", dial=tunnels.dial, environ={}) as connection:
        assert connection.info.tls_version is not None
        with pytest.raises(errors.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.3)
        assert connection.query("SELECT 2").rows == [(2,)]  # cancelled, through TLS again
    with pytest.raises(errors.OperationalError, match="does not match host name"):
        pgwire.connect(f"host=other.test {options}", dial=tunnels.dial, environ={})
    # A socket whose name is the default one is not taken for a local server's.
    sock = tunnels.dial(Target("", "", "5432"), None)
    with pytest.raises(errors.OperationalError, match="host name"):
        pgwire.connect(options, sock=sock, environ={})
    tunnels.join()
