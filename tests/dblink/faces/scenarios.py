"""The scenarios of the differential suite as SQL text in psql."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from tests.dblink.differential.outcome import Outcome
from tests.dblink.differential.statement import statement_of
from tests.dblink.differential.steps import Expected, Step
from tests.dblink.differential.world import SLEEPING, TERMINATE, World
from tests.dblink.faces.faces import Face
from tests.dblink.faces.psql import Printed, Psql

PATIENCE = 10.0
"""Seconds that a result may take to arrive."""


class Run:
    """One scenario on one face: a session of psql, and the remote database as an administrator."""

    def __init__(self, world: World, face: Face, program: Path, role: str) -> None:
        self._world = world
        self._psql = Psql(program, face.conninfo(role), "-A")
        self._processes: dict[str, str] = {}

    def close(self) -> None:
        self._psql.close()

    def run(self, step: Step) -> Outcome:
        """Take one step; what psql printed is in the outcome's rows, a line each, and notices."""
        text = self._world.fill_in(step.function)
        if step.kind == "call":
            args = [self._world.fill_in(a) if isinstance(a, str) else a for a in step.args]
            return self._outcome(step, self._psql.run(statement_of(step, args) + ";"))
        if step.kind == "local":
            return self._outcome(step, self._psql.run(text + ";"))
        if step.kind == "remote":
            self._world.remote_admin.query_all(text)
        elif step.kind == "terminate":
            self._world.remote_admin.query(TERMINATE)
        elif step.kind == "settle":
            self._wait_for(lambda: not self._busy(text), f"no result on connection {text}")
        else:
            self._wait_for(lambda: self._world.admin.query(SLEEPING).scalar(), "nobody sleeps")
        return Outcome()

    def _busy(self, name: str) -> bool:
        return self._psql.run(f"SELECT dblink_is_busy('{name}');").output[1] == "1"

    def _wait_for(self, condition: Callable[[], object], failure: str) -> None:
        deadline = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < deadline, failure
            self._world.admin.query("SELECT pg_sleep(0.005)")

    def _outcome(self, step: Step, printed: Printed) -> Outcome:
        rows: list[tuple[object, ...]] = [(self._line(step, line),) for line in printed.output]
        return Outcome(rows=rows, notices=printed.reports)

    def _line(self, step: Step, line: str) -> str:
        fields = line.split("|")
        for number in step.pids:
            if number < len(fields) and fields[number].isdigit():
                name = f"process {len(self._processes) + 1}"
                fields[number] = self._processes.setdefault(fields[number], name)
        line = "|".join(fields)
        if not step.ordered and line.startswith("{"):
            # An array whose order is left open.
            return "{" + ",".join(sorted(line[1:-1].split(","))) + "}"
        return line


def run(world: World, face: Face, program: Path, role: str, steps: Sequence[Step]) -> list[Outcome]:
    """What each step came to; one that C dblink must not run to nothing, there."""
    world.reset_remote()
    face.reset()
    session = Run(world, face, program, role)
    try:
        return [
            Outcome() if step.unsafe and face.name == "C dblink" else session.run(step)
            for step in steps
        ]
    finally:
        session.close()


def is_expected(expected: Expected, own: Outcome) -> bool:
    """Whether what psql printed is what a deliberate difference is to come to."""
    errors = [r for r in own.notices if r["severity"] == "ERROR"]
    error = errors[0] if errors else {}
    lines = [str(line) for (line,) in own.rows or ()]
    rows = expected.rows
    if expected.value is not None:
        rows = [(expected.value,)]
    return (
        (rows is None or lines[1:-1] == ["|".join(map(_text, row)) for row in rows])
        and expected.sqlstate == error.get("sqlstate")
        and (expected.message is None or expected.message == error.get("message"))
        and (expected.notices is None or expected.notices == len(own.notices) - len(errors))
    )


def _text(value: object) -> str:
    return {True: "t", False: "f"}[value] if isinstance(value, bool) else str(value)
