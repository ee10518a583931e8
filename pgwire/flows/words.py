"""What a statement is, as far as its first word tells.

In a pipeline this must be known before anything is sent: a server that waits for the data of a COPY
and finds the next query instead ends the session.
"""

from __future__ import annotations

import re
from functools import lru_cache

# The server skips white space, comments (`--` to the end of the line, /* nested */) and empty
# statements before the first word.
_NOTHING = re.compile(r"(?:[\s;]+|--[^\r\n]*)*")
_COMMENT_END = re.compile(r"/\*|\*/")
_WORD = re.compile(r"[A-Za-z_]+")
_INTO = re.compile(r"\binto\b", re.IGNORECASE)
_STANDARD_STREAM = re.compile(r"\b(?:stdin|stdout)\b", re.IGNORECASE)


def copies(sql: str) -> bool:
    """Whether `sql` is a COPY from or to the client."""
    return first_word(sql) == "COPY" and _STANDARD_STREAM.search(sql) is not None


def deallocates(sql: str) -> bool:
    """Whether `sql` may deallocate prepared statements: DEALLOCATE, DISCARD."""
    return first_word(sql) in ("DEALLOCATE", "DISCARD")


def defines(sql: str) -> bool:
    """Whether `sql` may give other statements another meaning: CREATE, ALTER, DROP, SELECT INTO."""
    word = first_word(sql)
    return word in ("CREATE", "ALTER", "DROP") or (
        word in ("SELECT", "WITH") and _INTO.search(sql) is not None
    )


@lru_cache(maxsize=256)
def first_word(sql: str) -> str:
    """The first word of `sql`, in upper case; empty if it does not begin with one."""
    position = 0
    while True:
        nothing = _NOTHING.match(sql, position)
        position = nothing.end() if nothing is not None else position
        if not sql.startswith("/*", position):
            break
        depth, position = 1, position + 2
        while depth:
            found = _COMMENT_END.search(sql, position)
            if found is None:
                return ""
            depth += 1 if found[0] == "/*" else -1
            position = found.end()
    word = _WORD.match(sql, position)
    return word[0].upper() if word is not None else ""
