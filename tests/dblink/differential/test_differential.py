"""C dblink and `dblink.Session` run the same scenarios, and come to the same."""

from __future__ import annotations

import pytest

from tests.dblink.differential import (
    asynchronous,
    beyond,
    connections,
    conversion,
    cursors,
    documentation,
    keys,
    overloads,
    queries,
    security,
)
from tests.dblink.differential.compare import differences
from tests.dblink.differential.runners import run_both
from tests.dblink.differential.steps import Scenario
from tests.dblink.differential.world import World

MODULES = (
    documentation,
    overloads,
    connections,
    queries,
    cursors,
    asynchronous,
    conversion,
    security,
    keys,
    beyond,
)
SCENARIOS = [
    pytest.param(s, id=f"{module.__name__.rpartition('.')[2]}: {s.name}")
    for module in MODULES
    for s in module.SCENARIOS
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_session_answers_as_c_dblink(world: World, scenario: Scenario) -> None:
    if scenario.servers and world.major not in scenario.servers:
        # Which servers a scenario is for is part of the scenario; nothing is missing.
        return
    theirs, ours = run_both(world, scenario.role, scenario.steps)
    found = differences(world, scenario.steps, theirs, ours)
    assert not found, "\n\n".join(found)
