"""What both replies are, without any waiting: the flows that read a reply, and its time limit."""

from __future__ import annotations

from typing import Final, Protocol

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.query import Completed, CopiedOut, CopyRefused, Exchange, Outcome, RowSet
from pgwire.flows.simple import SimpleQuery
from pgwire.net.clock import Deadline, deadline_after
from pgwire.results import CopyResult, Result
from pgwire.rows.batches import BatchDecoder, batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.context import Context
from pgwire.types.registry import Registry


class Source(Protocol):
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


class Unset:
    """Stands for "no timeout was given here: the one of the query holds"."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<the query's>"


UNSET: Final = Unset()


class Reading:
    """The base of `Reply` and `AsyncReply`."""

    __slots__ = ("_columns", "_deadline", "_decoder", "_source", "exchange", "failure")

    def __init__(self, source: Source, exchange: Exchange, deadline: Deadline) -> None:
        self._source = source
        self._deadline = deadline
        self._columns: tuple[Column, ...] = ()
        self._decoder: BatchDecoder | None = None  # made when rows of the current result are read
        self.exchange = exchange
        self.failure: errors.Error | None = None
        """The first error that `collect` has met."""

    @property
    def done(self) -> bool:
        """Whether the reply has been read to its end: the connection is ready for a query."""
        return self.exchange.done

    @property
    def deadline(self) -> Deadline:
        """The moment when the timeout of the query has passed; None if it has none."""
        return self._deadline

    def rest(self) -> Flow[object]:
        """Skip what is left of the reply."""
        return self.exchange.finish()

    def set_timeout(self, timeout: float | None) -> None:
        """Give the rest of the reply `timeout` seconds from now; None: as long as it takes."""
        self._deadline = deadline_after(timeout)

    def decode_as_text(self) -> None:
        """Give the fields of the current result as the server's text instead of Python values."""
        self._columns = tuple(Column(column.name, 0) for column in self._columns)
        self._decoder = None

    def collect(self, *, as_text: bool) -> Flow[list[Result]]:
        """Read the whole reply. Raises the first error in it, at its end; when the end never
        comes, `failure` tells."""
        results: list[Result] = []
        style = self._source.context.date_style
        self.exchange.takes_copies = True
        while (outcome := (yield from self._next_result())) is not None:
            rows: list[Row] = []
            columns: tuple[Column, ...] = ()
            if isinstance(outcome, RowSet):
                columns = outcome.columns
                if as_text:
                    self.decode_as_text()
                while (batch := (yield from self._next_rows())) is not None:
                    rows += batch
            self.failure = self.failure or getattr(outcome, "error", None)
            if isinstance(outcome, CopyRefused):
                outcome.error.diagnostics.hint = "copy_in sends the data of a COPY FROM STDIN."
            if isinstance(outcome, CopiedOut):
                results.append(CopyResult(outcome.data, outcome.format, outcome.tag or ""))
            elif self.failure is None:
                results.append(Result(rows, columns, getattr(outcome, "tag", None) or ""))
        if self.failure is not None:
            raise self.failure
        changed = style != self._source.context.date_style
        if changed and not as_text and not style.startswith("ISO"):
            self._refuse_dates(results, style)
        return results

    def _refuse_dates(self, results: list[Result], style: str) -> None:
        """Raise DataError if dates have been read as text of `style`, in which the server may not
        have written them: it has changed DateStyle since, and says so only at the end. Of another
        style an ISO date can be told, but not the order of day and month."""
        by_oid = self._source.registry.by_oid
        for result in results:
            for column in result.columns if result.rows else ():
                if column.format == 0 and column.type_oid and by_oid(column.type_oid).styled:
                    raise errors.DataError(
                        f'dates of column "{column.name}" cannot be read safely: DateStyle was '
                        f"changed from {style} to {self._source.context.date_style} by the same "
                        "query",
                        sqlstate="22007",
                        hint="Change DateStyle in a query of its own.",
                    )

    # Flows, for the bodies.

    def _next_result(self) -> Flow[Outcome | None]:
        outcome = yield from self.exchange.next_result()
        if isinstance(outcome, RowSet):
            self._columns = outcome.columns
            self._decoder = None
        return outcome

    def _whole(self) -> Flow[tuple[RowSet | Completed, bytes] | None]:
        exchange = self.exchange
        if not isinstance(exchange, SimpleQuery) or exchange.done:
            return None
        if not exchange.pending:
            exchange.check_open()
            yield RECEIVE
        return exchange.whole_frames()

    def _next_rows(self) -> Flow[list[Row] | None]:
        decoder = self._decoder
        if decoder is None:
            source = self._source
            decoder = batch_decoder(self._columns, source.registry, source.context)
            self._decoder = decoder
        try:
            return (yield from self.exchange.decode_rows(decoder))
        except errors.ProtocolError as error:
            error.diagnostics.detail = "in phase ROWS"
            raise

    def _next_frames(self) -> Flow[bytes | None]:
        bounds = yield from self.exchange.next_rows()
        return None if bounds is None else bytes(self._source.frames[bounds[0] : bounds[1]])

    def _until(self, timeout: float | Unset | None) -> Deadline:
        return self._deadline if isinstance(timeout, Unset) else deadline_after(timeout)
