"""Reading a reply as it comes: the way to stream, and to wait for several servers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.query import Exchange, Outcome, RowSet
from pgwire.net.clock import Deadline, deadline_after
from pgwire.rows.decoder import Decoder, Row, decode_rows, typed_decoders
from pgwire.types.context import Context
from pgwire.types.registry import Registry

_T = TypeVar("_T")


class Body(Protocol):
    """What a reply needs of the connection that it comes over."""

    registry: Registry

    @property
    def context(self) -> Context:
        """The session parameters that the text of values depends on."""
        ...

    @property
    def frames(self) -> bytearray:
        """The receive buffer."""
        ...

    def run(self, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow."""
        ...

    def abandon(self) -> None:
        """Close the connection: the server has broken the protocol."""
        ...


class _Default:
    """Stands for "no timeout was given here: the one of the query holds"."""


_DEFAULT: Final = _Default()


class Reply:
    """What the server answers to one `Connection.send`. Manual: 32.4.

    Call `next_result` until it returns None; after a `RowSet` call `next_rows` (or `next_frames`)
    until that returns None. Each call waits until the timeout of the query has passed, or its
    own `timeout` in seconds (0: it does not wait); then it raises TimeoutExpired and leaves the
    reply as it was: call again to go on, or `Connection.resynchronise` to give up.
    """

    __slots__ = ("_connection", "_deadline", "_decoders", "exchange")

    def __init__(self, connection: Body, exchange: Exchange, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._decoders: Sequence[Decoder] = ()
        self.exchange = exchange

    @property
    def done(self) -> bool:
        """Whether the reply has been read to its end: the connection is ready for a query."""
        return self.exchange.done

    @property
    def deadline(self) -> Deadline:
        """The moment when the timeout of the query has passed; None if it has none."""
        return self._deadline

    def set_timeout(self, timeout: float | None) -> None:
        """Give the rest of the reply `timeout` seconds from now; None: as long as it takes."""
        self._deadline = deadline_after(timeout)

    def next_result(self, *, timeout: float | _Default | None = _DEFAULT) -> Outcome | None:
        """The next result, or None at the end of the reply.

        Returns a `RowSet`, `Completed`, `EmptyQuery`, `Failed` or `CopyRefused`: an error of the
        server is a result here and is not raised. Rows left of the result before are skipped.

        Raises TimeoutExpired, and ConnectionLost when the server is gone.
        """
        outcome = self._run(self.exchange.next_result(), timeout)
        if isinstance(outcome, RowSet):
            connection = self._connection
            self._decoders = typed_decoders(
                outcome.columns, connection.registry, connection.context
            )
        return outcome

    def next_rows(self, *, timeout: float | _Default | None = _DEFAULT) -> list[Row] | None:
        """The rows that have come, at least one, as tuples; None at the end of the result, whose
        `tag` or `error` then tells how it ended. Raises as `next_result` does, and DataError
        for a value that cannot be decoded."""
        bounds = self._run(self.exchange.next_rows(), timeout)
        if bounds is None:
            return None
        try:
            return decode_rows(self._connection.frames, bounds[0], bounds[1], self._decoders)
        except errors.ProtocolError as error:
            error.diagnostics.detail = "in phase ROWS"
            self._connection.abandon()
            raise

    def decode_as_text(self) -> None:
        """Give the fields of the current result as the server's text instead of Python values."""
        text = self._connection.registry.by_oid(0).text_decoder(self._connection.context)
        self._decoders = [text] * len(self._decoders)

    def next_frames(self, *, timeout: float | _Default | None = _DEFAULT) -> bytes | None:
        """Like `next_rows`, but as the DataRow messages that they are, undecoded."""
        bounds = self._run(self.exchange.next_rows(), timeout)
        return None if bounds is None else bytes(self._connection.frames[bounds[0] : bounds[1]])

    def finish(self, *, timeout: float | _Default | None = _DEFAULT) -> errors.DatabaseError | None:
        """Skip what is left of the reply; returns the first error in it."""
        return self._run(self.exchange.finish(), timeout)

    def _run(self, flow: Flow[_T], timeout: float | _Default | None) -> _T:
        deadline = self._deadline if isinstance(timeout, _Default) else deadline_after(timeout)
        return self._connection.run(flow, deadline)
