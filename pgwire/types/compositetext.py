"""The text of composite values: fields in parentheses. Manual: 8.16.6 "Composite Type Input and
Output Syntax".

It works on bytes and so needs an encoding in which a byte below 0x80 is always that character;
`pgwire.types.nesting` sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pgwire.types.codec import bad_text

__all__ = ["join_fields", "split_fields"]

_FIELD: Final = re.compile(rb'(?:"([^"\\]*(?:(?:""|\\.)[^"\\]*)*)"|([^"\\,()]*))([,)])', re.DOTALL)
_ESCAPED: Final = re.compile(rb'""|\\(.)', re.DOTALL)
_SPECIAL: Final = re.compile(rb'["\\(),\s]')


def split_fields(name: str, data: bytes, *, empty: bool) -> list[bytes | None]:
    """The texts of the fields, None for NULL.

    Arguments:
        name: of the type, for errors.
        empty: what ``()`` is: no field at all, or one that is NULL.

    Raises:
        DataError: malformed.
    """
    if data == b"()" and empty:
        return []
    if data[:1] != b"(":
        raise bad_text(name, data)
    fields: list[bytes | None] = []
    position, end = 1, len(data)
    while True:
        match = _FIELD.match(data, position)
        if match is None:
            raise bad_text(name, data)
        quoted, plain, sign = match.groups()
        if quoted is not None:
            if b'"' in quoted or b"\\" in quoted:
                quoted = _ESCAPED.sub(lambda escape: escape[1] or b'"', quoted)
            fields.append(quoted)
        else:
            fields.append(plain or None)
        position = match.end()
        if sign == b")":
            if position != end:
                raise bad_text(name, data)
            return fields


def join_fields(fields: Sequence[bytes | None]) -> bytes:
    """The text of a composite value; None is NULL."""
    return b"(" + b",".join([b"" if field is None else _quoted(field) for field in fields]) + b")"


def _quoted(field: bytes) -> bytes:
    if field and _SPECIAL.search(field) is None:
        return field
    return b'"' + field.replace(b"\\", b"\\\\").replace(b'"', b'""') + b'"'
