from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from pgwire.conninfo import ConninfoError, Target, targets
from pgwire.conninfo.targets import default_host, target_list
from pgwire.errors import OperationalError

LIMIT = 107 if sys.platform == "linux" else 103


def listed(**values: str) -> list[tuple[str, str, str, str]]:
    return [(t.kind, t.host, t.hostaddr, t.port) for t in target_list(values)]


@pytest.fixture
def socket_directory(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(targets, "default_host", lambda: "/default")
    return "/default"


def test_lists(socket_directory: str) -> None:
    assert listed() == [("unix", socket_directory, "", "5432")]
    assert listed(host="", hostaddr="", port="") == [("unix", socket_directory, "", "5432")]
    assert listed(host="a,/b,@c,", port="1,,3,4") == [
        ("tcp", "a", "", "1"),
        ("unix", "/b", "", "5432"),
        ("unix", "@c", "", "3"),
        ("unix", socket_directory, "", "4"),
    ]
    assert listed(host="a,b", port="7") == [("tcp", "a", "", "7"), ("tcp", "b", "", "7")]
    assert listed(host=",b,/c", hostaddr="::1,,127.0.0.1") == [
        ("tcp", "", "::1", "5432"),
        ("tcp", "b", "", "5432"),
        ("tcp", "/c", "127.0.0.1", "5432"),
    ]
    assert listed(hostaddr="127.0.0.1,::1", port=",2") == [
        ("tcp", "", "127.0.0.1", "5432"),
        ("tcp", "", "::1", "2"),
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"host": "a,b", "hostaddr": "1"}, "could not match 2 host names to 1 hostaddr values"),
        ({"host": "a", "hostaddr": "1,2"}, "could not match 1 host names to 2 hostaddr values"),
        ({"host": "a,b,c", "port": "1,2"}, "could not match 2 port numbers to 3 hosts"),
        ({"port": ","}, "could not match 2 port numbers to 1 hosts"),
    ],
)
def test_lists_that_do_not_fit(values: dict[str, str], message: str) -> None:
    with pytest.raises(ConninfoError, match=f"^{message}$"):
        target_list(values)


@pytest.mark.parametrize(("text", "number"), [("1", 1), (" 65535\n", 65535), ("+5432", 5432)])
def test_ports(text: str, number: int) -> None:
    assert Target("h", "", text).port_number() == number


@pytest.mark.parametrize("text", ["0", "-1", "65536"])
def test_ports_out_of_range_are_no_conninfo_error(text: str) -> None:
    with pytest.raises(OperationalError, match=f'^invalid port number: "{text}"$') as caught:
        Target("h", "", text).port_number()
    assert not isinstance(caught.value, ConninfoError)


@pytest.mark.parametrize("text", ["abc", "1 2", "99999999999"])
def test_ports_that_are_no_integers(text: str) -> None:
    with pytest.raises(ConninfoError) as caught:
        Target("/tmp", "", text).socket_path()
    assert str(caught.value) == f'invalid integer value "{text}" for connection option "port"'


def test_socket_paths() -> None:
    target = Target("/a\udcff", "", " 07")
    assert target.socket_path() == "/a\udcff/.s.PGSQL.7"
    assert target.socket_address() == b"/a\xff/.s.PGSQL.7"
    abstract = Target("@a", "", "5432")
    assert abstract.socket_path() == "@a/.s.PGSQL.5432"
    assert abstract.socket_address() == b"\0a/.s.PGSQL.5432"


def test_the_longest_socket_path() -> None:
    room = LIMIT - len("/.s.PGSQL.5432")
    longest = "/" + "x" * (room - 1)
    assert len(Target(longest, "", "5432").socket_address()) == LIMIT
    with pytest.raises(OperationalError) as caught:
        Target(longest + "x", "", "5432").socket_path()
    assert str(caught.value) == (
        f'Unix-domain socket path "{longest}x/.s.PGSQL.5432" is too long (maximum {LIMIT} bytes)'
    )


def test_the_address_is_one_that_the_system_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hosts = [str(tmp_path)]
    if sys.platform == "linux":
        hosts.append(f"@{tmp_path.name}{id(tmp_path)}")
    for host in hosts:
        (target,) = target_list({"host": host, "port": "1"})
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(target.socket_address())
            server.listen()
            client.connect(target.socket_address())


def test_failure_prefixes() -> None:
    assert Target("/tmp", "", "1").failure_prefix() == (
        'connection to server on socket "/tmp/.s.PGSQL.1" failed: '
    )
    assert Target("@a", "", "1").failure_prefix() == (
        'connection to server on socket "@a/.s.PGSQL.1" failed: '
    )
    named = Target("db", "", "1")
    assert named.failure_prefix("::1") == 'connection to server at "db" (::1), port 1 failed: '
    assert named.failure_prefix() == 'connection to server at "db", port 1 failed: '
    numeric = Target("127.0.0.1", "", "1")
    assert numeric.failure_prefix("127.0.0.1") == (
        'connection to server at "127.0.0.1", port 1 failed: '
    )
    both = Target("db", "127.1", "1")
    assert both.failure_prefix("127.0.0.1") == 'connection to server at "127.1", port 1 failed: '


def test_lookups() -> None:
    named, numeric = Target("db", "", "1"), Target("db", "127.1", "1")
    assert (named.lookup_name, numeric.lookup_name) == ("db", "127.1")
    assert str(named.lookup_error("no")) == 'could not translate host name "db" to address: no'
    assert str(numeric.lookup_error("no")) == 'could not parse network address "127.1": no'


def test_the_default_host_is_the_first_directory_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path)
    monkeypatch.setattr(targets, "SOCKET_DIRECTORIES", (first, second))
    assert default_host() == second
    Path(first).mkdir()
    assert default_host() == first


def test_no_password_in_repr() -> None:
    target = Target("h", "", "1", password="hunter2", passfile="/p")
    assert repr(target) == "<Target tcp h:1>"
    assert (target.password, target.password_source) == ("hunter2", "/p")
    assert Target("h", "", "1", password="p").password_source == "conninfo"
    assert Target("h", "", "1", password="").password_source is None
