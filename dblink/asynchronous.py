"""Asynchronous queries: dblink_send_query, dblink_is_busy, dblink_get_result."""

from __future__ import annotations

from collections.abc import Sequence

import pgwire
from dblink.columns import Declared
from dblink.failure import RemoteFailure
from dblink.local import Local
from dblink.query import Reader, Report
from dblink.remote import Remote
from dblink.result import Result
from dblink.rowstore import RowStore
from pgwire import errors
from pgwire.flows.query import Completed, Failed, Outcome, RowSet


class Pending:
    """A query on its way: its results are fetched one by one, then once more to learn the end.

    The next result is kept as far as it has arrived: its head in `_outcome`, its rows in `_store`.
    """

    def __init__(self, remote: Remote, reply: pgwire.Reply, sql: str) -> None:
        self.remote = remote
        self.reply = reply
        self.sql = sql
        self._outcome: Outcome | None = None
        self._store = RowStore()
        self._complete = False

    def poll(self) -> bool:
        """Take in what has arrived, without waiting. True if the next result is complete; the end
        of the query counts as one, and so does a lost connection."""
        try:
            return self._advance(0)
        except errors.TimeoutExpired:
            return False
        except RemoteFailure as failure:
            self._outcome, self._complete = Failed(failure.error), True
            return True

    def next_result(
        self,
        declared: Sequence[Declared] | None,
        local: Local | None,
        report: Report,
        timeout: float | None,
    ) -> Result | None:
        """The next result, for which it waits, at most `timeout` seconds; None at the end, and
        after that the query is no longer pending."""
        self.reply.set_timeout(timeout)
        remote = self.remote
        reader = Reader(remote, self.sql, declared, local, report)
        with remote.guarded():
            if self._outcome is None and not self._complete:
                self._outcome = self.reply.next_result()
            outcome, store = self._outcome, self._store
            self._outcome, self._store, self._complete = None, RowStore(), False
            if outcome is None:
                remote.pending = None
                reader.note_transaction()
                return None
            if isinstance(outcome, RowSet):
                reader.check_columns(outcome)
                result, done = reader.row_set(self.reply, outcome, store, streams=True)
                if not done or outcome.error is None:
                    return result
            elif isinstance(outcome, Completed):
                return reader.status(outcome)
        failure = remote.error_of(outcome, self.sql)
        assert failure is not None  # what is neither rows nor a command is an error
        report(failure)
        return reader.no_rows()

    def _advance(self, timeout: float) -> bool:
        with self.remote.guarded(polling=True):
            while not self._complete:
                if self._outcome is None:
                    self._outcome = self.reply.next_result(timeout=timeout)
                    self._complete = not isinstance(self._outcome, RowSet)
                elif (frames := self.reply.next_frames(timeout=timeout)) is None:
                    self._complete = True
                else:
                    self._store.put(frames)
            if self._outcome is not None:
                self.remote.error_of(self._outcome, self.sql)
        return True
