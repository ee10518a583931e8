from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgwire.testing.binaries import Binaries
from tests.dblink.differential.world import World


@pytest.fixture(scope="session")
def world(contrib_binaries: Binaries) -> Iterator[World]:
    """A server with the two databases; its pg_hba.conf is the suite's own."""
    with World(contrib_binaries) as world:
        yield world
