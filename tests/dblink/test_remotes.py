"""Where callers may connect to."""

from __future__ import annotations

import pytest

from dblink.remotes import Remotes, never_a_server, plain_address
from pgwire import errors
from pgwire.conninfo import Target


def allowed(remotes: Remotes, host: str, address: str, port: str = "5432") -> bool:
    try:
        remotes.vet(Target(host, "", port), address)
    except errors.DatabaseError as error:
        assert error.sqlstate == "42501"
        return False
    return True


NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    # The same in other clothes.
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", NEVER)
def test_addresses_that_no_server_has_are_refused_whatever_their_name(address: str) -> None:
    assert not allowed(Remotes(), "db.example", address)
    assert not allowed(Remotes(["*"]), "db.example", address)
    assert not allowed(Remotes(["*:5432"]), "db.example", address)
    assert not allowed(Remotes(["db.example"]), "db.example", address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.0.2.1", "fd12::1"])
def test_by_default_others_are_allowed(address: str) -> None:
    assert allowed(Remotes(), "db.example", address)
    assert never_a_server(plain_address(address)) is None


def test_a_refused_address_may_be_allowed_by_its_number() -> None:
    assert allowed(Remotes(["169.254.7.0/24:5432"]), "h", "169.254.7.9")
    assert not allowed(Remotes(["169.254.7.0/24:5432"]), "h", "169.254.169.254")


@pytest.mark.parametrize(
    ("pattern", "host", "address", "port", "expected"),
    [
        ("db.example:5432", "db.example", "10.0.0.1", "5432", True),
        ("db.example:5432", "DB.Example.", "10.0.0.1", "5432", True),
        ("db.example:5432", "db.example", "10.0.0.1", "5433", False),
        ("db.example:5432", "other.example", "10.0.0.1", "5432", False),
        ("db.example", "db.example", "10.0.0.1", "1", True),
        ("*.example:*", "a.b.example", "10.0.0.1", "1", True),
        ("*.example:*", "example.org", "10.0.0.1", "1", False),
        ("*:5432", "anything", "10.0.0.1", "5432", True),
        ("*:5432", "anything", "10.0.0.1", "5431", False),
        ("10.0.0.0/8:5432", "db.example", "10.255.0.1", "5432", True),
        ("10.0.0.0/8:5432", "db.example", "11.0.0.1", "5432", False),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", "9999", True),
        ("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "9999", True),
        ("[::1]:5432", "localhost", "::1", "5432", True),
        ("[::1]:5432", "localhost", "127.0.0.1", "5432", False),
        ("fd00::/8", "h", "fd12::1", "5432", True),
        ("[fd00::/8]:*", "h", "fe00::1", "5432", False),
        ("/var/run/postgresql", "h", "127.0.0.1", "5432", False),
    ],
)
def test_an_allow_list_allows_what_it_lists(
    pattern: str, host: str, address: str, port: str, expected: bool
) -> None:
    assert allowed(Remotes([pattern]), host, address, port) is expected


def test_a_name_does_not_vouch_for_an_address_that_is_given_beside_it() -> None:
    remotes = Remotes(["db.example"])
    with pytest.raises(errors.DatabaseError):
        remotes.vet(Target("db.example", "10.6.6.6", "5432"), "10.6.6.6")
    Remotes(["10.6.6.6"]).vet(Target("db.example", "10.6.6.6", "5432"), "10.6.6.6")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], True),
        (["/var/run/postgresql"], True),
        (["/var/run/postgresql/"], True),
        (["/var/run"], False),
        (["*"], False),
        (["/var/run/postgresql/.s.PGSQL.5432"], True),
    ],
)
def test_directories_of_sockets(patterns: list[str], expected: bool) -> None:
    path = "/var/run/postgresql/.s.PGSQL.5432"
    assert allowed(Remotes(patterns), "/var/run/postgresql", path) is expected


@pytest.mark.parametrize(
    "pattern",
    ["", ":5432", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]5432", "a/b", "a:b:c"],
)
def test_what_is_no_pattern_is_named(pattern: str) -> None:
    with pytest.raises(ValueError, match="is"):
        Remotes([pattern])
