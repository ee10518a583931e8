"""PostgreSQL's client programs on this machine: psql, pg_dump, pgbench and the others.

A test that asks for one is marked ``clients``: where it is missing, the test is skipped with the
reason, and fails where PGWIRE_REQUIRE_SERVERS=1.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwire.testing.binaries import INSTALLED, WHEEL


@functools.cache
def found(name: str) -> Path | None:
    """The newest program of this name: pg_dump refuses servers newer than itself."""
    versions = {path: version for path in _candidates(name) if (version := _version(path))}
    return max(versions, key=versions.__getitem__, default=None)


def program(name: str) -> Path:
    """The newest program of this name; skips the test where there is none."""
    path = found(name)
    if path is None:
        pytest.skip(f"no {name} here: install PostgreSQL's client programs")
    return path


def run(
    name: str, *arguments: str, stdin: str = "", timeout: float = 60.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a client program in plain surroundings, and expect that it succeeds.

    Nothing of the caller's psqlrc, password file or PG… variables is seen, and messages are
    English.
    """
    done = subprocess.run(
        [program(name), *arguments],
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
    return {**kept, "LC_ALL": "C.UTF-8", "PSQLRC": os.devnull, "PGPASSFILE": "/nonexistent/pgpass"}


def _candidates(name: str) -> Iterator[Path]:
    folders = [Path(folder) for pattern in INSTALLED for folder in glob.glob(pattern)]
    spec = importlib.util.find_spec(WHEEL)
    if spec is not None and spec.origin is not None:
        folders += Path(spec.origin).parent.glob("pginstall*/bin")
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            yield folder / name
    on_path = shutil.which(name)
    if on_path is not None:
        yield Path(on_path)


def _version(path: Path) -> tuple[int, ...] | None:
    """As (18, 4); None if it does not run here."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    told = re.search(r"(\d+)\.(\d+)", done.stdout)
    return None if told is None else (int(told[1]), int(told[2]))
