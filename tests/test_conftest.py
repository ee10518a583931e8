"""The rule that CI skips no test in silence, tried on a small suite of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SUITE = """
import pytest

@pytest.mark.differential
def test_marked():
    pytest.skip("nothing to compare with")

@pytest.mark.tls
@pytest.mark.skipif(True, reason="no certificate")
def test_marked_and_skipped_by_a_mark():
    pass

def test_needs_contrib(contrib_cluster):
    pass

def test_needs_tls(tls_binaries):
    pass

def test_other():
    pytest.skip("may be skipped")

@pytest.mark.tls
@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure():
    assert False
"""


def run(tmp_path: Path, **environment: str) -> str:
    shutil.copy(HERE / "conftest.py", tmp_path)
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsf"),
            *("-o", "markers=differential\ntls", "--rootdir", str(tmp_path), str(tmp_path)),
        ],
        cwd=tmp_path,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PGWIRE_")},
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
            **environment,
        },
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.fixture
def bare_server(tmp_path: Path) -> str:
    """An installation without TLS and without the C dblink."""
    folder = tmp_path / "server" / "bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(
            '#!/bin/sh\n[ "$1" != --version ] || echo "postgres (PostgreSQL) 18.4"\n'
        )
        (folder / name).chmod(0o755)
    return str(folder)


def test_skips_are_skips_on_a_machine_without_servers(tmp_path: Path, bare_server: str) -> None:
    assert "5 skipped, 1 xfailed" in run(tmp_path, PGWIRE_PG_BIN=bare_server)


def test_skips_are_failures_where_servers_are_required(tmp_path: Path, bare_server: str) -> None:
    output = run(tmp_path, PGWIRE_TEST_SERVERS=bare_server, PGWIRE_REQUIRE_SERVERS="1")
    assert "1 skipped, 1 xfailed" in output
    for words in (
        "marked differential: Skipped: nothing to compare with",
        "marked tls: Skipped: no certificate",
        "marked differential: Skipped: no server with contrib/dblink",
        "marked tls: Skipped: no server with TLS",
    ):
        assert words in output


def test_a_named_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "holds no PostgreSQL server" in run(tmp_path, PGWIRE_TEST_SERVERS="/nonexistent/bin")
