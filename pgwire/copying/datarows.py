"""Rows of a query's result as the data of a COPY in binary format. Manual: 54.7, DataRow; COPY,
"Binary Format".

What a DataRow message holds is what COPY calls a tuple: the number of fields, and each with its
length in front. So the text of a result goes into columns of type text without being decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, error
from typing import Final

from pgwire import errors
from pgwire.copying.binary import HEADER, TRAILER
from pgwire.protocol.constants import MAX_LENGTH
from pgwire.protocol.copystream import alike

__all__ = ["HEADER", "TRAILER", "copy_data", "text_data"]

_DATA_ROW: Final = b"D"[0]
_LENGTH: Final = Struct("!i").unpack_from
_NULL: Final = b"\xff\xff\xff\xff"


def copy_data(frames: bytes) -> bytes:
    """The tuples of COPY's binary format that a run of complete DataRow messages holds.

    HEADER goes before the first ones, TRAILER after the last. Fields that came in text format suit
    columns of type text, those in binary format columns of the very type. Raises ProgrammingError
    if `frames` are anything else.
    """
    end = len(frames)
    size, count = alike(frames, 0, end, MAX_LENGTH, _DATA_ROW)
    if count and size * count == end:
        held = bytearray(frames)
        for left in range(size, size - 5, -1):
            del held[::left]  # the first byte of what is left of every frame
        return bytes(held)
    pieces: list[bytes] = []
    append = pieces.append
    position = 0
    try:
        while position < end:
            if frames[position] != _DATA_ROW:
                raise ValueError
            stop = position + 1 + _LENGTH(frames, position + 1)[0]
            if stop < position + 5:
                raise ValueError
            append(frames[position + 5 : stop])
            position = stop
        if position != end:
            raise ValueError
    except (ValueError, error):
        raise errors.ProgrammingError(
            f"not a run of complete DataRow messages: {frames[position : position + 5]!r} "
            f"at byte {position} of {end}"
        ) from None
    return b"".join(pieces)


def text_data(rows: Sequence[Sequence[str | None]]) -> bytes:
    """The tuples of COPY's binary format, as in `copy_data`, for `rows` of text in UTF-8; None is
    NULL. Raises DataError for what UTF-8 cannot say (a lone surrogate)."""
    pieces: list[bytes] = []
    for row in rows:
        pieces.append(len(row).to_bytes(2))
        for value in row:
            if value is None:
                pieces.append(_NULL)
                continue
            try:
                data = value.encode()
            except UnicodeEncodeError as wrong:
                raise errors.DataError(f"a value cannot be copied: {wrong}") from None
            pieces += len(data).to_bytes(4), data
    return b"".join(pieces)
