"""Where messages begin and end in what has been received. Manual: 54.1.1 Messaging Overview."""

from __future__ import annotations

import struct
from typing import Final

from pgwire import errors
from pgwire.protocol.constants import BACKEND_LIMITS, FRONTEND_LIMITS, MAX_LENGTH

INITIAL_SIZE: Final = 128 * 1024
"""Bytes of the buffer. Large enough that one read brings many rows, and that the server can go on
writing while they are decoded."""

MAXIMUM: Final = 1 << 30
"""The largest frame that is taken unless another bound is asked for."""

# A buffer that is too small for the frame at its front grows by this factor, or to what the frame
# needs if that is not much more: memory is taken for what has arrived, not for what is announced.
# Each step copies what is there, so all of them together copy a fraction of a large frame.
_GROWTH: Final = 8
_LEAST_ROOM: Final = 4096

_HEADER: Final = struct.Struct("!Bi")
_DATA_ROW: Final = b"D"[0]
_SMALLEST_RUN: Final = 8

# Type byte -> largest length word; -1 where there is no such type.
_LIMITS: Final = {
    sender: [table.get(kind, -1) for kind in range(256)]
    for sender, table in (("server", BACKEND_LIMITS), ("client", FRONTEND_LIMITS))
}


class FrameBuffer:
    """A buffer that bytes are received into, and that gives the bounds of frames in it.

    `maximum` bounds the length word of every frame, in bytes; it may be changed at any time
    (nothing long is to be expected of a peer that has not authenticated). `sender` is the peer,
    "server" or "client": it decides which types there are, and which of them must be short.

    Bounds are good in `data` until the next `writable` or `feed`. All checks are made on the header
    of a frame, before memory is taken for its body: a header that cannot be right raises
    ProtocolError, and the connection has to be given up.
    """

    __slots__ = ("_end", "_limits", "_sender", "_start", "_view", "counted", "data", "maximum")

    def __init__(self, maximum: int = MAXIMUM, *, sender: str = "server") -> None:
        self.maximum = maximum
        self._sender = sender
        self._limits = _LIMITS[sender]
        self._replace(bytearray(INITIAL_SIZE))
        self._start = 0
        self._end = 0
        self.counted = 0
        """How many frames were in the run that `data_rows` gave last."""

    # Bytes in.

    def writable(self) -> memoryview:
        """Room to receive into, never empty; then call `wrote`. Earlier bounds become invalid."""
        start, end = self._start, self._end
        pending = end - start
        size = len(self.data)
        if size > INITIAL_SIZE and pending <= INITIAL_SIZE // 2:
            needed = self._needed()
            if needed <= INITIAL_SIZE:
                return self._move(INITIAL_SIZE)
        if pending == 0:
            self._start = self._end = 0
        elif size - end < size // 4:
            needed = self._needed()
            if needed > size or size - pending < _LEAST_ROOM:
                step = _GROWTH * size
                # Not one step for nearly all of it and another for the rest.
                return self._move(needed if size < needed <= 2 * step else step)
            if start:
                self.data[:pending] = self._view[start:end]
                self._start, self._end = 0, pending
        return self._view[self._end :]

    def wrote(self, count: int) -> None:
        """`count` bytes have been received into the front of the room."""
        if not 0 <= count <= len(self.data) - self._end:
            raise ValueError(f"{count} bytes do not fit into the room that was given")
        self._end += count

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes that have been received elsewhere."""
        with memoryview(data) as view:
            while view.nbytes:
                room = self.writable()
                count = min(len(room), len(view))
                room[:count] = view[:count]
                self.wrote(count)
                view = view[count:]

    @property
    def pending(self) -> int:
        """Bytes that have been received and not yet given out."""
        return self._end - self._start

    def take_byte(self) -> bytes | None:
        """The next byte by itself: the answer to a request for encryption is no frame. None if
        there is none."""
        if self._start == self._end:
            return None
        self._start += 1
        return bytes(self.data[self._start - 1 : self._start])

    # Frames out.

    def next_frame(self) -> tuple[int, int, int] | None:
        """Type byte of the next frame, and where its body begins and ends in `data`; None if it is
        not complete."""
        stop = self._stop(self._start)
        if stop == 0:
            return None
        start = self._start
        self._start = stop
        return self.data[start], start + 5, stop

    @property
    def bounds(self) -> tuple[int, int]:
        """Where what has been received and not yet given out begins and ends in `data`."""
        return self._start, self._end

    def take(self, position: int) -> None:
        """What lies before `position`, which must be in the `bounds`, has been dealt with."""
        if not self._start <= position <= self._end:
            raise ValueError(f"{position} is not within {self._start} and {self._end}")
        self._start = position

    def peek(self) -> int | None:
        """The type byte of the next frame; None if it is not complete."""
        return self.data[self._start] if self._stop(self._start) else None

    def data_rows(self) -> tuple[int, int]:
        """Where the run of complete DataRow frames at the front begins and ends in `data`, headers
        included; they are taken. Equal bounds if there is no complete DataRow at the front."""
        data, start, end = self.data, self._start, self._end
        header, maximum = _HEADER.unpack_from, self.maximum
        position = start
        counted = 0
        attempt = True
        while end - position >= 5:
            kind, length = header(data, position)
            if kind != _DATA_ROW:
                break
            if not 4 <= length <= maximum:
                raise self._lost(kind, length)
            stop = position + length + 1
            if stop > end:
                break
            if attempt:
                # Rows of fixed-width columns are all of one length: then one look at every header
                # byte by byte, each of them a strided slice, does for the whole run.
                attempt = False
                count = (end - position) // (length + 1)
                if count >= _SMALLEST_RUN and self._all_alike(position, length + 1, count):
                    stop = position + count * (length + 1)
                    counted = count - 1
            position = stop
            counted += 1
        self._start = position
        self.counted = counted
        return start, position

    def _all_alike(self, start: int, size: int, count: int) -> bool:
        """Whether `count` frames of `size` bytes from `start` have the same header."""
        data = self.data
        stop = start + count * size
        return all(
            data[offset:stop:size] == data[offset : offset + 1] * count
            for offset in range(start, start + 5)
        )

    def _stop(self, start: int) -> int:
        """Where the frame that begins at `start` ends; 0 if it is not complete."""
        pending = self._end - start
        if pending < 5:
            if pending > 0 and self._limits[self.data[start]] < 0:
                raise self._unknown(self.data[start])
            return 0
        kind, length = _HEADER.unpack_from(self.data, start)
        limit = self._limits[kind]
        if not 4 <= length <= limit or length > self.maximum:
            raise self._unknown(kind) if limit < 0 else self._lost(kind, length)
        stop: int = start + length + 1
        return stop if stop <= self._end else 0

    def _lost(self, kind: int, length: int) -> errors.ProtocolError:
        if kind == b"R"[0]:
            return errors.ProtocolError("received invalid authentication request")
        if kind == b"v"[0]:
            return errors.ProtocolError("received invalid protocol negotiation message")
        return errors.ProtocolError(
            f"lost synchronization with {self._sender}: "
            f'got message type "{shown(kind)}", length {length}'
        )

    def _unknown(self, kind: int) -> errors.ProtocolError:
        if self._sender == "client":
            return errors.ProtocolError(f"invalid frontend message type {kind}")
        return errors.ProtocolError(
            f'unexpected response from server; first received character was "{shown(kind)}"'
        )

    # Memory. The buffer is replaced, never resized, so that a view somebody still has of it does
    # no harm.

    def _needed(self) -> int:
        """Bytes of the frame at the front, if its header has arrived and can be right."""
        if self._end - self._start < 5:
            return 5
        kind, length = _HEADER.unpack_from(self.data, self._start)
        possible = 4 <= length <= min(self._limits[kind], self.maximum, MAX_LENGTH)
        return length + 1 if possible else 5

    def _move(self, size: int) -> memoryview:
        pending = self._end - self._start
        data = bytearray(size)
        data[:pending] = self._view[self._start : self._end]
        self._replace(data)
        self._start, self._end = 0, pending
        return self._view[pending:]

    def _replace(self, data: bytearray) -> None:
        self.data = data
        self._view = memoryview(data)


def shown(kind: int) -> str:
    """A type byte for a message: the letter, escaped if it is none."""
    return ascii(chr(kind))[1:-1]
