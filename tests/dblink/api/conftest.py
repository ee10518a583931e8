"""A server of the API on a catalogue in memory, and real PostgreSQL servers behind a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pgwire
from dblink.links.model import AccessKey
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.api.kit import Client, Memory, serving
from tests.dblink.api.world import World
from tests.dblink.links.kit import HBA, SETUP


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory()


@pytest.fixture
def catalogue(memory: Memory) -> Memory:
    """A catalogue in memory, as new."""
    memory.reset()
    return memory


@pytest.fixture(scope="module")
def server(memory: Memory) -> Iterator[Any]:
    """One server for a module, on `catalogue`, with limits that no test meets by chance."""
    app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
    limits = app.Limits(rate=10_000, address_rate=10_000)
    with serving(memory, limits=limits) as server:
        yield server


@pytest.fixture
def client(catalogue: Memory, server: Any) -> Client:
    return Client(server.addresses[0], catalogue.key())


@pytest.fixture(scope="module")
def databases(binaries: Binaries) -> Iterator[Cluster]:
    """A server with the databases shop and stock, on which clerk has to give a password."""
    with Cluster(binaries, hba=HBA) as server:
        with pgwire.connect(server.conninfo()) as admin:
            for statement in SETUP:
                admin.execute(statement)
        with pgwire.connect(server.conninfo("stock")) as admin:
            admin.execute("CREATE TABLE item AS SELECT 'chair' AS name, 3 AS amount")
            admin.execute("GRANT SELECT ON item TO clerk")
        yield server


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def key(world: World) -> AccessKey:
    return world.catalogue.key()
