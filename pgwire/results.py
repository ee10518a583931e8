"""What a query gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from pgwire.rows.column import Column
from pgwire.rows.decoder import Row


class Result(Sequence[Row]):
    """One statement's result: a sequence of rows, each a tuple.

    `columns` describes them (empty for a command that returns no rows); `tag` is the command tag
    ("SELECT 3", "INSERT 0 1"; empty if the query string held no statement).
    """

    __slots__ = ("columns", "rows", "tag")

    def __init__(self, rows: list[Row], columns: tuple[Column, ...], tag: str) -> None:
        self.rows = rows
        self.columns = columns
        self.tag = tag

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.rows[index]

    def scalar(self) -> object:
        """The first field of the first row; None if there is no row."""
        return self.rows[0][0] if self.rows else None

    def __repr__(self) -> str:
        return f"<Result {self.tag!r}, {len(self.rows)} rows>"


class CopyResult(Result):
    """The result of a COPY … TO STDOUT: its `data`, all of it, in the format that was asked for.

    It has no rows; `format` is "text", which stands for CSV too, or "binary". What may be large is
    better read with `copy_out` or `copy_chunks`.
    """

    __slots__ = ("data", "format")

    def __init__(self, data: bytes, format: int, tag: str) -> None:
        super().__init__([], (), tag)
        self.data = data
        self.format = "binary" if format else "text"

    def __repr__(self) -> str:
        return f"<CopyResult {self.tag!r}, {len(self.data)} bytes of {self.format}>"
