"""Streams of the asyncio body."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pgwire.rows.column import Column
from pgwire.session.steps import Command
from pgwire.session.streams import OpenStream

_T = TypeVar("_T")


class Do(Protocol):
    """Performs a command."""

    async def __call__(self, command: Command[_T]) -> _T:
        """Perform it; returns its result."""
        ...


class AsyncStream:
    """The rows of a query, as they are asked for. Made by `stream`.

    An iterator of rows, in the order of the server's. It may be left at any time; leaving the
    `with` block tells the server so. The rows of a chunk that have not been looked at are lost
    then. Without a `with` block it has to be iterated to its end, or closed, before the connection
    does anything else.
    """

    __slots__ = ("_do", "_open", "_rows")

    def __init__(self, open_stream: OpenStream[Any, Any], do: Do) -> None:
        self._open = open_stream
        self._do = do
        self._rows: Iterator[Any] = iter(())

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the rows; none before the query has been sent, by the `with` statement or
        for the first row."""
        return self._open.columns

    @property
    def tag(self) -> str:
        """The command tag, "SELECT 3", once the stream has been read to its end; else empty."""
        return self._open.tag

    async def close(self) -> None:
        """Leave the rest of the rows alone. May be repeated.

        The server computes no more of them, but ends the chunk that it is at. Raises the error
        that it has met in a row that nobody has seen, if the transaction has failed by it.
        """
        self._rows = iter(())
        await self._do(self._open.close())

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for row in self._rows:
            return row
        chunk = await self._do(self._open.next_chunk())
        if chunk is None:
            raise StopAsyncIteration
        self._rows = iter(chunk)
        return next(self._rows)

    async def __aenter__(self) -> AsyncStream:
        await self._do(self._open.begin())
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows = iter(())
        await self._do(self._open.leave(exception))
