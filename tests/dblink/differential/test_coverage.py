"""The suite itself: what it covers, and that each difference is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dblink.functions import FUNCTIONS
from tests.dblink.differential.steps import Expected, Step
from tests.dblink.differential.test_beyond import KEYS
from tests.dblink.differential.test_differential import MODULES

DIFFERENCES = Path(__file__).parents[3] / "docs" / "differences.md"


def _steps() -> Iterator[Step]:
    for module in MODULES:
        for scenario in module.SCENARIOS:
            yield from scenario.steps


def test_every_overload_is_called_with_the_flag_true_and_false() -> None:
    called = {
        (step.function, len(step.args), step.args[-1])
        for step in _steps()
        if step.args and isinstance(step.args[-1], bool)
    }
    counts = {(step.function, len(step.args)) for step in _steps()}
    for name, function in FUNCTIONS.items():
        for overload in function.overloads:
            number = len(overload.arguments)
            assert (name, number) in counts
            if "fail_on_error" in overload.arguments:
                assert {last for n, c, last in called if (n, c) == (name, number)} >= {True, False}


def test_names_of_scenarios_are_unique() -> None:
    for module in MODULES:
        names = [s.name for s in module.SCENARIOS]
        assert sorted(set(names)) == sorted(names)


def test_each_difference_is_documented_and_tested() -> None:
    # The section on SQL is that of tests/dblink/faces.
    page = DIFFERENCES.read_text("utf-8").partition("\n## In SQL\n")[0]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    marked = {step.differs for step in _steps() if step.differs is not None}
    assert documented == marked | KEYS


def test_only_marked_steps_are_kept_from_c_dblink() -> None:
    for step in _steps():
        assert (step.differs is None) == (step.ours is None)
        assert step.differs is not None or not step.fixed_later
        assert step.differs is not None or not step.unsafe
        assert step.ours is None or isinstance(step.ours, Expected)
