"""Runs of CopyData frames, cut in bulk: a server sends one message per row. Manual: 54.2.6."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["alike", "complete_frames", "payload"]

_HEADER: Final = struct.Struct("!Bi")
_COPY_DATA: Final = b"d"[0]
_SMALLEST_RUN: Final = 8


def complete_frames(
    data: bytes | bytearray, start: int, end: int, maximum: int, kind: int = _COPY_DATA
) -> tuple[int, int, int]:
    """How many complete frames of one `kind` stand at the front of `data[start:end]`, where the
    last of them begins, and where it ends. One whose length is beyond `maximum`, or below 4, is
    not among them: that is left to `FrameBuffer`, which refuses it."""
    size, count = alike(data, start, end, maximum, kind)
    if count:
        stop = start + size * count
        return count, stop - size, stop
    header = _HEADER.unpack_from
    position = last = start
    while end - position >= 5:
        found, length = header(data, position)
        stop = position + length + 1
        if found != kind or not 4 <= length <= maximum or stop > end:
            break
        last = position
        position = stop
        count += 1
    return count, last, position


def payload(
    data: bytearray, start: int, end: int, maximum: int
) -> tuple[bytes | bytearray, int, int]:
    """What the complete CopyData frames at the front of `data[start:end]` hold, one after the
    other; how many they are, and where they end. Other frames as in `complete_frames`."""
    size, count = alike(data, start, end, maximum, _COPY_DATA)
    if count:
        stop = start + size * count
        held = data[start:stop]
        for left in range(size, size - 5, -1):
            del held[::left]  # the first byte of what is left of every frame
        return held, count, stop
    header = _HEADER.unpack_from
    pieces: list[bytearray] = []
    append = pieces.append
    position = start
    while end - position >= 5:
        kind, length = header(data, position)
        stop = position + length + 1
        if kind != _COPY_DATA or not 4 <= length <= maximum or stop > end:
            break
        append(data[position + 5 : stop])
        position = stop
    return b"".join(pieces), len(pieces), position


def alike(
    data: bytes | bytearray, start: int, end: int, maximum: int, wanted: int
) -> tuple[int, int]:
    """The size of the first frame and the number of frames, if all of `data[start:end]` but an
    incomplete last frame are of the `wanted` type and of that one size; else a number of 0."""
    # Each of the five header bytes of all frames is compared, as one strided slice per byte: the
    # first header tells where the second must be, and so on, which is what a walk would find.
    if end - start < 5:
        return 0, 0
    kind, length = _HEADER.unpack_from(data, start)
    if kind != wanted or not 4 < length <= maximum:
        return 0, 0
    size = length + 1
    count = (end - start) // size
    if count < _SMALLEST_RUN:
        return 0, 0
    stop = start + count * size
    same = all(
        data[offset:stop:size] == data[offset : offset + 1] * count
        for offset in range(start, start + 5)
    )
    return size, count if same else 0
