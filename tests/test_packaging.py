"""What is promised of the packages as wholes: cheap to import, all in a wheel, fit for a zip."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pgwire", "dblink")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Costly to import, or not part of Python: each is imported where it is used.
NOT_AT_IMPORT = [
    "asyncio",
    "ssl",
    "decimal",
    "dataclasses",
    "scramp",
    "ctypes",
    "subprocess",
    "json",
    "uuid",
    "hashlib",
    "hmac",
    "random",
    "socket",
    "threading",
    "binascii",
    "datetime",
    "zoneinfo",
]


def python(*arguments: str) -> str:
    # -I -S: nothing but the standard library, whatever is installed here.
    done = subprocess.run(
        [sys.executable, "-I", "-S", *arguments], capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported_by(statement: str) -> set[str]:
    """The modules that `statement` brings, beyond those of a bare interpreter."""
    program = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {str(ROOT)!r})
{statement}
print(*set(sys.modules) - before)
"""
    return set(python("-c", program).split())


def test_pgwire_is_cheap_to_import() -> None:
    assert imported_by("import pgwire") == {"pgwire"}


def test_what_connecting_needs_is_cheap_to_import() -> None:
    brought = imported_by("import pgwire; pgwire.connect, pgwire.Error")
    assert "pgwire.connection" in brought
    assert brought & {*NOT_AT_IMPORT} == set()
    # What not every connection needs, and what only connecting does.
    rooms = ("aio", "sqlstates", "tls", "testing", "excerpt", "copying", "conninfo", "net.connect")
    assert not brought & {f"pgwire.{room}" for room in rooms}


def test_connecting_brings_only_the_grammar_it_reads() -> None:
    brought = imported_by(
        "import pgwire\ntry: pgwire.connect(host='/nowhere')\nexcept pgwire.OperationalError: pass"
    )
    assert "pgwire.net.connect" in brought
    rooms = ("aio", "tls", "conninfo.keyvalue", "conninfo.uri", "conninfo.redaction")
    assert not brought & {f"pgwire.{room}" for room in rooms}
    assert not brought & {"ssl", "asyncio", "decimal", "hashlib", "random"}


def test_both_work_from_a_zip_file(tmp_path: Path) -> None:
    archive = tmp_path / "app.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        for package in PACKAGES:
            for path in (ROOT / package).rglob("*.py"):
                file.write(path, path.relative_to(ROOT))
        file.writestr("__main__.py", "import dblink, pgwire; print(pgwire.__file__)\n")
    assert python(str(archive)).startswith(str(archive))


@pytest.mark.parametrize("package", PACKAGES)
def test_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][package]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_is_a_package(package: str) -> None:
    # A folder without __init__.py works in the working tree and is missing from the wheel.
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_data_file_is_in_the_wheel(package: str) -> None:
    top = ROOT / package
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    packed = {path for pattern in patterns for path in top.glob(pattern)}
    data = {p for p in top.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert data - packed == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_version_is_written_once(package: str) -> None:
    version = getattr(importlib.import_module(package), "__version__", None)
    assert version in (None, PROJECT["project"]["version"])


@pytest.mark.parametrize("name", sorted(PROJECT["project"]["scripts"]))
def test_the_console_scripts_exist(name: str) -> None:
    module, _, function = PROJECT["project"]["scripts"][name].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_only_scramp_is_needed_at_run_time() -> None:
    assert PROJECT["project"]["dependencies"] == ["scramp>=1.4"]
