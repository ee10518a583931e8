"""A remote and a local database for the tests of dblink, and sessions over them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import dblink
import pgwire
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.differential.world import World

Notice = pgwire.Diagnostics


def _database(cluster: Cluster, name: str) -> Iterator[str]:
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield cluster.conninfo(name)
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def remote(cluster: Cluster) -> Iterator[str]:
    """A connection string of the remote database; its table foo has ten rows (0, 'a') to
    (9, 'j'). Who writes to it does so in a table of his own."""
    for conninfo in _database(cluster, "dblink_tests_remote"):
        with pgwire.connect(conninfo) as connection:
            connection.execute(
                "CREATE TABLE foo AS SELECT n AS f1, chr(97 + n) AS f2"
                " FROM generate_series(0, 9) AS n"
            )
        yield conninfo


@pytest.fixture(scope="session")
def world(contrib_binaries: Binaries) -> Iterator[World]:
    """A server with C dblink, and two databases of the differential suites' own."""
    with World(contrib_binaries) as world:
        yield world


@pytest.fixture(scope="session")
def local_conninfo(cluster: Cluster) -> Iterator[str]:
    """A connection string of the local database."""
    yield from _database(cluster, "dblink_tests_local")


@pytest.fixture
def local(local_conninfo: str) -> Iterator[pgwire.Connection]:
    """A superuser's connection to the local database."""
    with pgwire.connect(local_conninfo) as connection:
        yield connection


@pytest.fixture
def admin(remote: str) -> Iterator[pgwire.Connection]:
    """A connection of our own to the remote database, to look at what dblink does there."""
    with pgwire.connect(remote) as connection:
        yield connection


@pytest.fixture
def notices() -> list[Notice]:
    """The notices of the fixture `session`."""
    return []


@pytest.fixture
def remote_notices() -> list[tuple[Notice, str | None]]:
    """The remote servers' notices in the fixture `session`, and their connections."""
    return []


@pytest.fixture
def session(
    remote: str, notices: list[Notice], remote_notices: list[tuple[Notice, str | None]]
) -> Iterator[dblink.Session]:
    """A superuser's session without a local database; the connection "c" is open."""
    with dblink.Session(
        privileged=True,
        on_notice=notices.append,
        on_remote_notice=lambda told, name: remote_notices.append((told, name)),
    ) as session:
        session.dblink_connect("c", remote)
        yield session


@pytest.fixture
def local_session(
    remote: str, local: pgwire.Connection, notices: list[Notice]
) -> Iterator[dblink.Session]:
    """A superuser's session with a local database; the connection "c" is open."""
    with dblink.Session(local, on_notice=notices.append) as session:
        session.dblink_connect("c", remote)
        yield session
