"""COPY's messages, of which CopyData and CopyDone go both ways. Manual: 54.2.6, 54.7."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from pgwire.protocol import writer
from pgwire.protocol.constants import LARGE_MESSAGE_LIMIT, SMALL_MESSAGE_LIMIT
from pgwire.protocol.message import BackendMessage, Bodiless, FrontendMessage, Message
from pgwire.protocol.reader import Reader

__all__ = [
    "CopyBothResponse",
    "CopyData",
    "CopyDone",
    "CopyFail",
    "CopyInResponse",
    "CopyOutResponse",
]


class CopyData(Message):
    """A piece of the data stream; where it is cut means nothing when it goes to the server."""

    __slots__ = ("data",)
    type = b"d"
    limit = LARGE_MESSAGE_LIMIT

    def __init__(self, data: bytes) -> None:
        self.data = data

    def _parts(self) -> Sequence[bytes]:
        return (writer.plain(self.data, self.label),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.rest())


class CopyDone(Bodiless):
    """The data is complete."""

    __slots__ = ()
    type = b"c"
    limit = SMALL_MESSAGE_LIMIT


class CopyFail(FrontendMessage):
    """The client gives up its COPY FROM STDIN; the server's error quotes `reason`."""

    __slots__ = ("reason",)
    type = b"f"

    def __init__(self, reason: bytes) -> None:
        self.reason = reason

    def _parts(self) -> Sequence[bytes]:
        return (writer.cstring(self.reason, "reason of CopyFail"),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring())


class _CopyResponse(BackendMessage):
    """`overall_format` is 0 for text, 1 for binary; `column_formats` has a code per column."""

    __slots__ = ("column_formats", "overall_format")

    def __init__(self, overall_format: int, column_formats: Iterable[int]) -> None:
        self.overall_format = overall_format
        self.column_formats = tuple(column_formats)

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.byte(self.overall_format, f"format of {self.label}"),
            writer.count(len(self.column_formats), f"columns of {self.label}"),
            writer.uint16s(self.column_formats, f"column format of {self.label}"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.byte(), reader.uint16s(reader.uint16()))


class CopyInResponse(_CopyResponse):
    """The server waits for the client's data."""

    __slots__ = ()
    type = b"G"


class CopyOutResponse(_CopyResponse):
    """The server's data follows."""

    __slots__ = ()
    type = b"H"


class CopyBothResponse(_CopyResponse):
    """Data flows both ways (streaming replication)."""

    __slots__ = ()
    type = b"W"
