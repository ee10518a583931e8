"""Two clusters of a catalogue: a source and a target, played by one server, and both stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.links import LinkCatalogue
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.links.kit import World, prepared


@pytest.fixture(scope="session")
def server(binaries: Binaries) -> Iterator[Cluster]:
    """The server of most of these tests."""
    with prepared(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, server: Cluster, tmp_path: Path) -> Iterator[str]:
    """Where a catalogue is kept, of both kinds."""
    if request.param == "sqlite":
        yield str(tmp_path / "links.db")
        return
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("CREATE DATABASE catalogue")
    yield server.conninfo("catalogue")
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("DROP DATABASE catalogue WITH (FORCE)")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Where a catalogue is kept: a file, where the kind of store does not matter."""
    return str(tmp_path / "links.db")


def _world(where: str, server: Cluster) -> Iterator[World]:
    with LinkCatalogue(where) as catalogue, World(catalogue, where, server) as world:
        yield world


@pytest.fixture
def world(file: str, server: Cluster) -> Iterator[World]:
    """A catalogue in a file with the clusters pc-a and pc-b; nothing of it is left afterwards."""
    yield from _world(file, server)


@pytest.fixture
def each_world(where: str, server: Cluster) -> Iterator[World]:
    """The same in both kinds of stores."""
    yield from _world(where, server)
