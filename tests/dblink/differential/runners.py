"""Two ways to run a step: C dblink by SQL, and `dblink.Session`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from time import monotonic

import dblink
import pgwire
from dblink.functions import FUNCTIONS, RECORD
from pgwire import errors
from tests.dblink.differential.outcome import Outcome, ProcessIds, report_of
from tests.dblink.differential.statement import statement_of
from tests.dblink.differential.steps import Argument, Step
from tests.dblink.differential.world import SLEEPING, TERMINATE, World

PATIENCE = 10.0
"""Seconds that a result may take to arrive."""

_COPY = re.compile(r"\bcopy\b", re.IGNORECASE)


class Runner:
    """What both runs share: the local session, and what is done around the calls."""

    def __init__(self, world: World, role: str) -> None:
        self.world = world
        self._notices: list[pgwire.Diagnostics] = []
        self.local = world.connect(role, self._notices.append)
        self._processes = ProcessIds()

    def run(self, step: Step) -> Outcome:
        self._notices.clear()
        outcome = Outcome()
        try:
            outcome = self._run(step)
        except errors.ConnectionLost:
            raise  # the server has crashed, or we have
        except pgwire.DatabaseError as error:
            outcome.error = report_of(error.diagnostics)
        outcome.notices = [report_of(notice, severity=True) for notice in self._notices]
        return outcome

    def close(self) -> None:
        self.local.close()

    def _run(self, step: Step) -> Outcome:
        if step.kind == "call":
            args = [self.world.fill_in(a) if isinstance(a, str) else a for a in step.args]
            outcome = self._call(step, args)
            if outcome.rows is not None:
                outcome.rows = self._processes.rename(outcome.rows, step.pids)
            return outcome
        sql = self.world.fill_in(step.function)
        if step.kind == "local":
            return Outcome(rows=list(self.local.query_text(sql)))
        if step.kind == "remote":
            self.world.remote_admin.query_all(sql)
        elif step.kind == "terminate":
            self.world.remote_admin.query(TERMINATE)
        elif step.kind == "settle":
            self._wait_for(lambda: not self._busy(sql), f"no result on connection {sql}")
        else:
            self._wait_for(lambda: self.world.admin.query(SLEEPING).scalar(), "nobody sleeps")
        return Outcome()

    def _wait_for(self, condition: Callable[[], object], failure: str) -> None:
        deadline = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < deadline, failure
            self.world.admin.query("SELECT pg_sleep(0.005)")

    def _busy(self, name: str) -> bool:
        raise NotImplementedError

    def _call(self, step: Step, args: Sequence[Argument]) -> Outcome:
        raise NotImplementedError


class Original(Runner):
    """C dblink, called by SQL in the local session."""

    def _busy(self, name: str) -> bool:
        return self.local.query("SELECT dblink_is_busy($1)", [name]).scalar() == 1

    def _call(self, step: Step, args: Sequence[Argument]) -> Outcome:
        assert not any(isinstance(a, str) and _COPY.search(a) for a in args), "it would hang"
        sql = statement_of(step, args)
        if not FUNCTIONS[step.function].returns_set:
            return Outcome(value=self.local.query(sql).scalar())
        query: Callable[[str], Sequence[tuple[object, ...]]]
        query = self.local.query_text if step.text else self.local.query
        return Outcome(rows=list(query(sql)))


class Ours(Runner):
    """`dblink.Session`, with the same local database and role."""

    def __init__(self, world: World, role: str) -> None:
        super().__init__(world, role)
        self.remote_notices: list[str | None] = []
        self.session = dblink.Session(
            self.local,
            on_notice=self._notices.append,
            on_remote_notice=lambda notice, _: self.remote_notices.append(notice.message),
        )

    def close(self) -> None:
        self.session.close()
        super().close()

    def _busy(self, name: str) -> bool:
        return self.session.dblink_is_busy(name) == 1

    def _call(self, step: Step, args: Sequence[Argument]) -> Outcome:
        function = FUNCTIONS[step.function]
        method = getattr(self.session, step.function)
        keywords: dict[str, object] = {} if step.fail is None else {"fail": step.fail}
        if not function.returns_set:
            return Outcome(value=method(*args, **keywords))
        if function.returns != RECORD or function.columns:
            return Outcome(rows=[tuple(row) for row in method(*args)])
        assert step.columns is not None, "C dblink needs a column definition list"
        result = method(*args, columns=step.columns, **keywords)
        return Outcome(rows=list(result.text_rows() if step.text else result))


def run_both(
    world: World, role: str, steps: Sequence[Step]
) -> tuple[list[Outcome | None], list[Outcome]]:
    """The outcomes of each step with C dblink (None where it must not run), and with ours."""
    world.reset()
    original = Original(world, role)
    try:
        theirs = [None if step.unsafe else original.run(step) for step in steps]
    finally:
        original.close()
    world.reset()
    ours = Ours(world, role)
    try:
        return theirs, [ours.run(step) for step in steps]
    finally:
        ours.close()
