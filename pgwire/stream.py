"""Streams of the blocking body."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pgwire import errors
from pgwire.rows.column import Column
from pgwire.session.steps import Command
from pgwire.session.streams import OpenStream

_T = TypeVar("_T")


class Do(Protocol):
    """Performs a command."""

    def __call__(self, command: Command[_T]) -> _T:
        """Perform it; returns its result."""
        ...


class Stream:
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
        self._rows: Iterator[Any] = chain.from_iterable(self._chunks())

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the rows; none before the query has been sent, by the `with` statement or
        for the first row."""
        return self._open.columns

    @property
    def tag(self) -> str:
        """The command tag, "SELECT 3", once the stream has been read to its end; else empty."""
        return self._open.tag

    def close(self) -> None:
        """Leave the rest of the rows alone. May be repeated.

        The server computes no more of them, but ends the chunk that it is at. Raises the error
        that it has met in a row that nobody has seen, if the transaction has failed by it.
        """
        self._rows = chain.from_iterable(self._chunks())
        self._do(self._open.close())

    def __iter__(self) -> Iterator[Any]:
        # The iterator of itertools itself: a row costs no call of ours.
        return self._rows

    def __next__(self) -> Any:
        return next(self._rows)

    def __enter__(self) -> Stream:
        self._do(self._open.begin())
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows = chain.from_iterable(self._chunks())
        self._do(self._open.leave(exception))

    def _chunks(self) -> Iterator[list[Any]]:
        try:
            while (chunk := self._do(self._open.next_chunk())) is not None:
                yield chunk
        except errors.InterfaceError:
            self._rows = chain.from_iterable(self._chunks())  # to raise it again, not to end
            raise
