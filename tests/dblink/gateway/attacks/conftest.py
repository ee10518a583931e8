"""The arena, and a gateway in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dblink.gateway import Gateway, running
from pgwire.testing.binaries import Binaries
from tests.dblink.gateway.attacks.arena import Arena
from tests.dblink.gateway.attacks.rawclient import RawClient


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """Close what a test has left open, as one that fails does."""
    yield
    for client in list(RawClient.alive):
        client.close()


@pytest.fixture(scope="session")
def arena(binaries: Binaries) -> Iterator[Arena]:
    """One for the whole run: what a test leaves in it is a defect."""
    with Arena(binaries) as place:
        yield place


@pytest.fixture(scope="session")
def gateway(arena: Arena) -> Iterator[Gateway]:
    """In a thread of this process; its side connection is a plain role's."""
    with running(arena.local, arena.side) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def gate(gateway: Gateway) -> tuple[str, int]:
    """Where the gateway listens."""
    host, port = gateway.addresses[0]
    return host, port


@pytest.fixture
def crash(binaries: Binaries) -> Iterator[Arena]:
    """An arena whose server may be stopped."""
    with Arena(binaries) as place:
        yield place
