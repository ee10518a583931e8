from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwire.testing.binaries import Binaries
from tests.dblink.differential.world import World
from tests.dblink.faces.faces import Face, Gateway, Python
from tests.programs import program


@pytest.fixture(scope="session")
def psql() -> Path:
    """The newest there is: what it prints may differ by version, but not by server."""
    return program("psql")


@pytest.fixture(scope="session")
def gateway(contrib_binaries: Binaries) -> Iterator[Gateway]:
    """A gateway in front of a server without the C dblink."""
    with Gateway(contrib_binaries) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def python(plpython_binaries: Binaries) -> Iterator[Python]:
    """A server with the functions in PL/Python."""
    with Python(plpython_binaries) as python:
        yield python


@pytest.fixture(scope="session")
def faces(world: World, gateway: Gateway, request: pytest.FixtureRequest) -> list[Face]:
    """Every face to be compared with C dblink on this server."""
    found: list[Face] = [gateway]
    try:
        binaries: Binaries = request.getfixturevalue("plpython_binaries")
        if binaries.major == world.major:
            found.append(request.getfixturevalue("python"))
    except pytest.skip.Exception:
        if os.environ.get("PGWIRE_REQUIRE_SERVERS") == "1":
            raise
    return found
