import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire.excerpt import error_excerpt

LONG = "select " + ", ".join(f"column{n}" for n in range(20)) + " from t"


@pytest.mark.parametrize(
    ("query", "position", "expected"),
    [
        ("select x", 8, ["LINE 1: select x", "               ^"]),
        ("select", 7, ["LINE 1: select", "              ^"]),  # at end of input
        ("", 1, ["LINE 1: ", "        ^"]),
        ("a\nb\nselect x", 12, ["LINE 3: select x", "               ^"]),
        ("a\r\nb c", 6, ["LINE 2: b c", "          ^"]),
        ("a\rb\r\nc", 6, ["LINE 3: c", "        ^"]),
        ("\tx y", 4, ["LINE 1:  x y", "           ^"]),
        ("'日本' x", 6, ["LINE 1: '日本' x", "               ^"]),
        ("e\u0301 x", 4, ["LINE 1: e\u0301 x", "           ^"]),
    ],
)
def test_excerpt(query: str, position: int, expected: list[str]) -> None:
    assert error_excerpt(query, position) == expected


@pytest.mark.parametrize("position", [0, -1, 10, 1 << 40])
def test_a_position_outside_shows_nothing(position: int) -> None:
    assert error_excerpt("select x", position) == []


def test_a_long_line_is_cut_right() -> None:
    assert error_excerpt(LONG, 8) == [
        "LINE 1: select column0, column1, column2, column3, column4, column5,...",
        " " * 15 + "^",
    ]


def test_a_long_line_is_cut_on_both_sides() -> None:
    # As psql shows `select column0, … from t` with an error at column10.
    position = LONG.index("column10") + 1
    line, caret = error_excerpt(LONG, position)
    assert line.startswith("LINE 1: ...") and line.endswith("...")
    assert line[caret.index("^") :].startswith("column10")
    assert len(line) == len("LINE 1: ...") + 60 + len("...")


def test_a_long_line_is_cut_left() -> None:
    line, caret = error_excerpt(LONG, len(LONG) + 1)
    assert line == "LINE 1: ..." + LONG[-60:]
    assert caret == " " * len(line) + "^"


@given(st.text("ab \t\r\n日\u0301", max_size=300), st.data())
def test_the_caret_is_below_the_character(query: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(1, len(query) + 1))
    line, caret = error_excerpt(query, position)
    columns = "".join("日 " if character == "日" else character for character in line) + " "
    below = columns[caret.index("^")]
    expected = (query + "\n")[position - 1]
    # The end of the line, or the dots where it is cut, or a tab shown as a space.
    assert below == expected or (expected in "\r\n\t" and below in " .")
