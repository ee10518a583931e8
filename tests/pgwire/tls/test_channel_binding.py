"""SCRAM-SHA-256-PLUS on real servers, with certificates of every kind. Manual: 54.3; RFC 5929."""

from __future__ import annotations

from pathlib import Path

import pytest

import pgwire
from tests.pgwire.libpq import LibPQ
from tests.pgwire.tls.certificates import self_signed
from tests.pgwire.tls.kit import TLSServer, ours, theirs

ALGORITHMS = {
    "ECDSA, SHA-224": {"hash_name": "sha224"},
    "ECDSA, SHA-256": {"hash_name": "sha256"},
    "ECDSA, SHA-384": {"hash_name": "sha384"},
    "ECDSA, SHA-512": {"hash_name": "sha512"},
    "RSA, SHA-256": {"key": "rsa"},
    "RSA, SHA-384": {"key": "rsa", "hash_name": "sha384"},
    "RSA, SHA-512": {"key": "rsa", "hash_name": "sha512"},
    "RSA-PSS, SHA-256": {"key": "rsa", "pss": "sha256"},
    "RSA-PSS, SHA-384": {"key": "rsa", "pss": "sha384"},
    "RSA-PSS, SHA-512": {"key": "rsa", "pss": "sha512"},
}


@pytest.fixture(scope="module")
def guarded(tls_server: TLSServer) -> TLSServer:
    """A server with a role that needs its password."""
    with pgwire.connect(tls_server.cluster.conninfo()) as connection:
        connection.execute("DROP ROLE IF EXISTS bound")
        connection.execute("SET password_encryption = 'scram-sha-256'")
        connection.execute("CREATE ROLE bound LOGIN PASSWORD 'geheim'")
    return tls_server


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bound(guarded: TLSServer, libpq18: LibPQ, home: Path, algorithm: str) -> None:
    guarded.use(self_signed("db", **ALGORITHMS[algorithm]), hba="scram")
    for binding in ("require", "prefer", "disable"):
        conninfo = login(guarded, channel_binding=binding)
        assert ours(conninfo) == theirs(libpq18, conninfo) == "TLS"


def test_a_wrong_password_is_told_as_such(guarded: TLSServer, libpq18: LibPQ, home: Path) -> None:
    guarded.use(self_signed("db"), hba="scram")
    conninfo = login(guarded, channel_binding="require", password="falsch")
    outcome = ours(conninfo)
    assert outcome == theirs(libpq18, conninfo)
    assert "password authentication failed" in outcome


def test_nothing_to_bind_to(guarded: TLSServer, libpq18: LibPQ, home: Path) -> None:
    guarded.use(None, hba="scram")
    conninfo = login(guarded, channel_binding="require", sslmode="prefer")
    outcome = ours(conninfo)
    assert outcome == theirs(libpq18, conninfo)
    assert "channel binding required, but SSL not in use" in outcome


@pytest.mark.parametrize(("key", "called"), [("ed25519", "Ed25519"), ("ed448", "Ed448")])
def test_a_certificate_without_hash(
    guarded: TLSServer, libpq18: LibPQ, home: Path, key: str, called: str
) -> None:
    guarded.use(self_signed("db", key=key), hba="scram")
    with pytest.raises(pgwire.OperationalError, match=f"signed with {called}"):
        pgwire.connect(login(guarded, channel_binding="require"), environ={})
    assert ours(login(guarded, channel_binding="disable")) == "TLS"
    # Here libpq gives up even though it need not bind; we log in without, as we do to a server
    # that offers none.
    conninfo = login(guarded, channel_binding="prefer")
    assert "could not find digest" in theirs(libpq18, conninfo)
    assert ours(conninfo) == "TLS"


def login(server: TLSServer, **options: str) -> str:
    return server.conninfo(
        **{"user": "bound", "password": "geheim", "sslmode": "require", **options}
    )
