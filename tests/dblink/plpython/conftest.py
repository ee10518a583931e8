"""A server with PL/Python, a copy of this package that it can read, and databases with and without
the functions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.plpython import install
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from pgwire.testing.scratch import scratch

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def python_cluster(plpython_binaries: Binaries) -> Iterator[Cluster]:
    """A running server with PL/Python. Its account can read `package`, not always this checkout."""
    with Cluster(plpython_binaries) as server:
        yield server


@pytest.fixture(scope="session")
def package(python_cluster: Cluster) -> str:
    """A folder with the packages and nothing else, for `--path`."""
    folder = scratch().folder()
    for name in ("pgwire", "dblink"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return str(folder)


def make_database(cluster: Cluster, name: str) -> str:
    """A new, empty database; its connection string."""
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return cluster.conninfo(name)


@pytest.fixture(scope="session")
def far(python_cluster: Cluster) -> str:
    """The connection string of a remote database, over TCP; its table foo is the manual's."""
    make_database(python_cluster, "far")
    conninfo = python_cluster.conninfo("far", tcp=True)
    with pgwire.connect(conninfo) as connection:
        connection.execute(
            "CREATE TABLE foo AS SELECT n AS f1, chr(97 + n) AS f2 FROM generate_series(0, 9) AS n"
        )
    return conninfo


@pytest.fixture(scope="session")
def near(python_cluster: Cluster, package: str) -> str:
    """The connection string of a database with the functions, in the schema ext."""
    conninfo = make_database(python_cluster, "near")
    with pgwire.connect(conninfo) as connection:
        connection.execute("CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC")
        install(connection, schema="ext", folders=[package])
        connection.execute("ALTER DATABASE near SET search_path = public, ext")
    return conninfo


@pytest.fixture
def notices() -> list[pgwire.Diagnostics]:
    """The notices of the fixture `sql`."""
    return []


@pytest.fixture
def sql(near: str, far: str, notices: list[pgwire.Diagnostics]) -> Iterator[pgwire.Connection]:
    """A superuser's session in the database with the functions; the connection "c" is open."""
    with pgwire.connect(near, on_notice=notices.append) as connection:
        connection.query("SELECT dblink_connect('c', $1)", (far,))
        yield connection
        connection.execute("ROLLBACK")


@pytest.fixture
def admin(far: str) -> Iterator[pgwire.Connection]:
    """A connection of our own to the remote database, to look at what dblink does there."""
    with pgwire.connect(far) as connection:
        yield connection
