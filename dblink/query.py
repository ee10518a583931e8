"""The synchronous row functions: dblink and dblink_fetch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pgwire
from dblink import columns as column_lists
from dblink import messages
from dblink.columns import Declared
from dblink.failure import RemoteFailure
from dblink.local import Local
from dblink.portable import Portable, portable
from dblink.remote import Remote
from dblink.result import Conversion, Live, Result, ResultColumn
from dblink.rowstore import RowStore
from pgwire import errors
from pgwire.flows.query import Completed, Outcome, RowSet
from pgwire.types.context import Context
from pgwire.types.names import format_type

READ_AHEAD = 1024 * 1024
"""Bytes of rows that are read before a call returns. A result that ends within them behaves as C
dblink's do: all of its errors come from the call."""

# Commands after which the session writes dates as it last reported. Reports come only when the
# server goes idle, at the end of the query string; all other commands may run somebody's function.
_STYLE_KEEPERS = frozenset(
    (
        "",
        "BEGIN",
        "CLOSE CURSOR",
        "CREATE TABLE",
        "DEALLOCATE",
        "DECLARE CURSOR",
        "DROP TABLE",
        "LISTEN",
        "LOCK TABLE",
        "NOTIFY",
        "PREPARE",
        "RELEASE",
        "SAVEPOINT",
        "SHOW",
        "START TRANSACTION",
        "UNLISTEN",
    )
)

Report = Callable[[errors.DatabaseError], None]


class Reader:
    """Makes results of what one query answers, for one caller: the columns that it `declared`
    (None: it wants the remote types), the `local` database, and `report`, which raises an error
    of the remote side or makes it a notice."""

    def __init__(
        self,
        remote: Remote,
        sql: str,
        declared: Sequence[Declared] | None,
        local: Local | None,
        report: Report,
    ) -> None:
        self.remote = remote
        self.sql = sql
        self.declared = declared
        self.local = local
        self.report = report
        self._earlier: list[str] = []

    def all_results(self, reply: pgwire.Reply) -> Result:
        """dblink(): each row set is checked against the declared columns, the last result counts,
        and rows that came before an error are kept for the caller who does not want it raised."""
        failure: errors.DatabaseError | None = None
        with self.remote.guarded():
            whole = reply.whole()
            if whole is not None:
                return self._whole_result(reply, *whole)
            result = self.no_rows()
            while (outcome := reply.next_result()) is not None:
                if isinstance(outcome, RowSet):
                    # Only a string with one statement can be known to have no second result.
                    streams = ";" not in self.sql.rstrip("; \t\r\n")
                    result, done = self.row_set(reply, outcome, RowStore(), streams)
                    if not done:
                        return result
                last, failure = outcome, failure or self.remote.error_of(outcome, self.sql)
                self._earlier.append(getattr(outcome, "tag", None) or "")
        self.note_transaction()
        if failure is not None:
            self.report(failure)
        elif isinstance(last, Completed):
            return self.status(last)
        return result

    def last_result(self, reply: pgwire.Reply, on_command: Callable[[], Exception]) -> Result:
        """dblink_fetch(): only the last result is looked at, rows before an error are dropped, and
        a command is `on_command`."""
        last: Outcome | None = None
        store = RowStore()
        failure: errors.DatabaseError | None = None
        with self.remote.guarded():
            while (outcome := reply.next_result()) is not None:
                if isinstance(outcome, RowSet):
                    store = RowStore()
                    streams = ";" not in self.sql
                    if not self._read_ahead(reply, store, READ_AHEAD if streams else None):
                        self.check_columns(outcome)
                        return self._result(reply, outcome, store, done=False)
                last, failure = outcome, failure or self.remote.error_of(outcome, self.sql)
                self._earlier.append(getattr(outcome, "tag", None) or "")
        self.note_transaction()
        if failure is not None:
            self.report(failure)
            return self.no_rows()
        if not isinstance(last, RowSet):
            raise on_command()
        self.check_columns(last)
        self._earlier.pop()  # its own tag
        return self._result(reply, last, store, done=True)

    def pending_result(self, timeout: float | None) -> Result | None:
        """dblink_get_result(): the next result of the pending query, for which it waits at most
        `timeout` seconds; None at the end, and after that the query is no longer pending."""
        remote, pending = self.remote, self.remote.pending
        if pending is None:
            return None
        pending.reply.set_timeout(timeout)
        with remote.guarded():
            outcome, store = pending.take()
            self._earlier = pending.earlier
            if outcome is None:
                remote.pending = None
                self.note_transaction()
                return None
            if isinstance(outcome, RowSet):
                self.check_columns(outcome)
                result, done = self.row_set(pending.reply, outcome, store, streams=True)
                if not done or outcome.error is None:
                    return result
            elif isinstance(outcome, Completed):
                return self.status(outcome)
        failure = remote.error_of(outcome, pending.sql)
        assert failure is not None  # what is neither rows nor a command is an error
        self.report(failure)
        return self.no_rows()

    def row_set(
        self, reply: pgwire.Reply, rows: RowSet, store: RowStore, streams: bool
    ) -> tuple[Result, bool]:
        """The result whose head is `rows`, of which `store` may hold some already; and whether it
        has been read to its end. Raises 42804 if the declared columns do not fit."""
        self.check_columns(rows)
        done = self._read_ahead(reply, store, READ_AHEAD if streams else None)
        return self._result(reply, rows, store, done=done), done

    def check_columns(self, rows: RowSet) -> None:
        """Raise 42804 if the number of columns is not the declared one."""
        if not rows.columns or (
            self.declared is not None and len(self.declared) != len(rows.columns)
        ):
            raise messages.rowtype_mismatch()

    def status(self, completed: Completed) -> Result:
        """A command's result: one row, its tag, in a text column."""
        columns = [ResultColumn("status", "text", 25)]
        if self.declared is not None:
            if len(self.declared) != 1:
                raise messages.status_count_mismatch(len(self.declared))
            (declared,) = self.declared
            if not declared.accepts_status:
                raise messages.status_type_mismatch(declared.type_name)
            columns = [ResultColumn(declared.name, declared.type_name, declared.type_oid)]
        return Result(columns, RowStore(), None, tag=completed.tag, status=completed.tag)

    def finish(self, reply: pgwire.Reply, rows: RowSet) -> None:
        """What is to be done when the last rows of a stream have been read: a synchronous query
        must be over too. Raises RemoteFailure with the error that ended it."""
        failure = self.remote.error_of(rows, self.sql)
        if self.remote.pending is None:
            failure = failure or reply.finish()
            self.note_transaction()
        if failure is not None:
            raise RemoteFailure(failure)

    def note_transaction(self) -> None:
        """Tell the books what the statements did to the transaction."""
        self.remote.cursors.after_query(
            self.remote.connection.info.transaction_status, self._earlier
        )

    def no_rows(self) -> Result:
        """A result without rows, of the declared columns."""
        declared = self.declared or ()
        columns = [ResultColumn(d.name, d.type_name, d.type_oid) for d in declared]
        return Result(columns, RowStore(), None, tag="")

    def _whole_result(
        self, reply: pgwire.Reply, outcome: RowSet | Completed, frames: bytes
    ) -> Result:
        """The result of a reply that has been read to its end."""
        if isinstance(outcome, RowSet):
            self.check_columns(outcome)
            store = RowStore()
            store.put(frames)
            result = self._result(reply, outcome, store, done=True)
        self._earlier.append(outcome.tag or "")
        self.note_transaction()
        return self.status(outcome) if isinstance(outcome, Completed) else result

    def _read_ahead(self, reply: pgwire.Reply, store: RowStore, limit: int | None) -> bool:
        while limit is None or store.size < limit:
            frames = reply.next_frames()
            if frames is None:
                return True
            store.put(frames)
        return False

    def _result(self, reply: pgwire.Reply, rows: RowSet, store: RowStore, *, done: bool) -> Result:
        context, certain = self._context()
        passed_on = None

        oids = None if self.declared is None else [d.type_oid for d in self.declared]

        def as_portable() -> Portable:
            return portable(rows.columns, oids, context, certain=certain)

        if self.declared is None:
            typed = column_lists.remote_types(rows.columns, context)
            columns = [
                ResultColumn(c.name, format_type(c.type_oid, c.type_modifier), c.type_oid)
                for c in rows.columns
            ]
        elif any(d.by_caller for d in self.declared):
            as_text = as_portable()
            typed = as_text.rows  # type: ignore[assignment]
            if as_text.untouched:
                # Nothing can go wrong that would have to come from the call.
                passed_on = as_text.rows
        else:
            typed = column_lists.declared_types(rows.columns, self.declared, context, self.local)
        if self.declared is not None:
            columns = [ResultColumn(d.name, d.type_name, d.type_oid) for d in self.declared]
        text = passed_on or column_lists.text_rows(len(rows.columns), context)
        conversion = Conversion(typed, text, as_portable)
        if done:
            ready = None
            if store.size <= READ_AHEAD and passed_on is None:
                ready = typed(store.all())
            return Result(columns, store, conversion, tag=rows.tag or "", ready=ready)
        live = Live(self.remote, reply, rows, finish=self.finish, report=self.report)
        result = Result(columns, store, conversion, live=live)
        self.remote.stream = result
        return result

    def _context(self) -> tuple[Context, bool]:
        """How the remote server writes dates: what it reported last, which is certain, unless the
        string may have changed it since; then only ISO, which cannot be misread, is accepted."""
        context = self.remote.connection.context
        if _STYLE_KEEPERS.issuperset(self._earlier):
            return context, True
        return context.replace(date_style="ISO, " + context.date_style.rpartition(" ")[2]), False
