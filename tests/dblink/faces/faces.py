"""The faces of dblink in SQL: each has a local database of its own, all share a remote one."""

from __future__ import annotations

import compileall
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import dblink.plpython
import dblink.shells
import pgwire
from dblink.gateway import running
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from pgwire.testing.scratch import scratch
from tests.dblink.differential.world import (
    HBA,
    ROLES,
    World,
    prepare_local,
    reset_local,
)

_DATABASE = (
    "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
)
_ROOT = Path(__file__).resolve().parents[3]


class Face(Protocol):
    """Where dblink's functions can be called in SQL.

    `contexts`: whether the CONTEXT of what they say is C dblink's, too.
    """

    name: str
    contexts: bool

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""

    def conninfo(self, role: str, dbname: str = "local") -> str:
        """A connection string for a session of `role`."""

    def make_database(self, name: str, encoding: str) -> None:
        """Make another database with the functions, in its schema public."""

    def reset(self) -> None:
        """Make the local database what it was at the beginning."""


@dataclass
class Original:
    """The C extension."""

    world: World
    name: str = "C dblink"
    contexts: bool = True

    @property
    def address(self) -> tuple[str, int]:
        return self.world.address

    def conninfo(self, role: str, dbname: str = "local") -> str:
        return self.world.conninfo(role, dbname)

    def make_database(self, name: str, encoding: str) -> None:
        self.world.admin.execute(_DATABASE.format(name=name, encoding=encoding))
        with pgwire.connect(self.world.conninfo("postgres", name)) as session:
            session.execute("CREATE EXTENSION dblink")

    def reset(self) -> None:
        reset_local(self.world.admin)


class Twin:
    """A server beside that of the world, whose database `local` has dblink without the C extension.

    It is called as the world's is, since names of databases are in what dblink says. The remote
    database is the world's.
    """

    name = ""
    contexts = True

    def __init__(self, binaries: Binaries) -> None:
        self.cluster = Cluster(binaries, hba=HBA, settings={"max_connections": 60})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.cluster)
            with pgwire.connect(self.cluster.conninfo()) as first:
                first.execute("CREATE DATABASE local")
                first.query_all(ROLES)
            self.admin = stack.enter_context(pgwire.connect(self.cluster.conninfo("local")))
            prepare_local(self.admin, lambda: self.install(self.admin, "ext"))
            self.start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def install(self, session: pgwire.Connection, schema: str) -> None:
        """Put the functions into a schema of the session's database."""
        raise NotImplementedError

    def start(self, stack: ExitStack) -> None:
        """Start what is needed beside the server, if anything."""

    @property
    def address(self) -> tuple[str, int]:
        return self.cluster.tcp_host, self.cluster.port

    def conninfo(self, role: str, dbname: str = "local") -> str:
        return self.cluster.conninfo(dbname, user=role)

    def make_database(self, name: str, encoding: str) -> None:
        self.admin.execute(_DATABASE.format(name=name, encoding=encoding))
        with pgwire.connect(self.cluster.conninfo(name)) as session:
            self.install(session, "public")

    def reset(self) -> None:
        reset_local(self.admin)


class Gateway(Twin):
    """Plain functions, and a gateway in front of the server."""

    name = "gateway"

    def install(self, session: pgwire.Connection, schema: str) -> None:
        dblink.shells.setup(session, schema=schema)

    def start(self, stack: ExitStack) -> None:
        self.gateway = stack.enter_context(running(self.cluster.conninfo("local")))

    @property
    def address(self) -> tuple[str, int]:
        address = self.gateway.addresses[0]
        assert isinstance(address, tuple)
        return address

    def conninfo(self, role: str, dbname: str = "local") -> str:
        return self.gateway.conninfo(dbname=dbname, user=role)


class Python(Twin):
    """Functions in PL/Python, inside the server."""

    name = "plpython"
    # There is nobody between server and client to take their own lines out.
    contexts = False

    def install(self, session: pgwire.Connection, schema: str) -> None:
        install_python(session, schema)


def install_python(session: pgwire.Connection, schema: str) -> None:
    """Put the functions in PL/Python into a schema of the session's database."""
    folder = scratch().folder()
    for package in ("pgwire", "dblink"):
        # The server's account cannot read every checkout, and write nowhere what is compiled.
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_ROOT / package, folder / package, ignore=ignored)
    compileall.compile_dir(folder, quiet=1)
    dblink.plpython.install(session, schema=schema, folders=[str(folder)])
