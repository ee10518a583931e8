"""The command `dblink api`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dblink.cli import main
from dblink.links import AccessKey, LinkCatalogue
from tests.dblink.api.kit import EVERYTHING, LINK, PASSWORD, Client
from tests.dblink.kit import PATIENCE

pytestmark = pytest.mark.api
pytest.importorskip("dblink.api.server", reason="needs the extra `api`")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "links.db")


@pytest.fixture
def key(store: str) -> AccessKey:
    with LinkCatalogue(store) as catalogue:
        catalogue.add_cluster("pc-a", region="cn-hangzhou", account="a1", conninfo="host=nowhere")
        return catalogue.add_access_key("a1", policies=[EVERYTHING])


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """The process, and where it says it listens."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "dblink", "api", *arguments]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        said, _, address = process.stdout.readline().rstrip().rpartition(" ")
        assert said == "listening on", process.communicate()
        host, _, port = address.rpartition(":")
        yield process, (host, int(port))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(store: str, key: AccessKey, how: signal.Signals) -> None:
    with serving("--catalogue", store, "--verbose") as (process, address):
        client = Client(address, key)
        reply = client.call("DescribeDBLinks", {"DBClusterId": "pc-a", "TargetDBPasswd": PASSWORD})
        assert reply.json["DBLinkInfos"] == []
        assert client.call("DeleteDBLink", LINK).code == "InvalidDBLinkName.NotFound"
        process.send_signal(how)
        _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert f"DescribeDBLinks by {key.id} from 127.0.0.1: OK" in told
        assert f"DeleteDBLink by {key.id} from 127.0.0.1: InvalidDBLinkName.NotFound" in told
        for secret in (PASSWORD, PASSWORD.replace(" ", "+"), key.secret, "Traceback"):
            assert secret not in told


def test_it_says_nothing_without_being_asked_to(store: str, key: AccessKey) -> None:
    with serving("--catalogue", store, "--rate", "0.01") as (process, address):
        client = Client(address, key)
        assert client.call("DescribeDBLinks", {"DBClusterId": "pc-a"}).status == 200
        assert client.call("DescribeDBLinks", {"DBClusterId": "pc-a"}).status == 429
        process.terminate()
        assert process.communicate(timeout=PATIENCE) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "nowhere"], 'cannot listen on "nowhere"'),
        (["--listen", "192.0.2.1:1"], "could not listen on 192.0.2.1:1"),
        (["--allow", "10.0.0.0/99"], "10.0.0.0/99"),
        (["--tls-cert", "c"], "--tls-cert and --tls-key must be given"),
        (["--tls-cert", "no.crt", "--tls-key", "no.key"], "no.key"),
        (["--catalogue", "host=x password=x"], "must not hold a password"),
    ],
)
def test_what_cannot_be_is_told(
    store: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["api", "--catalogue", store, *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--rate", "0"], ["--rate", "x"], ["--max-clients", "0"], ["--grace", "-1"]],
)
def test_wrong_usage(store: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["api", "--catalogue", store, *arguments])
    assert "dblink api: error:" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["starlette.applications", "uvicorn"])
def test_what_it_needs_is_told(
    store: str,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.startswith("dblink.api.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # type: ignore[arg-type]
    assert main(["api", "--catalogue", store]) == 1
    told = capsys.readouterr().err
    assert f"needs the extra `api` (import of {missing} halted" in told
    assert "pip install 'pgwire-dblink[api]'" in told
