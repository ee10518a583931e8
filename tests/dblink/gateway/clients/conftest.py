"""A gateway in front of a database of the common server, for clients that know nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from dblink import gateway, shells
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.clients.kit import FAR, FAR_TABLES, NEAR, NEAR_TABLES, Place


@pytest.fixture(scope="session")
def direct(cluster: Cluster) -> Iterator[Place]:
    """The database, set up, without a gateway."""
    with pgwire.connect(cluster.conninfo()) as admin:
        for name, tables in {FAR: FAR_TABLES, NEAR: NEAR_TABLES}.items():
            admin.execute(f"CREATE DATABASE {name}")
            with pgwire.connect(cluster.conninfo(name)) as connection:
                connection.execute(tables)
        with pgwire.connect(cluster.conninfo(NEAR)) as connection:
            shells.setup(connection)
        far = f"host={cluster.tcp_host} port={cluster.port} dbname={FAR} user={cluster.superuser}"
        yield Place(cluster.tcp_host, cluster.port, cluster.superuser, far)
        for name in (FAR, NEAR):
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def place(cluster: Cluster, direct: Place) -> Iterator[Place]:
    """The same database, through a gateway."""
    with gateway.running(cluster.conninfo(NEAR, tcp=True), listen=["127.0.0.1:0"]) as running:
        ((host, port),) = running.addresses
        yield direct._replace(host=host, port=port)
