"""What one face printed, against what C dblink did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from tests.dblink.differential.outcome import Outcome, Report
from tests.dblink.differential.steps import Expected, Step
from tests.dblink.differential.wording import VALUES_BEFORE_17, as_said_by
from tests.dblink.faces.faces import Face
from tests.dblink.faces.psql import Printed
from tests.dblink.faces.scenarios import is_expected

_T = TypeVar("_T")


def differences(
    major: int,
    face: Face,
    steps: Sequence[Step],
    theirs: Sequence[Outcome],
    ours: Sequence[Outcome],
    listed: Mapping[int, Expected | None],
) -> list[str]:
    """What is not as it should be, step by step.

    `listed` are the steps, counted from 1, at which this face differs from C dblink although the
    engine alone does not, and what it comes to there; None where it is the other way round.
    """
    found = []
    for number, (step, original, own) in enumerate(zip(steps, theirs, ours, strict=True), 1):
        expected = listed.get(number, step.ours)
        said = _as_said_by(major, own)
        original, said = (
            replace(each, notices=_comparable(major, face, each.notices))
            for each in (original, said)
        )
        shown = ""
        if expected is None:
            if original != said:
                shown = _side_by_side(original, said)
        elif not is_expected(expected, own):
            shown = f"  expected {expected}\n  printed  {own}"
        elif original == said and not step.fixed_later:
            shown = "  is no difference any more"
        if shown:
            found.append(f"step {number}: {step}\n{shown}")
    return found


def same(major: int, face: Face, original: Printed, own: Printed) -> bool:
    """Whether psql printed the same, but for the words of older releases."""
    said = as_said_by(major, Outcome(notices=list(own.reports))).notices
    theirs, ours = (_comparable(major, face, each) for each in (original.reports, said))
    return original.output == own.output and theirs == ours


def _comparable(major: int, face: Face, reports: Sequence[Report]) -> list[Report]:
    reports = _hinted(major, reports)
    return reports if face.contexts else [{**report, "context": None} for report in reports]


def _hinted(major: int, reports: Sequence[Report]) -> list[Report]:
    """Before 16 the hint to an unknown option of a server lists those that libpq had then; since,
    and here always, it gives the nearest one."""
    return [
        {**report, "hint": None} if major < 16 and report["sqlstate"] == "HV00J" else report
        for report in reports
    ]


def at_once(run: Callable[[Face], _T], faces: Sequence[Face]) -> list[_T]:
    """What `run` gives for each face; all at the same time, since they have servers of their own
    and must not need the remote one for themselves."""
    with ThreadPoolExecutor(len(faces)) as threads:
        return list(threads.map(run, faces))


def _as_said_by(major: int, own: Outcome) -> Outcome:
    own = as_said_by(major, own)
    if major >= 17 or own.rows is None:
        return own
    return replace(own, rows=[(VALUES_BEFORE_17.get(str(line), line),) for (line,) in own.rows])


def _side_by_side(theirs: Outcome, ours: Outcome) -> str:
    lines = []
    for name in ("rows", "notices"):
        original, own = getattr(theirs, name), getattr(ours, name)
        if original != own:
            lines.append(f"  {name} of C dblink: {original!r}\n  {name} of us: {own!r}")
    return "\n".join(lines)
