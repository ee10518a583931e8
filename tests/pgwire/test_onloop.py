"""The fixture that has the tests of the blocking body run on an event loop."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import pgwire
from pgwire.testing.cluster import Cluster
from tests.pgwire.onloop import Blocking


@pytest.mark.usefixtures("on_loop")
def test_the_loop_is_for_the_tests_own_thread(cluster: Cluster) -> None:
    with (
        ThreadPoolExecutor(1) as thread,
        thread.submit(pgwire.connect, cluster.conninfo()).result() as elsewhere,
        pgwire.connect(cluster.conninfo()) as here,
    ):
        assert type(elsewhere) is pgwire.Connection
        assert isinstance(here, Blocking)
        assert here.query("SELECT 1").rows == elsewhere.query("SELECT 1").rows
