"""Statements that are prepared once and run many times. Manual: 54.2.3 Extended Query.

The first use of a statement asks what it takes and returns, and waits for the answer: then each
column is asked for in the format that is decoded best. After that a query is one flight, Bind,
Execute and Sync. Where only the unnamed statement is used, Parse flies with them.

A statement that has been kept may be out of date. If the server says so before it has begun to run
it, outside a transaction block nothing is lost: it is prepared anew and run. Inside a block the
error has ended the transaction, so it is the caller's; but the next use prepares it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.query import Exchange, Failed, Outcome, RowSet, columns_of, skip
from pgwire.flows.statements import Shape, Statement, stale
from pgwire.flows.whole import READY_FOR_QUERY, Whole, command_tag
from pgwire.protocol import backend
from pgwire.protocol.constants import IDLE
from pgwire.protocol.frontend import Describe, Execute, Flush, Parse, Sync
from pgwire.protocol.message import Message
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.registry import Registry

EXECUTE: Final = Execute(b"", 0).encode()
SYNC: Final = Sync().encode()
FLUSH: Final = Flush().encode()

_DESCRIBE_PORTAL: Final = Describe(b"P", b"").encode()
_FLIGHT: Final = ("bind", "execute", "sync")
_EXECUTES: Final = {False: "execute", True: "execute described"}

_BIND_COMPLETE: Final = backend.BindComplete().encode()


def prepare(channel: Channel, sql: str, oids: Sequence[int]) -> Flow[Statement]:
    """The statement for `sql` with parameters declared as `oids`: the one that is kept, or a new
    one. It has a name, or is the unnamed statement now.

    Raises the server's error, after its ReadyForQuery, with nothing kept. When a statement has
    been prepared, the connection is in the middle of an extended query: a Sync must follow.
    """
    statements = channel.statements
    statement = statements.find(sql, tuple(oids))
    if statement is not None and statement.name:
        return statement
    statement = statements.new(sql, oids)
    request: list[Message] = [
        *statements.take_closing(),
        Parse(statement.name, channel.encode(sql, "the query"), statement.oids),
        Describe(b"S", statement.name),
        Flush(),
    ]
    # Whatever becomes of this flow: a statement that nobody keeps is not left on the server.
    statements.close(statement)
    yield channel.send(*request)
    while True:
        kind, start, end = yield from channel.receive()
        message = channel.decode(kind, start, end)
        if isinstance(message, backend.ErrorResponse):
            error = errors.from_diagnostics(channel.diagnostics(message.fields))
            statements.closed(statement)
            yield from settle(channel)
            raise error
        if isinstance(message, backend.ParameterDescription):
            statement.parameters = message.types
        elif isinstance(message, backend.RowDescription):
            statement.columns = columns_of(channel, message)
            break
        elif isinstance(message, backend.NoData):
            break
    statements.closed(statement)
    statements.keep(statement)
    return statement


def settle(channel: Channel) -> Flow[None]:
    """End an extended query wherever it is, by a Sync if it has none, and read on to its
    ReadyForQuery. May be called again when it has been cut short."""
    if channel.state.phase == "CLOSED":
        return
    if channel.state.unsynced:
        yield channel.send_encoded(SYNC, ("sync",))
    yield from skip(channel)


class PreparedQuery(Exchange):
    """A statement with its parameters, run by way of the statements that the session keeps."""

    __slots__ = (
        "_bound",
        "_formats",
        "_oids",
        "_registry",
        "_reused",
        "_sql",
        "_statement",
        "_values",
        "shape",
        "started",
    )

    def __init__(
        self,
        channel: Channel,
        sql: str,
        oids: tuple[int, ...],
        formats: Sequence[int],
        values: Sequence[bytes | None],
        registry: Registry,
    ) -> None:
        """`oids` are the types of the parameters (0: the server infers it), `values` their
        encodings (None: NULL), `formats` theirs (0 text, 1 binary; empty: all text)."""
        super().__init__(channel, (), extended=True)
        self._sql = sql
        self._oids = oids
        self._formats = formats
        self._values = values
        self._registry = registry
        self._statement: Statement | None = None
        self._reused = False
        self._bound = False
        self.shape: Shape | None = None
        """How its rows come, as soon as it has been sent."""
        self.started = False
        """Whether anything may have been sent."""

    def send(self) -> Flow[None]:
        """Send the query, after preparing it if need be. Raises the server's error of that."""
        flight = self.flight()
        if flight is None:
            channel = self._channel
            try:
                statement = yield from prepare(channel, self._sql, self._oids)
            finally:
                self.done = channel.state.phase in ("READY", "CLOSED")
            flight = self._sent(statement)
        yield flight

    def flight(self) -> bytes | None:
        """What has to be sent, all at once, and counts as sent from now on; None if the statement
        is to be prepared first."""
        self.started = True
        statement = self._channel.statements.find(self._sql, self._oids)
        self._reused = statement is not None
        return None if statement is None else self._sent(statement)

    def _sent(self, statement: Statement) -> bytes:
        self._statement = statement
        data, steps = self._flight(statement)
        return self._channel.send_encoded(data, steps)

    def _flight(self, statement: Statement) -> tuple[bytes, Sequence[str]]:
        """What is sent to run the statement, once it is known; and the steps that this adds."""
        channel = self._channel
        shape = self.shape = statement.shape(self._registry, channel.context)
        before: list[Message] = channel.statements.take_closing() if self._reused else []
        described = self._described(statement)
        if not before and not described:
            if self._values:
                bind = statement.bind(self._formats, self._values, shape)
                return b"".join((bind, EXECUTE, SYNC)), _FLIGHT
            if shape.flight is None:
                shape.flight = statement.bind((), (), shape) + EXECUTE + SYNC
            return shape.flight, _FLIGHT
        parts, steps = self._opening(statement, shape, before)
        return b"".join((*parts, EXECUTE, SYNC)), (*steps, _EXECUTES[described], "sync")

    def _opening(
        self, statement: Statement, shape: Shape, before: Sequence[Message]
    ) -> tuple[list[bytes], list[str]]:
        """What makes the portal, all that comes before Execute; and the steps that this adds."""
        parts = [message.encode() for message in before]
        steps = ["close"] * len(parts)
        if self._reused and not statement.name:
            sql = self._channel.encode(self._sql, "the query")
            parts.append(Parse(b"", sql, self._oids).encode())
            steps.append("parse")
        parts.append(statement.bind(self._formats, self._values, shape))
        steps.append("bind")
        if self._described(statement):
            parts.append(_DESCRIBE_PORTAL)
            steps.append("describe")
        return parts, steps

    def _described(self, statement: Statement) -> bool:
        """Whether the portal is described: what is known of its columns may be out of date."""
        return not statement.verified or not statement.name

    def whole_reply(self) -> Whole | None:
        """The rows, their columns and the command tag, if a whole reply has come, and nothing
        else; otherwise None, and nothing has been taken: then read on by `next_result`.

        This is what nearly every reply looks like: BindComplete, DataRows, CommandComplete and
        ReadyForQuery, to the last byte. Their order is the one that the state expects, or the
        state says no.
        """
        channel, shape = self._channel, self.shape
        frames = channel.frames
        start, end = frames.bounds
        data = frames.data
        stop = end - 6
        first = start + 5
        if stop < first or not (
            data.startswith(READY_FOR_QUERY, stop) and data.startswith(_BIND_COMPLETE, start)
        ):
            return None
        rows: list[Row] = []
        columns: tuple[Column, ...] = ()
        if shape is not None and shape.columns is not None and shape.decoder is not None:
            columns = shape.columns
            try:
                rows, first = shape.decoder(data, first, stop)
            except errors.ProtocolError:
                return None  # to be met again, and told of, where rows are read one by one
        known = None if shape is None else shape.ending
        if known is not None and len(known[0]) == end - first and data.startswith(known[0], first):
            # The very bytes with which the last reply ended, as those of most queries do.
            if not channel.state.answered(_FLIGHT, data[end - 1]):
                return None
            frames.take(end)
            self.done = True
            return rows, columns, known[1]
        tag = command_tag(data, first, end)
        if tag is None or not channel.state.answered(_FLIGHT, data[end - 1]):
            return None
        frames.take(end)
        channel.statements.completed(tag, rows=shape is not None and shape.columns is not None)
        self.done = True
        text = channel.text(tag)
        if shape is not None and shape.columns is not None:  # a DEALLOCATE has none
            shape.ending = bytes(data[first:end]), text
        return rows, columns, text

    def next_result(self) -> Flow[Outcome | None]:
        """As in `Exchange`."""
        channel = self._channel
        while self._rows is not None:
            yield from self.next_rows()
        while not self.done and not self._bound:
            kind, start, end = yield from channel.receive()
            message = channel.decode(kind, start, end)
            if isinstance(message, backend.BindComplete):
                self._bound = True
                if self.shape is not None and self.shape.columns is not None:
                    assert self._statement is not None
                    if not self._described(self._statement):
                        self._rows = RowSet(self.shape.columns)
                        return self._rows
            elif isinstance(message, backend.ErrorResponse):
                error = errors.from_diagnostics(channel.diagnostics(message.fields))
                if not (yield from self._again(error)):
                    return Failed(error)
            elif isinstance(message, backend.ReadyForQuery):
                self.done = True
        return (yield from super().next_result())

    def _again(self, error: errors.DatabaseError) -> Flow[bool]:
        """The statement was refused before it ran: prepare it anew and send it, if that helps."""
        channel, statement = self._channel, self._statement
        if not self._reused or statement is None or not stale(error, statement):
            return False
        channel.statements.drop(statement)
        # Before its ReadyForQuery the state still tells how things stood when it was sent.
        if channel.state.transaction_status != IDLE.decode() or channel.state.phase == "CLOSED":
            return False
        yield from settle(channel)
        yield from self.send()
        return True

    def finish(self) -> Flow[errors.DatabaseError | None]:
        """As in `Exchange`."""
        if self._channel.state.unsynced:
            yield from settle(self._channel)
            self._rows = None
            self.done = True
        return (yield from super().finish())
