"""Streams: the rows of one query as they are asked for, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pgwire import errors
from pgwire.flows import Flow, untouched
from pgwire.flows.portal import PortalQuery
from pgwire.net.clock import Deadline, deadline_after
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.session.core import ReplyT, TransportT, expired
from pgwire.session.queries import Queries
from pgwire.session.steps import Command

if TYPE_CHECKING:
    from pgwire.rows.factories import RowFactory

_T = TypeVar("_T")


class OpenStream(Generic[TransportT, ReplyT]):
    """A stream, open or not yet or no more: its commands, for both bodies."""

    left_open = "a stream"
    """What it is to whoever finds the connection busy with it."""

    def __init__(
        self,
        session: Queries[TransportT, ReplyT],
        sql: str,
        params: Sequence[object],
        rows: RowFactory[Any] | None,
        chunk_rows: int,
        timeout: float | None,
    ) -> None:
        if type(chunk_rows) is not int or not 1 <= chunk_rows < 2**31:
            raise errors.ProgrammingError(
                f"chunk_rows must be a number of rows from 1 to {2**31 - 1}, not {chunk_rows!r}",
                sqlstate="22023",
            )
        self._session = session
        self._query = (sql, params)
        self._rows = rows
        self._chunk_rows = chunk_rows
        self._timeout = timeout
        self._portal: PortalQuery | None = None
        self._make: Callable[[Row], Any] | None = None
        self._deadline: Deadline = None
        self._over = False
        self._left = False  # before its end
        self._abandoned = False

    # What the session knows of a conversation.

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return self._over or self._portal is None or self._portal.done

    @property
    def deadline(self) -> Deadline:
        """The moment when its timeout has passed; None if it has none."""
        return self._deadline

    def rest(self) -> Flow[object]:
        """End it, and skip what has been sent of it."""
        assert self._portal is not None
        self._abandoned = True  # by somebody else than `close`
        return self._portal.finish()

    # What the caller knows.

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the rows; none before it has begun."""
        return () if self._portal is None else self._portal.columns

    @property
    def tag(self) -> str:
        """The command tag, once it has been read to its end; empty before, or if it was left."""
        return "" if self._portal is None else self._portal.tag

    # Commands.

    def begin(self) -> Command[None]:
        """Send the query, unless it has been."""
        if self._over:
            raise errors.InterfaceError("the stream has ended")
        if self._portal is not None:
            return
        session = self._session
        session._check_ready()
        sql, params = self._query
        oids, formats, values = session._encode_parameters(params)
        portal = PortalQuery(
            session._channel, sql, oids, formats, values, session.registry, self._chunk_rows
        )
        self._portal = portal
        self._deadline = deadline_after(self._timeout)
        session._current = self
        yield from self._run(portal.begin())
        if self._rows is not None:
            yield from self._guarded(self._choose)

    def next_chunk(self) -> Command[list[Any] | None]:
        """The next rows, at least one; None at the end, and again after it. Raises InterfaceError
        if it was left before its end."""
        if self._left:
            raise errors.InterfaceError("the stream has been closed before its end")
        if self._over:
            return None
        if self._portal is None:
            yield from self.begin()
        assert self._portal is not None
        rows = yield from self._run(self._portal.next_chunk())
        if rows is None:
            self._over = True
            return None
        make = self._make
        if make is None:
            return rows
        return (yield from self._guarded(lambda: list(map(make, rows))))

    def close(self) -> Command[None]:
        """Leave what is left of it. Raises the error that it has met after the rows that were
        given out, if that has ended the transaction that goes on here."""
        if self._over:
            return
        self._over, begun = True, self._portal
        self._left = begun is None or not begun.done
        if begun is None or begun.done or self._session.closed:
            return
        self._over = False  # for the session, until it has ended
        error = yield from self._run(begun.finish())
        self._over = True
        if error is not None and self._session._channel.state.transaction_status == "E":
            raise error

    def leave(self, exception: BaseException | None) -> Command[None]:
        """Close it, as the block of its `with` statement is left by `exception`."""
        try:
            yield from self.close()
        except errors.Error:
            if exception is None:
                raise  # otherwise why the block was left says more than what went wrong after that

    def _choose(self) -> None:
        if self._rows is not None:
            self._make = self._rows(self.columns)

    def _run(self, flow: Flow[_T]) -> Command[_T]:
        session = self._session
        if self._abandoned:
            self._over = True
            raise errors.InterfaceError("the stream has ended: the connection has gone on without")
        try:
            return (yield from session._run(flow, self._deadline))
        except errors.InterfaceError:
            if untouched(flow):
                # Another thread or task is using the connection: nothing has been done.
                if self._portal is not None and not self._portal.started:
                    self._portal = session._current = None
                raise
            yield from self._undo(cancel=False)
            raise
        except BaseException as error:
            late = isinstance(error, errors.TimeoutExpired)
            yield from self._undo(cancel=late or not isinstance(error, Exception))
            if late:
                raise expired(self._timeout) from None
            raise

    def _guarded(self, function: Callable[[], _T]) -> Command[_T]:
        """Call a function of the caller's; if it raises, the stream is over."""
        try:
            return function()
        except BaseException:
            yield from self._undo(cancel=False)
            raise

    def _undo(self, *, cancel: bool) -> Command[None]:
        session = self._session
        if session._current is self:
            yield from session._resynchronise(cancel=cancel)
            session._current = None
        self._over = True
