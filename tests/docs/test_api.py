"""docs/api.md: its tables are those of the code, and its examples call a server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from dblink.api import request
from dblink.api.actions import ACTIONS, COMMON, MAX_VALUE, Parameter
from dblink.cli import main
from dblink.links import FAILURES, LinkCatalogue, policy
from dblink.links.conditions import CONDITIONS, KEYS
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.api.kit import EVERYTHING, serving
from tests.dblink.links.kit import HBA, PASSWORD, SETUP
from tests.test_docs import script

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()


def section(heading: str) -> str:
    return re.split(rf"^#+ {heading}\n", PAGE, maxsplit=1, flags=re.MULTILINE)[1].split("\n#")[0]


def table(heads: str, rows: Iterable[str]) -> str:
    return "\n".join([heads, "|---" * (heads.count("|") - 1) + "|", *rows])


def rows(parameters: Iterable[Parameter]) -> list[str]:
    names = {True: "| **{}** | {} |", False: "| {} | {} |"}
    return [names[p.required].format(p.name, p.description) for p in parameters]


def test_the_table_of_errors() -> None:
    known = [f"| `{code}` | {row.status} | {row.when} |" for code, row in FAILURES.items()]
    assert table("| code | status | when |", known) in section("Errors")


def test_the_tables_of_actions() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(ACTIONS)
    assert table("| parameter | what it is |", rows(COMMON)) in section("Actions")
    for name, action in ACTIONS.items():
        text = section(name)
        assert text.strip().startswith(action.summary)
        assert table("| parameter | what it is |", rows(action.parameters)) in text
        answer = rows(action.answer)
        if action.infos:
            answer += ["| DBLinkInfos | a list, of which each entry has the following |"]
            answer += rows(action.infos)
        assert (table("| answer | what it is |", answer) in text) is bool(answer)
        assert ("| answer |" in text) is bool(answer)
        for group in action.either:
            assert " and ".join(group) in text


def test_the_conditions() -> None:
    text = section("Keys and policies")
    assert f"The operators: {', '.join(f'`{name}`' for name in CONDITIONS)}." in text
    known = [f"| `{key}` | {told} |" for key, told in KEYS.items()]
    assert table("| key | what it is |", known) in text


def test_the_policies_are_some() -> None:
    documents = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(documents) == 2
    for document in documents:
        policy.parse(document)
    assert json.loads(documents[0]) == EVERYTHING


def test_the_table_of_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["api", "--help"])
    told = capsys.readouterr().out
    known = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", told, re.MULTILINE)) - {"--help"}
    text = PAGE.split("\n## ")[0]
    named = "".join(re.findall(r"^\| (.*?) \|", text, re.MULTILINE))
    assert set(re.findall(r"`(--[a-z-]+)", named)) == known


def test_the_headers_that_have_to_be_signed() -> None:
    from dblink.api.signature import _REQUIRED, WINDOW

    assert re.findall(r"^\| `(.*?)` \|", section("Signing"), re.MULTILINE) == list(_REQUIRED)
    assert f"at most {WINDOW.total_seconds():g} s away" in PAGE


@pytest.mark.api
def test_the_table_of_limits() -> None:
    app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
    connection = pytest.importorskip("dblink.api.connection", reason="needs the extra `api`")
    limits, bounds = app.Limits(), connection.Bounds()
    assert (limits.body, bounds.idle, bounds.write) == (10, 30, 30)
    rates = [
        f"| {rate:g} a second on average, {2 * rate:g} at once"
        for rate in (limits.rate, limits.address_rate)
    ]
    for told in (
        f"{rates[0]}; {limits.each} at work |",
        f"{rates[1]} |",
        f"| {limits.at_work}, of which {limits.workers} in threads |",
        f"| connections | {bounds.connections} |",
        f"| {request.MAX_HEAD} bytes, within {bounds.head:g} s |",
        f"| {request.MAX_BODY} bytes, within {limits.body:g} s |",
        f"| {request.MAX_PARAMETERS}, of {MAX_VALUE} characters |",
    ):
        assert told in section("Limits")


@pytest.mark.api
def test_the_examples_run(binaries: Binaries, tmp_path: Path) -> None:
    pytest.importorskip("dblink.api.server", reason="needs the extra `api`")
    pytest.importorskip("alibabacloud_polardb20170801", reason="needs the extra `api-test`")
    import pgwire

    with (
        Cluster(binaries, hba=HBA) as server,
        LinkCatalogue(tmp_path / "catalogue.db") as catalogue,
        pgwire.connect(server.conninfo()) as admin,
    ):
        for statement in SETUP:
            admin.execute(statement)
        for name in ("pc-a", "pc-b"):
            conninfo = server.conninfo(host=server.tcp_host)
            catalogue.add_cluster(name, region="cn-hangzhou", account="me", conninfo=conninfo)
        key = catalogue.add_access_key("me", policies=[EVERYTHING])
        with serving(catalogue) as api:
            host, port = api.addresses[0]
            done = run(
                tmp_path,
                ENDPOINT=f"{host}:{port}",
                ACCESS_KEY_ID=key.id,
                ACCESS_KEY_SECRET=key.secret,
                CLERKS_PASSWORD=PASSWORD,
            )
        assert done.returncode == 0, done.stderr
        promised = re.findall(r"^ *print\(.*\)  # (.*)$", PAGE, re.MULTILINE)
        assert done.stdout.splitlines() == promised
        assert catalogue.links() == []


def run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    file = folder / "examples.py"
    file.write_text(script(PAGE))
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, str(file)],
        env={**plain, "PYTHONPATH": str(ROOT), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
