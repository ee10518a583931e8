from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink import tables
from dblink.tables import print_table, printable


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(names: list[str], rows: list[tuple[str | None, ...]], right=()) -> list[str]:
    out = io.StringIO()
    assert print_table(names, iter(rows), out, right=right) == len(rows)
    return out.getvalue().splitlines()


def test_columns_are_as_wide_as_their_widest_value() -> None:
    assert printed(["id", "name"], [("1", "a"), ("100", None)], right=[0]) == [
        " id  | name",
        "-----+------",
        "   1 | a",
        " 100 | NULL",
        "(2 rows)",
    ]


def test_one_row_and_none() -> None:
    assert printed(["a"], [("x",)])[-1] == "(1 row)"
    assert printed(["a"], []) == [" a", "---", "(0 rows)"]
    assert printed([], []) == ["(0 rows)"]


def test_a_value_of_several_lines_says_where_it_goes_on() -> None:
    assert printed(["a", "b"], [("x\ny\nz", "1")]) == [
        " a | b",
        "---+---",
        " x+| 1",
        " y+|",
        " z |",
        "(1 row)",
    ]


def test_what_is_wide_on_the_screen() -> None:
    wide, combined = "\u5317\u4eac", "e\u0301"
    assert printed(["a", "b"], [(wide, "1"), (combined, "2")]) == [
        " a    | b",
        "------+---",
        f" {wide} | 1",
        f" {combined}    | 2",
        "(2 rows)",
    ]


def test_nothing_steers_the_terminal() -> None:
    assert printable("\x1b[2J\x07\x9b\r") == r"\x1B[2J\x07\x9B\x0D"
    assert printable("a\tb\nc") == "a\tb\nc"
    lines = printed(["\x1b]0;title\x07"], [("\x1b[31mred",)])
    assert not any("\x1b" in line for line in lines)


def test_only_the_first_rows_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PREFIX_ROWS", 3)
    taken = 0
    out = io.StringIO()
    lines_when_taken = []

    def rows() -> Iterator[tuple[str]]:
        nonlocal taken
        for n in range(6):
            taken += 1
            lines_when_taken.append(out.getvalue().count("\n"))
            yield (str(n),)

    print_table(["n"], rows(), out)
    assert taken == 6
    # Three are read before anything is printed, then each is printed before the next is read.
    assert lines_when_taken == [0, 0, 0, 5, 6, 7]


def test_large_values_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PREFIX_CHARACTERS", 10)
    taken = []
    out = io.StringIO()

    def rows() -> Iterator[tuple[str]]:
        for _ in range(3):
            taken.append(out.getvalue() == "")
            yield ("x" * 10,)

    print_table(["n"], rows(), out)
    assert taken == [True, False, False]


def test_a_later_value_that_is_wider_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PREFIX_ROWS", 1)
    assert printed(["a", "b"], [("x", "1"), ("xxxx", "2")])[2:] == [
        " x | 1",
        " xxxx | 2",
        "(2 rows)",
    ]


def test_rich_draws_what_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for width, drawn in (("60", True), ("20", False)):
        monkeypatch.setenv("COLUMNS", width)
        out = Screen()
        # A value that rich would take for markup, if it were asked to.
        print_table(["a", "b"], [("[bold]x[/bold]", None), ("1", "y" * 10)], out)
        assert ("\x1b[" in out.getvalue()) is drawn
        assert "[bold]x[/bold]" in out.getvalue()
        assert "y" * 10 in out.getvalue()
        assert out.getvalue().endswith("(2 rows)\n")


def test_without_rich_a_terminal_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    out = Screen()
    print_table(["a"], [("1",)], out)
    assert out.getvalue() == " a\n---\n 1\n(1 row)\n"


cells = st.none() | st.text(max_size=8)


@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[cells] * n), max_size=5)))
def test_any_text_gives_lines_that_line_up(rows: list[tuple[str | None, ...]]) -> None:
    width = len(rows[0]) if rows else 1
    lines = printed([f"c{n}" for n in range(width)], rows)
    tables_of_values = lines[2:-1]
    assert len(tables_of_values) == sum(
        max((value or "").count("\n") + 1 for value in row) for row in rows
    )
    assert len(lines[1].split("+")) == width
