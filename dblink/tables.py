"""Rows as a table for people: columns aligned, one line per row, a count at the end.

Rows may come without end: the first ones decide how wide the columns are, and are all that is held;
a later value that is wider only pushes the rest of its own line to the right. With the package
`rich` installed, a table that fits the terminal is drawn by it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO
from unicodedata import combining, east_asian_width

from dblink.exports import NUMBERS

if TYPE_CHECKING:
    from rich.console import Console

    from dblink.result import Result

PREFIX_ROWS: Final = 1000
PREFIX_CHARACTERS: Final = 1024 * 1024
"""The rows that decide the widths: those that come before either limit."""

NULL: Final = "NULL"

Row = Sequence[str | None]
_Cells = list[str]


def print_result(result: Result, out: TextIO) -> int:
    """Print what is left of `result` as a table, as `print_table` does, numbers at the right."""
    right = [n for n, column in enumerate(result.columns) if column.type_oid in NUMBERS]
    names = [column.name for column in result.columns]
    return print_table(names, result.text_rows(), out, right=right)


def print_table(
    names: Sequence[str], rows: Iterable[Row], out: TextIO, *, right: Collection[int] = ()
) -> int:
    """Print rows under their column names, and how many they were.

    Args:
        names: of the columns.
        rows: the values as text, None for NULL.
        out: where to.
        right: the columns, counted from 0, whose values stand at the right, as numbers do.

    Returns the number of rows.
    """
    rest = ([NULL if value is None else printable(value) for value in row] for row in rows)
    prefix, complete = _prefix(rest)
    header = [printable(name) for name in names]
    widths = [max(map(_cell_width, column)) for column in zip(header, *prefix, strict=True)]
    console = _console(out) if complete else None
    if console is not None and sum(widths) + 3 * len(widths) <= console.width:
        _print_rich(console, header, prefix, right)
        count = len(prefix)
    else:
        count = _print_plain(header, prefix, rest, widths, right, out)
    print("(1 row)" if count == 1 else f"({count} rows)", file=out)
    return count


def printable(text: str) -> str:
    """`text` without what would steer a terminal: control characters are written as `\\x1B`."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02X}", text)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _prefix(rows: Iterator[_Cells]) -> tuple[list[_Cells], bool]:
    """The first rows, and whether they are all."""
    held: list[_Cells] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += sum(map(len, row))
        if len(held) >= PREFIX_ROWS or characters >= PREFIX_CHARACTERS:
            return held, False
    return held, True


def _print_plain(
    header: _Cells,
    prefix: Iterable[_Cells],
    rest: Iterable[_Cells],
    widths: Sequence[int],
    right: Collection[int],
    out: TextIO,
) -> int:
    if header:
        for line in _lines(header, widths, ()):
            print(line, file=out)
        print("+".join("-" * (width + 2) for width in widths), file=out)
    count = 0
    for part in (prefix, rest):
        for row in part:
            count += 1
            for line in _lines(row, widths, right):
                print(line, file=out)
    return count


def _lines(cells: _Cells, widths: Sequence[int], right: Collection[int]) -> Iterator[str]:
    """The lines of one row: as many as its tallest cell has. A "+" says that a cell goes on."""
    split = [cell.expandtabs().split("\n") for cell in cells]
    for number in range(max(map(len, split), default=0)):
        parts = []
        for column, (lines, width) in enumerate(zip(split, widths, strict=True)):
            text = lines[number] if number < len(lines) else ""
            blank = " " * (width - _width(text))
            more = "+" if number + 1 < len(lines) else " "
            parts.append(" " + (blank + text if column in right else text + blank) + more)
        yield "|".join(parts).rstrip()


def _cell_width(cell: str) -> int:
    return max(map(_width, cell.expandtabs().split("\n")))


def _width(text: str) -> int:
    """Columns that `text` takes on a screen."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        for character in text
    )


def _console(out: TextIO) -> Console | None:
    if not out.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=out)


def _print_rich(
    console: Console, header: _Cells, rows: Iterable[_Cells], right: Collection[int]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False)
    for number, name in enumerate(header):
        table.add_column(Text(name), justify="right" if number in right else "left")
    for row in rows:
        # Text, not str: a value is no markup.
        table.add_row(*(Text(cell, style="dim" if cell == NULL else "") for cell in row))
    console.print(table)
