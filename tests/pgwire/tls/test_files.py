"""Files and options of TLS: certificates, keys, revocations, versions. As libpq takes them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pgwire.libpq import LibPQ
from tests.pgwire.tls.certificates import Identity, write
from tests.pgwire.tls.conftest import World
from tests.pgwire.tls.kit import HOST, TLSServer, ours, theirs

# Options of the connection, and what comes of it; "" where only libpq's word counts.
Files = dict[str, str | None]
Case = tuple[Callable[["Folder"], Files], str]


class Folder:
    """Where a test keeps its files."""

    def __init__(self, path: Path, world: World, client: Identity) -> None:
        self.path = path
        self.world = world
        self.client = client

    def file(self, name: str, content: str | bytes, mode: int = 0o600) -> str:
        """Write a file and return its path."""
        return write(self.path, name, content, mode)

    def pair(self, key: str | bytes | None = None, mode: int = 0o600, **options: str) -> Files:
        """The client's certificate with its key, or another one."""
        return {
            "sslcert": self.file("client.crt", self.client.pem),
            "sslkey": self.file("client.key", key or self.client.key_pem(), mode),
            **options,
        }

    def owned(self, mode: int) -> Files:
        """A key that somebody else than root owns."""
        files = self.pair(mode=mode)
        os.chown(str(files["sslkey"]), 65534, 65534)
        return files

    def folder(self, name: str) -> str:
        """A folder in place of a file."""
        (self.path / name).mkdir(exist_ok=True)
        return str(self.path / name)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs a file that root owns")

CLIENTS: dict[str, Case] = {
    "a pair": (lambda f: f.pair(), "TLS"),
    "none": (lambda f: {}, "connection requires a valid client certificate"),
    "turned off": (lambda f: f.pair(sslcertmode="disable"), "requires a valid client certificate"),
    "allowed": (lambda f: f.pair(sslcertmode="allow"), "TLS"),
    "missing certificate": (
        lambda f: {"sslcert": str(f.path / "none")},
        "requires a valid client certificate",
    ),
    "certificate below a file": (
        lambda f: {"sslcert": f.file("file", "") + "/x"},
        "requires a valid client certificate",
    ),
    "missing key": (
        lambda f: f.pair() | {"sslkey": str(f.path / "none")},
        "certificate present, but not private key file",
    ),
    "no key named": (
        lambda f: {"sslcert": f.pair()["sslcert"]},
        "certificate present, but not private key file",
    ),
    "a folder as key": (lambda f: f.pair() | {"sslkey": f.folder("k")}, "is not a regular file"),
    "for all to read": (lambda f: f.pair(mode=0o644), "has group or world access"),
    "for all to write": (lambda f: f.pair(mode=0o602), "has group or world access"),
    "empty certificate": (
        lambda f: f.pair() | {"sslcert": f.file("e.crt", "")},
        "could not read certificate file",
    ),
    "garbage as certificate": (
        lambda f: f.pair() | {"sslcert": f.file("g.crt", "garbage")},
        "could not read certificate file",
    ),
    "a folder as certificate": (
        lambda f: f.pair() | {"sslcert": f.folder("c")},
        "could not read certificate file",
    ),
    "garbage as key": (lambda f: f.pair("garbage"), "could not load private key file"),
    "somebody else's key": (
        lambda f: f.pair(f.world.server.key_pem()),
        "could not load private key file",
    ),
    "another authority's certificate": (
        lambda f: {
            "sslcert": f.file("x.crt", (other := f.world.other.issue("postgres")).pem),
            "sslkey": f.file("x.key", other.key_pem()),
        },
        "alert unknown ca",
    ),
    "encrypted": (lambda f: f.pair(f.client.key_pem("geheim"), sslpassword="geheim"), "TLS"),
    "wrong password": (
        lambda f: f.pair(f.client.key_pem("geheim"), sslpassword="anders"),
        "could not load private key file",
    ),
    "needless password": (lambda f: f.pair(sslpassword="x"), "TLS"),
    "DER": (lambda f: f.pair(f.client.key_der()), "TLS"),
    "DER as of old": (lambda f: f.pair(f.client.key_der(old=True)), "TLS"),
}

CLIENTS_OF_ROOT: dict[str, Case] = {
    "root's, for a group": (lambda f: f.pair(mode=0o640), "TLS"),
    "root's, for a group to write": (lambda f: f.pair(mode=0o660), "has group or world access"),
    "another's": (lambda f: f.owned(0o600), "TLS"),
    "another's, for a group": (lambda f: f.owned(0o640), "has group or world access"),
}


@pytest.fixture
def folder(tmp_path: Path, home: Path, world: World) -> Folder:
    return Folder(tmp_path, world, world.root.issue("postgres"))


@pytest.mark.parametrize(
    "case",
    [
        *(pytest.param(case, id=name) for name, case in CLIENTS.items()),
        *(pytest.param(case, id=name, marks=as_root) for name, case in CLIENTS_OF_ROOT.items()),
    ],
)
def test_client_certificates(
    tls_server: TLSServer, world: World, folder: Folder, libpq18: LibPQ, case: Case
) -> None:
    tls_server.use(world.server, hba="cert", authority=world.root.pem)
    files, expected = case
    options = files(folder)
    for mode in ("require", "prefer"):
        conninfo = tls_server.conninfo(sslmode=mode, **options)
        outcome = ours(conninfo, {"HOME": str(folder.path)})
        assert expected in outcome
        assert outcome == theirs(libpq18, conninfo)


def test_an_encrypted_key_without_password_does_not_ask_the_terminal(
    tls_server: TLSServer, world: World, folder: Folder
) -> None:
    tls_server.use(world.server, hba="cert", authority=world.root.pem)
    conninfo = tls_server.conninfo(sslmode="require", **folder.pair(folder.client.key_pem("x")))
    assert "could not load private key file" in ours(conninfo, {"HOME": str(folder.path)})


def test_a_password_that_is_too_long_for_openssl(
    tls_server: TLSServer, world: World, folder: Folder
) -> None:
    tls_server.use(world.server)
    files = folder.pair(folder.client.key_pem("x"), sslpassword="y" * 2000)
    outcome = ours(tls_server.conninfo(sslmode="require", **files), {"HOME": str(folder.path)})
    assert "could not load private key file" in outcome
    assert "yyy" not in outcome


@pytest.mark.parametrize("size", [0, 1, 8, 63, 64, 65])
def test_what_looks_like_a_key_in_der_is_refused(
    tls_server: TLSServer, world: World, folder: Folder, size: int
) -> None:
    tls_server.use(world.server)
    files = folder.pair()
    for length in range(size):
        # Up to the last byte that is looked at, the form of a version number, and no more.
        data = b"\x30" + bytes([0x80 | length]) + bytes(length) + b"\x02\x01\x00\x30"
        folder.file("client.key", data[:size])
        outcome = ours(tls_server.conninfo(sslmode="require", **files), {"HOME": str(folder.path)})
        assert "could not load private key file" in outcome


def hashed(folder: Folder, *lists: str) -> str:
    """A folder of revocation lists, named by the hash of who issued them."""
    directory = Path(folder.folder("hashed"))
    for text in lists:
        digest = subprocess.run(
            ["openssl", "crl", "-hash", "-noout"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        number = len(list(directory.glob(f"{digest}.r*")))
        write(directory, f"{digest}.r{number}", text)
    return str(directory)


TRUST: dict[str, Case] = {
    "root": (lambda f: {}, "TLS"),
    "revoked": (lambda f: {"sslcrl": f.file("crl", revoked(f))}, "certificate verify failed"),
    "not revoked": (lambda f: {"sslcrl": f.file("crl", f.world.root.revocations())}, "TLS"),
    "missing list": (lambda f: {"sslcrl": str(f.path / "none")}, "TLS"),
    "garbage as list": (lambda f: {"sslcrl": f.file("crl", "garbage")}, "TLS"),
    "list of another authority": (
        lambda f: {"sslcrl": f.file("crl", f.world.other.revocations())},
        "certificate verify failed",
    ),
    "revoked, in a folder": (
        lambda f: {"sslcrldir": hashed(f, revoked(f))},
        "certificate verify failed",
    ),
    "not revoked, in a folder": (
        lambda f: {"sslcrldir": hashed(f, f.world.root.revocations())},
        "TLS",
    ),
    "empty folder": (lambda f: {"sslcrldir": f.folder("empty")}, "certificate verify failed"),
    "missing folder": (lambda f: {"sslcrldir": str(f.path / "none")}, ""),
    "file and folder": (
        lambda f: {
            "sslcrl": f.file("crl", f.world.other.revocations()),
            "sslcrldir": hashed(f, revoked(f)),
        },
        "certificate verify failed",
    ),
    "default list": (
        lambda f: {"": f.file(".postgresql/root.crl", revoked(f))},
        "certificate verify failed",
    ),
    "named list beside the default": (
        lambda f: {
            "": f.file(".postgresql/root.crl", revoked(f)),
            "sslcrl": f.file("crl", f.world.root.revocations()),
        },
        "TLS",
    ),
    "folder beside the default list": (
        lambda f: {
            "": f.file(".postgresql/root.crl", revoked(f)),
            "sslcrldir": hashed(f, f.world.root.revocations()),
        },
        "",
    ),
    "garbage as root": (
        lambda f: {"sslrootcert": f.file("r", "garbage")},
        "could not read root certificate file",
    ),
    "empty root": (
        lambda f: {"sslrootcert": f.file("r", "")},
        "could not read root certificate file",
    ),
    "a folder as root": (
        lambda f: {"sslrootcert": f.folder("r")},
        "could not read root certificate file",
    ),
    "several roots": (
        lambda f: {"sslrootcert": f.file("r", f.world.other.pem + f.world.root.pem)},
        "TLS",
    ),
    "default root": (
        lambda f: {"sslrootcert": None, "": f.file(".postgresql/root.crt", f.world.root.pem)},
        "TLS",
    ),
    "default root of another": (
        lambda f: {"sslrootcert": None, "": f.file(".postgresql/root.crt", f.world.other.pem)},
        "certificate verify failed",
    ),
    "no default root": (lambda f: {"sslrootcert": None}, "does not exist"),
}


def revoked(folder: Folder) -> str:
    return folder.world.root.revocations(folder.world.server)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in TRUST.items()])
def test_trust(
    tls_server: TLSServer, world: World, folder: Folder, libpq18: LibPQ, case: Case
) -> None:
    tls_server.use(world.server)
    make, expected = case
    options = {"sslrootcert": world.root_file, **make(folder)}
    options.pop("", None)
    for mode in ("verify-full", "require", "prefer"):
        conninfo = tls_server.conninfo(sslmode=mode, **options)
        outcome = ours(conninfo, {"HOME": str(folder.path)})
        assert mode != "verify-full" or expected in outcome
        assert outcome == theirs(libpq18, conninfo)


def test_a_revoked_intermediate(
    tls_server: TLSServer, world: World, folder: Folder, libpq18: LibPQ
) -> None:
    identity = world.intermediate.issue(HOST, dns=[HOST])
    tls_server.use(identity)
    root, intermediate = world.root, world.intermediate
    lists = {
        "none": root.revocations() + intermediate.revocations(),
        "the intermediate": root.revocations(intermediate.identity) + intermediate.revocations(),
        "no list of the intermediate": root.revocations(),
    }
    found = {}
    for name, text in lists.items():
        conninfo = tls_server.conninfo(
            sslmode="verify-full", sslrootcert=world.root_file, sslcrl=folder.file("crl", text)
        )
        found[name] = ours(conninfo)
        assert found[name] == theirs(libpq18, conninfo)
    assert [outcome == "TLS" for outcome in found.values()] == [True, False, False]


def test_default_files_of_the_client(
    tls_server: TLSServer, world: World, folder: Folder, libpq18: LibPQ
) -> None:
    tls_server.use(world.server, hba="cert", authority=world.root.pem)
    folder.file(".postgresql/postgresql.crt", folder.client.pem)
    folder.file(".postgresql/postgresql.key", folder.client.key_pem())
    conninfo = tls_server.conninfo(sslmode="require")
    assert ours(conninfo, {"HOME": str(folder.path)}) == theirs(libpq18, conninfo) == "TLS"


@pytest.mark.parametrize("trusted", [True, False])
def test_the_systems_roots(
    tls_server: TLSServer,
    world: World,
    folder: Folder,
    libpq18: LibPQ,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    tls_server.use(world.server)
    roots = world.root_file if trusted else folder.file("other.crt", world.other.pem)
    monkeypatch.setenv("SSL_CERT_FILE", roots)
    monkeypatch.setenv("SSL_CERT_DIR", folder.folder("empty"))
    good = tls_server.conninfo(sslrootcert="system")
    bad = tls_server.conninfo(sslrootcert="system", host="other.test")
    assert [ours(c) for c in (good, bad)] == [theirs(libpq18, c) for c in (good, bad)]
    assert (ours(good) == "TLS") is trusted
    assert ours(bad) != "TLS"


@pytest.mark.parametrize(
    ("server", "client", "good"),
    [
        ({}, {}, True),
        ({"ssl_max_protocol_version": "TLSv1.2"}, {}, True),
        ({"ssl_max_protocol_version": "TLSv1.2"}, {"ssl_min_protocol_version": "TLSv1.3"}, False),
        ({"ssl_min_protocol_version": "TLSv1.3"}, {"ssl_max_protocol_version": "TLSv1.2"}, False),
        ({"ssl_min_protocol_version": "TLSv1.3"}, {"ssl_max_protocol_version": "tlsv1.3"}, True),
    ],
)
def test_versions(
    tls_server: TLSServer,
    world: World,
    home: Path,
    libpq18: LibPQ,
    server: dict[str, str],
    client: dict[str, str],
    good: bool,
) -> None:
    tls_server.use(world.server, **server)
    for mode in ("require", "prefer"):
        conninfo = tls_server.conninfo(sslmode=mode, **client)
        outcome = ours(conninfo)
        assert outcome == theirs(libpq18, conninfo)
        assert (outcome == "TLS") is good


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_direct_negotiation(
    tls_server: TLSServer, world: World, home: Path, libpq18: LibPQ, mode: str
) -> None:
    tls_server.use(world.server)
    conninfo = tls_server.conninfo(
        sslmode=mode, sslnegotiation="direct", sslrootcert=world.root_file
    )
    outcome = ours(conninfo)
    assert outcome == theirs(libpq18, conninfo)
    assert (outcome == "TLS") is (tls_server.cluster.binaries.major >= 17)


def test_key_log(tls_server: TLSServer, world: World, home: Path) -> None:
    tls_server.use(world.server)
    log = home / "keys"
    conninfo = tls_server.conninfo(sslmode="require", sslkeylogfile=str(log))
    assert ours(conninfo) == "TLS"
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    conninfo = tls_server.conninfo(sslmode="require", sslkeylogfile=str(home / "no" / "keys"))
    with pytest.warns(RuntimeWarning, match="could not open SSL key logging file"):
        assert ours(conninfo) == "TLS"
