"""What a calling function sends and what it is sent back: JSON, and nothing of it is believed.

A call comes as the text of an INFO message, which every client can forge. What cannot be a call of
one of our functions is `Malformed`; what a call may do is decided elsewhere, see `trust`.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Sequence
from typing import Final

from dblink.functions import BOOLEAN, FUNCTIONS, INT2VECTOR, INTEGER, RECORD, TEXT, Function
from dblink.portable import text_of
from pgwire import errors
from pgwire.types.compositetext import split_fields

VERSION: Final = 1
"""Of this conversation: "v" of each message."""

MAX_COLUMNS: Final = 1664
"""What a column definition list may have (MaxTupleAttributeNumber)."""

LARGE: Final = 2**20
"""Characters that a call may have beside what it holds of text: each may become an object."""

_STRING: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9a-f]{32}")
_NUMBER_IN_PART: Final = re.compile(r'"n"\s*:\s*"([0-9a-f]{32})"')
_PROOF: Final = re.compile(r"[0-9a-f]{64}")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")
_MAX_DIMENSIONS: Final = 6
_MAX_OID: Final = 2**32 - 1
_SNAPSHOT_PER_STATEMENT: Final = frozenset(("read committed", "read uncommitted"))


class Malformed(Exception):
    """A message that is no call; `number` is that of the call if so much could be read."""

    def __init__(self, reason: str, number: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.number = number


class Message:
    """What both kinds of message have.

    `number` is the answer's address, a secret of the caller's; `bell` the one that the caller
    waits for, None if it looks by itself.
    """

    __slots__ = ("bell", "number")

    def __init__(self, number: str, bell: int | None) -> None:
        self.number = number
        self.bell = bell


class Call(Message):
    """A call of `function` with `arguments`.

    `types` are the declared columns, (name, OID) each, if the function has them; `role` is whom
    the caller says it runs as, and `proof` shows that it may read the session's secret (empty: it
    does not); `snapshots`: whether it sees what is committed now.
    """

    __slots__ = ("arguments", "function", "proof", "role", "snapshots", "types")

    def __init__(
        self,
        number: str,
        bell: int | None,
        function: Function,
        arguments: Sequence[object],
        types: Sequence[tuple[str, int]] | None,
        role: str,
        proof: str,
        snapshots: bool,
    ) -> None:
        super().__init__(number, bell)
        self.function = function
        self.arguments = tuple(arguments)
        self.types = types
        self.role = role
        self.proof = proof
        self.snapshots = snapshots

    @property
    def declared(self) -> bool:
        """Whether the caller declares the columns of its rows."""
        return self.function.returns == RECORD and not self.function.columns


class Told(Message):
    """What a query, which the caller was asked to run, has returned."""

    __slots__ = ("rows",)

    def __init__(self, number: str, bell: int | None, rows: list[tuple[str | None, ...]]) -> None:
        super().__init__(number, bell)
        self.rows = rows


def decode(payload: bytes, codec: str) -> Call | Told:
    """The message in `payload`: base64 of JSON in the encoding `codec`. Raises Malformed."""
    try:
        text = binascii.a2b_base64(payload).decode(codec)
        if len(text) > LARGE and len(_STRING.sub("", text)) > LARGE:
            raise Malformed("it has too many parts", number_in(payload[:4096]))
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON in base64 ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise Malformed("not an object")
    number = document.get("n")
    if not isinstance(number, str) or _NUMBER.fullmatch(number) is None:
        raise Malformed("it has no number")
    try:
        if document.get("v") != VERSION:
            raise Malformed(f"it is not of version {VERSION}")
        bell = _bell(document.get("bell"))
        if "rows" in document:
            return Told(number, bell, _told_rows(document["rows"]))
        return _call(number, bell, document)
    except Malformed as malformed:
        malformed.number = number
        raise


def number_in(beginning: bytes) -> str | None:
    """The number of a call of which only the beginning is there, if it is in it."""
    part = re.sub(rb"[^A-Za-z0-9+/]", b"", beginning)
    try:
        text = binascii.a2b_base64(part[: len(part) // 4 * 4]).decode("latin-1")
    except ValueError:
        return None
    found = _NUMBER_IN_PART.search(text)
    return found[1] if found is not None else None


def _call(number: str, bell: int | None, document: dict[str, object]) -> Call:
    name, arguments = document.get("f"), document.get("a")
    function = FUNCTIONS.get(name) if isinstance(name, str) else None
    if function is None:
        raise Malformed("it names no function of dblink's")
    if not isinstance(arguments, list) or not _fit(arguments, function):
        raise Malformed(f"its arguments are not those of {function.name}")
    role = document.get("role")
    if not _is_text(role):
        raise Malformed("it names no role")
    call = Call(
        number,
        bell,
        function,
        arguments,
        _types(document.get("types")),
        str(role),
        _proof(document.get("proof")),
        str(document.get("iso")) in _SNAPSHOT_PER_STATEMENT,
    )
    if call.declared and call.types is None:
        raise Malformed("it declares no columns")
    return call


def _fit(arguments: list[object], function: Function) -> bool:
    for overload in function.overloads:
        types = overload.arguments.values()
        if len(types) == len(arguments) and all(map(_fits, arguments, types)):
            return True
    return False


def _fits(value: object, sql_type: str) -> bool:
    if sql_type in (TEXT, INT2VECTOR):
        return _is_text(value)
    if sql_type == BOOLEAN:
        return isinstance(value, bool)
    if sql_type == INTEGER:
        return _is_integer(value) and -(2**31) <= int(str(value)) < 2**31
    return isinstance(value, list) and _is_array(value, _MAX_DIMENSIONS)


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_array(value: list[object], dimensions: int) -> bool:
    return dimensions > 0 and all(
        _is_array(item, dimensions - 1)
        if isinstance(item, list)
        else item is None or _is_text(item)
        for item in value
    )


def _bell(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return value
    raise Malformed("its bell is neither 0 nor 1")


def _proof(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _PROOF.fullmatch(value):
        return value
    raise Malformed("its proof is none")


def _types(value: object) -> tuple[tuple[str, int], ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_COLUMNS:
        raise Malformed("its types are no list of columns")
    types = []
    for item in value:
        if not (isinstance(item, list) and len(item) == 2):
            raise Malformed("its types are no pairs of name and OID")
        name, oid = item
        if not _is_text(name) or not _is_integer(oid) or not 0 <= oid <= _MAX_OID:
            raise Malformed("its types are no pairs of name and OID")
        types.append((name, oid))
    return tuple(types)


def _told_rows(value: object) -> list[tuple[str | None, ...]]:
    """Rows as the texts of composite values, or field by field."""
    if not isinstance(value, list):
        raise Malformed("its rows are no list")
    rows: list[tuple[str | None, ...]] = []
    for row in value:
        if isinstance(row, str) and _is_text(row):
            try:
                fields = split_fields("record", row.encode(), empty=False)
            except errors.DataError:
                raise Malformed("a row is not the text of a record") from None
            rows.append(tuple(None if f is None else f.decode() for f in fields))
        elif isinstance(row, list) and all(f is None or _is_text(f) for f in row):
            rows.append(tuple(row))
        else:
            raise Malformed("a row is neither a text nor a list of texts")
    return rows


# Answers.


def answer(content: dict[str, object], notices: Sequence[errors.Diagnostics] = ()) -> str:
    """The text of an answer: `content` is its one member, see `value` and the others."""
    if notices:
        content = {**content, "notices": [_report(notice) for notice in notices]}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # What a remote server says need not be text: no answer may fail because of that.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def value(of: object) -> dict[str, object]:
    """The answer of a function that returns one value: its text."""
    return {"value": text_of(of)}


def rows(of: Sequence[Sequence[object]]) -> dict[str, object]:
    """The answer of a function that returns rows, as many as fit."""
    return {"rows": [[text_of(field) for field in row] for row in of]}


def table(name: str, columns: int, more: str | None = None) -> dict[str, object]:
    """The answer of a function that returns rows, which are in a table of this name; `more`: the
    number under which to ask for those that follow."""
    content: dict[str, object] = {"table": name, "columns": columns}
    return content if more is None else {**content, "more": more}


def failure(error: errors.Diagnostics) -> dict[str, object]:
    """The answer of a function that fails."""
    return {"error": _report(error)}


def question(sql: str, parameters: Sequence[str | None], number: str) -> dict[str, object]:
    """Have the caller run a query and tell, under `number`, what it returns."""
    return {"ask": {"sql": sql, "params": list(parameters)}, "n": number}


def _report(diagnostics: errors.Diagnostics) -> dict[str, str | None]:
    sqlstate = diagnostics.sqlstate or ""
    return {
        "sqlstate": sqlstate if _SQLSTATE.fullmatch(sqlstate) else "XX000",
        "message": diagnostics.message,
        "detail": diagnostics.detail,
        "hint": diagnostics.hint,
    }
