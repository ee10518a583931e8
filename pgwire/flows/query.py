"""Queries and their replies, one result at a time. Manual: 54.2.2 simple, 54.2.3 extended query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.protocol import backend
from pgwire.protocol.copydata import CopyData, CopyDone
from pgwire.protocol.copystream import payload
from pgwire.protocol.frontend import Bind, CopyFail, Describe, Execute, Parse, Query, Sync
from pgwire.protocol.message import Message
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row

_DATA_ROW = b"D"[0]
_COPY_OUT, _COPY_DATA = b"Hd"
_COPY_STARTS = {b"G"[0]: "FROM STDIN", b"H"[0]: "TO STDOUT", b"W"[0]: "BOTH"}

RowDecoder: TypeAlias = Callable[[bytearray, int, int], tuple[list[Row], int]]
"""From what has been received, and where it begins and ends, to rows and where they end: a
`pgwire.rows.batches.BatchDecoder`."""


class RowSet:
    """A result that has rows, possibly none of them: its `columns`, and its `tag` ("SELECT 3") or
    `error` once its rows have been read."""

    __slots__ = ("columns", "error", "tag")

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns
        self.tag: str | None = None
        self.error: errors.DatabaseError | None = None


class Completed:
    """A command without rows has been done: its `tag` ("CREATE TABLE", "INSERT 0 1")."""

    __slots__ = ("tag",)

    def __init__(self, tag: str) -> None:
        self.tag = tag


class EmptyQuery:
    """The query string held no statement."""

    __slots__ = ()


class Failed:
    """The server refused a statement: its `error`. What follows in the string is not run."""

    __slots__ = ("error",)

    def __init__(self, error: errors.DatabaseError) -> None:
        self.error = error


class CopyRefused:
    """The statement was a COPY (`direction`: "FROM STDIN", "TO STDOUT", "BOTH"), which a query
    cannot serve. It was refused or read to its end; the conversation goes on in step."""

    __slots__ = ("direction", "error")

    def __init__(self, direction: str) -> None:
        self.direction = direction
        self.error = errors.NotSupportedError(
            f"COPY {direction} is not possible in a query", sqlstate="0A000"
        )


class CopiedOut:
    """A COPY TO STDOUT has been read, for who has asked for it with `Exchange.takes_copies`: its
    `data`, the `format` of that, 0 for text and CSV and 1 for binary, and its `tag` ("COPY 3"), or
    the `error` that it ended with."""

    __slots__ = ("data", "error", "format", "tag")

    def __init__(self, format: int) -> None:
        self.format = format
        self.data = b""
        self.tag: str | None = None
        self.error: errors.DatabaseError | None = None


Outcome = RowSet | Completed | EmptyQuery | Failed | CopyRefused | CopiedOut


def simple_query(channel: Channel, sql: str) -> Exchange:
    """`sql`, which may hold several statements, by the simple query protocol."""
    return Exchange(channel, [Query(channel.encode(sql, "the query"))])


def extended_query(
    channel: Channel,
    sql: str,
    types: Sequence[int],
    values: Sequence[bytes | None],
    formats: Sequence[int] = (),
) -> Exchange:
    """`sql`, one statement with parameters $1, $2, …, by the extended query protocol.

    `types` are the type OIDs of the parameters (0: the server infers it), `values` their
    encodings (None: NULL), `formats` theirs (0 text, 1 binary; empty: all text).
    """
    request: list[Message] = [
        Parse(b"", channel.encode(sql, "the query"), types),
        Bind(b"", b"", formats, values, ()),
        Describe(b"P", b""),
        Execute(b"", 0),
        Sync(),
    ]
    return Exchange(channel, request, extended=True)


def describe(channel: Channel, sql: str) -> Flow[tuple[Column, ...]]:
    """Learn the columns that the statement `sql` would return. Raises the server's error."""
    yield channel.send(
        Parse(b"", channel.encode(sql, "the query"), ()), Describe(b"S", b""), Sync()
    )
    columns: tuple[Column, ...] = ()
    failure: errors.DatabaseError | None = None
    while True:
        kind, start, end = yield from channel.receive()
        message = channel.decode(kind, start, end)
        if isinstance(message, backend.RowDescription):
            columns = columns_of(channel, message)
        elif isinstance(message, backend.ErrorResponse):
            failure = errors.from_diagnostics(channel.diagnostics(message.fields))
        elif isinstance(message, backend.ReadyForQuery):
            break
    if failure is not None:
        raise failure
    return columns


def skip(channel: Channel) -> Flow[None]:
    """Read on to ReadyForQuery, whatever comes before it."""
    while channel.state.phase not in ("READY", "CLOSED"):
        yield from channel.receive()


class Exchange:
    """A query and the server's reply to it. Results come in order, each read to its end or
    skipped. Between two flows, and when one was cut short by a deadline, the exchange is
    consistent: calling again goes on where it stopped."""

    __slots__ = ("_channel", "_extended", "_request", "_rows", "counted", "done", "takes_copies")

    def __init__(
        self, channel: Channel, request: Sequence[Message], *, extended: bool = False
    ) -> None:
        self._channel = channel
        self._request = request
        self._extended = extended
        self._rows: RowSet | None = None
        self.counted = 0
        """How many rows were in the run that `next_rows` gave last."""
        self.done = False
        self.takes_copies = False
        """Whether the data of a COPY TO STDOUT is kept, instead of refusing the COPY."""

    def send(self) -> Flow[None]:
        """Send the query. What is too long or holds a NUL is refused before a byte goes out."""
        request, self._request = self._request, ()
        yield self._channel.send(*request)

    @property
    def pending(self) -> bool:
        """Whether something has been received that is yet to be read."""
        return self._channel.frames.pending > 0

    def check_open(self) -> None:
        """See `Channel.check_open`."""
        self._channel.check_open()

    def next_result(self) -> Flow[Outcome | None]:
        """The next result, None when the server is ready for the next query. Rows of the result
        before it that have not been read are skipped."""
        while self._rows is not None:
            yield from self.next_rows()
        while not self.done:
            kind, start, end = yield from self._channel.receive()
            if kind == _COPY_OUT and self.takes_copies:
                return (yield from self._copy_out(CopiedOut(self._channel.frames.data[start])))
            if kind in _COPY_STARTS:
                return (yield from self._refuse_copy(_COPY_STARTS[kind]))
            outcome = self._outcome(self._channel.decode(kind, start, end))
            if outcome is not None:
                return outcome
        return None

    def next_rows(self) -> Flow[tuple[int, int] | None]:
        """The bounds in `channel.frames.data` of a run of complete DataRow frames of the current
        result, good until the next step; None at its end, when its `tag` or `error` is known."""
        frames = self._channel.frames
        while self._rows is not None:
            start, stop = frames.data_rows()
            if start < stop:
                self.counted = frames.counted
                self._channel.state.received(_DATA_ROW, frames.data, start + 5, stop)
                return start, stop
            if frames.peek() is None:
                self._channel.check_open()
                yield RECEIVE
                continue
            row = yield from self._after_rows(self._rows)
            if row is not None:
                self.counted = 1
                return row
        return None

    def decode_rows(self, decoder: RowDecoder) -> Flow[list[Row] | None]:
        """The rows of the current result that have come, at least one; None at its end, when its
        `tag` or `error` is known. `decoder` is given the receive buffer itself, so that nobody
        looks at a row twice. When it raises, the rows that have come are lost, not more."""
        channel = self._channel
        frames = channel.frames
        while self._rows is not None:
            start, end = frames.bounds
            if start < end and frames.data[start] == _DATA_ROW:
                try:
                    rows, stop = decoder(frames.data, start, end)
                except BaseException:
                    frames.data_rows()
                    raise
                if rows:
                    channel.state.received(_DATA_ROW, frames.data, start + 5, stop)
                    frames.take(stop)
                    return rows
            if frames.peek() is None:
                channel.check_open()
                yield RECEIVE
                continue
            row = yield from self._after_rows(self._rows)
            if row is not None:
                rows, stop = decoder(frames.data, *row)
                if stop != row[1]:  # complete, and no row all the same
                    raise errors.ProtocolError('unexpected field count in "D" message')
                return rows
        return None

    def _after_rows(self, current: RowSet) -> Flow[tuple[int, int] | None]:
        """Take the message that has come after rows, or between them: the end of the `current`
        result. If a row follows instead, after a notice, its bounds."""
        kind, start, end = yield from self._channel.receive()
        if kind == _DATA_ROW:
            return start - 5, end
        outcome = self._outcome(self._channel.decode(kind, start, end))
        if isinstance(outcome, Completed):
            current.tag = outcome.tag
        elif isinstance(outcome, Failed):
            current.error = outcome.error
        else:
            raise errors.ProtocolError(
                f'unexpected response from server; first received character was "{chr(kind)}"'
            )
        self._rows = None
        return None

    def finish(self) -> Flow[errors.DatabaseError | None]:
        """Skip all that is left, to ReadyForQuery; the first error met, if any."""
        first: errors.DatabaseError | None = None
        self.takes_copies = False
        while True:
            current = self._rows
            outcome = yield from self.next_result()
            for candidate in (current, outcome):
                if first is None and isinstance(candidate, RowSet | Failed | CopyRefused):
                    first = candidate.error
            if outcome is None:
                return first

    def _outcome(self, message: Message) -> Outcome | None:
        channel = self._channel
        if isinstance(message, backend.RowDescription):
            self._rows = RowSet(columns_of(channel, message))
            return self._rows
        if isinstance(message, backend.CommandComplete):
            channel.statements.completed(message.tag, rows=self._rows is not None)
            return Completed(channel.text(message.tag))
        if isinstance(message, backend.ErrorResponse):
            return Failed(errors.from_diagnostics(channel.diagnostics(message.fields)))
        if isinstance(message, backend.EmptyQueryResponse):
            return EmptyQuery()
        if isinstance(message, backend.ReadyForQuery):
            self.done = True
        if isinstance(message, backend.DataRow | backend.PortalSuspended):
            # The state takes either after a Bind alone, since columns may be known, as those of a
            # prepared statement are, and rows limited; but then they are not for this method.
            raise errors.ProtocolError(
                'server sent data ("D" message) without prior row description ("T" message)'
                if isinstance(message, backend.DataRow)
                else f"unexpected {message.label} from server",
                detail=f"{message.label} in phase {channel.state.phase}",
            )
        return None  # ParseComplete, BindComplete, NoData: nothing that a caller would see

    def _copy_out(self, copied: CopiedOut) -> Flow[CopiedOut]:
        channel = self._channel
        frames = channel.frames
        pieces: list[bytes | bytearray] = []
        while copied.tag is None and copied.error is None:
            begin, stop = frames.bounds
            data, count, end = payload(frames.data, begin, stop, frames.maximum)
            if count:
                channel.state.received(_COPY_DATA, frames.data, begin + 5, end)
                frames.take(end)
                pieces.append(data)
                continue
            kind, start, end = yield from channel.receive()
            message = channel.decode(kind, start, end)
            if isinstance(message, CopyData):
                pieces.append(message.data)
            elif isinstance(outcome := self._outcome(message), Completed):
                copied.tag = outcome.tag
            elif isinstance(outcome, Failed):
                copied.error = outcome.error
        copied.data = b"".join(pieces)
        return copied

    def _refuse_copy(self, direction: str) -> Flow[CopyRefused]:
        channel = self._channel
        refused = CopyRefused(direction)
        if direction == "FROM STDIN":
            # The Sync that was sent with an extended query has been swallowed by the copy (54.2.6).
            sync = [Sync()] if self._extended else []
            yield channel.send(CopyFail(refused.error.message.encode()), *sync)
        elif direction == "BOTH":
            yield channel.send(CopyDone())
        while True:
            kind, start, end = yield from channel.receive()
            if isinstance(channel.decode(kind, start, end), _COPY_ENDS):
                return refused


_COPY_ENDS = (backend.CommandComplete, backend.ErrorResponse)


def columns_of(channel: Channel, message: backend.RowDescription) -> tuple[Column, ...]:
    """The columns that a RowDescription tells of."""
    return tuple(Column.described_by(f, channel.text(f.name)) for f in message.fields)
