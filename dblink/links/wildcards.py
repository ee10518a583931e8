"""Patterns of policies: `*` for any characters, `?` for one, everything else for itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_KEPT: Final = 1024
"""Patterns that are kept in the form in which they are compared."""


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` matches the whole of `text`.

    Takes one step for each character of the text, whatever the pattern: all places where the
    pattern may have got to are the bits of one number, so there is nothing to go back to.
    """
    loops, after, anywhere, end = _compiled(pattern)
    places = 1
    for character in text:
        places = (places & loops) | ((places & after.get(character, anywhere)) << 1)
        if not places:
            return False
    return bool(places & end)


def overlap(pattern: str, other: str, *, without: str = "") -> bool:
    """Whether some text is matched by both patterns, where a `*` of the second does not stand for
    the characters `without`."""
    # Rows of a table: whether the first i characters of one and the first k of the other overlap.
    row = [True]
    for second in other:
        row.append(row[-1] and second == "*")
    for first in pattern:
        above, row = row, [row[0] and first == "*"]
        for number, second in enumerate(other):
            if first == "*":
                here = above[number + 1] or row[number]
            elif second == "*":
                here = row[number] or (above[number + 1] and first not in without)
            else:
                here = above[number] and (first == second or "?" in (first, second))
            row.append(here)
    return row[-1]


@lru_cache(maxsize=_KEPT)
def _compiled(pattern: str) -> tuple[int, dict[str, int], int, int]:
    """Bit n stands for the place after the first n characters that are no `*`: where a `*` stands,
    so that any character may pass; where a character may be followed by the next place, by
    character; where any character may; the last place."""
    loops = place = anywhere = 0
    exact: dict[str, int] = {}
    for character in pattern:
        if character == "*":
            loops |= 1 << place
            continue
        if character == "?":
            anywhere |= 1 << place
        else:
            exact[character] = exact.get(character, 0) | 1 << place
        place += 1
    return loops, {c: bits | anywhere for c, bits in exact.items()}, anywhere, 1 << place
