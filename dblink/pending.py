"""A query on its way: what dblink_send_query started and dblink_get_result fetches."""

from __future__ import annotations

import pgwire
from dblink.rowstore import RowStore
from pgwire import errors
from pgwire.flows.query import Failed, Outcome, RowSet


class Pending:
    """The reply to the query `sql`, read result by result, and the next result as far as it has
    arrived. `earlier` are the command tags of the results before the one taken last."""

    __slots__ = ("_complete", "_outcome", "_store", "_taken", "earlier", "reply", "sql")

    def __init__(self, reply: pgwire.Reply, sql: str) -> None:
        self.reply = reply
        self.sql = sql
        self.earlier: list[str] = []
        self._taken: list[Outcome] = []
        self._outcome: Outcome | None = None
        self._store = RowStore()
        self._complete = False

    def advance(self, timeout: float | None) -> Outcome | None:
        """Read on until the next result is complete; its head, None at the end of the query.

        Raises TimeoutExpired after `timeout` seconds (0: it takes what is there), and then goes
        on where it stopped; ConnectionLost.
        """
        while not self._complete:
            if self._outcome is None:
                self._outcome = self.reply.next_result(timeout=timeout)
                self._complete = not isinstance(self._outcome, RowSet)
            elif (frames := self.reply.next_frames(timeout=timeout)) is None:
                self._complete = True
            else:
                self._store.put(frames)
        return self._outcome

    def fail(self, error: errors.DatabaseError) -> None:
        """Let the next result be `error`: the connection is lost."""
        self._outcome, self._complete = Failed(error), True

    def take(self) -> tuple[Outcome | None, RowStore]:
        """The head of the next result, for which it waits, and the rows of it that have arrived;
        the rest of them is `reply`'s to give. None at the end of the query."""
        if self._outcome is None and not self._complete:
            self._outcome = self.reply.next_result()
        taken = self._outcome, self._store
        self.earlier = [getattr(outcome, "tag", None) or "" for outcome in self._taken]
        if self._outcome is not None:
            self._taken.append(self._outcome)
        self._outcome, self._store, self._complete = None, RowStore(), False
        return taken
