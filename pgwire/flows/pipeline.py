"""Pipelines: many queries in one flight, each with an answer of its own. Manual: 54.2.4.

Queries are encoded when they are queued and sent in blocks. What the server says is taken in while
a block goes out (`Channel.on_arrival`), decoded at once and given to the query that it belongs to.
So neither side ever waits for the other with full buffers, however large queries and results are,
and the receive buffer holds no more than what is not yet a whole row.

Between two Syncs lies a *segment*: what the server runs as one transaction, unless a transaction
block is open. An error ends its segment: the server discards what follows, up to the Sync.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.flows.prepared import EXECUTE, FLUSH, SYNC
from pgwire.flows.queued import Queued, QueuedQuery, QueuedSync, Spoiler
from pgwire.flows.statements import Shape, Statement
from pgwire.flows.words import copies, deallocates, defines
from pgwire.protocol import backend
from pgwire.protocol.frontend import Bind, Describe, Flush, Parse
from pgwire.types.binding import parameter_encoder
from pgwire.types.registry import Registry

BLOCK: Final = 64 * 1024
"""Bytes of queued queries that are worth sending."""

_ERROR: Final = b"E"[0]
_ASYNCHRONOUS: Final = frozenset(b"NAS")
_COPY_STARTS: Final = frozenset(b"GHW")
_DESCRIBE_PORTAL: Final = Describe(b"P", b"").encode()


class Pipelining:
    """What is under way in one pipeline; a `Conversation` of the session."""

    what = "the pipeline"

    def __init__(self, channel: Channel, deadline: float | None) -> None:
        self.deadline = deadline
        self.ended = False
        """Whether nothing more can be queued."""
        self._channel = channel
        self._numbers = 0
        self._block: list[bytes] = []  # messages that have been queued and not yet sent …
        self._steps: list[str] = []  # … the steps that they add to the state of the connection …
        self._size = 0  # … their bytes …
        self._unsent: list[Queued] = []  # … and what they are messages of
        self._sent: deque[Queued] = deque()  # what waits for its answer
        self._open = False  # something has been sent since the last Sync
        self._begun = False  # something has been queued since the last Sync
        self._flushed = True  # what has been queued last asks the server to answer at once
        self._failed: Queued | None = None  # what has failed since the last Sync
        self._raised: BaseException | None = None  # by what has been taken in while sending
        self._last_words: errors.DatabaseError | None = None
        self._preparing: dict[tuple[str, tuple[int, ...]], Statement] = {}  # in this segment
        self._unlooked: list[Queued] = []  # what has failed, in order

    # Queueing. Nothing is sent, nothing waits.

    def query(self, sql: str, params: Sequence[object], registry: Registry) -> QueuedQuery:
        """Queue a query. Raises, and queues nothing, if it cannot be sent."""
        channel = self._channel
        statements = channel.statements
        oids, formats, values = parameter_encoder(registry, channel.context).encode(params)
        statement = statements.find(sql, oids)
        messages: list[bytes] = []
        steps: tuple[str, ...] = ("bind", "execute")
        shape: Shape | None = None
        prepares = False
        if statement is not None and statement.name and statement.verified:
            shape = statement.shape(registry, channel.context)
            messages.append(statement.bind(formats, values, shape))
        else:
            if copies(sql):
                raise errors.NotSupportedError(
                    "COPY is not possible in a pipeline", sqlstate="0A000"
                )
            if statement is None:
                statement = self._preparing.get((sql, oids))
            if statement is None or not statement.name:
                prepares = True
                statement = statements.new(sql, oids)
                text = channel.encode(sql, "the query")
                messages.append(Parse(statement.name, text, oids).encode())
                messages.append(Describe(b"S", statement.name).encode())
            messages.append(Bind(b"", statement.name, formats, values, ()).encode())
            if prepares:
                steps = ("parse", "describe statement", "bind", "execute")
            elif not statement.verified:
                # What it returns may have changed since it was described: EXECUTE, SHOW, ….
                messages.append(_DESCRIBE_PORTAL)
                steps = ("bind", "describe", "execute described")
            if deallocates(sql) or defines(sql):
                # What is queued after it must not count on any statement that is there now.
                if deallocates(sql):
                    statements.completed(b"DISCARD ALL")
                else:
                    statements.forget()
                self._preparing.clear()
                for earlier in (*self._sent, *self._unsent):
                    if isinstance(earlier, QueuedQuery):
                        earlier.forget_statement()
            elif prepares and statement.name:
                self._preparing[sql, oids] = statement
        self._numbers += 1
        queued = QueuedQuery(self._numbers, registry, statement, shape, prepares=prepares)
        if self._failed is not None:
            self._abort(queued, self._failed)
            self._ended(queued)
            return queued
        self._begin()
        messages.append(EXECUTE)
        self._queue(queued, b"".join(messages), steps)
        return queued

    def sync(self) -> QueuedSync:
        """Queue the end of the segment."""
        queued = QueuedSync(self._numbers)
        self._failed = None
        self._preparing.clear()
        self._begun = False
        self._queue(queued, SYNC, ("sync",))
        self._flushed = True
        return queued

    @property
    def full(self) -> bool:
        """Whether so much has been queued that it should be sent."""
        return self._size >= BLOCK

    @property
    def done(self) -> bool:
        """Whether nothing is queued or under way any more, and nothing can be."""
        return self.ended and not self._sent and not self._open

    @property
    def last_words(self) -> errors.DatabaseError | None:
        """The error with which the server has ended the session."""
        return self._last_words

    def unlooked(self) -> Exception | None:
        """The first error that nobody has looked at. Who has seen why a query has failed knows of
        those that were not run for that."""
        for queued in self._unlooked:
            if not (queued.looked_at or (queued.cause is not None and queued.cause.looked_at)):
                return queued.error
        return None

    # Flows.

    def flush(self) -> Flow[None]:
        """Send what has been queued, and take in what comes meanwhile."""
        if not self._block:
            return
        channel = self._channel
        data = b"".join(self._block)
        self._open = self._steps[-1] != "sync"
        data = channel.send_encoded(data, self._steps)
        for queued in self._unsent:
            if queued.done:
                self._ended(queued)
            else:
                self._sent.append(queued)
        self._drop_block()
        channel.on_arrival = self._arrived
        try:
            yield data
        finally:
            channel.on_arrival = None
        self._take()

    def ask(self) -> Flow[None]:
        """Send what has been queued, and have the server answer what it has been asked so far."""
        if self._block:
            if not self._flushed:
                self._block.append(FLUSH)
                self._flushed = True
            yield from self.flush()
        elif not self._flushed:
            self._flushed = True
            yield self._channel.send(Flush())

    def wait(self, queued: Queued) -> Flow[None]:
        """Read until `queued` has its answer."""
        self._take()
        if not queued.done:
            yield from self.ask()
            yield from self._read_until(queued)

    def finish(self) -> Flow[None]:
        """End the last segment, and read everything."""
        if self._begun:
            self.sync()
        yield from self.flush()
        if self._sent:
            yield from self._read_until(self._sent[-1])
        self.ended = True

    def stop(self) -> None:
        """Send no more of what has been queued."""
        self.ended = True
        self._channel.on_arrival = None
        self._raised = None
        unsent = self._unsent
        self._drop_block()
        for queued in unsent:
            if not queued.done:
                self._fail(queued, errors.PipelineAborted(f"{queued} was not sent"))
            self._ended(queued)

    def rest(self) -> Flow[None]:
        """Send no more of what has been queued, undo the segment that is not complete, and read
        what the server still says."""
        self.stop()
        if self._sent and self._sent[0].begun:
            # Nobody knows what has been lost of its result.
            self._fail(self._sent[0], errors.PipelineAborted(f"{self._sent[0]} was interrupted"))
        if self._open:
            data, steps, sync = SYNC, ["sync"], QueuedSync(self._numbers)
            if self._failed is None:
                # A Sync alone would commit.
                spoiler = Spoiler(self._numbers)
                data, steps = spoiler.message + SYNC, ["execute", "sync"]
                self._sent.append(spoiler)
            self._sent.append(sync)
            self._open = self._begun = False
            yield self._channel.send_encoded(data, steps)
        self._take()
        while self._sent:
            yield from self._receive()

    def lose(self, error: errors.Error) -> None:
        """The connection is gone: nothing gets an answer any more."""
        self.ended = True
        self._open = self._begun = False
        waiting = [*self._sent, *self._unsent]
        self._sent.clear()
        self._drop_block()
        for queued in waiting:
            if not queued.done:
                self._fail(queued, error)
            self._ended(queued)

    # Sending.

    def _begin(self) -> None:
        """Before the first message of a segment. Statements that have gone out of use are closed
        here, where no error can make the server discard that."""
        if self._begun:
            return
        self._begun = True
        for message in self._channel.statements.take_closing():
            self._block.append(message.encode())
            self._steps.append("close")

    def _queue(self, queued: Queued, data: bytes, steps: Sequence[str]) -> None:
        self._block.append(data)
        self._size += len(data)
        self._steps += steps
        self._unsent.append(queued)
        self._flushed = False

    def _drop_block(self) -> None:
        self._block, self._steps, self._size, self._unsent = [], [], 0, []

    # Receiving.

    def _arrived(self) -> None:
        """Something has come while a block goes out. What it raises is raised when the block is
        out: in the middle of input and output it would cost the connection."""
        if self._raised is None:
            try:
                self._take()
            except BaseException as error:
                self._raised = error

    def _read_until(self, queued: Queued) -> Flow[None]:
        self._take()
        while not queued.done:
            yield from self._receive()

    def _receive(self) -> Flow[None]:
        """Wait for something, and take it in."""
        self._channel.check_open()
        yield RECEIVE
        self._take()

    def _take(self) -> None:
        """Take in the messages that have come in whole."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        channel, sent = self._channel, self._sent
        frames, state = channel.frames, channel.state
        while True:
            while sent and sent[0].done:
                self._ended(sent.popleft())
            if sent and sent[0].take_run(channel):
                continue
            frame = frames.next_frame()
            if frame is None:
                return
            kind, start, end = frame
            state.received(kind, frames.data, start, end)
            if kind in _ASYNCHRONOUS:
                channel.take_asynchronous(kind, start, end)
            elif kind == _ERROR:
                refusal = backend.ErrorResponse.decode(bytes(frames.data[start:end]))
                self._take_error(errors.from_diagnostics(channel.diagnostics(refusal.fields)))
            elif kind in _COPY_STARTS:
                state.close()
                raise errors.ProtocolError("the server has begun a COPY in a pipeline")
            elif sent:
                sent[0].take(channel, kind, start, end)

    def _take_error(self, error: errors.DatabaseError) -> None:
        if self._channel.state.phase == "CLOSED":
            self._last_words = error
        if not self._sent:
            raise error
        failed = self._sent[0]
        self._fail(failed, error)
        if isinstance(failed, QueuedSync):
            return  # the transaction could not be committed; ReadyForQuery is still to come
        failed.refused(self._channel.statements)
        failed.done = True
        # The server discards what follows in the segment, whether it has been sent or will be.
        for queued in (*self._sent, *self._unsent):
            if isinstance(queued, QueuedSync):
                return
            if not queued.done:
                self._abort(queued, failed)
        self._failed = failed
        self._preparing.clear()

    def _abort(self, queued: Queued, failed: Queued) -> None:
        aborted = errors.PipelineAborted(
            f"{queued} was not run, since {failed} has failed before it"
        )
        aborted.__cause__ = failed.error
        queued.cause = failed
        self._fail(queued, aborted)
        queued.done = True

    def _fail(self, queued: Queued, error: errors.Error) -> None:
        if queued.error is None:
            queued.error = error
            if not isinstance(error, errors.PipelineAborted | errors.ConnectionLost):
                error.add_note(str(queued))

    def _ended(self, queued: Queued) -> None:
        queued.done = True
        if queued.error is not None and not queued.looked_at:
            self._unlooked.append(queued)
