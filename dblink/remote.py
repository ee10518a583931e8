"""One remote connection: its state between calls, and how its failures reach the caller."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pgwire
from dblink import events, messages
from dblink.columns import text_rows
from dblink.cursors import Cursors
from dblink.failure import RemoteFailure
from dblink.pending import Pending
from pgwire import errors
from pgwire.flows.query import Completed, CopyRefused, EmptyQuery, Failed, Outcome, RowSet

# A remote float must not lose digits on its way: nothing reports extra_float_digits, so a server
# that has it below 1 is told once, when the connection is new.
_PIN_FLOATS = (
    "SELECT pg_catalog.set_config('extra_float_digits', '1', false)"
    " WHERE pg_catalog.current_setting('extra_float_digits')::pg_catalog.int4"
    " OPERATOR(pg_catalog.<) 1"
)


class Stream(Protocol):
    """A result whose rows are still being read from the connection."""

    def take_over(self) -> None:
        """Read the rest now, into a store: the connection is needed."""
        ...


class Remote:
    """A connection that dblink opened.

    `name` is None for the unnamed connection and for those that one call makes for itself, which
    are `transient`; `pending` is the asynchronous query whose results have not all been fetched,
    `cursors` are those that `dblink_open` opened, `error_text` is what `dblink_error_message`
    tells.
    """

    def __init__(
        self,
        connection: pgwire.Connection,
        name: str | None,
        on_wait: events.WaitHandler | None = None,
    ) -> None:
        self.connection = connection
        # C dblink hands over infinity and BC as it does any other value; no call shall fail here.
        connection.unrepresentable = "text"
        self.name = name
        self.cursors = Cursors()
        self.pending: Pending | None = None
        self.error_text = ""
        self._noted: errors.DatabaseError | None = None
        self.transient = False
        self._stream: weakref.ref[Stream] | None = None
        self._in_use = False
        self._on_wait = on_wait

    def prepare(self) -> None:
        """Set what every new connection needs. Raises TimeoutExpired after `connect_timeout`."""
        try:
            self.connection.query(_PIN_FLOATS, timeout=self.connection.info.connect_timeout)
        except errors.TimeoutExpired:
            raise
        except errors.DatabaseError:
            # Not every server that speaks the protocol is PostgreSQL; and a lost connection shows
            # in the call that the connection was made for.
            return

    def close(self) -> None:
        """End the remote session. What still runs there is left to the server."""
        try:
            stream = self.stream
            if stream is not None:
                stream.take_over()
        finally:
            self.pending = None
            self.connection.close()

    def label(self, given: str | None) -> str:
        """What a CONTEXT line calls the connection; `given` is the name as the caller wrote it."""
        if self.name is None:
            return "unnamed dblink connection"
        return f'dblink connection named "{given}"'

    def waiting(self) -> AbstractContextManager[None]:
        """A block in which the caller waits for a result."""
        return events.waiting(self._on_wait, events.DBLINK_GET_RESULT, self.name)

    # Who is using it.

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the connection for one call; what is unread of a stream is taken over first.

        Raises 55006 if another call is in the middle of using it.
        """
        self.check_free()
        self._in_use = True
        try:
            if self._stream is not None:
                stream = self.stream
                if stream is not None:
                    stream.take_over()
                elif self.pending is None:
                    self.connection.resynchronise(cancel=False)
                self._stream = None
            yield
        except Exception:
            raise
        except BaseException:
            # An interrupt may come between two steps of a query, where nobody else looks.
            self.give_up()
            raise
        finally:
            self._in_use = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the connection while its stream reads on. Raises 55006 as `in_use` does."""
        self.check_free()
        self._in_use = True
        try:
            yield
        finally:
            self._in_use = False

    def check_free(self) -> None:
        """Raise 55006 if a call is in the middle of using the connection."""
        if self._in_use:
            raise messages.connection_in_use(self.name)

    @property
    def stream(self) -> Stream | None:
        """The result whose rows are still on the wire, if anybody still holds it."""
        return None if self._stream is None else self._stream()

    @stream.setter
    def stream(self, result: Stream) -> None:
        self._stream = weakref.ref(result)

    # Queries.

    @property
    def idle(self) -> bool:
        """Whether nothing runs on the connection and no transaction is open."""
        connection = self.connection
        return (
            self.pending is None
            and not connection.closed
            and connection.info.transaction_status == "I"
        )

    def send(
        self, sql: str, params: Sequence[object] | None = None, timeout: float | None = None
    ) -> pgwire.Reply:
        """Start `sql`. Raises RemoteFailure (08006) if a query is pending or the server is gone."""
        if self.pending is not None:
            self._note(messages.COMMAND_IN_PROGRESS)
            raise RemoteFailure(messages.make("08006", self.error_text))
        if self.connection.closed:
            self.error_text = messages.NO_CONNECTION
            raise RemoteFailure(messages.make("08006", messages.NO_CONNECTION))
        with self.guarded():
            reply = self.connection.send(sql, params, timeout=timeout)
        self.error_text = ""
        return reply

    def run(
        self, sql: str, params: Sequence[object] | None = None, timeout: float | None = None
    ) -> Completed | RowSet:
        """Run `sql` and return its last result; rows are skipped.

        Raises RemoteFailure for an error of the server, an empty query, a COPY, a lost server.
        """
        reply = self.send(sql, params, timeout)
        last: Outcome | None = None
        failure: errors.DatabaseError | None = None
        tags: list[str] = []
        with self.guarded():
            whole = reply.whole()
            if whole is not None:
                last = whole[0]
                if isinstance(last, Completed):
                    tags.append(last.tag)
            while whole is None and (outcome := reply.next_result()) is not None:
                last = outcome
                if isinstance(outcome, RowSet):
                    while reply.next_frames() is not None:
                        pass
                elif isinstance(outcome, Completed):
                    tags.append(outcome.tag)
                failure = failure or self.error_of(outcome, sql)
        self.cursors.after_query(self.connection.info.transaction_status, tags)
        if failure is not None:
            raise RemoteFailure(failure)
        if not isinstance(last, Completed | RowSet):
            raise RemoteFailure(messages.make("08006", messages.NO_ERROR_TEXT))
        return last

    def command(self, sql: str, timeout: float | None = None) -> None:
        """Run `sql`, of which no rows are expected. Raises as `run` does, and for rows."""
        if isinstance(self.run(sql, timeout=timeout), RowSet):
            raise RemoteFailure(messages.make("08006", messages.NO_ERROR_TEXT))

    def rows(self, sql: str, timeout: float | None = None) -> list[tuple[str | None, ...]]:
        """Run a query of dblink's own and return its rows as text. Raises as `run` does."""
        reply = self.send(sql, timeout=timeout)
        rows: list[tuple[str | None, ...]] = []
        failure: errors.DatabaseError | None = None
        with self.guarded():
            while (outcome := reply.next_result()) is not None:
                if isinstance(outcome, RowSet):
                    rows = []
                    as_text = text_rows(len(outcome.columns), self.connection.context)
                    while (frames := reply.next_frames()) is not None:
                        rows += as_text(frames)
                failure = failure or self.error_of(outcome, sql)
        if failure is not None:
            raise RemoteFailure(failure)
        return rows

    def poll(self) -> bool:
        """Take in what has arrived of the pending query, without waiting. True if its next result
        is complete; its end counts as one, and so does a lost connection."""
        pending = self.pending
        if pending is None:
            return True
        try:
            with self.guarded(polling=True):
                outcome = pending.advance(0)
        except errors.TimeoutExpired:
            return False
        except RemoteFailure as failure:
            pending.fail(failure.error)
            self.pending = pending
            return True
        if outcome is not None:
            self.error_of(outcome, pending.sql)
        return True

    def notifications(self) -> list[pgwire.Notification]:
        """The notifications that have arrived, each once; what is waiting is taken in first."""
        if self.pending is not None:
            self.poll()
        elif not self.connection.closed:
            try:
                self.connection.take_notifications()
            except errors.DatabaseError as error:
                # The end of the session: the next query on the connection tells.
                self._note(error.diagnostics.render())
        return self.connection.received_notifications()

    def error_of(self, outcome: Outcome, sql: str) -> errors.DatabaseError | None:
        """The error that `outcome` is or ended with; it is kept for `dblink_error_message`."""
        if isinstance(outcome, EmptyQuery):
            return messages.make("08006", messages.NO_ERROR_TEXT)
        error = outcome.error if isinstance(outcome, Failed | RowSet | CopyRefused) else None
        if error is not None and error is not self._noted:
            self._noted = error
            self._note(error.diagnostics.render(sql))
        return error

    @contextmanager
    def guarded(self, *, polling: bool = False) -> Iterator[None]:
        """Whatever is raised inside leaves the connection in step or closed.

        Failures of the network become RemoteFailure. A caller who is interrupted, or whose
        deadline passes (unless it is only `polling`), cancels the remote query. Other errors
        are ours: a synchronous query goes on to its end first, as C dblink's does, and of a
        pending one the results that follow stay where they are.
        """
        try:
            yield
        except errors.ConnectionLost as lost:
            self.pending = None
            self._note(lost.reason)
            self._note(messages.LOST)
            raise RemoteFailure(messages.make("08006", self.error_text)) from lost
        except errors.TimeoutExpired:
            if not polling:
                self.give_up()
            raise
        except Exception:
            if self.pending is None:
                self.connection.resynchronise(cancel=False)
            raise
        except BaseException:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Cancel what runs, and read on until the connection is in step; or close it."""
        self.pending = None
        self.connection.resynchronise()

    def _note(self, text: str) -> None:
        """Add to what is known to be wrong since the last query was sent, as libpq does."""
        self.error_text = f"{self.error_text}\n{text}" if self.error_text else text
