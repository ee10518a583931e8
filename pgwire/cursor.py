"""Cursors of the blocking body. Manual: DECLARE, FETCH, MOVE, CLOSE."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.session.cursors import OpenCursor, backward, distance, forward, place
from pgwire.session.steps import Command

_T = TypeVar("_T")


class Do(Protocol):
    """Performs a command."""

    def __call__(self, command: Command[_T]) -> _T:
        """Perform it; returns its result."""
        ...


class Cursor:
    """A cursor on the server. Made by `cursor`.

    It stands before its first row when it is declared, and on the last one that was fetched after
    that. Methods that go backwards need `scroll`: without it the server raises
    ObjectNotInPrerequisiteState. All of them raise what `query` does. Manual: FETCH, MOVE.
    """

    __slots__ = ("_do", "_open", "_rows")

    def __init__(self, open_cursor: OpenCursor[Any, Any], do: Do) -> None:
        self._open = open_cursor
        self._do = do
        self._rows: Iterator[Any] = self._each()

    @property
    def name(self) -> str:
        """Its name, not quoted: for `WHERE CURRENT OF`."""
        return self._open.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of its rows; none before it is declared."""
        return self._open.columns

    def fetch(self, n: int = 1) -> Result:
        """The next `n` rows, 1 or more; fewer at the end, none behind it."""
        return self._do(self._open.fetch(forward(n)))

    def fetch_all(self) -> Result:
        """All rows that are left."""
        return self._do(self._open.fetch("FORWARD ALL"))

    def fetch_prior(self, n: int = 1) -> Result:
        """The `n` rows before, 1 or more, nearest first."""
        return self._do(self._open.fetch(backward(n)))

    def fetch_first(self) -> Any:
        """The first row; None if there is none."""
        return self._do(self._open.fetch_one("FIRST"))

    def fetch_last(self) -> Any:
        """The last row; None if there is none."""
        return self._do(self._open.fetch_one("LAST"))

    def fetch_absolute(self, n: int) -> Any:
        """The row number `n`, from 1, or from the end if it is negative; None if there is none.
        0 goes before the first row."""
        return self._do(self._open.fetch_one(place("ABSOLUTE", n)))

    def fetch_relative(self, n: int) -> Any:
        """The row `n` rows ahead, or back if it is negative; None if there is none. 0 is the row
        that was fetched last."""
        return self._do(self._open.fetch_one(place("RELATIVE", n)))

    def move(self, n: int) -> int:
        """Go `n` rows ahead, or back if it is negative, without a look at them; how many there
        were."""
        return self._do(self._open.move(distance(n)))

    def close(self) -> None:
        """Close it. May be repeated; where it has gone with its transaction there is nothing to
        do."""
        self._do(self._open.close())

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def __next__(self) -> Any:
        return next(self._rows)

    def __enter__(self) -> Cursor:
        self._do(self._open.begin())
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._do(self._open.leave(exception))

    def _each(self) -> Iterator[Any]:
        try:
            while (chunk := self._do(self._open.next_chunk())) is not None:
                yield from chunk
        except Exception:
            self._rows = self._each()
            raise
        self._rows = self._each()  # who goes back may iterate again
