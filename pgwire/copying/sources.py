"""Where the data of a COPY FROM STDIN comes from: bytes, a file, or an iterable, in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from io import TextIOBase
from typing import Any, Final

from pgwire import errors

__all__ = ["PIECE", "AsyncPieces", "FilePieces", "Pieces", "async_pieces", "pieces"]

PIECE: Final = 256 * 1024
"""Bytes that are read from a file at a time, and the least that smaller items are gathered to."""

Encode = Callable[[str], bytes]
Data = bytes | bytearray | memoryview


def pieces(source: Any, encode: Encode) -> Iterator[Data]:
    """The data of `source` in pieces worth sending.

    Arguments:
        source: bytes, a binary file, or an iterable of bytes or str.
        encode: called with every str that the iterable gives.

    Raises ProgrammingError, at once, for what is none of these; later what the source raises.
    """
    if hasattr(source, "__aiter__"):
        raise errors.ProgrammingError(
            "an asynchronous iterable can only be copied by an AsyncConnection (connect_async)"
        )
    read = _reader(source)
    if read is not None:
        return FilePieces(read)
    return Pieces(_items(source), encode)


def async_pieces(source: Any, encode: Encode) -> Iterator[Data] | AsyncIterator[Data]:
    """As `pieces`; `source` may also be an asynchronous iterable, or a file whose `read` is a
    coroutine function."""
    if hasattr(source, "__aiter__") and not hasattr(source, "read"):
        return AsyncPieces(source.__aiter__(), encode)
    read = _reader(source)
    if read is not None:
        return AsyncFilePieces(read)
    return Pieces(_items(source), encode)


class FilePieces:
    """What a binary file holds from its position on."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read

    def __iter__(self) -> FilePieces:
        return self

    def __next__(self) -> Data:
        data = _file_data(self._read(PIECE))
        if not data:
            raise StopIteration
        return data


class AsyncFilePieces:
    """As `FilePieces`, of a file whose `read` may have to be awaited."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read

    def __aiter__(self) -> AsyncFilePieces:
        return self

    async def __anext__(self) -> Data:
        data = self._read(PIECE)
        data = _file_data(await data if hasattr(data, "__await__") else data)
        if not data:
            raise StopAsyncIteration
        return data


class Pieces:
    """What an iterator gives, small items gathered: a message for each would cost more than it
    carries."""

    __slots__ = ("_encode", "_items")

    def __init__(self, items: Iterator[Any], encode: Encode) -> None:
        self._items = items
        self._encode = encode

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Data:
        gathered: list[Data] = []
        size = 0
        for item in self._items:
            data = item if type(item) is bytes else _data(item, self._encode)
            if not gathered and len(data) >= PIECE:
                return data
            gathered.append(data)
            size += len(data)
            if size >= PIECE:
                break
        if not gathered:
            raise StopIteration
        return b"".join(gathered)


class AsyncPieces:
    """As `Pieces`, of an asynchronous iterator."""

    __slots__ = ("_encode", "_items")

    def __init__(self, items: AsyncIterator[Any], encode: Encode) -> None:
        self._items = items
        self._encode = encode

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> Data:
        gathered: list[Data] = []
        size = 0
        async for item in self._items:
            data = item if type(item) is bytes else _data(item, self._encode)
            gathered.append(data)
            size += len(data)
            if size >= PIECE:
                break
        if not gathered:
            raise StopAsyncIteration
        return b"".join(gathered)


def _reader(source: Any) -> Callable[[int], Any] | None:
    """The `read` of a binary file; None if `source` is not a file."""
    if isinstance(source, TextIOBase):
        raise errors.ProgrammingError(
            "the source is a text file, whose characters would be encoded twice: "
            'open it in binary mode, open(path, "rb")'
        )
    read = getattr(source, "read", None)
    return read if callable(read) else None


def _items(source: Any) -> Iterator[Any]:
    if isinstance(source, str):
        raise errors.ProgrammingError(
            "the source is a str, which might be data or the name of a file: "
            'give data as bytes, a file as open(path, "rb")'
        )
    if isinstance(source, bytes | bytearray | memoryview):
        return iter((source,))
    try:
        return iter(source)
    except TypeError:
        raise errors.ProgrammingError(
            f"cannot copy from a {type(source).__qualname__}: the source must be bytes, a binary "
            "file or an iterable of bytes"
        ) from None


def _data(item: object, encode: Encode) -> Data:
    if isinstance(item, str):
        return encode(item)
    if isinstance(item, memoryview):
        return item if item.c_contiguous and item.format == "B" else item.tobytes()
    if isinstance(item, bytes | bytearray):
        return item
    raise errors.ProgrammingError(
        f"the source has given a {type(item).__qualname__}, where bytes or str are expected"
    )


def _file_data(data: object) -> Data:
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    if isinstance(data, str):
        raise errors.ProgrammingError(
            "the source is a file that gives str: open it in binary mode, so that it gives bytes"
        )
    raise errors.ProgrammingError(
        f"read() of the source has returned {data!r:.100}, where bytes are expected"
        + (": a file that does not block cannot be copied from" if data is None else "")
    )
