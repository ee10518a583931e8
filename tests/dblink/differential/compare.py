"""Two lists of outcomes, compared."""

from __future__ import annotations

from collections.abc import Sequence

from tests.dblink.differential.outcome import Outcome
from tests.dblink.differential.steps import Expected, Step
from tests.dblink.differential.wording import as_said_by
from tests.dblink.differential.world import World


def differences(
    world: World,
    steps: Sequence[Step],
    theirs: Sequence[Outcome | None],
    ours: Sequence[Outcome],
) -> list[str]:
    """What is not as it should be, step by step."""
    found = []
    for number, (step, original, own) in enumerate(zip(steps, theirs, ours, strict=True), 1):
        shown = ""
        if step.differs is None:
            assert original is not None
            expected = original.comparable(ordered=step.ordered)
            actual = as_said_by(world.major, own).comparable(ordered=step.ordered)
            if expected != actual:
                shown = _side_by_side(expected, actual)
        else:
            assert step.ours is not None
            if not _is_expected(step.ours, own):
                shown = f"  expected {step.ours}\n  ours     {own}"
            elif original == own and not step.fixed_later:
                shown = "  is no difference any more"
        if shown:
            found.append(f"step {number}: {step}\n{shown}")
    return found


def _is_expected(expected: Expected, own: Outcome) -> bool:
    error = own.error or {}
    return (
        expected.value == own.value
        and (expected.rows is None or expected.rows == own.rows)
        and expected.sqlstate == error.get("sqlstate")
        and (expected.message is None or expected.message == error.get("message"))
        and (expected.notices is None or expected.notices == len(own.notices))
    )


def _side_by_side(theirs: Outcome, ours: Outcome) -> str:
    lines = []
    for name in ("value", "rows", "error", "notices"):
        c, python = getattr(theirs, name), getattr(ours, name)
        if c != python:
            lines.append(f"  {name} of C: {c!r}\n  {name} of us: {python!r}")
    return "\n".join(lines)
