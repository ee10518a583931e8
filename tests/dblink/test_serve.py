"""The command `dblink serve`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pgwire
from dblink.cli import main
from dblink.commands.logs import Lines
from pgwire.testing.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, and the addresses that it says it listens on."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "dblink", "serve", *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        addresses = []
        for _ in range(arguments.count("--listen") or 1):
            said, _, address = process.stdout.readline().rstrip().rpartition(" ")
            assert said == "listening on", process.communicate()
            addresses.append(address)
        yield process, addresses
    finally:
        process.kill()
        process.communicate()


def login(address: str, **options: str) -> str:
    host, _, port = address.rpartition(":")
    return pgwire.conninfo.make(host=host, port=port, user="postgres", **options)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(cluster: Cluster, how: signal.Signals) -> None:
    local = cluster.conninfo(host=cluster.tcp_host)
    with serving("--local", local, "--listen", "127.0.0.1:0", "--verbose") as (process, (address,)):
        with pgwire.connect(login(address, dbname="postgres")) as connection:
            assert connection.query("SELECT 1").rows == [(1,)]
            process.send_signal(how)
            with pytest.raises(pgwire.Error, match="administrator command"):
                list(connection.notifies(timeout=20))
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "'postgres' in database 'postgres', from 127.0.0.1:" in told
        assert "WARNING no dblink in database 'postgres'" in told
        assert "Traceback" not in told


def test_it_serves_on_several_addresses(cluster: Cluster, tmp_path: Path) -> None:
    where = ("--listen", "127.0.0.1:0", "--listen", f"{tmp_path}:7000")
    with serving("--local", cluster.conninfo(), *where) as (process, addresses):
        assert addresses[1] == f"{tmp_path}:7000"
        for address in addresses:
            with pgwire.connect(login(address, dbname="postgres")) as connection:
                assert connection.query("SELECT 1").rows == [(1,)]
        process.terminate()
        _, told = process.communicate(timeout=20)
        assert "where its pg_hba.conf says peer" in told


def test_it_may_bring_its_own_server(cluster: Cluster) -> None:
    with serving("--embedded", "--listen", "127.0.0.1:0") as (process, (address,)):
        with pgwire.connect(login(address, dbname="shop")) as connection:
            rows = connection.query(
                "SELECT count(*) > 1 FROM dblink('warehouse_server', 'SELECT item FROM stock')"
                " AS t(item text)"
            ).rows
            assert rows == [(True,)]
        process.terminate()
        assert process.stdout is not None
        assert f"port={address.rpartition(':')[2]}" in process.stdout.read()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--local", "host=x", "--listen", "nowhere"], 'cannot listen on "nowhere"'),
        (["--local", "host=x nonsense=1"], 'invalid connection option "nonsense"'),
        (["--local", "host=x", "--side", "nonsense=1"], 'invalid connection option "nonsense"'),
        (["--local", "host=x", "--allow", "10.0.0.0/99"], "10.0.0.0/99"),
        (["--local", "host=x", "--tls-cert", "c"], "--tls-cert and --tls-key must be given"),
        (["--local", "host=x", "--tls-ca", "c"], "--tls-ca needs"),
        (["--local", "host=x", "--tls-cert", "no.crt", "--tls-key", "no.key"], "no.key"),
        (["--embedded", "--side", "host=x"], "--side cannot be used"),
        (["--local", "host=x", "--listen", "192.0.2.1:1"], "could not listen on 192.0.2.1:1"),
    ],
)
def test_what_cannot_be_is_told(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["--local", "x", "--embedded"], ["--local", "x", "--max-clients", "0"]],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    assert end.value.code == 2
    assert "dblink serve: error:" in capsys.readouterr().err


def test_a_side_that_cannot_be_reached_is_told_at_once(cluster: Cluster) -> None:
    local = cluster.conninfo(host=cluster.tcp_host)
    arguments = ["--local", local, "--side", "host=127.0.0.1 port=1", "--listen", "127.0.0.1:0"]
    with serving(*arguments) as (process, (address,)):
        assert process.stderr is not None
        told = process.stderr.readline()
        assert "no side connection" in told
        assert 'server at "127.0.0.1", port 1 failed' in told
        with pgwire.connect(login(address, dbname="postgres")) as connection:
            assert connection.query("SELECT 1").rows == [(1,)]


def test_no_line_of_the_log_can_be_forged() -> None:
    """Where a remote server's words are in it."""
    record = logging.LogRecord(
        "x", logging.INFO, "", 0, "%s", ("true\n2026-01-01 INFO not\x1b[2J",), None
    )
    told = Lines("%(levelname)s %(message)s").format(record)
    first, second = told.split("\n")
    assert first == "INFO true"
    assert second.startswith("    2026-01-01 INFO not")
    assert "\x1b" not in told
