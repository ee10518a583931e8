"""A database that dblink is set up in, and one with the C extension, on each full server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from dblink import shells
from pgwire.testing.cluster import Cluster
from tests.dblink.shells.scripted import ScriptedGateway


@pytest.fixture(scope="session")
def c_database(contrib_cluster: Cluster) -> Iterator[str]:
    """A database with C dblink in the schema ext."""
    with pgwire.connect(contrib_cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE shells_c")
    conninfo = contrib_cluster.conninfo("shells_c")
    with pgwire.connect(conninfo) as connection:
        connection.query_all("CREATE SCHEMA ext; CREATE EXTENSION dblink SCHEMA ext")
        connection.execute("ALTER DATABASE shells_c SET search_path = public, ext")
    yield conninfo
    with pgwire.connect(contrib_cluster.conninfo()) as admin:
        admin.execute("DROP DATABASE shells_c WITH (FORCE)")


@pytest.fixture(scope="session")
def database(contrib_cluster: Cluster) -> Iterator[str]:
    """A database that dblink is set up in, in the schema ext, by a superuser."""
    with pgwire.connect(contrib_cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE shells")
    conninfo = contrib_cluster.conninfo("shells")
    with pgwire.connect(conninfo) as connection:
        connection.execute("CREATE SCHEMA ext")
        shells.setup(connection, schema="ext")
        connection.execute("ALTER DATABASE shells SET search_path = public, ext")
    yield conninfo
    with pgwire.connect(contrib_cluster.conninfo()) as admin:
        admin.execute("DROP DATABASE shells WITH (FORCE)")


@pytest.fixture
def gateway(database: str) -> Iterator[ScriptedGateway]:
    """A session in `database`, with a gateway that echoes."""
    with ScriptedGateway(database) as gateway:
        yield gateway


@pytest.fixture
def empty(contrib_cluster: Cluster) -> Iterator[str]:
    """A database with nothing in it."""
    with pgwire.connect(contrib_cluster.conninfo()) as admin:
        admin.execute("CREATE DATABASE shells_empty")
        yield contrib_cluster.conninfo("shells_empty")
        admin.execute("DROP DATABASE shells_empty WITH (FORCE)")
