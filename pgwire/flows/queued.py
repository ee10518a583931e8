"""What waits in a pipeline for its answer: queries, runs of rows of `executemany`, Syncs."""

from __future__ import annotations

from typing import Final

from pgwire import errors
from pgwire.flows.channel import Channel
from pgwire.flows.query import columns_of
from pgwire.flows.statements import Shape, Statement, Statements, stale
from pgwire.protocol import backend
from pgwire.protocol.frontend import Execute
from pgwire.protocol.message import Message
from pgwire.rows.batches import BatchDecoder, batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.registry import Registry

_ROW: Final = b"D"[0]
_COMPLETE: Final = b"C"[0]
_BIND_COMPLETE: Final = backend.BindComplete().encode()
BOUND_AND_RUN: Final = ("bind", "execute")
_FEWEST: Final = 16  # answers that are compared at once, as long as it is not known …
_MOST: Final = 1024  # … that they are alike
_LONGEST_TAG: Final = 40


class Queued:
    """Something that the server answers, or has answered if it is `done`.

    `error` tells why it has failed; None if it has not. `number` is that of the last query that was
    queued, from 1 on.
    """

    __slots__ = ("begun", "cause", "done", "error", "looked_at", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.begun = False
        """Whether a part of its answer has been taken in."""
        self.done = False
        self.looked_at = False
        """Whether whoever queued it has seen how it ended."""
        self.error: Exception | None = None
        self.cause: Queued | None = None
        """What has failed before it, so that it was not run."""

    def take_run(self, channel: Channel) -> bool:
        """Take in, at once, as many messages as can be; false if none of them could."""
        return False

    def take(self, channel: Channel, kind: int, start: int, end: int) -> None:
        """Take in one message, which the state has allowed."""
        self.answered(channel, channel.decode(kind, start, end))

    def answered(self, channel: Channel, message: Message) -> None:
        """As `take`, decoded."""

    def refused(self, statements: Statements) -> None:
        """The server has answered it with an error."""


class QueuedQuery(Queued):
    """A query: its `rows`, `columns` and command `tag`."""

    __slots__ = (
        "_decoder",
        "_keeps",
        "_registry",
        "_shape",
        "_statement",
        "columns",
        "rows",
        "tag",
    )

    def __init__(
        self,
        number: int,
        registry: Registry,
        statement: Statement,
        shape: Shape | None,
        *,
        prepares: bool,
    ) -> None:
        """`shape` is what has been asked for; without it the rows come as text, in the columns that
        are described in time. `prepares`: Parse and Describe of the statement have been queued
        with it."""
        super().__init__(number)
        self._registry = registry
        self._statement = statement
        self._shape = shape
        self._keeps = prepares
        self._decoder: BatchDecoder | None = None
        self.rows: list[Row] = []
        self.columns: tuple[Column, ...] = ()
        self.tag = ""

    def __str__(self) -> str:
        return f"query {self.number} of the pipeline"

    def take_run(self, channel: Channel) -> bool:
        """As in `Queued`: rows."""
        if self._decoder is None and self.error is None:
            return False
        frames = channel.frames
        rows: list[Row] = []
        if self._decoder is not None and self.error is None:
            start, end = frames.bounds
            if start == end or frames.data[start] != _ROW:
                return False
            try:
                rows, stop = self._decoder(frames.data, start, end)
            except errors.ProtocolError as error:
                error.diagnostics.detail = "in phase ROWS"
                raise
            except Exception as error:
                self._spoil(error)
                return True
            if stop > start:
                channel.state.received(_ROW, frames.data, start + 5, stop)
                frames.take(stop)
                self.rows += rows
            return stop > start
        # Its rows cannot be decoded: nobody wants the rest of them.
        start, stop = frames.data_rows()
        if start < stop:
            channel.state.received(_ROW, frames.data, start + 5, stop)
        return start < stop

    def take(self, channel: Channel, kind: int, start: int, end: int) -> None:
        """As in `Queued`."""
        if kind == _ROW:
            # All that the decoder of rows has left here.
            raise errors.ProtocolError(
                'server sent data ("D" message) without prior row description ("T" message)'
            )
        super().take(channel, kind, start, end)

    def answered(self, channel: Channel, message: Message) -> None:
        """As in `Queued`."""
        if isinstance(message, backend.ParameterDescription):
            self._statement.parameters = message.types
        elif isinstance(message, backend.RowDescription):
            columns = columns_of(channel, message)
            if self.begun:
                self._expect(channel, columns)  # of the portal
            else:
                self._statement.columns = columns
                self._described(channel.statements)
        elif isinstance(message, backend.NoData):
            if self.begun:
                self._expect(channel, None)
            else:
                self._described(channel.statements)
        elif isinstance(message, backend.BindComplete):
            self.begun = True
            if self._shape is not None:
                self.columns = self._shape.columns or ()
                self._decoder = self._shape.decoder
            else:
                self._expect(channel, self._statement.columns)
        elif isinstance(message, backend.CommandComplete | backend.EmptyQueryResponse):
            if isinstance(message, backend.CommandComplete):
                self.tag = channel.text(message.tag)
                rows = self._decoder is not None
                channel.statements.completed(message.tag, rows=rows)
            self.done = True

    def refused(self, statements: Statements) -> None:
        """As in `Queued`."""
        known = self._shape is not None and not self.begun
        error, statement = self.error, self._statement
        if known and isinstance(error, errors.DatabaseError) and stale(error, statement):
            statements.drop(statement)

    def forget_statement(self) -> None:
        """Do not keep the statement that it prepares: what has been queued later deallocates it."""
        self._keeps = False

    def _described(self, statements: Statements) -> None:
        if self._keeps:
            statements.keep(self._statement)
        else:
            statements.close(self._statement)

    def _expect(self, channel: Channel, columns: tuple[Column, ...] | None) -> None:
        self.columns = columns or ()
        self._decoder = None
        if columns is not None:
            self._decoder = batch_decoder(columns, self._registry, channel.context)

    def _spoil(self, error: Exception) -> None:
        """The rows cannot be decoded. That is the affair of this query alone."""
        self.rows.clear()
        self.error = error
        error.add_note(str(self))


class QueuedSync(Queued):
    """The end of a segment. It has failed if the transaction could not be committed."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"the commit after query {self.number} of the pipeline"

    def answered(self, channel: Channel, message: Message) -> None:
        """As in `Queued`."""
        self.done = isinstance(message, backend.ReadyForQuery)


class Spoiler(Queued):
    """An Execute of a portal that does not exist: its error undoes a segment that a Sync would
    commit. Its name is for the server's log."""

    __slots__ = ()
    message: Final = Execute(b"given up by the client before its end", 0).encode()

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.looked_at = True

    def __str__(self) -> str:
        return "what undoes the unfinished rest of the pipeline"


class QueuedPreparation(Queued):
    """Parse and Describe of a statement, for row `number` of `executemany` and those after it."""

    __slots__ = ("_statement",)

    def __init__(self, number: int, statement: Statement) -> None:
        super().__init__(number)
        self._statement = statement

    def __str__(self) -> str:
        # If the first row's fails that is hardly due to the row.
        return f"row {self.number} of params_seq" if self.number > 1 else "preparing the statement"

    def answered(self, channel: Channel, message: Message) -> None:
        """As in `Queued`."""
        if isinstance(message, backend.ParameterDescription):
            self._statement.parameters = message.types
        elif isinstance(message, backend.RowDescription | backend.NoData):
            if isinstance(message, backend.RowDescription):
                self._statement.columns = columns_of(channel, message)
            channel.statements.keep(self._statement)
            self.done = True


class Likely:
    """What the answer to a row has been, and so is likely to be: its `bytes`, the rows that it
    `affected`, and how many of them are worth being compared `at_once`."""

    __slots__ = ("affected", "at_once", "bytes")

    def __init__(self) -> None:
        self.bytes = b""
        self.affected = 0
        self.at_once = _FEWEST


class QueuedRows(Queued):
    """Bind and Execute of a statement for `count` rows of parameters, of which the first is number
    `number`. `taken` is how many of them have been run, `affected` the sum of their command tags.
    """

    __slots__ = ("_likely", "affected", "count", "taken")

    def __init__(self, number: int, count: int, likely: Likely) -> None:
        super().__init__(number)
        self.count = count
        self.taken = 0
        self.affected = 0
        self._likely = likely

    def __str__(self) -> str:
        return f"row {self.number + self.taken} of params_seq"

    def take_run(self, channel: Channel) -> bool:
        """As in `Queued`: answers that are all the same, or rows, which nobody wants."""
        frames = channel.frames
        if self.begun:
            start, stop = frames.data_rows()
            if start < stop:
                channel.state.received(_ROW, frames.data, start + 5, stop)
            return start < stop
        likely = self._likely
        size = len(likely.bytes)
        if not size:
            return False
        start, end = frames.bounds
        count = min((end - start) // size, self.count - self.taken, likely.at_once)
        if count == 0:
            return False
        stop = start + count * size
        # Compared to the last byte; and the state must be waiting for just that.
        alike = frames.data[start:stop] == likely.bytes * count
        if not alike or not channel.state.answered(BOUND_AND_RUN * count):
            likely.at_once = _FEWEST
            likely.bytes = b""
            return False
        frames.take(stop)
        self.taken += count
        self.affected += count * likely.affected
        self.done = self.taken == self.count
        likely.at_once = min(2 * likely.at_once, _MOST)
        return True

    def take(self, channel: Channel, kind: int, start: int, end: int) -> None:
        """As in `Queued`."""
        if kind == _ROW:
            return
        super().take(channel, kind, start, end)
        if kind == _COMPLETE and end - start < _LONGEST_TAG:
            self._likely.bytes = _BIND_COMPLETE + bytes(channel.frames.data[start - 5 : end])
            self._likely.affected = affected_rows(bytes(channel.frames.data[start : end - 1]))

    def answered(self, channel: Channel, message: Message) -> None:
        """As in `Queued`."""
        if isinstance(message, backend.BindComplete):
            self.begun = True
        elif isinstance(message, backend.CommandComplete | backend.EmptyQueryResponse):
            if isinstance(message, backend.CommandComplete):
                self.affected += affected_rows(message.tag)
                channel.statements.completed(message.tag)
            self.begun = False
            self.taken += 1
            self.done = self.taken == self.count


def affected_rows(tag: bytes) -> int:
    """The number of rows that a command tag tells: its last word; 0 if that is none."""
    word = tag.rpartition(b" ")[2]
    return int(word) if word.isdigit() and len(word) < _LONGEST_TAG else 0
