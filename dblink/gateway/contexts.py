"""What an error or notice says of where it comes from: C dblink's words in place of ours.

The functions in the database are PL/pgSQL, so what they raise has lines of theirs in its context.
C dblink has one line there, for what comes from a remote server. The lines of the caller's own
functions, further out, stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dblink.functions import FUNCTIONS

SCHEMA: Final = "dblink_gateway"

ContextOf = Callable[[str, str, "str | None", "str | None"], "str | None"]
"""C dblink's context for what has this SQLSTATE, message, detail and hint, None if it is none of
ours; see `dblink.gateway.seam.Caller.context_of`."""


def _signature(name: str, types: Sequence[str]) -> str:
    """A pattern of how a signature may be written: settings of the session decide on quotation
    marks, and whether types of pg_catalog need its name."""
    arguments = (re.sub(r"^\w+", r'(?:"?pg_catalog"?\.)?"?\g<0>"?', t) for t in map(_escape, types))
    return rf'"?{name}"?\({",".join(arguments)}\)'


def _escape(sql_type: str) -> str:
    return sql_type.replace("[]", r"\[\]")


_SIGNATURES: Final = "|".join(
    {
        *(
            _signature(name, list(overload.arguments.values()))
            for name, function in FUNCTIONS.items()
            for overload in function.overloads
        ),
        _signature("dblink_fdw_validator", ["text[]", "oid"]),
    }
)
# A line that PL/pgSQL adds. Its words, and their order, depend on the language of the server, but
# the signature does not, nor PL/pgSQL's name before it; the statements that other lines quote are
# in quotation marks. The schema is in front where the search path does not lead to it.
_DOCUMENTED: Final = re.compile(
    r'[^"«»„“「]*PL/pgSQL[^"«»„“「]*?(?<![A-Za-z0-9_$."])'
    rf'(?:[\w$]+\.|"(?:[^"]|"")+"\.)?(?:{_SIGNATURES})(?![A-Za-z0-9_$(.])'
)


def concerns(body: bytes) -> bool:
    """Whether the body of an ErrorResponse or NoticeResponse has to be looked at."""
    return b"dblink" in body


def rewritten(body: bytes, codec: str, context_of: ContextOf) -> bytes | None:
    """The body with our lines replaced, None if it has none of them.

    `codec` is that of the client's encoding.
    """
    fields = _fields(body)
    context = fields.get(b"W")
    if context is None:
        return None
    # What cannot be decoded comes back as the same bytes.
    lines = context.decode(codec, "surrogateescape").split("\n")
    ours = _ours(lines)
    if ours is None:
        return None
    first, stop = ours

    def text(code: bytes) -> str | None:
        value = fields.get(code)
        return None if value is None else value.decode(codec, "surrogateescape")

    added = None
    if first == 0:
        # The innermost lines: the error is our functions' own, or the remote server's.
        added = context_of(text(b"C") or "", text(b"M") or "", text(b"D"), text(b"H"))
        for code in (b"p", b"q"):
            fields.pop(code, None)
    kept = [*lines[:first], *(added.split("\n") if added else ()), *lines[stop:]]
    if kept:
        fields[b"W"] = _encoded("\n".join(kept), codec)
    else:
        del fields[b"W"]
    return _body(fields)


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec, "surrogateescape")
    except UnicodeEncodeError:  # what a remote server says need not be in the client's encoding
        return text.encode(codec, "replace")


def _ours(lines: list[str]) -> tuple[int, int] | None:
    """Where the lines of our functions begin and end: the last one is that of the documented
    function, the first one the innermost that is known to be of ours."""
    documented = (n for n, line in enumerate(lines) if _DOCUMENTED.match(line))
    last = next(documented, None)
    if last is None:
        return None
    for first in range(last):
        if SCHEMA in lines[first]:
            # Lines before it are of what our functions have called: the caller's types, for one.
            return first, last + 1
    return last, last + 1


def _fields(body: bytes) -> dict[bytes, bytes]:
    """The fields in their order, by their one-letter codes."""
    fields: dict[bytes, bytes] = {}
    for field in body.split(b"\0"):
        if field:
            fields.setdefault(field[:1], field[1:])
    return fields


def _body(fields: Mapping[bytes, bytes]) -> bytes:
    return b"".join([code + value + b"\0" for code, value in fields.items()]) + b"\0"
