"""Unix-domain sockets, requirepeer, the keep-alive family, and protocol 3.2."""

from __future__ import annotations

import getpass
import socket
import sys
import threading
import uuid

import pytest

import pgwire
from pgwire import errors
from pgwire.protocol.backend import NegotiateProtocolVersion
from pgwire.protocol.constants import PROTOCOL_3_0
from pgwire.protocol.frontend import CancelRequest, Query, StartupMessage
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from pgwire.testing.script import Script, ScriptedServer, close, expect, greeting, login, send
from tests.pgwire.libpq import LibPQ
from tests.pgwire.targets.kit import ours, theirs

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


def options(connection: pgwire.Connection, *names: str) -> list[int]:
    sock = connection._transport.sock
    level = {"SO_KEEPALIVE": socket.SOL_SOCKET}
    return [
        sock.getsockopt(level.get(name, socket.IPPROTO_TCP), getattr(socket, name))
        for name in names
    ]


FAMILY = ("SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@linux
def test_keepalives_are_really_set(cluster: Cluster) -> None:
    given = {
        "keepalives_idle": 77,
        "keepalives_interval": 11,
        "keepalives_count": 5,
        "tcp_user_timeout": 12345,
    }
    with pgwire.connect(cluster.conninfo(tcp=True, **given), environ={}) as connection:
        assert options(connection, *FAMILY) == [1, 77, 11, 5, 12345]
        assert options(connection, "TCP_NODELAY")[0]
        assert connection.fileno() >= 0
        assert not connection._transport.sock.get_inheritable()
    with pgwire.connect(cluster.conninfo(tcp=True, **given, keepalives=0)) as connection:
        assert options(connection, "SO_KEEPALIVE", "TCP_USER_TIMEOUT") == [0, 0]
    with pgwire.connect(cluster.conninfo(tcp=True)) as connection:
        assert options(connection, "SO_KEEPALIVE", "TCP_USER_TIMEOUT") == [1, 0]
    # They are not even read for a Unix-domain socket.
    pgwire.connect(cluster.conninfo(keepalives_idle="x")).close()


@linux
def test_keepalives_of_a_given_socket(cluster: Cluster) -> None:
    sock = socket.create_connection((cluster.tcp_host, cluster.port))
    text = cluster.conninfo(tcp=True, keepalives_idle=78)
    with pgwire.connect(text, sock=sock, environ={}) as connection:
        assert options(connection, "SO_KEEPALIVE", "TCP_KEEPIDLE") == [1, 78]


def test_unix(libpq18: LibPQ) -> None:
    for connect in (ours, lambda text: theirs(libpq18, text)):
        with ScriptedServer(login(), unix=True) as server:
            # No TLS on Unix-domain sockets, whatever is demanded.
            assert connect(server.conninfo(sslmode="verify-full")) == ""


@linux
def test_abstract(libpq18: LibPQ) -> None:
    name = f"pgwire-{uuid.uuid4().hex}"
    with Relay(f"\0{name}/.s.PGSQL.5432") as relay:
        for connect in (ours, lambda text: theirs(libpq18, text)):
            assert connect(f"host=@{name} user=alice dbname=db") == ""
    assert relay.taken == 2


class Relay(threading.Thread):
    """A listener at an abstract address that lets two clients in."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.taken = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen()
        self._listener.settimeout(20)

    def run(self) -> None:
        for _ in range(2):
            near, _ = self._listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with near, far, ScriptedServer(login(), unix=True) as server:
                far.connect(f"{server.host}/.s.PGSQL.5432")
                far.sendall(near.recv(65536))
                data = b""
                while not data.endswith(b"Z\0\0\0\5I"):
                    data = far.recv(65536)
                    near.sendall(data)
                near.recv(65536)  # Terminate
                self.taken += 1

    def __enter__(self) -> Relay:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.join()
        self._listener.close()


@linux
def test_requirepeer(libpq18: LibPQ) -> None:
    me = getpass.getuser()
    for user, scripts in ((me, [login()]), ("somebody-else", [close(), login()])):
        found = []
        for connect in (ours, lambda text: theirs(libpq18, text)):
            with ScriptedServer(*scripts, unix=True) as server:
                text = f"host={server.host},{server.host} user=alice dbname=db requirepeer={user}"
                found.append(connect(text).replace(server.host, "dir"))
        assert found[0] == found[1]
        # No other host is tried: one line, and no connection.
        assert found[0].count("requirepeer specifies") == (user != me)


def test_requirepeer_is_for_unix_sockets_only(cluster: Cluster) -> None:
    pgwire.connect(cluster.conninfo(tcp=True, requirepeer="nobody-of-that-name")).close()


# Protocol 3.2.


def test_versions(tls_binaries: Binaries, libpq18: LibPQ) -> None:
    """Servers from 18 on speak 3.2 and have long cancel keys; older ones offer 3.0."""
    new = tls_binaries.major >= 18
    with Cluster(tls_binaries) as cluster:
        for asked, got in (("3.0", "3.0"), ("3.2", "3.2"), ("latest", "3.2")):
            text = cluster.conninfo(max_protocol_version=asked)
            with pgwire.connect(text, environ={}) as connection:
                version = got if new else "3.0"
                assert connection.info.protocol_version == version
                assert len(connection._channel.secret_key) == (4 if version == "3.0" else 32)
                with pytest.raises(errors.TimeoutExpired):
                    connection.query("SELECT pg_sleep(60)", timeout=0.1)
                assert connection.query("SELECT 1").rows == [(1,)]  # cancelled, and in step
        text = cluster.conninfo(min_protocol_version="3.2")
        assert ours(text) == theirs(libpq18, text)
        assert (ours(text) == "") is new


def test_the_longest_cancel_key_goes_back_whole() -> None:
    key = bytes(range(256))
    session: Script = [expect(StartupMessage), greeting(secret_key=key), expect(Query)]
    cancel: Script = [expect(CancelRequest), close()]
    with ScriptedServer(session, cancel) as server:
        text = server.conninfo(max_protocol_version="3.2", sslmode="disable")
        connection = pgwire.connect(text, environ={})
        connection.send("SELECT 1")
        connection.cancel()
        connection.abandon()
    (request,) = server.peers[1].received
    assert isinstance(request, CancelRequest)
    assert request.secret_key == key


def test_a_newest_version_that_is_not_spoken_is_negotiated(libpq18: LibPQ) -> None:
    for connect in (ours, lambda text: theirs(libpq18, text)):
        script: Script = [
            expect(StartupMessage),
            send(NegotiateProtocolVersion(PROTOCOL_3_0, [])),
            greeting(),
        ]
        with ScriptedServer(script) as server:
            assert connect(server.conninfo(max_protocol_version="3.2", sslmode="disable")) == ""
