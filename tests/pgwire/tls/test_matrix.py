"""Every sslmode, against every kind of server, certificate and host name: the outcome is libpq's.

Each cell is a connection of ours and one of the real libpq 18; messages are equal line by line, but
for the table in `kit`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.pgwire.libpq import LibPQ
from tests.pgwire.tls.certificates import Identity, self_signed
from tests.pgwire.tls.conftest import World
from tests.pgwire.tls.kit import HOST, LOCAL, TLSServer, ours, theirs

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

SERVERS = {
    "without TLS": (False, "trust"),
    "with TLS": (True, "trust"),
    "hostssl only": (True, "hostssl"),
    "hostnossl only": (True, "hostnossl"),
}

# What a server shows; True: with its chain.
CERTIFICATES: dict[str, Callable[[World], tuple[Identity, bool]]] = {
    "names and address": lambda w: (w.server, True),
    "one name": lambda w: (w.root.issue("x", dns=[HOST]), True),
    "wildcard": lambda w: (w.root.issue("x", dns=["*.example.test"]), True),
    "bare wildcard": lambda w: (w.root.issue("x", dns=["*"]), True),
    "inner wildcard": lambda w: (w.root.issue("x", dns=["d*.example.test"]), True),
    "common name only": lambda w: (w.root.issue(HOST), True),
    "wildcard as common name": lambda w: (w.root.issue("*.example.test"), True),
    "address as common name": lambda w: (w.root.issue(LOCAL), True),
    "address, and a common name": lambda w: (w.root.issue(HOST, ips=[LOCAL]), True),
    "other names, and a common name": lambda w: (w.root.issue(HOST, dns=["a", "b"]), True),
    "an address as a name": lambda w: (w.root.issue("x", dns=[LOCAL]), True),
    "IPv6": lambda w: (w.root.issue("x", ips=["::1"]), True),
    "no name at all": lambda w: (w.root.issue(None), True),
    "expired": lambda w: (w.root.issue(HOST, dns=[HOST], expired=True), True),
    "of another authority": lambda w: (w.other.issue(HOST, dns=[HOST]), True),
    "self-signed": lambda w: (self_signed(HOST), True),
    "with an intermediate": lambda w: (w.intermediate.issue(HOST, dns=[HOST]), True),
    "without its intermediate": lambda w: (w.intermediate.issue(HOST, dns=[HOST]), False),
}

# host, hostaddr
HOSTS = [
    (HOST, LOCAL),
    (HOST.upper(), LOCAL),
    ("a.wild.example.test", LOCAL),
    ("a.b.wild.example.test", LOCAL),
    (".wild.example.test", LOCAL),
    ("example.test", LOCAL),
    ("bücher.example.test", LOCAL),
    (LOCAL, None),
    ("127.1", LOCAL),
    ("::1", LOCAL),
    ("", LOCAL),
]


@pytest.mark.parametrize("kind", SERVERS)
def test_servers(
    tls_server: TLSServer, world: World, libpq18: LibPQ, home: Path, kind: str
) -> None:
    encrypted, hba = SERVERS[kind]
    roots = {"no root": None, "root": world.root_file, "missing root": str(home / "nothing")}
    other = {"other root": world.file("other.crt", world.other.pem)}
    tls_server.use(world.server if encrypted else None, hba=hba)
    cells = {}
    for mode, (called, root) in product(MODES, (roots | other).items()):
        conninfo = tls_server.conninfo(sslmode=mode, sslrootcert=root)
        cells[mode, called] = conninfo
    compare(libpq18, cells, {"HOME": str(home)})


@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_certificates(
    tls_server: TLSServer, world: World, libpq18: LibPQ, home: Path, certificate: str
) -> None:
    identity, chain = CERTIFICATES[certificate](world)
    tls_server.use(identity, chain=chain)
    cells = {}
    for mode in MODES:
        for host, hostaddr in HOSTS if mode == "verify-full" else HOSTS[:1]:
            cells[mode, host] = tls_server.conninfo(
                host=host, hostaddr=hostaddr, sslmode=mode, sslrootcert=world.root_file
            )
    found = compare(libpq18, cells, {"HOME": str(home)})
    assert found["require", HOST] != "plain"
    assert found["disable", HOST] == "plain"


def compare(
    libpq: LibPQ, cells: dict[tuple[str, str], str], environ: dict[str, str]
) -> dict[tuple[str, str], str]:
    found = {cell: ours(conninfo, environ) for cell, conninfo in cells.items()}
    assert found == {cell: theirs(libpq, conninfo) for cell, conninfo in cells.items()}
    return found
