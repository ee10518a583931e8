"""TLS, on the listening side, on the way to the server, and on both."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.gateway import Running, TlsFiles, running
from pgwire import errors
from pgwire.protocol.frontend import SSLRequest
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.relay.conftest import NOBODY
from tests.dblink.gateway.relay.wire import Wire, fields, startup
from tests.pgwire.libpq import LibPQ, find_libpq

HOST = "db.example.test"


class Files:
    """Certificates of the gateway, of the server, of a client, and of who has signed them."""

    def __init__(self, folder: Path) -> None:
        certificates = pytest.importorskip("tests.pgwire.tls.certificates")
        self.folder = folder
        self.root = certificates.Authority("Root")
        self.gateway = self.root.issue(HOST, dns=[HOST], ips=["127.0.0.1"])
        self.server = self.root.issue("server", ips=["127.0.0.1"])
        self.client = self.root.issue("client")
        self.root_file = certificates.write(folder, "root.crt", self.root.pem)
        self.write = certificates.write

    def of(self, name: str, *, clients: bool = False) -> TlsFiles:
        """Those of the identity of this name; `clients`: they must have certificates."""
        identity = getattr(self, name)
        return TlsFiles(
            self.write(self.folder, f"{name}.crt", identity.pem),
            self.write(self.folder, f"{name}.key", identity.key_pem()),
            self.root_file if clients else None,
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("gateway-tls"))


@pytest.fixture(scope="module")
def libpq() -> LibPQ:
    """A real libpq, or the test is skipped."""
    found = find_libpq()
    if found is None:
        pytest.skip("no libpq found: install one, or name one in PGWIRE_TEST_LIBPQ")
    return found


@pytest.fixture(scope="module")
def gateway(local: str, files: Files) -> Iterator[Running]:
    """A gateway with TLS in front of the server that lets everybody in."""
    with running(local, tls=files.of("gateway")) as relay:
        yield relay


@pytest.fixture(scope="module")
def server(tls_binaries: Binaries, files: Files) -> Iterator[Cluster]:
    """A server with TLS that asks for passwords."""
    cluster = Cluster(
        tls_binaries,
        settings={"ssl": False},
        hba=["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"],
    )
    with cluster:
        cluster.write_file("server.crt", files.server.pem)
        cluster.write_file("server.key", files.server.key_pem())
        cluster.settings["ssl"] = True
        cluster.reload()
        with pgwire.connect(cluster.conninfo()) as admin:
            admin.execute("CREATE ROLE ada LOGIN PASSWORD 'secret'")
        yield cluster


def login(relay: Running, files: Files, **options: object) -> str:
    return relay.conninfo(
        **{
            "user": "postgres",
            "dbname": "postgres",
            "sslrootcert": files.root_file,
            "sslmode": "verify-full",
            **options,
        }
    )


def large(connection: pgwire.Connection) -> None:
    rows = connection.query("SELECT repeat('x', g) FROM generate_series(1, 2000) g").rows
    assert rows == [("x" * n,) for n in range(1, 2001)]


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_client_may_use_tls(gateway: Running, files: Files, negotiation: str) -> None:
    with pgwire.connect(login(gateway, files, sslnegotiation=negotiation)) as connection:
        assert connection.info.tls_version
        large(connection)


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_the_real_libpq_may_use_tls(
    gateway: Running, files: Files, libpq: LibPQ, negotiation: str
) -> None:
    options = {} if negotiation == "postgres" else {"sslnegotiation": negotiation}
    if options and libpq.version < 170000:
        pytest.skip("this libpq does not know sslnegotiation: name a newer one")
    attempt = libpq.connect(login(gateway, files, **options))
    assert attempt.error == ""
    assert attempt.encrypted


def test_a_client_need_not_use_tls(gateway: Running, files: Files) -> None:
    with pgwire.connect(login(gateway, files, sslmode="disable")) as connection:
        assert connection.info.tls_version is None
        large(connection)


def context_of(files: Files) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.root_file)
    context.check_hostname = False
    return context


def test_a_request_may_come_byte_by_byte(gateway: Running, files: Files) -> None:
    with Wire(gateway.addresses[0]) as wire:
        wire.send(SSLRequest().encode(), chunk=1)
        assert wire.exactly(1) == b"S"
        wire.secure(context_of(files))
        wire.send(startup(), chunk=1)
        assert list(wire.frames())


def test_nothing_is_stuffed_in_behind_the_request(gateway: Running) -> None:
    with Wire(gateway.addresses[0]) as wire:
        wire.send(SSLRequest().encode() + startup())
        assert "received unencrypted data after SSL request" in fields(wire.frame())["M"]
        assert wire.rest() == b""


def test_what_comes_in_place_of_a_handshake_ends_it(gateway: Running) -> None:
    with Wire(gateway.addresses[0]) as wire:
        wire.send(SSLRequest().encode())
        assert wire.exactly(1) == b"S"
        wire.send(startup())
        assert wire.rest()[:1] in (b"", b"\x15"), "an alert, at most"


@pytest.mark.parametrize("protocols", [None, ["http/1.1"]])
def test_direct_tls_must_be_for_postgresql(
    gateway: Running, files: Files, protocols: list[str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    context = context_of(files)
    if protocols:
        context.set_alpn_protocols(protocols)
    with Wire(gateway.addresses[0]) as wire:
        try:
            wire.secure(context)
            wire.send(startup())
            assert wire.rest() == b""
        except (ssl.SSLError, ConnectionError):
            pass
    assert "TLS was begun without the protocol being negotiated" in caplog.text


def test_a_request_within_tls_is_too_much(gateway: Running, files: Files) -> None:
    with Wire(gateway.addresses[0]) as wire:
        wire.send(SSLRequest().encode())
        wire.exactly(1)
        wire.secure(context_of(files))
        wire.send(SSLRequest().encode())
        assert "unsupported frontend protocol 1234.5679" in fields(wire.frame())["M"]


def test_stopping_in_the_middle_of_a_handshake(
    relaying: Callable[..., Running], local: str, files: Files
) -> None:
    gateway = relaying(local, tls=files.of("gateway"))
    with Wire(gateway.addresses[0]) as wire:
        wire.send(SSLRequest().encode())
        assert wire.exactly(1) == b"S"
        gateway.close()
        assert wire.rest() == b""


def test_clients_may_have_to_show_a_certificate(
    relaying: Callable[..., Running], local: str, files: Files
) -> None:
    relay = relaying(local, tls=files.of("gateway", clients=True))
    with pytest.raises(errors.OperationalError):
        pgwire.connect(login(relay, files, sslcertmode="disable"))
    shown = files.of("client")
    where = login(relay, files, sslcert=shown.certificate, sslkey=shown.key)
    with pgwire.connect(where) as connection:
        large(connection)


def test_files_that_cannot_be_used_are_named(local: str, files: Files) -> None:
    good = files.of("gateway")
    other = files.write(files.folder, "other.key", files.client.key_pem())
    open_key = files.write(files.folder, "open.key", files.gateway.key_pem(), 0o644)
    for wrong, named in (
        (TlsFiles(str(files.folder / "none.crt"), good.key), "none.crt"),
        (TlsFiles(good.certificate, str(files.folder / "none.key")), "none.key"),
        (TlsFiles(good.certificate, other), "gateway.crt"),
        (TlsFiles(good.certificate, open_key), "open.key"),
        (TlsFiles(good.certificate, good.key, str(files.folder / "none.ca")), "none.ca"),
    ):
        with pytest.raises(errors.OperationalError, match=named):
            running(local, tls=wrong).start()


# Where the server has TLS and asks for passwords by SCRAM.


@pytest.mark.parametrize(
    ("upstream", "client", "outcome"),
    [
        ("disable", {"sslmode": "disable"}, "plain"),
        ("disable", {}, "plain"),
        ("require", {"sslmode": "disable"}, "TLS"),
        ("prefer", {"sslmode": "disable"}, "TLS"),
        # Nobody can listen on the way to 127.0.0.1: there SCRAM is worth more.
        ("prefer", {}, "plain"),
        ("require", {"channel_binding": "disable"}, "TLS"),
    ],
)
def test_passwords_pass_by_scram(
    relaying: Callable[..., Running],
    server: Cluster,
    files: Files,
    upstream: str,
    client: dict[str, str],
    outcome: str,
) -> None:
    relay = relaying(
        server.conninfo(host="127.0.0.1", sslmode=upstream), NOBODY, tls=files.of("gateway")
    )
    where = login(relay, files, user="ada", password="secret", **client)
    with pgwire.connect(where) as connection:
        (told,) = connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert told[0] is (outcome == "TLS")
        large(connection)
    with pytest.raises(errors.OperationalError, match="password authentication failed"):
        pgwire.connect(login(relay, files, user="ada", password="wrong", **client))


def test_channel_binding_reaches_no_further_than_one_connection(
    relaying: Callable[..., Running], server: Cluster, files: Files
) -> None:
    relay = relaying(
        server.conninfo(host="127.0.0.1", sslmode="require"), NOBODY, tls=files.of("gateway")
    )
    where = login(relay, files, user="ada", password="secret")
    with pytest.raises(errors.OperationalError, match="SCRAM channel binding negotiation error"):
        pgwire.connect(where)
    with pytest.raises(errors.OperationalError, match="channel binding"):
        pgwire.connect(where, channel_binding="require")


def test_with_the_same_certificate_on_both_sides_channels_are_bound(
    relaying: Callable[..., Running], server: Cluster, files: Files
) -> None:
    relay = relaying(
        server.conninfo(host="127.0.0.1", sslmode="require"), NOBODY, tls=files.of("server")
    )
    for binding in ("require", "prefer", "disable"):
        where = login(
            relay, files, user="ada", password="secret", channel_binding=binding, host="127.0.0.1"
        )
        with pgwire.connect(where) as connection:
            large(connection)


def test_the_server_is_verified(
    relaying: Callable[..., Running], server: Cluster, files: Files
) -> None:
    local = server.conninfo(host="127.0.0.1", sslmode="verify-full", sslrootcert=files.root_file)
    relay = relaying(local)
    where = relay.conninfo(user="ada", password="secret", dbname="postgres")
    with pgwire.connect(where) as connection:
        large(connection)
        connection.cancel()  # secured as the session is
    other = relaying(local.replace("host=127.0.0.1", "host=localhost hostaddr=127.0.0.1"))
    with pytest.raises(errors.OperationalError, match="does not match host name"):
        pgwire.connect(other.conninfo(user="ada", password="secret", dbname="postgres"))
