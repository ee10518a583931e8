"""Passwords on a real server: SASLprep, bytes that are no text, keys, numbers of iterations."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

import pgwire
from pgwire import errors
from pgwire.conninfo import make
from pgwire.testing import Binaries, Cluster
from tests.pgwire.authentication.kit import words
from tests.pgwire.libpq import LibPQ

METHODS = {"hashed": "md5", "proved": "scram-sha-256"}


@pytest.fixture(scope="module")
def server(binaries: Binaries) -> Iterator[Cluster]:
    """A server where the name of the role decides how it is authenticated."""
    hba = ["local all postgres trust"]
    hba += [f"host all {role} 127.0.0.1/32 {method}" for role, method in METHODS.items()]
    with Cluster(binaries, hba=hba) as cluster:
        with pgwire.connect(cluster.conninfo()) as connection:
            connection.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII'")
            connection.execute("CREATE ROLE hashed LOGIN")
            connection.execute("CREATE ROLE proved LOGIN")
        yield cluster


@contextmanager
def stored(server: Cluster, role: str, password: str) -> Iterator[None]:
    """Within this block `role` has this password, which may hold bytes that are no text."""
    method = METHODS[role]
    with pgwire.connect(server.conninfo(dbname="bytes", client_encoding="SQL_ASCII")) as admin:
        admin.execute(f"SET password_encryption = '{method}'")
        quoted = password.replace("'", "''")
        admin.execute(f"ALTER ROLE {role} PASSWORD '{quoted}'")
        yield
        admin.execute(f"ALTER ROLE {role} PASSWORD NULL")


def lets_in(server: Cluster, role: str, password: str) -> bool:
    try:
        pgwire.connect(server.conninfo(tcp=True, user=role, password=password), environ={}).close()
    except errors.error_class("28P01"):
        return False
    return True


# Password of the role, what somebody types, and whether the two are the same for SCRAM.
PAIRS = {
    "composed": ("é", "e\u0301", True),
    "ligature": ("ﬁsh", "fish", True),
    "roman numeral": ("Ⅸ", "IX", True),
    "full width": ("\uff50\uff41ss", "pass", True),
    "soft hyphen": ("pass\u00adword", "password", True),
    "nothing but soft hyphens": ("\u00ad\u00ad", "\u00ad", False),
    "other space": ("a\u00a0b", "a b", True),
    "wide space": ("a\u3000b", "a b", True),
    "case": ("É", "é", False),
    "control character": ("\u0007é", "\u0007e\u0301", False),
    "private use": ("\ue000é", "\ue000e\u0301", False),
    "left to right mark": ("\u200eé", "\u200ee\u0301", False),
    "both directions": ("\u0627aé", "\u0627ae\u0301", False),
    "unassigned in Unicode 3.2": ("\u0221é", "\u0221e\u0301", False),
    "bytes": ("\udcff\udcfeé", "\udcff\udcfee\u0301", False),
    "broken off": ("e\u0301\udcc3", "é\udcc3", False),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_password(server: Cluster, libpq: LibPQ, name: str) -> None:
    password, typed, same = PAIRS[name]
    with stored(server, "proved", password):
        assert lets_in(server, "proved", password)
        assert lets_in(server, "proved", typed) is same
        for text in (password, typed):
            judged = libpq.connect(server.conninfo(tcp=True, user="proved", password=text))
            assert (judged.error == "") is lets_in(server, "proved", text)


@pytest.mark.parametrize("name", PAIRS)
def test_md5_takes_the_bytes(server: Cluster, name: str) -> None:
    password, typed, _ = PAIRS[name]
    with stored(server, "hashed", password):
        assert lets_in(server, "hashed", password)
        assert not lets_in(server, "hashed", typed)


class Keys:
    """What SCRAM makes of a password."""

    def __init__(self, password: bytes, iterations: int) -> None:
        salt = b"sixteen bytes..."
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
        client, server = (
            hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")
        )
        kept = hashlib.sha256(client).digest()
        text = [base64.b64encode(data).decode() for data in (salt, kept, server, client)]
        self.server, self.client = text[2:]
        self.verifier = f"SCRAM-SHA-256${iterations}:{text[0]}${text[1]}:{text[2]}"


def with_keys(server: Cluster, iterations: int) -> tuple[Keys, AbstractContextManager[None]]:
    keys = Keys(b"secret", iterations)
    return keys, stored(server, "proved", keys.verifier)


MANY = "server asks for {} SCRAM iterations, more than the {} that are allowed"
FEW = "server asks for {} SCRAM iterations, fewer than the {} that are demanded"


@pytest.mark.parametrize(
    ("iterations", "bounds", "message"),
    [
        (1, {}, ""),
        (4095, {}, ""),
        (4096, {"scram_min_iterations": 4096}, ""),
        (1, {"scram_min_iterations": 2}, FEW.format(1, 2)),
        (4095, {"scram_min_iterations": 4096}, FEW.format(4095, 4096)),
        (5000, {"scram_max_iterations": 5000}, ""),
        (5001, {"scram_max_iterations": 5000}, MANY.format(5001, 5000)),
    ],
)
def test_iterations(
    server: Cluster, libpq: LibPQ, iterations: int, bounds: dict[str, int], message: str
) -> None:
    """libpq has no bounds."""
    _, role = with_keys(server, iterations)
    conninfo = server.conninfo(tcp=True, user="proved", password="secret")
    with role:
        assert libpq.connect(conninfo).error == ""
        try:
            pgwire.connect(conninfo, **bounds).close()  # type: ignore[arg-type]
        except errors.OperationalError as error:
            assert words(error.message).partition(" (")[0] == message
        else:
            assert message == ""


@pytest.mark.parametrize(
    "given",
    [
        ("client", "server"),
        ("client", "server", "password"),
        ("server", "password"),
        ("client", "password"),
    ],
)
def test_keys(server: Cluster, given: tuple[str, ...]) -> None:
    keys, role = with_keys(server, 4096)
    options = {
        "client": {"scram_client_key": keys.client},
        "server": {"scram_server_key": keys.server},
        # With both keys nobody looks at the password.
        "password": {"password": "wrong" if len(given) == 3 else "secret"},
    }
    with role:
        chosen = {k: v for name in given for k, v in options[name].items()}
        pgwire.connect(server.conninfo(tcp=True, user="proved"), environ={}, **chosen).close()


def test_wrong_keys(server: Cluster, libpq18: LibPQ) -> None:
    keys, role = with_keys(server, 4096)
    wrong = Keys(b"another", 4096)
    cases = {
        (wrong.client, keys.server): "password authentication failed",
        (keys.client, wrong.server): "incorrect server signature",
        (keys.client[:8], keys.server): "invalid SCRAM client key",
        (keys.client, "!"): "invalid SCRAM server key",
        (keys.client, base64.b64encode(b"x" * 31).decode()): "invalid SCRAM server key length: 31",
    }
    with role:
        for (client, own), message in cases.items():
            conninfo = make(
                server.conninfo(tcp=True, user="proved"),
                scram_client_key=client,
                scram_server_key=own,
            )
            with pytest.raises(errors.Error) as caught:
                pgwire.connect(conninfo, environ={})
            assert message in caught.value.message
            assert words(caught.value.message) == words(libpq18.connect(conninfo).error)
            assert client not in str(caught.value)
            assert own not in str(caught.value) or own == "!"


def test_one_key_alone_proves_nothing(server: Cluster, libpq18: LibPQ) -> None:
    """libpq then checks the server's signature against nothing, and tells that it is wrong."""
    keys, role = with_keys(server, 4096)
    conninfo = make(server.conninfo(tcp=True, user="proved"), scram_client_key=keys.client)
    with role:
        assert "incorrect server signature" in libpq18.connect(conninfo).error
        with pytest.raises(errors.OperationalError, match="no password supplied"):
            pgwire.connect(conninfo, environ={})
