"""Rows out of a COPY TO STDOUT in binary. Manual: COPY, "Binary Format"."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from pgwire import errors
from pgwire.copying.binary import HEADER, TRAILER
from pgwire.flows import Flow
from pgwire.flows.copy import CopyOut
from pgwire.protocol.framing import MAXIMUM
from pgwire.rows.batches import batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row, typed_decoders
from pgwire.types.context import Context
from pgwire.types.registry import Registry

__all__ = ["BinaryReader"]

_SIGNATURE: Final = HEADER[:11]
_FLAGS: Final = Struct("!II")
_COUNT: Final = Struct("!h")
_LENGTH: Final = Struct("!i")
_CRITICAL: Final = 0xFFFF0000
_COPY_DATA: Final = b"d"[0]


class BinaryReader:
    """Decodes the rows of one COPY.

    Servers send each row as a message of its own, and then a batch decoder reads them where they
    lie. The manual does not promise it: where messages are cut otherwise, rows are read from the
    stream that they make, one value at a time.
    """

    def __init__(self, columns: Sequence[Column], registry: Registry, context: Context) -> None:
        self._decode = batch_decoder(columns, registry, context, kind=_COPY_DATA)
        self._decoders = typed_decoders(columns, registry, context)
        self._held = bytearray()
        """What has been taken out of its messages, and not been read."""
        self._needed = len(HEADER)
        """How many bytes must be held before it makes sense to look at them again."""
        self._begun = False
        self._ended = False

    def read(self, copy: CopyOut) -> Flow[list[Row] | None]:
        """The rows that have come, at least one; None at their end, which must be the trailer
        unless the server has reported an error."""
        frames = copy.frames
        while True:
            bounds = yield from copy.read_frames()
            if bounds is None:
                if copy.error is None and not self._ended:
                    raise errors.ProtocolError("COPY data in binary has ended without its trailer")
                return None
            rows = self._rows(frames.data, *bounds)
            if rows:
                return rows

    def _rows(self, data: bytearray, start: int, last: int, stop: int) -> list[Row]:
        rows: list[Row] = []
        while start < stop and (self._held or not self._begun):
            frame_end = start + 1 + _LENGTH.unpack_from(data, start + 1)[0]
            self._held += data[start + 5 : frame_end]
            rows += self._from_stream()
            start = frame_end
        if start >= stop:
            return rows
        trailing = data[last + 5 : stop] == TRAILER and last >= start
        position = start
        if not self._ended:
            try:
                some, position = self._decode(data, start, last if trailing else stop)
                rows += some
            except errors.ProtocolError:
                position = start  # perhaps messages are not rows here; if so, the stream is right
        # What the batch decoder has not taken is looked at by itself: the trailer, or a surprise.
        while position < stop:
            frame_end = position + 1 + _LENGTH.unpack_from(data, position + 1)[0]
            self._held += data[position + 5 : frame_end]
            rows += self._from_stream()
            position = frame_end
        return rows

    def _from_stream(self) -> list[Row]:
        """The complete rows at the front of what is held."""
        held = self._held
        if len(held) < self._needed and not self._ended:
            return []
        position = 0 if self._begun else self._header()
        if position < 0:
            return []
        rows: list[Row] = []
        while not self._ended and len(held) - position >= 2:
            (count,) = _COUNT.unpack_from(held, position)
            if count == -1:
                self._ended = True
                position += 2
                break
            if count != len(self._decoders):
                raise errors.ProtocolError(
                    f"a row of COPY data has {count} fields where there are "
                    f"{len(self._decoders)} columns"
                )
            row = self._row(position + 2)
            if row is None:
                break
            rows.append(row[0])
            position = row[1]
        del held[:position]
        self._needed = max(0, self._needed - position)
        if self._ended and held:
            raise errors.ProtocolError("COPY data in binary goes on after its trailer")
        return rows

    def _row(self, position: int) -> tuple[Row, int] | None:
        """The row whose fields begin at `position`, and where it ends; None if it is not
        complete."""
        held = self._held
        size = len(held)
        row: list[object] = []
        for decode in self._decoders:
            if not self._has(position + 4):
                return None
            (length,) = _LENGTH.unpack_from(held, position)
            position += 4
            if length == -1:
                row.append(None)
                continue
            if length < 0 or length > MAXIMUM:
                raise errors.ProtocolError(f"a field of COPY data has the length {length}")
            if not self._has(position + length):
                return None
            row.append(decode(bytes(held[position : position + length])))
            position += length
        assert position <= size  # every step of it has been compared
        return tuple(row), position

    def _has(self, size: int) -> bool:
        if size > MAXIMUM:
            raise errors.ProtocolError(f"a row of COPY data is longer than {MAXIMUM} bytes")
        self._needed = size
        return len(self._held) >= size

    def _header(self) -> int:
        """Where the header ends; -1 if it is not complete."""
        held = self._held
        if not held.startswith(_SIGNATURE):
            raise errors.ProtocolError("COPY data in binary does not begin with its signature")
        flags, extension = _FLAGS.unpack_from(held, len(_SIGNATURE))
        if flags & _CRITICAL:
            raise errors.ProtocolError(f"COPY data in binary has unknown flags: 0x{flags:08x}")
        if not self._has(len(HEADER) + extension):
            return -1
        self._begun = True
        return self._needed
