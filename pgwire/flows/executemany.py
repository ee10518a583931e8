"""One statement for many rows of parameters, in one flight. Manual: 54.2.4.

Rows are sent in blocks, each with a Flush; before a block goes out, the one before the last must
have been answered. So an error is met soon, both sides always have work, and neither waits for
ever. There is one Sync, at the end: outside a transaction block all rows are one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.pipeline import Pipelining
from pgwire.flows.queued import BOUND_AND_RUN, Likely, QueuedPreparation, QueuedRows
from pgwire.flows.rowbinding import RowBinder, Unsuitable, wrong_number
from pgwire.flows.statements import Statement, stale
from pgwire.flows.words import copies
from pgwire.protocol.constants import IDLE
from pgwire.protocol.frontend import Describe, Parse
from pgwire.types.binding import parameter_encoder
from pgwire.types.registry import Registry

ROWS: Final = 1000
"""Rows of a block, at most."""

BYTES: Final = 256 * 1024
"""Bytes of a block that end it."""

AT_ONCE: Final = 32
"""Rows that are taken at once from a source that makes them: nobody knows how long they are."""

_WINDOW: Final = 2  # blocks in flight


class ManyRows(Pipelining):
    """What is under way in one `executemany`; a `Conversation` of the session."""

    what = "executemany"

    def __init__(
        self, channel: Channel, deadline: float | None, sql: str, registry: Registry
    ) -> None:
        super().__init__(channel, deadline)
        if copies(sql):
            raise errors.NotSupportedError("COPY is not possible in executemany", sqlstate="0A000")
        self._sql = sql
        self._registry = registry
        self._taken = 0  # rows
        self._messages: list[bytes] = []  # of the next block
        self._count = 0  # of its rows
        self._weight = 0  # of its messages, in bytes
        self._blocks: deque[QueuedRows] = deque()  # in flight
        self._likely = Likely()
        self._statement: Statement | None = None
        self._binder: RowBinder | None = None
        self._kept = False  # the statement had been prepared before
        self.affected = 0
        """How many rows have been affected, by all blocks that have been answered."""

    def rows(self, rows: Sequence[Sequence[object]]) -> Flow[None]:
        """Take some rows, and send what makes a block. Raises what has gone wrong with one of them,
        or one before, with a note that tells which."""
        first = self._taken + 1
        position = 0
        while position < len(rows):
            try:
                if self._binder is None:
                    yield from self._prepare(self._types(rows[position]), first + position)
                stop = self._pack(rows, position)
            except Unsuitable as otherwise:
                yield from self._prepare(otherwise.oids, first + position)
                continue
            except errors.Error as error:
                if not self._failed:
                    error.add_note(f"row {first + position} of params_seq")
                raise
            self._taken = first + stop - 1
            self._count += stop - position
            if self._kept:
                block = yield from self._send()
                while not (block.taken or block.done):
                    yield from self._receive()
                if (yield from self._repeat(block)):
                    self._taken = first + position - 1
                    continue
                self._kept = False
            elif self._count >= ROWS or self._weight >= BYTES:
                yield from self._send()
                while len(self._blocks) > _WINDOW:
                    yield from self._settle()
            self._check()
            position = stop

    def finish(self) -> Flow[None]:
        """As in `Pipelining`. Raises what has gone wrong."""
        yield from self._settle_all()
        yield from super().finish()
        self._check()

    def _types(self, row: Sequence[object]) -> tuple[int, ...]:
        return parameter_encoder(self._registry, self._channel.context).encode(row)[0]

    def _pack(self, rows: Sequence[Sequence[object]], position: int) -> int:
        """Add `rows` from `position` on to the block; where it stopped."""
        assert self._binder is not None
        stop, size = self._binder.pack(rows, position, self._messages, BYTES - self._weight)
        if stop == position:
            message = self._binder.bind_plainly(rows[position])
            self._messages.append(message)
            stop, size = position + 1, len(message)
        self._weight += size
        return stop

    def _send(self) -> Flow[QueuedRows]:
        """Send the block."""
        count, messages = self._count, self._messages
        block = QueuedRows(self._taken - count + 1, count, self._likely)
        self._messages, self._count, self._weight = [], 0, 0
        self._begin()
        self._queue(block, b"".join(messages), BOUND_AND_RUN * count)
        self._blocks.append(block)
        yield from self.ask()
        return block

    def _settle_all(self) -> Flow[None]:
        if self._count:
            yield from self._send()
        while self._blocks:
            yield from self._settle()

    def _prepare(self, oids: tuple[int, ...], number: int) -> Flow[None]:
        """Use the statement with parameters declared as `oids` from row `number` on."""
        if self._count:
            yield from self._send()
        while len(self._blocks) > _WINDOW:
            yield from self._settle()
        self._check()
        channel = self._channel
        statement = channel.statements.find(self._sql, oids)
        known = statement is not None and bool(statement.name)
        self._kept = known and number == 1
        if statement is None or not known:
            statement = channel.statements.new(self._sql, oids)
            preparation = QueuedPreparation(number, statement)
            text = channel.encode(self._sql, "the query")
            messages = (Parse(statement.name, text, oids), Describe(b"S", statement.name))
            self._begin()
            self._queue(
                preparation,
                b"".join([message.encode() for message in messages]),
                ("parse", "describe statement"),
            )
            yield from self.wait(preparation)
            self._check()
        if len(statement.parameters) != len(oids):
            raise wrong_number(len(statement.parameters), len(oids))
        encoder = parameter_encoder(self._registry, channel.context)
        self._statement = statement
        self._binder = RowBinder(statement, encoder)

    def _repeat(self, block: QueuedRows) -> Flow[bool]:
        """Whether `block`, the first of a statement that had been kept, must be sent again, since
        the server does not know the statement any more, or not as it was."""
        channel = self._channel
        error, statement = block.error, self._statement
        if (
            block.taken
            or statement is None
            or not isinstance(error, errors.DatabaseError)
            or block.begun
            or not stale(error, statement)
        ):
            return False
        channel.statements.drop(statement)
        if block.number > 1 or channel.state.transaction_status != IDLE.decode():
            return False
        block.looked_at = True
        self._blocks.clear()
        self._binder = self._statement = None
        sync = self.sync()
        yield from self.flush()
        yield from self._read_until(sync)
        return True

    def _settle(self) -> Flow[None]:
        """Wait until the oldest block has been answered."""
        block = self._blocks[0]
        yield from self._read_until(block)
        self.affected += block.affected
        self._blocks.popleft()

    def _check(self) -> None:
        error = self.unlooked()
        if error is not None:
            raise error
