"""A database that is set up, remote ones to call, and a gateway in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from dblink import shells
from dblink.gateway import Gateway, running
from dblink.gateway.side import Side
from dblink.gateway.sweep import sweep
from pgwire.testing.cluster import Cluster

NEAR, FAR = "engine_near", "engine_far"
ROLES = "engine_plain", "engine_member", "engine_group", "engine_super"


@pytest.fixture(scope="session")
def near(cluster: Cluster) -> Iterator[str]:
    """A connection string of the database that is set up. In it log in `engine_plain`;
    `engine_member`, who may become `engine_group`; and `engine_super`, a superuser."""
    with pgwire.connect(cluster.conninfo()) as admin:
        for name in (NEAR, FAR):
            admin.execute(f"CREATE DATABASE {name}")
        admin.execute(
            "CREATE ROLE engine_plain LOGIN; CREATE ROLE engine_group;"
            "CREATE ROLE engine_member LOGIN IN ROLE engine_group;"
            "CREATE ROLE engine_super LOGIN SUPERUSER"
        )
    conninfo = cluster.conninfo(NEAR)
    with pgwire.connect(conninfo) as connection:
        shells.setup(connection)
    yield conninfo
    with pgwire.connect(cluster.conninfo()) as admin:
        for name in (NEAR, FAR):
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute(f"DROP ROLE {', '.join(ROLES)}")


@pytest.fixture(scope="session")
def far(cluster: Cluster, near: str) -> str:
    """A connection string of the remote database."""
    return cluster.conninfo(FAR)


@pytest.fixture(scope="session")
def gateway(near: str) -> Iterator[Gateway]:
    """In front of `near`."""
    with running(near) as served:
        yield served


@pytest.fixture
def admin(near: str) -> Iterator[pgwire.Connection]:
    """A superuser's connection to `near`, not through the gateway."""
    with pgwire.connect(near) as connection:
        yield connection


@pytest.fixture
def side(near: str) -> Iterator[Side]:
    """A side connection of the test's own."""
    made = Side(near, NEAR, sweep)
    yield made
    made.close()


@pytest.fixture
def client(cluster: Cluster, gateway: Gateway) -> Iterator[pgwire.Connection]:
    """A superuser's session through the gateway."""
    with pgwire.connect(gateway.conninfo(user=cluster.superuser, dbname=NEAR)) as connection:
        yield connection
