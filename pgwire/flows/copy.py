"""COPY: the conversation of one that takes data and of one that gives it. Manual: 54.2.6.

Both begin as a simple query. Commands that stand beside the COPY in its string are run; a second
COPY is refused, since nobody could tell whose data is whose.
"""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, Final

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.protocol import backend
from pgwire.protocol.copydata import CopyData, CopyDone, CopyFail, CopyInResponse, CopyOutResponse
from pgwire.protocol.copystream import complete_frames, payload
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.frontend import Query

__all__ = ["CHUNK", "Copy", "CopyIn", "CopyOut"]

CHUNK: Final = 256 * 1024
"""Bytes of data that go into one CopyData at most."""

_DATA: Final = b"d"[0]
_ASYNCHRONOUS: Final = frozenset(b"NAS")
_DIRECTIONS: Final = {b"G"[0]: "FROM STDIN", b"H"[0]: "TO STDOUT", b"W"[0]: "BOTH"}
_METHODS: Final = {"FROM STDIN": "copy_in", "TO STDOUT": "copy_out"}
_FORWARDED: Final = CopyData(b"")
_REASON: Final = 1000  # characters of a CopyFail


class Copy:
    """What both directions have in common, from the query to its ReadyForQuery.

    `format` is 0 for text and CSV, 1 for binary; `column_formats` has a code per column: both are
    known when `start` has returned true. `tag` is the command tag of the COPY; `error` the first
    thing that went wrong, which is raised by nobody here.
    """

    _begins: ClassVar[int]

    __slots__ = (
        "_channel",
        "_sql",
        "begun",
        "column_formats",
        "deadline",
        "done",
        "error",
        "format",
        "tag",
    )

    def __init__(self, channel: Channel, sql: str, deadline: float | None) -> None:
        self._channel = channel
        self._sql = sql
        self.deadline = deadline
        self.begun = False
        self.done = False
        self.format = 0
        self.column_formats: tuple[int, ...] = ()
        self.tag: str | None = None
        self.error: errors.DatabaseError | None = None

    @property
    def frames(self) -> FrameBuffer:
        """The receive buffer, in which `CopyOut.read_frames` gives bounds."""
        return self._channel.frames

    @property
    def rows(self) -> int:
        """The number of rows copied, as the server counts them; 0 before it has told."""
        count = (self.tag or "").removeprefix("COPY ")
        return int(count) if count.isascii() and count.isdecimal() else 0

    def start(self) -> Flow[bool]:
        """Send the query, and read on to where the data begins. False if there is none to begin:
        the conversation is over then, and `error` says why."""
        yield self._channel.send(Query(self._channel.encode(self._sql, "the query")))
        if (yield from self._read()):
            return True
        if self.error is None:
            wanted = _DIRECTIONS[self._begins]
            self.error = errors.ProgrammingError(
                f"{_METHODS[wanted]} needs a COPY … {wanted}, which the query does not hold"
            )
        return False

    def rest(self) -> Flow[None]:
        """Skip what is left, to ReadyForQuery. A server that waits for data gets a CopyFail."""
        yield from self._give_up("COPY was given up by the client")

    def last_words(self) -> errors.DatabaseError | None:
        """The error that a server has sent before the connection was lost, if any."""
        with suppress(errors.ProtocolError):
            self._look()
        return self.error

    def _give_up(self, reason: str) -> Flow[None]:
        channel = self._channel
        text = reason[:_REASON].replace("\0", "")
        data = text.encode(channel.context.encoding, "backslashreplace")
        while True:
            if channel.state.phase == "COPY_IN":
                yield channel.send(CopyFail(data))
            if not (yield from self._read()):
                return
            # It had not begun when it was given up, and now it has.

    def _read(self) -> Flow[bool]:
        """Read on until the data begins, or, false, the server is ready for the next query."""
        channel = self._channel
        frames = channel.frames
        while not self.done:
            start, end = frames.bounds
            count, _, stop = complete_frames(frames.data, start, end, frames.maximum)
            if count:  # what is skipped, is skipped in bulk
                channel.state.received(_DATA, frames.data, start + 5, stop)
                frames.take(stop)
            begun = self.begun
            answer = self._take(*(yield from channel.receive()))
            if answer is not None:
                yield answer
            if begun is not self.begun:
                return True
        return False

    def _look(self) -> None:
        """Deal with what has come already."""
        channel = self._channel
        while not self.done and channel.frames.peek() is not None:
            frame = channel.frames.next_frame()
            assert frame is not None  # it has just been seen
            kind, start, end = frame
            channel.state.received(kind, channel.frames.data, start, end)
            if kind in _ASYNCHRONOUS:
                channel.take_asynchronous(kind, start, end)
            else:
                self._take(kind, start, end)

    def _take(self, kind: int, start: int, end: int) -> bytes | None:
        """Deal with one message; what is to be sent in answer, if anything."""
        if kind == _DATA:
            return None  # of a COPY that has been refused
        channel = self._channel
        message = channel.decode(kind, start, end)
        if kind in _DIRECTIONS:
            if kind != self._begins or self.begun:
                return self._refuse(_DIRECTIONS[kind])
            assert isinstance(message, CopyInResponse | CopyOutResponse)
            self.begun = True
            self.format = message.overall_format
            self.column_formats = message.column_formats
        elif isinstance(message, backend.CommandComplete):
            channel.statements.completed(message.tag)
            if self.begun and self.tag is None:
                self.tag = channel.text(message.tag)
        elif isinstance(message, backend.ErrorResponse):
            self._fail(errors.from_diagnostics(channel.diagnostics(message.fields)))
        elif isinstance(message, backend.ReadyForQuery):
            self.done = True
        return None

    def _refuse(self, direction: str) -> bytes | None:
        if self.begun:
            text = "the query holds more than one COPY: copy them one at a time"
        elif direction == "BOTH":
            text = "COPY BOTH, which is for replication, cannot be served"
        else:
            text = f"the query is a COPY {direction}: use {_METHODS[direction]}"
        error = errors.ProgrammingError(text)
        self._fail(error)
        if direction == "FROM STDIN":
            return self._channel.send(CopyFail(error.message.encode()))
        return self._channel.send(CopyDone()) if direction == "BOTH" else None

    def _fail(self, error: errors.DatabaseError) -> None:
        if self.error is None:
            self.error = error


class CopyIn(Copy):
    """A COPY FROM STDIN: `start`, `write` as often as you like, then `finish`, or `fail`."""

    _begins = b"G"[0]
    __slots__ = ()

    def write(self, data: bytes | bytearray | memoryview) -> Flow[bool]:
        """Send some data. False if the server has refused what it got so far: what follows is
        of no use, and `finish` is to be called."""
        with memoryview(data) as view:
            for position in range(0, len(view), CHUNK):
                self._look()
                if self.error is not None:
                    return False
                whole = len(view) <= CHUNK and type(data) is bytes
                piece = data if whole else bytes(view[position : position + CHUNK])
                yield self._channel.send(CopyData(piece))  # type: ignore[arg-type]
        return True

    def forward(self, frames: bytes) -> Flow[bool]:
        """As `write`, for complete CopyData messages of another server's COPY TO STDOUT."""
        self._look()
        if self.error is not None:
            return False
        channel = self._channel
        channel.state.sent(_FORWARDED)
        encrypted = channel.layer is not None and channel.secured
        yield channel.layer.encrypt(frames) if encrypted else frames  # type: ignore[union-attr]
        return True

    def poll(self) -> Flow[None]:
        """Take in what the server says, if anything: to be run with a deadline that has passed."""
        self._look()
        if self.error is None:
            yield RECEIVE

    def finish(self) -> Flow[None]:
        """The data is complete: read on to ReadyForQuery."""
        self._look()
        if self._channel.state.phase == "COPY_IN":
            yield self._channel.send(CopyDone())
        yield from self._read()

    def fail(self, reason: str) -> Flow[None]:
        """Give the COPY up, which the server undoes, and read on to ReadyForQuery."""
        yield from self._give_up(reason)


class CopyOut(Copy):
    """A COPY TO STDOUT: `start`, then `read` or `read_frames` until it returns None."""

    left_open = "the data of a COPY"
    """What it is to whoever finds the connection busy with it."""

    _begins = b"H"[0]
    __slots__ = ("messages",)

    def __init__(self, channel: Channel, sql: str, deadline: float | None) -> None:
        super().__init__(channel, sql, deadline)
        self.messages = 0
        """How many CopyData have come: servers send one per row, and a header or trailer."""

    def read(self) -> Flow[bytes | bytearray | None]:
        """The data that has come, None at its end; then `error` tells whether it is complete."""
        channel = self._channel
        frames = channel.frames
        while not self.done:
            start, end = frames.bounds
            data = frames.data
            held, count, stop = payload(data, start, end, frames.maximum)
            if count:
                channel.state.received(_DATA, data, start + 5, stop)
                frames.take(stop)
                self.messages += count
                return held
            single = yield from self._next()
            if single is not None:
                self.messages += 1
                return bytes(frames.data[single[0] : single[1]])
        return None

    def read_frames(self) -> Flow[tuple[int, int, int] | None]:
        """As `read`, but where the messages are in `channel.frames.data`, good until the next step:
        their begin, the begin of the last one, their end."""
        channel = self._channel
        frames = channel.frames
        while not self.done:
            start, end = frames.bounds
            data = frames.data
            count, last, stop = complete_frames(data, start, end, frames.maximum)
            if count:
                channel.state.received(_DATA, data, start + 5, stop)
                frames.take(stop)
                self.messages += count
                return start, last, stop
            single = yield from self._next()
            if single is not None:
                self.messages += 1
                return single[0] - 5, single[0] - 5, single[1]
        return None

    def _next(self) -> Flow[tuple[int, int] | None]:
        """Deal with the next message; the bounds of its body if it is data after all."""
        channel = self._channel
        if channel.frames.peek() is None:
            channel.check_open()
            yield RECEIVE
            return None
        kind, start, end = yield from channel.receive()
        if kind == _DATA and self.tag is None and self.error is None:
            return start, end
        answer = self._take(kind, start, end)
        if answer is not None:
            yield answer
        return None
