"""Connections with a table to copy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

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


@pytest.fixture
def blocking(on_loop: None, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `on_loop`, for `copy_between`, too."""

    def between(source: Any, out: str, target: Any, into: str, **options: Any) -> int:
        sides = source._wrapped, out, target._wrapped, into
        return runner.run(pgwire.copy_between_async(*sides, **options))

    monkeypatch.setattr(pgwire, "copy_between", between)
