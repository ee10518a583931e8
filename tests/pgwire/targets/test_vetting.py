"""Addresses that a caller's function has a say in, and nothing but what the caller says."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.conninfo import Target
from pgwire.protocol.authentication import AuthenticationCleartextPassword
from pgwire.protocol.first_packets import SSLRequest, StartupMessage
from pgwire.testing.cluster import Cluster
from pgwire.testing.logins import cleartext
from pgwire.testing.script import ScriptedServer, close, expect, send, stall
from tests.pgwire.targets.kit import closed_port

Connect = Callable[..., Any]


def connect_async(*args: Any, **options: Any) -> list[object]:
    """Connect, ask who answers, and close, on a loop of its own."""

    async def run() -> list[object]:
        connection = await pgwire.connect_async(*args, **options)
        try:
            return list(await connection.query("SELECT 1"))
        finally:
            await connection.close()

    return asyncio.run(run())


def connect(*args: Any, **options: Any) -> list[object]:
    with pgwire.connect(*args, **options) as connection:
        return list(connection.query("SELECT 1"))


BODIES = pytest.mark.parametrize("body", [connect, connect_async], ids=["blocking", "asyncio"])


class Guard:
    """Notes what it is asked, and refuses some addresses."""

    def __init__(self, *refused: str) -> None:
        self.asked: list[tuple[str, str, int, str]] = []
        self.refused = refused

    def __call__(self, target: Target, address: str) -> None:
        self.asked.append((target.host, target.kind, target.port_number(), address))
        if address in self.refused:
            raise pgwire.OperationalError(f"{address} is off limits")


@BODIES
@pytest.mark.parametrize("host", ["host=localhost hostaddr=127.0.0.1", "host=127.0.0.1"])
def test_it_is_asked_for_a_numeric_address(cluster: Cluster, body: Connect, host: str) -> None:
    guard = Guard()
    rest = f"port={cluster.port} user=postgres dbname=postgres"
    assert body(f"{host} {rest}", vet=guard) == [(1,)]
    name = "localhost" if "localhost" in host else "127.0.0.1"
    assert guard.asked == [(name, "tcp", cluster.port, "127.0.0.1")]


@BODIES
def test_it_is_asked_for_a_socket(cluster: Cluster, body: Connect) -> None:
    guard = Guard()
    assert body(cluster.conninfo(), vet=guard) == [(1,)]
    ((host, kind, port, path),) = guard.asked
    assert (kind, path) == ("unix", f"{host}/.s.PGSQL.{port}")
    with pytest.raises(errors.OperationalError) as caught:
        body(cluster.conninfo(), vet=Guard(path))
    assert str(caught.value) == f'connection to server on socket "{path}" failed: ' + (
        f"{path} is off limits"
    )


@BODIES
@pytest.mark.parametrize("number", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
def test_other_ways_to_write_an_address(body: Connect, number: str) -> None:
    with pytest.raises(errors.OperationalError, match=r"127\.0\.0\.1 is off limits"):
        body(f"host={number} port={closed_port()} user=u", vet=Guard("127.0.0.1"))


@BODIES
def test_every_address_of_a_name_is_asked_for(cluster: Cluster, body: Connect) -> None:
    guard = Guard("127.0.0.2", "127.0.0.3")
    found = body(
        f"host=db.invalid port={cluster.port} user=postgres dbname=postgres",
        resolve=lambda host, port: ["127.0.0.2", "127.0.0.3", "127.0.0.1"],
        vet=guard,
    )
    assert found == [(1,)]
    assert [address for *_, address in guard.asked] == ["127.0.0.2", "127.0.0.3", "127.0.0.1"]


@BODIES
def test_what_is_refused_is_not_dialled(body: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.setblocking(False)
        with pytest.raises(errors.OperationalError) as caught:
            body(
                f"host=127.0.0.1,127.0.0.2 port={port} user=u", vet=Guard("127.0.0.1", "127.0.0.2")
            )
        assert str(caught.value).count("is off limits") == 2
        with pytest.raises(BlockingIOError):
            server.accept()


@BODIES
def test_its_error_keeps_class_and_sqlstate(body: Connect) -> None:
    def refuse(target: Target, address: str) -> None:
        diagnostics = errors.Diagnostics(message="no", severity="ERROR", sqlstate="42501")
        raise errors.from_diagnostics(diagnostics)

    with pytest.raises(errors.DatabaseError) as caught:
        body("host=127.0.0.1 port=1 user=u", vet=refuse)
    assert caught.value.sqlstate == "42501"
    assert str(caught.value).endswith("port 1 failed: no")


@BODIES
def test_another_exception_ends_it_all(body: Connect) -> None:
    def fail(target: Target, address: str) -> None:
        raise ZeroDivisionError(address)

    with pytest.raises(ZeroDivisionError, match=r"127\.0\.0\.1"):
        body("host=127.0.0.1,127.0.0.2 user=u", vet=fail)


def test_a_coroutine_function_in_the_asyncio_body(cluster: Cluster) -> None:
    asked: list[str] = []

    async def vet(target: Target, address: str) -> None:
        await asyncio.sleep(0)
        asked.append(address)

    address = f"host=127.0.0.1 port={cluster.port} user=postgres dbname=postgres"
    assert connect_async(address, vet=vet) == [(1,)]
    assert asked == ["127.0.0.1"]


def test_a_query_is_cancelled_where_it_runs(cluster: Cluster) -> None:
    guard = Guard()
    with pgwire.connect(cluster.conninfo(), vet=guard) as connection:
        with pytest.raises(pgwire.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.05)
        assert connection.query("SELECT 1").rows == [(1,)]
    assert len(guard.asked) == 1


@pytest.mark.parametrize("other", ["dial", "sock"])
def test_no_address_is_known_of_a_socket_of_the_users_own(other: str) -> None:
    with socket.socket() as sock, pytest.raises(errors.ConninfoError, match="vet may not be used"):
        given: Any = sock if other == "sock" else lambda target, seconds: sock
        pgwire.connect("host=h", vet=Guard(), **{other: given})


# Without what is around.


@BODIES
def test_nothing_ambient(body: Connect, tmp_path: Path) -> None:
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:secret\n")
    passfile.chmod(0o600)
    environ = {"HOME": str(tmp_path), "PGOPTIONS": "-c search_path=x", "PGAPPNAME": "x"}
    ask = [expect(StartupMessage), send(AuthenticationCleartextPassword()), stall()]
    with ScriptedServer([cleartext("secret"), close()], ask) as server:
        options = {"environ": environ, "sslmode": "disable", "require_auth": "password"}
        with pytest.raises(errors.ConnectionLost):  # it has logged in, and cannot ask
            body(server.conninfo(), **options)
        with pytest.raises(errors.OperationalError, match="no password supplied"):
            body(server.conninfo(), ambient=False, **options)
    first, second = (peer.startup for peer in server.peers)
    assert first is not None and second is not None
    assert b"application_name" in dict(first.parameters) and b"options" in dict(first.parameters)
    assert set(dict(second.parameters)) == {b"user", b"database", b"client_encoding"}


@BODIES
def test_no_service_without_what_is_around(body: Connect, tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[mine]\nhost=127.0.0.1\n")
    environ = {"PGSERVICEFILE": str(services)}
    with pytest.raises(errors.ConninfoError, match='definition of service "mine" not found'):
        body("service=mine", environ=environ, ambient=False)


@BODIES
@pytest.mark.parametrize("mode", [None, "require"])
def test_a_context_is_used_without_what_is_around(body: Connect, mode: str | None) -> None:
    """As with it, its authorities count: sslmode is verify-full, not what is the default."""
    context = ssl.create_default_context()
    if mode is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with (
        ScriptedServer([expect(SSLRequest), send(b"N")]) as server,
        pytest.raises(errors.OperationalError, match="server does not support SSL"),
    ):
        said = {} if mode is None else {"sslmode": mode}
        body(server.conninfo(**said), ssl_context=context, ambient=False)
