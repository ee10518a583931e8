"""The piece of a query around an error, with a caret below it, drawn exactly as libpq does."""

from __future__ import annotations

from typing import Final

__all__ = ["error_excerpt"]

_DISPLAY_SIZE: Final = 60  # screen columns
_MIN_RIGHT_CUT: Final = 10  # columns kept right of the error, if there are as many


def error_excerpt(query: str, position: int) -> list[str]:
    """The lines ``LINE n: …`` and ``   ^``; none if the position is not within the query.

    Arguments:
        query: the query as it was sent.
        position: of the error, in characters from 1; just behind the query is allowed ("at end of
            input").
    """
    at = position - 1
    if at < 0 or at > len(query):
        return []
    line_number, begin, end = _line_around(query, at)
    column = [0]  # column[i]: screen column of character begin + i
    for character in query[begin:end]:
        column.append(column[-1] + _display_width(character))

    def width(first: int, last: int) -> int:
        return column[last - base] - column[first - base]

    base = begin
    cut_left = cut_right = False
    if width(begin, end) > _DISPLAY_SIZE:
        if width(begin, at) + _MIN_RIGHT_CUT <= _DISPLAY_SIZE:
            while width(begin, end) > _DISPLAY_SIZE:
                end -= 1
            cut_right = True
        else:
            while width(at, end) > _MIN_RIGHT_CUT:
                end -= 1
                cut_right = True
            while width(begin, end) > _DISPLAY_SIZE:
                begin += 1
                cut_left = True
    prefix = f"LINE {line_number}: " + ("..." if cut_left else "")
    excerpt = query[begin:end].replace("\t", " ") + ("..." if cut_right else "")
    return [prefix + excerpt, " " * (len(prefix) + width(begin, at)) + "^"]


def _line_around(query: str, at: int) -> tuple[int, int, int]:
    """Number (from 1), begin and end of the line that holds character `at`. \\r, \\n and \\r\\n end
    a line.
    """
    number, begin = 1, 0
    for index in range(at):
        character = query[index]
        if character in "\r\n":
            if character == "\r" or index == 0 or query[index - 1] != "\r":
                number += 1
            begin = index + 1
    end = at
    while end < len(query) and query[end] not in "\r\n":
        end += 1
    return number, begin, end


def _display_width(character: str) -> int:
    if character < "\u0300":
        return 1
    from unicodedata import category, east_asian_width

    # libpq counts combining characters (width 0) as 1 here.
    return (
        2
        if east_asian_width(character) in "WF" and category(character) not in ("Mn", "Me", "Cf")
        else 1
    )
