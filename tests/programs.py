"""PostgreSQL's client programs: psql, pg_dump, pgbench and the others.

A test that asks for one is marked ``clients``: where it is missing, the test is skipped with the
reason, and fails where PGWIRE_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import pytest

from pgwire.testing.binaries import BinariesNotFoundError, find_program

_find = functools.cache(find_program)


def program(name: str, server: int | None = None) -> Path:
    """The newest program of this name, or the one that fits the major version of a server; skips
    the test where there is none."""
    try:
        return _find(name, server)
    except BinariesNotFoundError as missing:
        pytest.skip(str(missing))


def run(
    name: str,
    *arguments: str,
    stdin: str = "",
    server: int | None = None,
    timeout: float = 60.0,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a client program in plain surroundings, and expect that it succeeds.

    Nothing of the caller's psqlrc, password file or PG… variables is seen, and messages are
    English.
    """
    done = subprocess.run(
        [program(name, server), *arguments],
        input=stdin,
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def plain_environment() -> dict[str, str]:
    """This process's environment without what changes the programs' ways."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C.UTF-8", "PSQLRC": os.devnull, "PGPASSFILE": "/nonexistent"}
