"""Every scenario of the differential suite, typed into psql on each face."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dblink.differential.steps import Scenario
from tests.dblink.differential.test_differential import MODULES
from tests.dblink.differential.world import World
from tests.dblink.faces.compare import differences
from tests.dblink.faces.faces import Face, Original
from tests.dblink.faces.listed import SCENARIOS
from tests.dblink.faces.scenarios import run


def _named() -> Iterator[tuple[str, Scenario]]:
    for module in MODULES:
        for scenario in module.SCENARIOS:
            yield f"{module.__name__.rpartition('.')[2]}: {scenario.name}", scenario


NAMED = dict(_named())


@pytest.mark.parametrize("name", NAMED)
def test_psql_prints_what_it_prints_with_c_dblink(
    world: World, faces: list[Face], psql: Path, name: str
) -> None:
    scenario = NAMED[name]
    if scenario.servers and world.major not in scenario.servers:
        # Which servers a scenario is for is part of the scenario; nothing is missing.
        return
    theirs = run(world, Original(world), psql, scenario.role, scenario.steps)
    found = []
    for face in faces:
        listed = SCENARIOS.get((face.name, name))
        ours = run(world, face, psql, scenario.role, scenario.steps)
        found += [
            f"{face.name}, {shown}"
            for shown in differences(
                world.major, face, scenario.steps, theirs, ours, listed.steps if listed else {}
            )
        ]
    assert not found, "\n\n".join(found)


def test_what_is_listed_exists() -> None:
    for (face, name), listed in SCENARIOS.items():
        assert face in ("gateway", "plpython")
        assert set(listed.steps) <= set(range(1, len(NAMED[name].steps) + 1))
