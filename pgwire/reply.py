"""Reading a reply as it comes: the way to stream, and to wait for several servers at once."""

from __future__ import annotations

from typing import Protocol, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.query import Completed, Exchange, Outcome, RowSet
from pgwire.net.clock import Deadline
from pgwire.reading import UNSET, Reading, Source, Unset
from pgwire.rows.decoder import Row

_T = TypeVar("_T")


class Body(Source, Protocol):
    """The connection, which reads for its replies."""

    def read(self, reading: Reading, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow that reads a part of a reply."""
        ...


class Reply(Reading):
    """What the server answers to one `send`. Manual: 32.4.

    Call `next_result` until it returns None; after a `RowSet` call `next_rows` (or `next_frames`)
    until that returns None. Each call waits until the timeout of the query has passed, or its
    own `timeout` in seconds (0: it does not wait); then it raises TimeoutExpired and leaves the
    reply as it was: call again to go on, or the connection's `resynchronise` to give up. A call
    that is interrupted (Ctrl-C, a task that is cancelled) gives the reply up.
    """

    __slots__ = ("_body",)

    def __init__(self, body: Body, exchange: Exchange, deadline: Deadline) -> None:
        super().__init__(body, exchange, deadline)
        self._body = body

    def next_result(self, *, timeout: float | Unset | None = UNSET) -> Outcome | None:
        """The next result, or None at the end of the reply.

        Returns a `RowSet`, `Completed`, `EmptyQuery`, `Failed` or `CopyRefused`: an error of the
        server is a result here and is not raised. Rows left of the result before are skipped.

        Raises TimeoutExpired, and ConnectionLost when the server is gone.
        """
        return self._body.read(self, self._next_result(), self._until(timeout))

    def whole(
        self, *, timeout: float | Unset | None = UNSET
    ) -> tuple[RowSet | Completed, bytes] | None:
        """The only result of the reply and its rows, as the DataRow messages that they are, if this
        is called first, all of the reply has come at once, and it is that of one statement that
        has not failed. The reply has been read to its end then. Otherwise None: read on with
        `next_result`. Raises as that does."""
        return self._body.read(self, self._whole(), self._until(timeout))

    def next_rows(self, *, timeout: float | Unset | None = UNSET) -> list[Row] | None:
        """The rows that have come, at least one, as tuples; None at the end of the result, whose
        `tag` or `error` then tells how it ended. Raises as `next_result` does, and DataError
        for a value that cannot be decoded."""
        return self._body.read(self, self._next_rows(), self._until(timeout))

    def next_frames(self, *, timeout: float | Unset | None = UNSET) -> bytes | None:
        """Like `next_rows`, but as the DataRow messages that they are, undecoded."""
        return self._body.read(self, self._next_frames(), self._until(timeout))

    def finish(self, *, timeout: float | Unset | None = UNSET) -> errors.DatabaseError | None:
        """Skip what is left of the reply; returns the first error in it."""
        return self._body.read(self, self.exchange.finish(), self._until(timeout))
