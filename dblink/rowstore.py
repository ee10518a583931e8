"""Rows that wait to be read, as the messages they came in; beyond a few megabytes on disk."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from io import BytesIO
from typing import IO

from pgwire.protocol.constants import MAX_LENGTH
from pgwire.protocol.copystream import complete_frames

IN_MEMORY = 8 * 1024 * 1024
"""Bytes kept in memory; more goes to an unnamed temporary file that only its owner can read."""

_CHUNK = 128 * 1024
_DATA_ROW = b"D"[0]


class RowStore:
    """A queue of DataRow messages: runs go in, runs come out, each row once."""

    __slots__ = ("__weakref__", "_file", "_read", "size")

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._read = 0
        self.size = 0
        """Bytes put in so far."""

    def put(self, frames: bytes) -> None:
        """Append a run of complete DataRow messages, headers included."""
        if self.size + len(frames) > IN_MEMORY and isinstance(self._file, BytesIO):
            self._move_to_disk()
        self._file.seek(self.size)
        self._file.write(frames)
        self.size += len(frames)

    def take(self) -> Iterator[bytes]:
        """The runs that have not been taken yet."""
        length = _CHUNK
        while self._read < self.size:
            # Nothing is kept between two runs but the position: who stops here, or reads on
            # through another iterator, misses nothing.
            frames = self._chunk(self._read, length)
            if len(frames) < self.size - self._read:  # else it ends where a message does
                stop = complete_frames(frames, 0, len(frames), MAX_LENGTH, _DATA_ROW)[2]
                if stop == 0:
                    length *= 2  # a long row
                    continue
                frames = frames[:stop]
            length = _CHUNK
            self._read += len(frames)
            yield frames

    def all(self) -> bytes:
        """Everything that was put in, left where it is; for small stores."""
        self._file.seek(0)
        return self._file.read()

    def _chunk(self, position: int, length: int) -> bytes:
        self._file.seek(position)
        return self._file.read(length)

    def _move_to_disk(self) -> None:
        from tempfile import TemporaryFile

        file = TemporaryFile()  # noqa: SIM115 (see close)
        file.write(self.all())
        # Results may be dropped unread; a file that nobody closed would make Python warn.
        weakref.finalize(self, file.close)
        self._file = file

    def close(self) -> None:
        """Give the memory and the file back."""
        self._file.close()
        self._read = self.size = 0
