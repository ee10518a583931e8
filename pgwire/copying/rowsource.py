"""Typed rows as a source of a COPY FROM STDIN: encoded batch by batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, Final, Protocol

from pgwire import errors
from pgwire.copying.fields import check_row

__all__ = ["AsyncRowPieces", "RowEncoder", "RowPieces", "async_row_pieces", "row_pieces"]

_TARGET: Final = 128 * 1024
"""Bytes that a batch should have when it is encoded."""

_FIRST: Final = 256
_MOST: Final = 16 * 1024
"""Rows of a batch."""


class RowEncoder(Protocol):
    """From rows to the bytes of one format."""

    header: bytes
    trailer: bytes
    table: str

    def __call__(self, rows: list[Any], first: int) -> bytes:
        """The bytes of `rows`, of which the first has the number `first`."""
        ...


def row_pieces(rows: Any, encode: RowEncoder) -> RowPieces:
    """`rows`, an iterable of rows, in pieces worth sending. Raises ProgrammingError if it is not
    iterable."""
    if hasattr(rows, "__aiter__"):
        raise errors.ProgrammingError(
            "an asynchronous iterable can only be copied by an AsyncConnection (connect_async)"
        )
    return RowPieces(_iterator(rows), encode)


def async_row_pieces(rows: Any, encode: RowEncoder) -> RowPieces | AsyncRowPieces:
    """As `row_pieces`; `rows` may also be an asynchronous iterable."""
    if hasattr(rows, "__aiter__"):
        return AsyncRowPieces(rows.__aiter__(), encode)
    return RowPieces(_iterator(rows), encode)


class _Batches:
    """How many rows have been encoded, and how many are to be next."""

    def __init__(self, encode: RowEncoder) -> None:
        self._encode = encode
        self._size = _FIRST
        self._pending = encode.header
        self._over = False
        self._accepted: set[type] = {tuple, list}
        self.rows = 0
        """How many rows have been given out."""

    def _piece(self, batch: list[Any], *, last: bool) -> bytes:
        pending, self._pending = self._pending, b""
        self._over = last
        data = b""
        if batch:
            if not self._accepted.issuperset(map(type, batch)):
                self._check(batch)
            data = self._encode(batch, self.rows + 1)
            self.rows += len(batch)
            self._size = max(
                1, min(_MOST, 4 * len(batch), len(batch) * _TARGET // max(1, len(data)))
            )
        return pending + data + (self._encode.trailer if last else b"")

    def _check(self, batch: list[Any]) -> None:
        """Refuse rows that would be unpacked into something else than their values."""
        for number, row in enumerate(batch, self.rows + 1):
            kind = type(row)
            if kind in self._accepted:
                continue
            check_row(row, number, self._encode.table)
            self._accepted.add(kind)


class RowPieces(_Batches):
    """The pieces of an iterator of rows."""

    def __init__(self, rows: Iterator[Any], encode: RowEncoder) -> None:
        super().__init__(encode)
        self._rows = rows

    def __iter__(self) -> RowPieces:
        return self

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        batch = list(islice(self._rows, self._size))
        return self._piece(batch, last=len(batch) < self._size)


class AsyncRowPieces(_Batches):
    """The pieces of an asynchronous iterator of rows."""

    def __init__(self, rows: AsyncIterator[Any], encode: RowEncoder) -> None:
        super().__init__(encode)
        self._rows = rows

    def __aiter__(self) -> AsyncRowPieces:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        batch: list[Any] = []
        async for row in self._rows:
            batch.append(row)
            if len(batch) == self._size:
                return self._piece(batch, last=False)
        return self._piece(batch, last=True)


def _iterator(rows: Any) -> Iterator[Any]:
    if not isinstance(rows, str | bytes | bytearray):
        try:
            return iter(rows)
        except TypeError:
            pass
    raise errors.ProgrammingError(
        f"cannot copy rows from a {type(rows).__qualname__}: an iterable of tuples is expected"
    )
