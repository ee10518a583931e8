"""Connections with a table to copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from pgwire.testing import Cluster
from tests.pgwire.copying.kit import SQL, in_step


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    """With a table t; at the end it must be in step."""
    with pgwire.connect(cluster.conninfo()) as opened:
        opened.execute(SQL)
        yield opened
        assert opened.closed or in_step(opened)


@pytest.fixture
def other(cluster: Cluster) -> Iterator[pgwire.Connection]:
    """A second connection, with a table t of its own."""
    with pgwire.connect(cluster.conninfo()) as opened:
        opened.execute(SQL)
        yield opened
        assert opened.closed or in_step(opened)
