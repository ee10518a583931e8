"""docs/links.md: its commands work as they stand, on two servers, and print what the page says.

The first block installs servers and is left out; everything else is typed into a shell, with other
ports.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import pgwire
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.programs import plain_environment, program

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "links.md").read_text()
BLOCK = re.compile(
    r"^```console\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)


@pytest.fixture
def ports(contrib_binaries: Binaries) -> Iterator[dict[str, str]]:
    """The page's two servers: the ports that it names, and theirs."""
    hba = ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"]
    with ExitStack() as stack:
        ports = {}
        for named in ("5501", "5502"):
            server = stack.enter_context(Cluster(contrib_binaries, hba=hba))
            with pgwire.connect(server.conninfo()) as admin:
                admin.execute("CREATE ROLE keeper SUPERUSER LOGIN PASSWORD 'keep out'")
            ports[named] = str(server.port)
        yield ports


def test_the_page_as_it_stands(ports: dict[str, str], tmp_path: Path) -> None:
    psql = program("psql")
    (tmp_path / "pgpass").write_text("127.0.0.1:*:*:keeper:keep out\n")
    (tmp_path / "pgpass").chmod(0o600)
    # `dblink` is this checkout's, and psql the one that was found.
    (tmp_path / "dblink").write_text(f'#!/bin/sh\nexec {sys.executable} -m dblink "$@"\n')
    (tmp_path / "psql").write_text(f'#!/bin/sh\nexec {psql} -X "$@"\n')
    for name in ("dblink", "psql"):
        (tmp_path / name).chmod(0o755)
    first, *blocks = BLOCK.findall(PAGE)
    assert "apt-get" in first[0] and len(blocks) == 4
    script = "set -e\n"
    for number, (commands, _) in enumerate(blocks):
        script += f"echo === {number}\n" + re.sub(r"^\$ ", "", commands, flags=re.MULTILINE)
    for named, port in ports.items():
        script = script.replace(named, port)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            **plain_environment(),
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PGPASSFILE": str(tmp_path / "pgpass"),
            "DBLINK_CATALOGUE": str(tmp_path / "links.db"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = re.split(
        r"^=== \d+\n", re.sub(r" +$", "", done.stdout, flags=re.MULTILINE), flags=re.M
    )
    for number, (_, promised) in enumerate(blocks):
        if promised:
            assert printed[number + 1].strip("\n") == promised.strip("\n")
    assert "dblink_test" in printed[-1] and "deleted dblink_test" in printed[-1]
    assert "dblink_test" in (tmp_path / "links.html").read_text()
