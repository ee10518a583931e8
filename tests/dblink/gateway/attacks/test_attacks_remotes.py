"""Where the gateway lets itself be sent to, and with what."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dblink.gateway import Gateway, running
from tests.dblink.gateway.attacks.arena import SECRET, Arena, Victim, served
from tests.dblink.gateway.attacks.rawclient import Answer, RawClient
from tests.dblink.kit import listener, was_dialled

Address = tuple[str, int]

METADATA = [
    "host=169.254.169.254",
    "hostaddr=169.254.169.254",
    "host=127.0.0.1 hostaddr=169.254.169.254",
    "host=2852039166",
    "host=0xA9FEA9FE",
    "host=0xa9.0xfe.0xa9.0xfe",
    "host=0251.0376.0251.0376",
    "host=169.254.43518",
    "host=::ffff:169.254.169.254",
    "hostaddr=::ffff:169.254.169.254",
    "hostaddr=::ffff:a9fe:a9fe",
    "hostaddr=::169.254.169.254",
    "hostaddr=64:ff9b::169.254.169.254",
    "hostaddr=2002:a9fe:a9fe::1",
    "hostaddr=fe80::1%lo",
    "hostaddr=fd00:ec2::254",
    "host=100.100.100.200",
    "host=0.0.0.0",
    "host=0",
    "hostaddr=::",
    "hostaddr=::ffff:0.0.0.0",
    "hostaddr=224.0.0.1",
    "hostaddr=255.255.255.255",
    "hostaddr=ff02::1",
]


@pytest.mark.parametrize("where", METADATA)
def test_metadata_services(arena: Arena, gate: Address, where: str) -> None:
    for user, password in (("mallory", "password=x"), ("postgres", "")):
        client = RawClient(gate)
        client.start(user, "here")
        place = f"{where} port=5432 user=x {password} connect_timeout=2"
        for sql in (
            f"SELECT dblink_connect('d', '{place}')",
            f"SELECT * FROM dblink('{place}', 'SELECT 1') AS t(a int)",
        ):
            answer = client.query(sql)
            assert answer.errors, answer
            assert answer.seconds < 1.0, answer
            assert "does not connect to" in answer.errors[0].get("D", "") + answer.message, answer
        client.close()


def lying(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> list[str]:
    """A resolver that an attacker has answer; the names it was asked for."""
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in answers:
            asked.append(name)
            return real(answers[name], port, *args, **options)
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_names_are_looked_up_first(
    arena: Arena, gate: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = Victim(arena, gate)
    asked = lying(monkeypatch, {"innocent.example": "169.254.169.254", "fine.example": "127.0.0.1"})
    answer = victim.client.query(
        "SELECT dblink_connect('d', 'host=innocent.example user=x password=x connect_timeout=2')"
    )
    assert "does not connect to" in answer.errors[0].get("D", "") + answer.message, answer
    # The next of several hosts is judged by itself.
    place = victim.remote(host="innocent.example,fine.example")
    assert victim.client.query(f"SELECT dblink_connect('d', $c${place}$c$)").rows == [("OK",)]
    assert asked == ["innocent.example"] * 2 + ["fine.example"]
    victim.end()


# An allow-list.


@pytest.fixture(scope="module")
def allowed(arena: Arena) -> Iterator[Gateway]:
    """Only the remote server by its name or its address, and its port."""
    port = arena.cluster.port
    with running(
        arena.local, arena.side, allow=(f"db.example:{port}", f"127.0.0.1:{port}")
    ) as gateway:
        yield gateway


def connect(client: RawClient, place: str) -> Answer:
    return client.query(f"SELECT dblink_connect('d', $c${place}$c$)")


def test_the_allow_list(arena: Arena, allowed: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = Victim(arena, allowed.addresses[0])
    lying(
        monkeypatch,
        {"db.example": "127.0.0.2", "evil.example": "127.0.0.1", "other.example": "127.0.0.2"},
    )
    with listener() as other:
        for where in (
            {"port": other.getsockname()[1]},
            {"host": "127.0.0.2"},
            {"host": "other.example"},
            {"host": "db.example", "hostaddr": "127.0.0.3"},  # the name is not what is dialled
            {"host": "::1"},
            {"host": arena.cluster.host},
            {"host": "other.example,127.0.0.3", "port": f"{arena.cluster.port},1"},
        ):
            answer = connect(victim.client, victim.remote(**where))
            assert "does not connect to" in answer.errors[0].get("D", "") + answer.message, where
        assert not was_dialled(other)
    for host in ("127.0.0.1", "evil.example"):  # its address is on the list
        assert connect(victim.client, victim.remote(host=host)).rows == [("OK",)]
        victim.client.query("SELECT dblink_disconnect('d')")
    victim.end()


# What belongs to the gateway's process.


def test_secrets_of_the_process(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment and home directory hold the very password that would do."""
    line = f"*:*:*:*:{SECRET}\n"
    for name in (".pgpass", "passfile"):
        (tmp_path / name).write_text(line)
        (tmp_path / name).chmod(0o600)
    (tmp_path / ".pg_service.conf").write_text(f"[hush]\npassword={SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passfile"))
    monkeypatch.setenv("PGUSER", "app")
    with served(arena) as gateway:
        for user in ("mallory", "postgres"):
            client = RawClient(gateway.address)
            client.start(user, "here")
            marker = arena.marker()
            plain = arena.remote(marker).replace(f"password={SECRET}", "")
            assert SECRET not in plain
            for more in (
                "",
                f"passfile={tmp_path}/passfile",
                "service=hush",
                f"password=wrong passfile={tmp_path}/passfile",
                f"password=wrong sslkey={tmp_path}/passfile sslcert={tmp_path}/passfile",
                f"password=wrong sslrootcert={tmp_path}/passfile sslmode=verify-ca",
            ):
                answer = connect(client, f"{plain} {more}")
                assert answer.errors, (user, more)
                assert SECRET not in str(answer.errors)
            assert arena.backends(marker) == []
            client.close()


def test_logs(arena: Arena, gate: Address, caplog: pytest.LogCaptureFixture) -> None:
    """No secret in them, and no line that somebody else wrote."""
    caplog.set_level(logging.DEBUG, logger="dblink.gateway")
    nobody = RawClient(gate)
    nobody.start("x\nWARNING forged by a user", "here\nWARNING forged by a database")
    nobody.close()
    victim = Victim(arena, gate)
    victim.client.query("SET application_name = E'x\\nWARNING forged by a setting'")
    forged = "x\\nWARNING forged by a name"
    for sql in (
        f"SELECT dblink_connect(E'{forged}', $c${victim.remote()}$c$)",
        f"SELECT dblink_exec(E'{forged}', 'SELECT 1')",
        f"SELECT dblink_exec(E'{forged}', E'{forged}')",
        f"SELECT dblink_exec(E'{forged} y', E'{forged}')",
        f"SELECT dblink_disconnect(E'{forged}')",
        f"SELECT dblink_connect('e', 'host=127.0.0.1 port=1 user=x password={SECRET}')",
        f"SELECT dblink_connect('postgres://x:{SECRET}@127.0.0.1:1/x')",
        f"SELECT dblink_exec('c', 'ALTER ROLE app PASSWORD ''{SECRET}''')",
        "SELECT dblink_get_connections()",
    ):
        victim.client.query(sql)
    victim.end()
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "dblink_connect" in text
    assert SECRET not in text
    assert not [line for line in text.splitlines() if line.startswith("WARNING")]


def test_time_of_a_refusal_tells_nothing_of_a_port(arena: Arena, gate: Address) -> None:
    """Without a password nothing is dialled at all."""
    client = RawClient(gate)
    client.start("mallory", "here")
    with listener() as server:
        host, port = server.getsockname()
        start = time.monotonic()
        assert connect(client, f"host={host} port={port}").sqlstate == "2F003"
        assert time.monotonic() - start < 1.0
        assert not was_dialled(server)
    client.close()
