"""A walk through what a server sends: frame after frame, none decoded. Manual: 54.1.1, 54.7.

What passes is passed as it came, frames cut in pieces included. Only the few kinds of message that
a relay has to know of are held until they are complete; a large one of these goes on in pieces,
too, unless it is a call.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from pgwire import errors
from pgwire.protocol.copystream import complete_frames

CALL: Final = b"\0VINFO\0CDBL01\0M"
"""How the fields of a NoticeResponse that is a call begin, after its localized severity."""

HOLD: Final = 64 * 1024
"""Bytes of the largest frame that is held to be looked at as a whole."""

BEGINNING: Final = 4096
"""Bytes of a call that are looked at if it is too large to be taken."""

_HEADER: Final = struct.Struct("!Bi")
_NOTICE: Final = b"N"[0]
_ERROR: Final = b"E"[0]
_READY: Final = b"Z"[0]
_STATUS: Final = b"S"[0]
_HELD: Final = [kind in b"NEZS" for kind in range(256)]
_ROWS: Final = frozenset(b"Dd")
_MANY: Final = 16
"""As many rows, if they are like the first, are worth looking at in bulk."""

_PREFIX: Final = 160
"""Bytes of a NoticeResponse that tell whether it is a call: the localized severity is short."""

_MAXIMUM: Final = 0x7FFFFFFF


class Watcher(Protocol):
    """Who is told of the few frames that matter, each before it is passed."""

    def call(self, payload: bytes) -> None:
        """A call has come; it is taken out of the stream."""
        ...

    def call_too_large(self, beginning: bytes, size: int) -> None:
        """A call of `size` bytes has come, which is more than is taken; this is how it begins."""
        ...

    def reserve(self, size: int) -> bool:
        """Whether there is memory for a call of `size` bytes, which is going to come in pieces; it
        is free again with `call`."""
        ...

    def notice(self, body: bytes) -> bytes | None:
        """A NoticeResponse: what to pass as its body, None for what it is."""
        ...

    def error(self, body: bytes | None) -> bytes | None:
        """An ErrorResponse (None: one too large to be held): what to pass, as with `notice`."""
        ...

    def status(self, body: bytes) -> None:
        """A ParameterStatus."""
        ...

    def ready(self, status: int) -> None:
        """A ReadyForQuery, and its status byte."""
        ...


class Walk:
    """The walk through one server's stream, from a boundary between frames on.

    `walk` is given what has been received and returns what to pass on. `largest_call` bounds, in
    bytes, the message of a call.
    """

    __slots__ = ("_held", "_largest_call", "_left", "_reserved", "_skip", "_watcher", "calling")

    def __init__(self, watcher: Watcher, largest_call: int) -> None:
        self._watcher = watcher
        self._largest_call = largest_call
        self._reserved = False  # whether there is memory for the call that is held
        self._left = 0  # bytes to come of a frame that goes on in pieces
        self._skip = 0  # bytes to come of a call that is thrown away
        self._held = bytearray()  # a frame, or a header, of which more has to come
        self.calling = False
        """Whether the last piece has ended with a call, and before it held nothing but what servers
        keep until there is more, such as rows: no error or notice, no end of a query."""

    def walk(self, data: bytes | bytearray, end: int) -> bytes:
        """What to pass of `data[:end]`, which may be used again afterwards.

        Raises ProtocolError for a length that no frame has.
        """
        position = 0
        pieces: list[bytes | bytearray] = []
        self.calling = False
        if self._left or self._skip or self._held:
            position = self._resume(data, end, pieces)
        start = position
        quiet = not pieces
        unpack = _HEADER.unpack_from
        while end - position >= 5:
            kind, length = unpack(data, position)
            if length < 4:
                raise _lost(kind, length)
            stop = position + length + 1
            if not _HELD[kind]:
                if stop > end:
                    self._left = stop - end
                    position = end
                    break
                if kind in _ROWS and end - position >= _MANY * (length + 1):
                    stop = complete_frames(data, position, end, _MAXIMUM, kind)[2]
                position = stop
                continue
            if stop > end:
                break
            replaced = self._look(kind, data, position, stop)
            if replaced is not None:
                pieces += (data[start:position], replaced)
                start = stop
            if replaced != b"":
                quiet = False
            elif stop == end:
                self.calling = quiet
            position = stop
        if position < end:
            # The beginning of a frame that is held. What came before is not held up by it.
            pieces.append(data[start:position])
            self._hold(data[position:end], pieces)
        elif not pieces:
            return bytes(memoryview(data)[start:end])
        else:
            pieces.append(data[start:end])
        return b"".join(pieces)

    @property
    def cut(self) -> bool:
        """Whether what has been passed ends in the middle of a frame."""
        return self._left > 0

    def rest(self) -> bytes:
        """What is held although the server has ended: the beginning of a frame."""
        held, self._held = self._held, bytearray()
        return b"" if _call_at(held, 0, len(held)) >= 0 else bytes(held)

    def _resume(self, data: bytes | bytearray, end: int, pieces: list[bytes | bytearray]) -> int:
        """Go on with the frame that the last piece has cut; where the next one begins."""
        if self._left:
            stop = min(self._left, end)
            self._left -= stop
            pieces.append(data[:stop])
            return stop
        if self._skip:
            return self._throw_away(data, 0, end)
        held = self._held
        position = 0
        if len(held) < 5:
            position = min(5 - len(held), end)
            held += data[:position]
            if len(held) < 5:
                return position
        kind, length = _HEADER.unpack_from(held)
        if length < 4:
            raise _lost(kind, length)
        # No more than the frame needs: the rest is walked through where it lies.
        stop = min(position + length + 1 - len(held), end)
        held += data[position:stop]
        self._held = bytearray()
        self._hold(held, pieces)
        return self._throw_away(data, stop, end)

    def _hold(self, frame: bytes | bytearray, pieces: list[bytes | bytearray]) -> None:
        """Deal with a `frame` of which more may have to come."""
        if len(frame) >= 5:
            kind, length = _HEADER.unpack_from(frame)
            if length + 1 == len(frame):
                replaced = self._look(kind, frame, 0, len(frame)) if _HELD[kind] else None
                pieces.append(frame if replaced is None else replaced)
                return
            if self._goes_on(kind, length, frame):
                self._left = length + 1 - len(frame)
                pieces.append(frame)
                return
            if kind == _NOTICE and not self._reserved and length > min(HOLD, self._largest_call):
                found = _call_at(frame, 0, len(frame))
                if found >= 0 and len(frame) >= BEGINNING and not self._may_come(length):
                    self._watcher.call_too_large(bytes(frame[found:BEGINNING]), length)
                    self._skip = length + 1 - len(frame)
                    return
        # Not copied again for each piece that is added to it.
        self._held = frame if isinstance(frame, bytearray) else bytearray(frame)

    def _may_come(self, length: int) -> bool:
        """Whether a large call is going to be taken."""
        self._reserved = length <= self._largest_call + _PREFIX and self._watcher.reserve(length)
        return self._reserved

    def _goes_on(self, kind: int, length: int, frame: bytes | bytearray) -> bool:
        """Whether an incomplete frame is passed in pieces."""
        if not _HELD[kind]:
            return True
        if length <= HOLD:
            return False
        if kind == _NOTICE:
            return len(frame) >= _PREFIX and _call_at(frame, 0, _PREFIX) < 0
        if kind == _ERROR:
            self._watcher.error(None)
        return True

    def _throw_away(self, data: bytes | bytearray, start: int, end: int) -> int:
        stop = min(start + self._skip, end)
        self._skip -= stop - start
        return stop

    def _look(self, kind: int, data: bytes | bytearray, start: int, stop: int) -> bytes | None:
        """Look at a complete frame that matters; what to pass instead of it, None for itself."""
        watcher = self._watcher
        if kind == _READY:
            watcher.ready(data[start + 5] if stop > start + 5 else 0)
            return None
        if kind == _STATUS:
            watcher.status(bytes(data[start + 5 : stop]))
            return None
        if kind == _NOTICE:
            found = _call_at(data, start, stop)
            if found >= 0:
                self._reserved = False
                last = data.find(b"\0", found, stop)
                payload = bytes(data[found : last if last >= 0 else stop])
                if len(payload) > self._largest_call:
                    watcher.call_too_large(payload[:BEGINNING], len(payload))
                else:
                    watcher.call(payload)
                return b""
            body = watcher.notice(bytes(data[start + 5 : stop]))
        else:
            body = watcher.error(bytes(data[start + 5 : stop]))
        if body is None:
            return None
        return _HEADER.pack(kind, len(body) + 4) + body


def _call_at(data: bytes | bytearray, start: int, stop: int) -> int:
    """Where the message of the call begins that the NoticeResponse in `data[start:stop]` is;
    -1 if it is none."""
    if data[start + 5 : start + 6] != b"S":
        return -1
    end_of_severity = data.find(b"\0", start + 6, stop)
    found = end_of_severity + len(CALL)
    if end_of_severity < 0 or found > stop or data[end_of_severity:found] != CALL:
        return -1
    return found


def _lost(kind: int, length: int) -> errors.ProtocolError:
    return errors.ProtocolError(
        f"lost synchronization with server: got message type {chr(kind)!r}, length {length}"
    )
