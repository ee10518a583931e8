"""What is left when Python ends: nothing, whichever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pgwire.testing.binaries import Binaries
from pgwire.testing.scratch import scratch
from pgwire.testing.templates import reachable

ROOT = Path(__file__).resolve().parents[3]

# Starts a cluster in a thread that has ended by the time of the report: its end must not end the
# server.
START = """
import os, sys, threading
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
cluster = Cluster(Binaries(sys.argv[1]))
thread = threading.Thread(target=cluster.start)
thread.start()
thread.join()
print(cluster.pid, cluster.host, flush=True)
"""


def run(binaries: Binaries, program: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START + program, str(binaries.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def report(python: subprocess.Popen[str]) -> tuple[int, Path]:
    assert python.stdout is not None
    pid, folder = python.stdout.readline().split()
    return int(pid), Path(folder)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    # Ended, but not waited for by the first process of a container.
    return state != "Z"


def comes_true(condition: Callable[[], bool], seconds: float = 20) -> bool:
    # The guard belongs to nobody any more: nothing can be waited for but its work.
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


@pytest.mark.parametrize("how", ["kill -9", "kill -9 of the group", "os._exit"])
def test_hard_death_leaves_nothing(binaries: Binaries, how: str) -> None:
    program = """
again = Cluster(cluster.binaries).start()
again.restart()
print(again.pid, again.host, flush=True)
sys.stdin.read()
os._exit(3)
"""
    with run(binaries, program) as python:
        pid, folder = report(python)
        pid2, folder2 = report(python)
        assert is_running(pid)
        assert is_running(pid2)
        assert folder.is_dir()
        assert folder2.parent == folder.parent
        if how == "kill -9":
            python.kill()
        elif how == "kill -9 of the group":
            os.killpg(python.pid, signal.SIGKILL)
    assert comes_true(lambda: not is_running(pid))
    assert comes_true(lambda: not is_running(pid2))
    assert comes_true(lambda: not folder.parent.exists())


def test_hard_death_while_a_server_starts_leaves_nothing(binaries: Binaries) -> None:
    program = """
def die(self, server):
    print(server.pid, self.host, flush=True)
    os.kill(os.getpid(), 9)
Cluster._is_ready = die
cluster.restart()
"""
    with run(binaries, program) as python:
        report(python)
        pid, folder = report(python)
    assert python.returncode == -signal.SIGKILL
    assert comes_true(lambda: not is_running(pid))
    assert comes_true(lambda: not folder.parent.exists())


def test_forgotten_cluster_is_closed_at_exit(binaries: Binaries) -> None:
    with run(binaries, "") as python:
        pid, folder = report(python)
    assert python.returncode == 0
    assert not is_running(pid)
    assert not folder.parent.exists()


def test_a_fork_leaves_its_parents_server_alone(binaries: Binaries) -> None:
    program = """
child = os.fork()
if child == 0:
    sys.exit(0)  # with atexit
os.waitpid(child, 0)
print(cluster.pid if cluster.running else 0, cluster.host, flush=True)
"""
    with run(binaries, program) as python:
        first = report(python)
        assert report(python) == first
    assert not first[1].parent.exists()


def test_a_long_folder_for_temporary_files(binaries: Binaries, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    with run(binaries, "", TMPDIR=str(long)) as python:
        assert report(python)[1].parent.parent == Path("/tmp").resolve()
    assert python.returncode == 0


needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only for root does the server run as somebody else"
)


@needs_root
def test_a_folder_for_temporary_files_that_only_root_may_enter(binaries: Binaries) -> None:
    private = scratch().path / "private"
    private.mkdir(mode=0o700)
    with run(binaries, "", TMPDIR=str(private)) as python:
        assert report(python)[1].parent.parent == Path("/tmp").resolve()
    assert python.returncode == 0
    assert list(private.iterdir()) == []


@needs_root
def test_programs_out_of_reach_are_copied_with_their_libraries(tmp_path: Path) -> None:
    # The layout of a wheel below a home that other accounts may not enter.
    package = tmp_path / "package"
    folder = package / "server" / "bin"
    folder.mkdir(parents=True)
    (tmp_path / "package.libs").mkdir()
    (tmp_path / "package.libs" / "library").write_text("library")
    (folder.parent / "include").mkdir()
    for name in ("postgres", "initdb"):
        (folder / name).write_text(
            "#!/bin/sh\n"
            'test "$(cat "$(dirname "$0")/../../../package.libs/library")" = library || exit 1\n'
            'echo "postgres (PostgreSQL) 18.4"\n'
        )
        (folder / name).chmod(0o700)
    tmp_path.chmod(0o700)
    original = Binaries(folder)
    copy = reachable(original, scratch())
    assert copy != original.path
    assert scratch().path in copy.parents
    assert not (copy.parent / "include").exists()
    assert reachable(original, scratch()) == copy
    done = subprocess.run(
        [copy / "postgres"], check=True, stdout=subprocess.PIPE, **scratch().popen_options()
    )
    assert done.stdout == b"postgres (PostgreSQL) 18.4\n"
