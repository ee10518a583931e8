"""Names of connections and cursors, as PostgreSQL reads identifiers. Manual: 4.1.1."""

from __future__ import annotations

NAME_LENGTH = 63
"""Bytes of an identifier that count (NAMEDATALEN - 1)."""


BLANKS = " \t\n\r\f\v"
"""What separates tokens in SQL."""


def truncate(name: str) -> str:
    """`name` cut to the first 63 bytes of its UTF-8 form, never in the middle of a character."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= NAME_LENGTH:
        return name
    return data[:NAME_LENGTH].decode("utf-8", "ignore")


def fold(name: str) -> str:
    """An unquoted identifier as PostgreSQL keeps it: ASCII letters in lower case, truncated."""
    return truncate("".join(c.lower() if "A" <= c <= "Z" else c for c in name))


def first_identifier(text: str) -> str:
    """The identifier that `text` (raw SQL) begins with, folded or unquoted; "" if there is none.

    dblink pastes cursor names into its statements as they are, so `Cur`, `"Cur"` and
    `cur NO SCROLL` are all names that a caller may give.
    """
    text = text.lstrip(BLANKS)
    if text.startswith('"'):
        quoted = quoted_identifier(text)
        return "" if quoted is None else quoted[0]
    end = 0
    while end < len(text) and (text[end].isalnum() or text[end] in "_$" or text[end] > "\x7f"):
        end += 1
    return fold(text[:end])


def quoted_identifier(text: str) -> tuple[str, str] | None:
    """The name that the double-quoted identifier at the start of `text` stands for, truncated, and
    what follows it; None if its quote is not closed."""
    name, position = "", 1
    while (end := text.find('"', position)) >= 0:
        name += text[position:end]
        if text[end + 1 : end + 2] != '"':
            return truncate(name), text[end + 1 :]
        name, position = name + '"', end + 2
    return None
