"""docs/sql.md: its commands work, and its statements print what the page says.

The page is typed as it stands: commands of the blocks `console` into a shell, except for those that
serve; statements of the blocks `sql` into psql, through the gateway that the page starts. A block
`text` that follows is what psql prints.
"""

from __future__ import annotations

import itertools
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.commands import serve
from pgwire.testing.binaries import find_program
from pgwire.testing.cluster import Cluster
from tests.programs import plain_environment, program

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sql.md").read_text()
BLOCK = re.compile(r"^```sql\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(command, comments=True)
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE)
]

DATABASES = {
    "shop": """
        CREATE TABLE orders (id int PRIMARY KEY, item text, pieces int);
        INSERT INTO orders VALUES (1, 'chair', 4), (2, 'lamp', 1);
    """,
    "warehouse": """
        CREATE TABLE stock (item text PRIMARY KEY, amount int, price numeric(8,2));
        INSERT INTO stock VALUES ('chair', 120, 49.90), ('lamp', 35, 24.50), ('table', 18, 199);
        GRANT ALL ON stock TO clerk;
    """,
}


def of_dblink(name: str) -> list[str]:
    """The arguments of the page's only command `dblink name …` with `--local` or `--into`."""
    (command,) = (c for c in COMMANDS if c[:2] == ["dblink", name] and "--embedded" not in c)
    return command[2:]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Environment variables under which `dbname=shop` leads to a server of the page's own."""
    # Whoever is clerk gives a password, as dblink wants it from who is no superuser.
    hba = [
        "local all clerk scram-sha-256",
        "local all all trust",
        "host all all 127.0.0.1/32 trust",
    ]
    with Cluster(hba=hba) as cluster:
        with pgwire.connect(cluster.conninfo()) as admin:
            admin.execute("CREATE ROLE clerk LOGIN PASSWORD 'secret'")
            for name in DATABASES:
                admin.execute(f"CREATE DATABASE {name}")
        for name, statements in DATABASES.items():
            with pgwire.connect(cluster.conninfo(name)) as connection:
                connection.execute(statements)
        yield {
            **plain_environment(),
            "PGHOST": cluster.host,
            "PGPORT": str(cluster.port),
            "PGUSER": cluster.superuser,
            "PYTHONPATH": str(ROOT),
            "PGWIRE_PG_BIN": str(cluster.binaries.path),
        }


def dblink(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dblink", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def port(environment: dict[str, str]) -> Iterator[int]:
    """The port of the gateway that the page starts, in front of what it has set up."""
    done = dblink(environment, "setup", *of_dblink("setup"))
    assert done.returncode == 0, done.stderr
    arguments = [a.replace(":6432", ":0") for a in of_dblink("serve")]
    assert arguments != of_dblink("serve")
    serving = subprocess.Popen(
        [sys.executable, "-m", "dblink", "serve", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    with serving, serving.stdout:
        try:
            yield int(serving.stdout.readline().rpartition(":")[2])
        finally:
            serving.terminate()
    assert serving.returncode == 0


@pytest.mark.clients
def test_the_statements_print_what_it_says(environment: dict[str, str], port: int) -> None:
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) >= 5
    # Each block is marked: what is printed, also by a statement that fails, comes in order.
    script = "".join(f"\\echo === {n}\n{sql}\n" for n, (sql, _) in enumerate(blocks))
    # The page's servers are at the usual port.
    script = script.replace("host=127.0.0.1", f"host=127.0.0.1 port={environment['PGPORT']}")
    script = script.replace("host '127.0.0.1'", f"host '127.0.0.1', port '{environment['PGPORT']}'")
    assert script.count(environment["PGPORT"]) == 2
    done = subprocess.run(
        [program("psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(port), "shop"],
        input=script,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    printed = re.split(r"^=== \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert [plain(text) for text in printed] == [plain(text) for _, text in blocks]


def plain(text: str) -> list[str]:
    """Lines without the blanks at their ends, which nobody sees, and without empty last ones."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip().splitlines()


@pytest.mark.clients
def test_without_a_gateway_it_says_so(environment: dict[str, str], port: int) -> None:
    (command,) = (c for c in COMMANDS if c[:2] == ["psql", "-d"])
    done = subprocess.run(
        [program("psql"), "-X", *command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "dblink serve" in done.stderr


@pytest.mark.clients
def test_try_it(environment: dict[str, str]) -> None:
    program("psql")
    assert ["dblink", "serve", "--embedded"] in COMMANDS
    here = {name: value for name, value in environment.items() if not name.startswith("PGP")}
    serving = subprocess.Popen(
        [sys.executable, "-m", "dblink", "serve", "--embedded", "--listen=127.0.0.1:0"],
        env=here,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    with serving, serving.stdout:
        try:
            told = list(itertools.takewhile(lambda line: line[:6] != "Ctrl-C", serving.stdout))
            (command,) = (line for line in told if "psql" in line)
            statement = "".join(told[told.index(command) + 1 :])
            done = subprocess.run(
                [*shlex.split(command), "-X", "-At"],
                input=statement,
                env=plain_environment(),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            serving.send_signal(signal.SIGINT)
    assert (serving.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "chair|120"


@pytest.mark.clients
def test_it_knows_where_psql_is(monkeypatch: pytest.MonkeyPatch) -> None:
    program("psql")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert serve._psql() == shlex.quote(str(find_program("psql")))


@pytest.mark.parametrize(("command", "heading"), [("setup", "Setting up"), ("serve", "Serving")])
def test_the_tables_have_every_option(
    environment: dict[str, str], command: str, heading: str
) -> None:
    told = dblink(environment, command, "--help").stdout
    known = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", told, re.MULTILINE)) - {"--help"}
    section = PAGE.split(f"### {heading}\n")[1].split("\n#")[0]
    rows = "".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))
    assert set(re.findall(r"`(--[a-z-]+)", rows)) == known
