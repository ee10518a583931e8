"""The example of a third body in docs/bodies.md is run as it stands."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from pgwire import errors
from pgwire.testing import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "bodies.md"
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "body.py"
    file.write_text(EXAMPLE, encoding="utf-8")
    return runpy.run_path(str(file))


def test_it_is_short() -> None:
    assert len(EXAMPLE.splitlines()) <= 100


def test_it_works(cluster: Cluster, body: dict[str, Any]) -> None:
    connections = [body["ThreadConnection"](cluster.conninfo()) for _ in range(4)]
    futures = [c.query("SELECT $1::int, pg_sleep(0.01)", [n]) for n, c in enumerate(connections)]
    assert [future.result(20)[0][0] for future in futures] == [0, 1, 2, 3]
    one = connections[0]
    for params in (None, []):
        with pytest.raises(errors.error_class("22012")):
            one.query("SELECT 1 / 0", params).result(20)
        with pytest.raises(errors.TimeoutExpired):
            one.query("SELECT pg_sleep(60)", params, timeout=0.1).result(20)
        assert one.query("SELECT 'next'").result(20).scalar() == "next"
    running = one.query("SELECT pg_sleep(60)")
    while not running.done():
        one.cancel()
    with pytest.raises(errors.error_class("57014")):
        running.result(20)
    for connection in connections:
        connection.close()
        assert connection.closed
