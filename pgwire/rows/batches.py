"""Decoders of whole batches of rows, each made for the shape of a result.

There are four ways to decode a batch, all with the same outcome: `decoder.decode_rows`, which is
plain and the reference; `loop`, generated code that takes any shape; `stride`, for rows of fixed
width; `scanner`, for rows with text. Here it is decided which of them gets what: nothing is
generated for a handful of rows, and a batch that a fast way cannot take is given to a slower one
from there on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final

from pgwire.rows.column import Column
from pgwire.rows.decoder import Row, decode_rows, typed_decoders
from pgwire.types.codec import Decoder
from pgwire.types.context import Context
from pgwire.types.registry import Registry

if TYPE_CHECKING:
    from pgwire.rows.kinds import Kind
    from pgwire.rows.loop import Loop
    from pgwire.rows.scanner import Scanner
    from pgwire.rows.stride import Stride

__all__ = ["BatchDecoder", "batch_decoder"]

_DATA_ROW: Final = b"D"[0]
_COPY_DATA: Final = b"d"[0]
_HEADER: Final = Struct("!BiH")
_JITTED: Final = sys.implementation.name == "pypy"

_FEW: Final = 200
"""Rows that a shape has to have had before code is generated for it: that costs as much."""

_WORTHWHILE: Final = 8 * 1024
"""Bytes of rows that the search for a whole batch is begun for."""

_LARGE: Final = 256 * 1024
"""Bytes of a row that is decoded by itself, from the receive buffer: others are copied first."""

_STEP: Final = 8
_LONGEST_STEP: Final = 2048
"""Rows to walk through by the loop, at first and at most, where the search has come to an end."""


class BatchDecoder:
    """Turns DataRow frames, as they lie in the receive buffer, into tuples.

    Made by `batch_decoder`. It learns from what it sees, so it is kept for the next result of the
    same shape. What it learns decides only which way is tried first, so threads may share one.
    """

    __slots__ = (
        "_columns",
        "_context",
        "_decoders",
        "_kind",
        "_kinds",
        "_loop",
        "_registry",
        "_scanner",
        "_seen",
        "_step",
        "_stride",
    )

    def __init__(
        self,
        columns: Sequence[Column],
        registry: Registry,
        context: Context,
        kind: int,
    ) -> None:
        self._columns = columns
        self._registry = registry
        self._context = context
        self._kind = kind
        self._kinds: list[Kind] = []
        self._decoders: list[Decoder] = typed_decoders(columns, registry, context)
        self._seen = 0
        self._step = _STEP
        self._loop: Loop | None = None
        self._stride: Stride | None = None
        self._scanner: Scanner | None = None

    def __call__(self, data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        """Decode the complete frames of rows at the front of data[start:end].

        Stops at the first frame that is of another type, incomplete, or impossible by its length,
        and at the trailer of a binary COPY; none of them is looked at any further.

        Returns the rows, and the position in `data` where it stopped.

        Raises ProtocolError if a frame does not hold exactly the fields of the columns, and what a
        codec raises, which is DataError for a value that it cannot decode.
        """
        if self._loop is None:
            if self._seen < _FEW and end - start < _WORTHWHILE:
                return self._plainly(data, start, end)
            self._generate()
        if end - start >= _LARGE and self._length(data, start) >= _LARGE:
            return self._one_large(data, start, end)
        if end - start < _WORTHWHILE or (self._stride is None and self._scanner is None):
            return self._walk(data, start, end, sys.maxsize)
        rows: list[Row] = []
        position = start
        stride = self._stride
        # An attempt in vain is cheap: it ends at the first byte of a row that is elsewhere.
        while stride is not None and end - position >= _WORTHWHILE:
            found, position = stride(data, position, end)
            if found:
                rows += found
                if len(found) > self._step:
                    self._step = _STEP
            if end - position < _WORTHWHILE:
                break
            walked, position = self._walk(data, position, end, self._step)
            if not walked:
                return rows, position
            self._step = min(2 * self._step, _LONGEST_STEP)
            rows += walked
        scanner = self._scanner
        if scanner is not None:
            from pgwire.rows.scanner import Unlike
        while scanner is not None and end - position >= _WORTHWHILE:
            try:
                found, position = scanner(data, position, end)
            except Unlike:
                break  # who is to blame, if anybody, is found out by the walk
            if found:
                rows = rows + found if rows else found
                if len(found) > self._step:
                    self._step = _STEP
            if end - position < _WORTHWHILE:
                break
            walked, position = self._walk(data, position, end, self._step)
            if not walked:
                return rows, position
            self._step = min(2 * self._step, _LONGEST_STEP)
            rows += walked
            scanner.unlike(walked)
        walked, position = self._walk(data, position, end, sys.maxsize)
        rows += walked
        return rows, position

    def _generate(self) -> None:
        from pgwire.rows.kinds import kinds_of
        from pgwire.rows.loop import loop_decoder

        kinds = self._kinds = kinds_of(self._columns, self._registry, self._context)
        encoding = self._context.encoding
        self._loop = loop_decoder(kinds, encoding, self._kind)
        if _JITTED:
            return  # compiled at run time, the loop beats all that C functions do at once
        from pgwire.rows.scanner import Scanner, can_scan
        from pgwire.rows.stride import can_stride, stride_decoder

        if can_stride(kinds):
            self._stride = stride_decoder(kinds, self._kind)
        elif can_scan(kinds):
            self._scanner = Scanner(kinds, encoding, self._kind)

    def _walk(
        self, data: bytes | bytearray, start: int, end: int, limit: int
    ) -> tuple[list[Row], int]:
        loop = self._loop
        assert loop is not None
        with memoryview(data) as view:
            chunk = bytes(view[start:end])
        rows, stop = loop(chunk, 0, len(chunk), limit)
        if not rows and stop + 5 <= len(chunk) < stop + 7:
            return self._plainly(data, start, end)  # it may be a frame too short to be a row
        return rows, start + stop

    def _plainly(self, data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        stop = start
        while (length := self._length(data, stop)) and stop + length <= end:
            if self._kind == _COPY_DATA and data[stop + 1 : stop + 7] == b"\0\0\0\6\xff\xff":
                break
            stop += length
        rows = decode_rows(data, start, stop, self._decoders)
        self._seen += len(rows)
        return rows, stop

    def _length(self, data: bytes | bytearray, start: int) -> int:
        """Bytes of the frame at `start`, 0 if it is none of a row."""
        header = data[start : start + 5]
        if len(header) < 5 or header[0] != self._kind:
            return 0
        length = int.from_bytes(header[1:], signed=True)
        return length + 1 if length >= 4 else 0

    def _one_large(self, data: bytes | bytearray, start: int, end: int) -> tuple[list[Row], int]:
        """The row at `start`, if it is complete: its fields are copied once, into the values."""
        stop = start + self._length(data, start)
        if stop > end:
            return [], start
        with memoryview(data) as view:
            # These read from whatever holds the bytes; other codecs are promised `bytes`.
            decoders = [
                column.decode if column.way in ("text", "bytes") else _of_bytes(column.decode)
                for column in self._kinds
            ]
            return decode_rows(view, start, stop, decoders, field=memoryview), stop


def batch_decoder(
    columns: Sequence[Column],
    registry: Registry,
    context: Context,
    *,
    kind: int = _DATA_ROW,
) -> BatchDecoder:
    """The decoder for rows of `columns`, which come in the formats that they say.

    Arguments:
        kind: the type byte of the frames: that of DataRow, or that of CopyData for the tuples of a
            COPY in binary format, which look the same.

    Results of the same types and formats, with the same codecs and session parameters, share one.
    """
    shape = tuple([(column.type_oid, column.format) for column in columns])
    return _batch_decoder(shape, registry, registry.revision, context, kind)


def _of_bytes(decode: Decoder) -> Decoder:
    return lambda data: decode(bytes(data))


@lru_cache(maxsize=64)
def _batch_decoder(
    shape: tuple[tuple[int, int], ...],
    registry: Registry,
    revision: int,
    context: Context,
    kind: int,
) -> BatchDecoder:
    columns = [Column("", type_oid, format=format) for type_oid, format in shape]
    return BatchDecoder(columns, registry, context, kind)
