"""What was measured, as a file; and the arithmetic: medians, ratios, verdicts."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.workloads import CONTESTANTS, WORKLOADS, Target


@dataclass
class Measurement:
    """One contestant in one workload."""

    workload: str
    contestant: str
    #: As the contestant's: `ours`, `C` or `Python`.
    kind: str
    #: A figure per round, of one of what the workload counts.
    seconds: list[float] = field(default_factory=list)
    #: MiB per round, where the system tells.
    peaks: list[float] = field(default_factory=list)
    #: What the contestant lacks to take part.
    missing: str | None = None
    #: What went wrong.
    failure: str | None = None

    @property
    def median(self) -> float | None:
        """Of the seconds, if every round succeeded."""
        if not self.seconds or self.missing or self.failure:
            return None
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float | None:
        """The median of the peaks."""
        return statistics.median(self.peaks) if self.peaks else None


@dataclass
class Earlier:
    """Where workloads of an earlier run were measured."""

    workloads: list[str]
    setting: dict[str, str]
    rounds: int
    scale: float


@dataclass
class Run:
    """A whole run: what was measured, and where."""

    #: What it ran on, by name: machine, server, interpreters, packages.
    setting: dict[str, str]
    rounds: int
    scale: float
    measurements: list[Measurement] = field(default_factory=list)
    #: Of those that were measured elsewhere or before: where.
    earlier: list[Earlier] = field(default_factory=list)

    def of(self, workload: str) -> list[Measurement]:
        """The measurements of one workload, the fastest first, then those without a figure."""
        found = [m for m in self.measurements if m.workload == workload]
        return sorted(found, key=lambda m: (m.median is None, m.median or 0.0))

    def workloads(self) -> list[str]:
        """Those that were run, in the order of the table of workloads."""
        run = {measurement.workload for measurement in self.measurements}
        return [name for name in WORKLOADS if name in run]

    def verdicts(self) -> list[Verdict]:
        """What became of each target whose workload was run."""
        return [
            judge(self.of(name), target)
            for name in self.workloads()
            for target in WORKLOADS[name].targets
            if any(m.contestant == target.contestant for m in self.of(name))
        ]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read what `save` wrote."""
        stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
        measurements = [Measurement(**stored_one) for stored_one in stored.pop("measurements")]
        earlier = [Earlier(**stored_one) for stored_one in stored.pop("earlier", ())]
        return cls(**stored, measurements=measurements, earlier=earlier)

    def merged(self, other: Run) -> Run:
        """This run with the workloads of a later one in place of its own."""
        later = set(other.workloads())
        kept = [m for m in self.measurements if m.workload not in later]
        before = {name for one in self.earlier for name in one.workloads}
        own = [name for name in self.workloads() if name not in before]
        earlier = [*self.earlier, Earlier(own, self.setting, self.rounds, self.scale)]
        left = [
            replace(one, workloads=names)
            for one in earlier
            if (names := [name for name in one.workloads if name not in later])
        ]
        return Run(other.setting, other.rounds, other.scale, kept + other.measurements, left)


@dataclass(frozen=True)
class Verdict:
    """How far a target was reached."""

    workload: str
    target: Target
    ratio: float | None
    peak: float | None
    seconds: float | None = None

    @property
    def word(self) -> str:
        """`goal`, `must`, `missed`, or `-` if there is nothing to judge by."""
        target, reached = self.target, "goal"
        if self.seconds is None or (self.ratio is None and target.seconds is None):
            return "-"
        for value, most in ((self.seconds, target.seconds), (self.peak, target.peak)):
            if value is not None and most is not None and value > most:
                return "missed"
        if self.ratio is not None:
            if target.must is not None and self.ratio > target.must:
                return "missed"
            if target.goal is not None and self.ratio > target.goal:
                reached = "missed" if target.must is None else "must"
        return "must" if target.goal is None else reached


def base_of(measured: Iterable[Measurement], names: Iterable[str] = ()) -> float | None:
    """The median that ratios are to: the best of `names`, or of all in C under CPython."""
    wanted = set(names)
    medians = [
        m.median
        for m in measured
        if m.median is not None
        and (m.contestant in wanted if wanted else CONTESTANTS[m.contestant].kind == "C")
    ]
    return min(medians, default=None)


def judge(measured: list[Measurement], target: Target) -> Verdict:
    """Hold the measurements of one workload against one of its targets."""
    name = measured[0].workload
    bases = (target.base,) if target.base else WORKLOADS[name].base
    base = base_of(measured, bases)
    (own,) = (m for m in measured if m.contestant == target.contestant)
    ratio = None if base is None or own.median is None else own.median / base
    return Verdict(name, target, ratio, own.peak, own.median)
