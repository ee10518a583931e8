"""The table of workloads fits together, and setup.sql fits the sizes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.server import named, statements
from bench.sizes import Sizes
from bench.workloads import CONTESTANTS, WORKLOADS
from pgwire.errors import ConninfoError

DRIVERS = Path(__file__).resolve().parents[2] / "bench" / "drivers"


@pytest.mark.parametrize("name", WORKLOADS)
def test_everybody_named_is_known_and_takes_part(name: str) -> None:
    workload = WORKLOADS[name]
    taking_part = set(workload.contestants)
    assert taking_part <= set(CONTESTANTS)
    assert len(taking_part) == len(workload.contestants)
    assert set(workload.base) <= taking_part
    for target in workload.targets:
        assert {target.contestant, target.base or target.contestant} <= taking_part
        assert target.goal is None or target.must is None or target.goal <= target.must
        assert (target.must, target.goal, target.seconds) != (None, None, None)


@pytest.mark.parametrize("name", [name for name, w in WORKLOADS.items() if w.task != "import"])
def test_every_driver_has_the_task(name: str) -> None:
    # Read, not imported: the other drivers are not installed here.
    for contestant in WORKLOADS[name].contestants:
        source = (DRIVERS / f"{CONTESTANTS[contestant].driver}.py").read_text()
        assert re.search(rf"^    def {WORKLOADS[name].task}\(", source, re.MULTILINE), contestant


def test_every_contestant_has_a_workload() -> None:
    used = {name for workload in WORKLOADS.values() for name in workload.contestants}
    assert used == set(CONTESTANTS)


def test_scaling() -> None:
    sizes = Sizes().scaled(0.001)
    assert (sizes.fixed_rows, sizes.mixed_rows, sizes.queries) == (1000, 500, 20)
    assert sizes.wide_bytes % 8 == 0
    assert min(Sizes().scaled(1e-9)) >= 2
    assert Sizes().scaled(1) == Sizes()


def test_the_sizes_are_filled_in() -> None:
    text = ";\n".join(statements(Sizes(fixed_rows=7, wide_bytes=80)))
    assert "generate_series(1, 7)" in text
    assert "repeat('abcdefgh', 80 / 8)" in text
    # What only looks like the name of a size.
    assert "g::int4 a" in text and "'2020-01-01 00:00Z'" in text
    assert not re.search(r"(?<!:):[a-z]", text)


def test_a_server_is_named_by_its_port() -> None:
    assert named("port=5433 password=secret").as_dict() == {
        "port": 5433,
        "host": "127.0.0.1",
        "dbname": "postgres",
        "user": "bench",
        "password": "secret",
    }
    with pytest.raises(ValueError, match="port"):
        named("dbname=bench")
    with pytest.raises(ValueError, match="port"):
        named("port=5433 sslmode=disable")
    with pytest.raises(ConninfoError):
        named("no=such")
