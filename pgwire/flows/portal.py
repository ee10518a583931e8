"""A result that is read in chunks, from a portal. Manual: 54.2.3, Execute with a limit of rows.

The server computes a chunk of rows at a time and then waits: the portal is suspended. When the
first chunk has been read the next one is asked for; from then on each is asked for as soon as the
one before has come, so that the server computes it while that is decoded. What ends it, whenever
that is, is a Sync: nobody needs to cancel anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.flows.prepared import FLUSH, PreparedQuery, settle
from pgwire.flows.query import Completed, Failed, Outcome, RowSet
from pgwire.flows.statements import Statement
from pgwire.protocol.backend import PortalSuspended
from pgwire.protocol.frontend import Execute, Sync
from pgwire.rows.batches import BatchDecoder, batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.registry import Registry

_SUSPENDED: Final = PortalSuspended().encode()
_DATA_ROW, _PORTAL_SUSPENDED = b"Ds"


class PortalQuery(PreparedQuery):
    """A statement whose rows are asked for in chunks of `chunk_rows`."""

    __slots__ = ("_ahead", "_chunks", "_count", "_decoder", "_more", "_suspended", "columns", "tag")

    def __init__(
        self,
        channel: Channel,
        sql: str,
        oids: tuple[int, ...],
        formats: Sequence[int],
        values: Sequence[bytes | None],
        registry: Registry,
        chunk_rows: int,
    ) -> None:
        """As `PreparedQuery`. Raises ProgrammingError if no Int32 holds `chunk_rows`."""
        super().__init__(channel, sql, oids, formats, values, registry)
        self._more = Execute(b"", chunk_rows).encode() + FLUSH
        self._chunks = 0
        self._count = 0  # of rows
        self._suspended = False  # the server waits
        self._ahead = False  # the chunk after the one that is being read has been asked for
        self._decoder: BatchDecoder | None = None
        self.columns: tuple[Column, ...] = ()
        """The columns of the rows, once it has begun."""
        self.tag = ""
        """The command tag, at the end."""

    def _flight(self, statement: Statement) -> tuple[bytes, Sequence[str]]:
        channel = self._channel
        shape = self.shape = statement.shape(self._registry, channel.context)
        before = channel.statements.take_closing() if self._reused else []
        parts, steps = self._opening(statement, shape, before)
        execute = "execute described" if steps[-1] == "describe" else "execute"
        return b"".join((*parts, self._more)), (*steps, execute)

    def begin(self) -> Flow[None]:
        """Send the query and read up to its rows. Raises the server's error."""
        yield from self.send()
        outcome = yield from self.next_result()
        if isinstance(outcome, RowSet):
            self.columns = outcome.columns
            self._decoder = batch_decoder(self.columns, self._registry, self._channel.context)
        else:
            yield from self._ended(outcome)

    def next_chunk(self) -> Flow[list[Row] | None]:
        """The rows that have come, at least one; None at the end. Raises the server's error when
        the rows before it have been given out."""
        channel, decoder = self._channel, self._decoder
        frames = channel.frames
        while self._rows is not None and decoder is not None:
            if self._suspended:
                yield self._ask()
                self._suspended = False
            start, end = frames.bounds
            if start < end and frames.data[start] == _DATA_ROW:
                if (
                    self._chunks
                    and not self._ahead
                    and frames.data.endswith(_SUSPENDED, start, end)
                ):
                    # The chunk has come. Should that only have been the look of a value, asking for
                    # more is not wrong: a portal at its end has no rows.
                    self._ahead = True
                    yield self._ask()
                    continue
                try:
                    rows, stop = decoder(frames.data, start, end)
                except BaseException:
                    frames.data_rows()
                    raise
                if rows:
                    channel.state.received(_DATA_ROW, frames.data, start + 5, stop)
                    frames.take(stop)
                    self._count += len(rows)
                    return rows
            if frames.peek() is None:
                channel.check_open()
                yield RECEIVE
                continue
            kind, start, end = yield from channel.receive()
            if kind == _DATA_ROW:
                rows, stop = decoder(frames.data, start - 5, end)
                if stop != end:
                    raise errors.ProtocolError('unexpected field count in "D" message')
                self._count += len(rows)
                return rows
            if kind == _PORTAL_SUSPENDED:
                self._chunks += 1
                self._suspended = not self._ahead
                self._ahead = False
                continue
            yield from self._ended(self._outcome(channel.decode(kind, start, end)))
        return None

    def _ask(self) -> bytes:
        return self._channel.send_encoded(self._more, ("execute",))

    def _ended(self, outcome: Outcome | None) -> Flow[None]:
        """The statement has been done, one way or the other: Sync, to its ReadyForQuery."""
        self._rows = None
        yield from settle(self._channel)
        self.done = True
        if isinstance(outcome, Completed):
            # Each Execute has a tag of its own, which counts the rows of its chunk.
            words = outcome.tag.split(" ")
            if self._count and words[-1].isdecimal():
                words[-1] = str(self._count)
            self.tag = " ".join(words)
        elif outcome is not None and (error := getattr(outcome, "error", None)) is not None:
            raise error

    def finish(self) -> Flow[errors.DatabaseError | None]:
        """Leave the rest alone, and end the query. Returns the error that it has met, if any."""
        channel = self._channel
        first: errors.DatabaseError | None = None
        if self.done or not self.started:
            return None
        if channel.state.unsynced:
            yield channel.send(Sync())
        while channel.state.phase not in ("READY", "CLOSED"):
            kind, start, end = yield from channel.receive()
            if kind == b"E"[0] and first is None:
                outcome = self._outcome(channel.decode(kind, start, end))
                if isinstance(outcome, Failed):
                    first = outcome.error
        self._rows = None
        self.done = True
        return first
