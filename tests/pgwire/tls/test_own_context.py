"""A caller's own SSLContext: it is used, and weakens nothing in silence. CVE-2018-10936."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

import pgwire
from pgwire import errors
from tests.pgwire.tls.conftest import World
from tests.pgwire.tls.kit import LOCAL, TLSServer, ours


def verifying(world: World, *, hostname: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=world.root_file)
    context.check_hostname = hostname
    return context


def blind(world: World) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


MAKERS: dict[str, Callable[[World], ssl.SSLContext]] = {
    "strict": lambda world: verifying(world, hostname=True),
    "any name": lambda world: verifying(world, hostname=False),
    "blind": blind,
}

NOT_VERIFYING = "does not verify certificates, which sslmode="
MISMATCH = "does not match host name"
UNVERIFIED = "certificate verify failed"

# context, options, what comes of it
CASES: list[tuple[str, dict[str, str], str]] = [
    ("strict", {}, "TLS"),
    ("strict", {"host": "other.test"}, UNVERIFIED),
    ("strict", {"host": "other.test", "sslmode": "require"}, UNVERIFIED),  # stricter than asked for
    ("strict", {"host": LOCAL}, "TLS"),
    ("strict", {"host": ""}, "host name must be specified"),
    ("strict", {"sslsni": "0"}, "cannot be used with sslsni=0"),
    ("strict", {"sslsni": "0", "host": LOCAL}, "TLS"),
    ("strict", {"host": ".example.test"}, "could not establish SSL connection"),
    ("any name", {}, "TLS"),
    ("any name", {"sslmode": "verify-full"}, "TLS"),
    ("any name", {"host": "other.test"}, MISMATCH),
    ("any name", {"host": ""}, "host name must be specified"),
    ("any name", {"host": "other.test", "sslmode": "verify-ca"}, "TLS"),
    ("any name", {"host": "other.test", "sslmode": "require"}, "TLS"),
    ("any name", {"sslsni": "0"}, "TLS"),
    ("blind", {}, NOT_VERIFYING + "verify-full"),
    ("blind", {"sslmode": "verify-ca"}, NOT_VERIFYING + "verify-ca"),
    ("blind", {"sslmode": "require"}, "TLS"),
    ("blind", {"sslmode": "prefer"}, 'weak sslmode "prefer" may not be used with ssl_context'),
    ("blind", {"sslmode": "allow"}, 'weak sslmode "allow" may not be used with ssl_context'),
    ("blind", {"sslmode": "disable"}, 'weak sslmode "disable" may not be used with ssl_context'),
    ("strict", {"sslrootcert": "x"}, "sslrootcert may not be used with ssl_context"),
    ("strict", {"sslcert": "x"}, "sslcert may not be used with ssl_context"),
    ("strict", {"sslcrl": "x"}, "sslcrl may not be used with ssl_context"),
]


@pytest.mark.parametrize(("context", "options", "expected"), CASES)
def test_contexts(
    tls_server: TLSServer,
    world: World,
    home: Path,
    context: str,
    options: dict[str, str],
    expected: str,
) -> None:
    tls_server.use(world.server)
    conninfo = tls_server.conninfo(**options)
    assert expected in ours(conninfo, ssl_context=MAKERS[context](world))


def test_the_environment_cannot_weaken_it(tls_server: TLSServer, world: World) -> None:
    tls_server.use(world.server)
    context = MAKERS["strict"](world)
    outcome = ours(tls_server.conninfo(), {"PGSSLMODE": "prefer"}, ssl_context=context)
    assert "weak sslmode" in outcome


def test_no_way_around_tls(tls_server: TLSServer, world: World) -> None:
    tls_server.use(None)
    outcome = ours(tls_server.conninfo(), ssl_context=MAKERS["strict"](world))
    assert "server does not support SSL, but SSL was required" in outcome


def test_a_context_that_is_weakened_later_does_not_serve_the_cancel_request(
    tls_server: TLSServer, world: World
) -> None:
    tls_server.use(world.server)
    context = MAKERS["any name"](world)
    with pgwire.connect(tls_server.conninfo(), environ={}, ssl_context=context) as connection:
        context.verify_mode = ssl.CERT_NONE
        with pytest.raises(errors.OperationalError, match=NOT_VERIFYING):
            connection.cancel()


def test_a_context_for_servers(tls_server: TLSServer, world: World) -> None:
    tls_server.use(world.server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    outcome = ours(tls_server.conninfo(sslmode="require"), ssl_context=context)
    assert "is one for servers" in outcome


def test_its_own_certificate_is_shown(tls_server: TLSServer, world: World, home: Path) -> None:
    tls_server.use(world.server, hba="cert", authority=world.root.pem)
    client = world.root.issue("postgres")
    context = MAKERS["strict"](world)
    context.load_cert_chain(
        world.file("own.crt", client.pem), world.file("own.key", client.key_pem())
    )
    assert ours(tls_server.conninfo(), ssl_context=context) == "TLS"


def test_direct_negotiation_sets_the_application_protocol(
    tls_server: TLSServer, world: World
) -> None:
    tls_server.use(world.server)
    conninfo = tls_server.conninfo(sslnegotiation="direct")
    secured = ours(conninfo, ssl_context=MAKERS["strict"](world)) == "TLS"
    assert secured == (tls_server.cluster.binaries.major >= 17)  # older ones cannot do it


def test_a_session_tells_how_it_is_secured(tls_server: TLSServer, world: World) -> None:
    tls_server.use(world.server)
    context = MAKERS["strict"](world)
    with pgwire.connect(tls_server.conninfo(), environ={}, ssl_context=context) as connection:
        told = connection.query(
            "SELECT version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        )
        assert told[0] == (connection.info.tls_version, connection.info.tls_cipher)
        assert connection.info.server_certificate == world.server.der
    with pgwire.connect(tls_server.conninfo(sslmode="disable"), environ={}) as connection:
        info = connection.info
        assert (info.tls_version, info.tls_cipher, info.server_certificate) == (None, None, None)
