"""What the clusters of one run share.

Programs that the server's account can reach, and initialized data directories: ``initdb`` takes a
second, copying its result a few milliseconds.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pgwire.testing.binaries import Binaries
from pgwire.testing.scratch import Scratch

__all__ = ["Initialization", "TemplateError", "copy_data", "copy_folder", "reachable"]

# Keys begin with the scratch folder: a fork of this process has another one.
_programs: dict[tuple[Path, Path], Path] = {}
_templates: dict[tuple[Path, Initialization], Path] = {}
_lock = threading.Lock()


class TemplateError(RuntimeError):
    """The server's programs cannot be run, or ``initdb`` failed; the message holds its output."""


class Initialization(NamedTuple):
    """What ``initdb`` is told."""

    binaries: Binaries
    superuser: str
    encoding: str
    locale: str


def reachable(binaries: Binaries, scratch: Scratch) -> Path:
    """Return a folder of these programs that the server's account can run: their own, or a copy.

    A wheel in a virtual environment below ``/root``, for instance, is out of reach for every other
    account.
    """
    with _lock:
        return _reachable(binaries, scratch)


def copy_data(wish: Initialization, scratch: Scratch, target: Path) -> None:
    """Make the data directory ``target``, as ``initdb`` would.

    Raises:
        TemplateError: ``initdb`` or the copy failed.
    """
    with _lock:
        key = (scratch.path, wish)
        if key not in _templates:
            _templates[key] = _initialize(wish, scratch)
        template = _templates[key]
    copy_folder(template, scratch, target)


def copy_folder(source: Path, scratch: Scratch, target: Path) -> None:
    """Copy the data directory of a server that is not running.

    Raises:
        TemplateError: the copy failed.
    """
    _run(["cp", "-a", str(source), str(target)], scratch)


def _reachable(binaries: Binaries, scratch: Scratch) -> Path:
    key = (scratch.path, binaries.path)
    if key not in _programs:
        path = binaries.path
        if not _runs(path / "postgres", scratch):
            path = _copy_programs(path, scratch.folder())
            if not _runs(path / "postgres", scratch):
                account = scratch.account or "this account"
                raise TemplateError(f"{account} can run neither {binaries.path} nor a copy of it")
        _programs[key] = path
    return _programs[key]


def _copy_programs(binaries: Path, target: Path) -> Path:
    prefix = binaries.parent
    unneeded = shutil.ignore_patterns("include", "*.a", "__pycache__")
    parent = target / prefix.parent.name
    copy = parent / prefix.name
    shutil.copytree(prefix, copy, symlinks=True, ignore=unneeded)
    # A repaired wheel keeps the libraries of its programs beside its package, and finds them from
    # there.
    libraries = prefix.parent.with_name(prefix.parent.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (parent, *target.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    return copy / binaries.name


def _initialize(wish: Initialization, scratch: Scratch) -> Path:
    programs = _reachable(wish.binaries, scratch)
    template = scratch.folder() / "template"
    command = [
        str(programs / "initdb"),
        f"--pgdata={template}",
        f"--username={wish.superuser}",
        f"--encoding={wish.encoding}",
        f"--locale={wish.locale}",
        "--auth=trust",
        "--no-sync",
    ]
    _run(command, scratch)
    return template


def _run(command: Sequence[str], scratch: Scratch) -> None:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
        **scratch.popen_options(),
    )
    if done.returncode != 0:
        raise TemplateError(f"{' '.join(command)}\nfailed:\n{done.stdout.rstrip()}")


def _runs(postgres: Path, scratch: Scratch) -> bool:
    try:
        done = subprocess.run(
            [postgres, "--version"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **scratch.popen_options(),
        )
    except PermissionError:
        return False
    return done.returncode == 0
