"""Everything runs, on tiny tables: `make bench ARGS=--quick`, with what is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import environments
from bench.drivers import Clock, memory_file
from bench.memory import peak_memory
from bench.results import Run
from bench.workloads import CONTESTANTS, WORKLOADS
from pgwire.testing.binaries import Binaries

# What runs here: under PyPy the contestants have another name.
HERE = sys.implementation.name
ROOT = Path(__file__).resolve().parents[2]


def run_module(
    binaries: Binaries, module: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PGWIRE_PG_BIN": str(binaries.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_workload_of_ours(binaries: Binaries, tmp_path: Path) -> None:
    ours = [n for n, c in CONTESTANTS.items() if c.kind == "ours" and c.interpreter == HERE]
    output = tmp_path / "result.json"
    # Each needs a gateway of its own, and does what the one before it does with another argument.
    workloads = [
        name
        for name, workload in WORKLOADS.items()
        if name not in ("l2", "l4", "m2") and set(workload.contestants) & set(ours)
    ]
    done = run_module(
        binaries,
        "bench",
        "--quick",
        "--no-install",
        f"--only={','.join(workloads)}",
        f"--contestants={','.join([*ours, 'C dblink'])}",
        f"--output={output}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = Run.load(output)
    assert "### k1 · import\n" in output.with_suffix(".md").read_text("utf-8")
    assert run.workloads() == workloads
    figures = {(m.workload, m.contestant) for m in run.measurements if m.seconds and m.peaks}
    for name in workloads:
        for contestant in set(WORKLOADS[name].contestants) & set(ours):
            assert (name, contestant) in figures
    for extension in (m for m in run.of("j1") if m.contestant == "C dblink"):
        assert bool(extension.seconds) == binaries.has_contrib("dblink")
        assert (extension.missing is None) == binaries.has_contrib("dblink")


@pytest.mark.skipif(HERE != "cpython", reason="psycopg2 is only measured under CPython")
def test_what_is_not_installed_is_told(binaries: Binaries, tmp_path: Path) -> None:
    # Under -S there is nothing but the standard library.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    done = run_module(
        binaries,
        "bench",
        "--quick",
        "--no-install",
        f"--python={bare}",
        "--only=e2,k1",
        "--contestants=psycopg2",
        f"--output={tmp_path / 'result.json'}",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not available: psycopg2 is not installed") == 2


def test_a_profile(binaries: Binaries) -> None:
    done = run_module(binaries, "bench.profile", "c", "--scale=0.001", "--lines=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "c · 500k rows of 3 text columns: pgwire" in done.stdout
    assert "function calls" in done.stdout
    done = run_module(binaries, "bench.profile", "c", "--scale=0.001", "--no-profile")
    assert (done.returncode, done.stderr) == (0, "")
    assert "own work 0." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--only=z"], ["--contestants=nobody"], ["--no-install", "--python=/nonexistent/python"]],
)
def test_wrong_arguments(binaries: Binaries, arguments: list[str]) -> None:
    done = run_module(binaries, "bench", "--quick", *arguments)
    assert done.returncode == 2
    assert arguments[-1].partition("=")[2] in done.stderr
    assert "Traceback" not in done.stderr


def refuse(command: list[str], run: Callable[[list[str]], str] = environments._run) -> str:
    """Only look, make nothing."""
    if "-c" not in command:
        raise RuntimeError(" ".join(command))
    return run(command)


@pytest.mark.skipif(HERE != "cpython", reason="making an environment takes PyPy ten seconds")
def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = tmp_path / "requirements.txt"
    nothing.write_text("# nothing to download\n")
    monkeypatch.setattr(environments, "REQUIREMENTS", nothing)
    monkeypatch.setattr(environments, "BUILD", tmp_path / "build")
    made = environments.prepared(sys.executable)
    assert made.python.is_relative_to(tmp_path) and made.packages == {}
    kept = made.python.parent.parent / "kept"
    kept.touch()
    environments.prepared(sys.executable)
    assert kept.exists()
    nothing.write_text("# something else\n")
    monkeypatch.setattr(environments, "_run", refuse)
    with pytest.raises(RuntimeError, match=r"-m venv --clear .*build"):
        environments.prepared(sys.executable)


def test_what_to_install() -> None:
    assert {"asyncpg", "pg8000", "psycopg", "psycopg2-binary"} <= set(environments.packages())


def test_the_clock_adds_up() -> None:
    clock = Clock()
    with clock:
        pass
    once = clock.seconds
    with clock:
        sum(range(1000))
    assert clock.seconds > once > 0


def test_memory() -> None:
    peak = peak_memory()
    assert peak is not None and 5 < peak < 100_000
    with memory_file() as file:
        assert file.write(b"x") == 1
