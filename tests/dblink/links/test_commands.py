"""The catalogue on the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import dblink
from dblink.cli import main
from dblink.links import LinkCatalogue
from pgwire.testing.cluster import Cluster
from tests.dblink.links.kit import PASSWORD

CREATE = [
    *("link", "create", "pc-a", "dblink_test", "--database", "shop", "--target-cluster", "pc-b"),
    *("--target-database", "stock", "--target-account", "clerk"),
]


@dataclass
class Outcome:
    code: int
    out: str
    err: str


class Input(io.StringIO):
    """Standard input."""


Run = Callable[..., Outcome]


@pytest.fixture
def run(file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command, on a catalogue of its own."""
    monkeypatch.setenv("DBLINK_CATALOGUE", file)

    def run(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", Input(stdin))
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def clusters(run: Run, server: Cluster) -> None:
    for name in ("pc-a", "pc-b"):
        done = run(
            *("cluster", "add", name, "--region", "cn-hangzhou", "--account", "a1"),
            *("--conninfo", server.conninfo()),
        )
        assert (done.code, done.out) == (0, f"registered {name}\n"), done.err


@pytest.mark.usefixtures("clusters")
def test_from_nothing_to_a_query_and_back(
    run: Run, server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBLINK_TARGET_PASSWORD", PASSWORD)
    done = run(*CREATE, "--role", "app")
    assert done.code == 0, done.err
    assert "dblink('dblink_test', '…')" in done.out
    with dblink.Session(server.conninfo("shop", user="app")) as session:
        session.dblink_connect("dblink_test")
        assert session.dblink("SELECT name FROM item").scalar() == "chair"

    (listed,) = json.loads(run("link", "list", "--format", "json").out)
    assert listed["target"] == "pc-b/stock"
    assert (listed["roles"], listed["state"], listed["health"]) == (["app"], "active", "ok")
    assert run("link", "list", "pc-b").out.endswith("(0 rows)\n")
    shown = run("link", "show", "pc-a", "dblink_test").out
    assert "clerk" in shown and "dblink_test" in shown
    (same,) = json.loads(run("link", "show", "pc-a", "dblink_test", "--format", "json").out)
    assert same == listed

    for arguments in ([], ["pc-a"], ["pc-a", "dblink_test"]):
        tested = run("link", "test", *arguments)
        assert tested.code == 0 and " ok " in tested.out
    assert run("link", "restart", "pc-a", "dblink_test").out.startswith("restarted dblink_test: ok")
    page = tmp_path / "page.html"
    assert run("link", "page", str(page)).code == 0
    assert "dblink_test" in page.read_text()
    assert run("link", "page", "-").out.startswith("<!")
    found = run("cluster", "list")
    assert "pc-b" in found.out and "(2 rows)" in found.out
    refused = run("cluster", "remove", "pc-b")
    assert refused.code == 1 and "dblink_test of pc-a" in refused.err
    assert run("link", "delete", "pc-a", "dblink_test").out == "deleted dblink_test\n"
    for name in ("pc-a", "pc-b"):
        assert run("cluster", "remove", name).out == f"removed {name}\n"
    everything = done.out + shown + found.out + page.read_text()
    assert PASSWORD not in everything


@pytest.mark.usefixtures("clusters")
@pytest.mark.parametrize("way", ["file", "stdin", "prompt", "variable"])
def test_ways_for_a_password(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    options: list[str] = []
    stdin = ""
    if way == "file":
        (tmp_path / "password").write_text(f"{PASSWORD}\r\nnot this line\n")
        options = ["--password-file", str(tmp_path / "password")]
    elif way == "stdin":
        options, stdin = ["--password-file", "-"], PASSWORD
    elif way == "variable":
        monkeypatch.setenv("DBLINK_TARGET_PASSWORD", PASSWORD)
    else:
        monkeypatch.setattr(Input, "isatty", lambda self: True)
        monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    done = run(*CREATE, *options, stdin=stdin)
    assert done.code == 0, done.err
    assert run("link", "delete", "pc-a", "dblink_test").code == 0


@pytest.mark.usefixtures("clusters")
def test_no_way_for_a_password(run: Run) -> None:
    done = run(*CREATE)
    assert done.code == 1
    assert "DBLINK_TARGET_PASSWORD" in done.err
    refused = run(*CREATE, "--password", PASSWORD)
    assert refused.code == 2 and "is no argument" in refused.err and PASSWORD not in refused.err
    assert run(*CREATE, "--password-file", "/nowhere").code == 1


def test_passwords_are_no_arguments(run: Run, tmp_path: Path) -> None:
    add = ("cluster", "add", "pc-a", "--region", "cn-hangzhou", "--account", "a1")
    for where in ("host=h password=opensesame", "postgresql://u:opensesame@h/"):
        done = run(*add, "--conninfo", where)
        assert done.code == 1 and "--conninfo-file" in done.err
        assert "opensesame" not in done.err
        refused = run("link", "list", "--catalogue", where)
        assert refused.code == 1 and "--catalogue must not hold a password" in refused.err
    (tmp_path / "conninfo").write_text("host=h password=opensesame\n")
    assert run(*add, "--conninfo-file", str(tmp_path / "conninfo")).code == 0
    listed = run("cluster", "list").out
    assert "password=****" in listed and "opensesame" not in listed


@pytest.mark.usefixtures("clusters")
def test_changing_a_cluster(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBLINK_TARGET_PASSWORD", PASSWORD)
    assert run(*CREATE).code == 0
    assert run("cluster", "change", "pc-b").code == 1
    assert run("cluster", "change", "pc-b", "--role", "app").out == "changed pc-b\n"
    changed = run("cluster", "change", "pc-b", "--conninfo", "host=127.0.0.1 port=1")
    assert "dblink link restart pc-a dblink_test" in changed.out
    failed = run("link", "restart", "pc-a", "dblink_test")
    assert failed.code == 1 and "InvalidTarget.Refused" in failed.err
    assert run("link", "test").code == 0  # the foreign server is as it was
    assert run("link", "delete", "pc-a", "dblink_test").code == 0


@pytest.mark.usefixtures("clusters")
def test_a_link_that_fails(run: Run, file: str, server: Cluster) -> None:
    import pgwire
    from dblink.links import Target

    with LinkCatalogue(file) as catalogue:
        target = Target("stock", "clerk", cluster="pc-b")
        catalogue.create_link("pc-a", "one", database="shop", target=target, password=PASSWORD)
        with pgwire.connect(server.conninfo("shop")) as shop:
            shop.execute("ALTER SERVER one OPTIONS (SET port '1')")
        tested = run("link", "test", "--format", "json")
        assert tested.code == 1 and "1 of 1 links failed" in tested.err
        (told,) = json.loads(tested.out)
        assert told["health"] == "failed" and told["problem"]
        catalogue.delete_link("pc-a", "one")


def test_settings(run: Run) -> None:
    assert run("cluster", "settings").out.startswith("quota: 10 links a cluster\nregions: cn-")
    changed = run("cluster", "settings", "--quota", "2", "--add-region", "home")
    assert changed.out.startswith("quota: 2 ") and changed.out.endswith("home\n")
    assert run("cluster", "settings", "--remove-region", "home").code == 0
    assert run("cluster", "settings", "--quota", "-1").code == 1


def test_access_keys(run: Run, file: str, tmp_path: Path) -> None:
    policy = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    made = run("key", "create", "--account", "a1", "--note", "Ada")
    assert "It allows nothing yet" in made.err
    name, secret = (line.split(": ")[1] for line in made.out.splitlines())
    assert run("key", "change", name, "--policy", str(tmp_path / "policy.json")).code == 0
    assert run("key", "change", name, "--disable").code == 0
    listed = run("key", "list")
    assert name in listed.out and secret not in listed.out and "polic" in listed.out
    (told,) = json.loads(run("key", "list", "--format", "json").out)
    assert (told["active"], told["policies"], told["note"]) == (False, [policy], "Ada")
    assert run("key", "change", name).code == 1
    for wrong in ("{", "{}", '{"Version": "1", "Version": "1"}'):
        refused = run("key", "change", name, "--policy", "-", stdin=wrong)
        assert refused.err.startswith("dblink: error: -: InvalidPolicy: ")
    with LinkCatalogue(file) as catalogue:
        assert catalogue.access_key(name).secret == secret
    assert run("key", "delete", name).code == 0
    assert run("key", "delete", name).code == 1


def test_what_was_interrupted_is_told(run: Run, file: str, server: Cluster) -> None:
    from dblink.links import Link, Target, records

    with LinkCatalogue(file) as catalogue:
        catalogue.add_cluster(
            "pc-a", region="cn-hangzhou", account="a1", conninfo=server.conninfo()
        )
        with catalogue._store.transaction() as store:
            target = Target("stock", "clerk", address="127.0.0.1", port=1)
            records.add_link(
                store,
                Link("x", "pc-a", "half", "shop", target, (), "creating", records.now()),
            )
    assert run("link", "list").err == "dblink: interrupted link half of pc-a: undone\n"
    assert run("link", "list").err == ""


@pytest.mark.parametrize("command", ["cluster", "link", "key", "api"])
def test_help(run: Run, command: str) -> None:
    assert "catalogue" in run(command, "--help").out


def test_the_default_place(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBLINK_CATALOGUE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert run("link", "list").code == 0
    assert (tmp_path / "data" / "dblink" / "links.db").exists()
    assert run("link", "list", "--catalogue", str(tmp_path)).code == 1
