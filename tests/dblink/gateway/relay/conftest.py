"""Gateways in front of the server that most tests run against, and of scripted ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from dblink.gateway import Running, running
from pgwire.testing.cluster import Cluster

NOBODY = "host=127.0.0.1 port=1 connect_timeout=1"
"""A side that cannot be reached: what passes must not depend on it."""


@pytest.fixture(scope="session")
def local(cluster: Cluster) -> str:
    """How the gateway reaches the server."""
    return cluster.conninfo(host=cluster.tcp_host)


@pytest.fixture(scope="session")
def relay(local: str) -> Iterator[Running]:
    """A gateway in front of the server, one for the whole run."""
    with running(local) as gateway:
        yield gateway


@pytest.fixture
def relaying() -> Iterator[Callable[..., Running]]:
    """Starts gateways, which end with the test."""
    with ExitStack() as stack:

        def start(local: str, side: str = NOBODY, **options: object) -> Running:
            return stack.enter_context(running(local, side, **options))

        yield start
