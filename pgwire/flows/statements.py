"""The statements that a session has prepared and keeps, least recently used first to go.

A statement is known by its text, the declared types of its parameters, and by what else decides
what the text means: the search path, where the server reports it. Servers prepare a statement anew
by themselves when a table that it names has changed, but refuse if that changes its result, and
cannot if the types of its parameters have changed with it; `stale` tells such errors.

Preparing is not transactional: what a transaction has prepared is there after its rollback, too.
So what is kept here and what the server has differ only when somebody deallocates. Command tags
tell of most of that (`completed`), an error of the rest. No name is ever used twice.

The server does not notice all that gives a text another meaning: a new temporary table hides the
table of its name, a new function fits better, a parameter keeps the type that was inferred for it
though its column has another one now. So after every CREATE, ALTER and DROP of the session itself
all statements are prepared anew, and after a ROLLBACK that may have undone one. Servers before 18
do not report the search path: there a SET does the same to statements with inferred types.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pgwire import errors
from pgwire.protocol import writer
from pgwire.protocol.constants import FRONTEND_LIMITS
from pgwire.protocol.frontend import Close
from pgwire.protocol.message import Message
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.registry import Registry

if TYPE_CHECKING:
    from pgwire.rows.batches import BatchDecoder

DEFAULT_SIZE: Final = 100
"""Statements that are kept unless another number is asked for."""

_BIND_LIMIT: Final = FRONTEND_LIMITS[b"B"[0]]
_LENGTH: Final = struct.Struct("!i").pack
_HEADER: Final = struct.Struct("!ci").pack

# Servers check these, and only these, for a changed result before they run a kept statement.
# EXECUTE, FETCH, SHOW, … return what they find, whatever they returned when they were prepared.
_CHECKED: Final = frozenset(
    ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "WITH")
)

_DEALLOCATED: Final = frozenset((b"DISCARD ALL", b"DEALLOCATE ALL"))
_SETTINGS: Final = frozenset((b"SET", b"RESET"))
_ENDS: Final = frozenset((b"COMMIT", b"ROLLBACK"))
_DEFINITIONS: Final = (b"CREATE ", b"ALTER ", b"DROP ")


class Shape:
    """How the rows of a statement come: `columns`, each with its format, None if it returns no
    rows; `formats`, the same as Bind has it, count and codes; `decoder` of the rows."""

    __slots__ = ("columns", "decoder", "ending", "flight", "formats")

    def __init__(
        self,
        columns: Sequence[Column] | None,
        registry: Registry,
        context: Context,
        *,
        as_text: bool,
    ) -> None:
        self.columns: tuple[Column, ...] | None = None
        self.decoder: BatchDecoder | None = None
        self.flight: bytes | None = None
        """Bind without parameters, Execute and Sync, encoded, once it has been used."""
        self.ending: tuple[bytes, str] | None = None
        """CommandComplete and ReadyForQuery of the last reply that was read as a whole, and the
        tag in it."""
        codes: Sequence[int] = ()
        if columns is not None:
            # Only who asks for rows pays for importing what generates decoders.
            from pgwire.rows.batches import batch_decoder
            from pgwire.rows.formats import formatted, result_formats

            if not as_text:
                codes = result_formats(columns, registry, context)
            self.columns = formatted(columns, codes or (0,) * len(columns))
            self.decoder = batch_decoder(self.columns, registry, context)
        self.formats = writer.count(len(codes), "result formats") + writer.uint16s(
            codes, "result format"
        )


class Statement:
    """A statement that has been prepared: its text `sql`, the types `oids` that its parameters were
    declared with (0: left to the server), its `name` (empty: the unnamed statement), and what the
    server told: the types of its `parameters`, and its `columns`, all in text, or None if it
    returns no rows."""

    __slots__ = (
        "_for",
        "_front",
        "_head",
        "_shape",
        "columns",
        "key",
        "name",
        "oids",
        "parameters",
        "sql",
        "verified",
    )

    def __init__(self, key: tuple[object, ...], sql: str, oids: Sequence[int], name: bytes) -> None:
        self.key = key
        self.sql = sql
        self.oids = tuple(oids)
        self.name = name
        self.parameters: tuple[int, ...] = ()
        self.columns: tuple[Column, ...] | None = None
        words = sql[:200].split(None, 1)
        self.verified = bool(words) and words[0].upper() in _CHECKED
        """Whether the server refuses to run it, once it is prepared, if its columns have changed.
        Otherwise what it returns has to be asked each time."""
        self._front: tuple[tuple[Sequence[int], int] | None, bytes] = None, b""
        self._head = b"\0" + writer.cstring(name, "name of a prepared statement")
        self._shape: Shape | None = None
        self._for: tuple[Registry, int, Context] | None = None

    def shape(self, registry: Registry, context: Context) -> Shape:
        """How its rows are asked for and decoded, with these codecs, in this context."""
        made = self._for
        if (
            made is None
            or made[0] is not registry
            or made[1] != registry.revision
            or made[2] is not context
        ):
            # What may return other columns than it was described with must not be asked for bytes
            # that only the codec of the described type could read: so it is with a statement that
            # nobody checks, and with the unnamed one, which is parsed anew each time.
            as_text = not (self.verified and self.name)
            self._shape = Shape(self.columns, registry, context, as_text=as_text)
            self._for = (registry, registry.revision, context)
        assert self._shape is not None
        return self._shape

    def bind(self, formats: Sequence[int], values: Sequence[bytes | None], shape: Shape) -> bytes:
        """Bind, encoded: the unnamed portal from `values`, which are in `formats` (a code each, one
        for all, or none: text), for rows of `shape`. Raises as messages do when they are encoded.
        """
        known, front = self._front
        if known != (formats, len(values)):
            front = b"".join(
                (
                    self._head,
                    writer.count(len(formats), "formats of parameters"),
                    writer.uint16s(formats, "format of parameters"),
                    writer.count(len(values), "parameters"),
                )
            )
            self._front = (tuple(formats), len(values)), front
        parts = [front]
        length = 4 + len(front) + len(shape.formats)
        for number, value in enumerate(values, 1):
            if type(value) is bytes:
                parts.append(_LENGTH(len(value)))
                parts.append(value)
                length += 4 + len(value)
            else:
                for part in writer.length_and_value(value, f"value {number} of parameters"):
                    parts.append(part)
                    length += len(part)
        parts.append(shape.formats)
        if length > _BIND_LIMIT:
            raise writer.too_long('"B" message (Bind)', length, _BIND_LIMIT)
        return _HEADER(b"B", length) + b"".join(parts)


class Statements:
    """The prepared statements of one session; `size` is how many are kept, 0 is none.

    With `size` 0 nothing is left on the server, as poolers want it: statements go unnamed, and only
    what they return is remembered, for `DEFAULT_SIZE` of them.
    """

    __slots__ = ("_closing", "_defined", "_kept", "_names", "_parameters", "_set", "size")

    def __init__(self, parameters: Mapping[str, str], size: int = 0) -> None:
        """`parameters` are those that the server reports, as they change."""
        self.size = size
        self._parameters = parameters
        self._kept: OrderedDict[tuple[object, ...], Statement] = OrderedDict()
        self._closing: list[bytes] = []
        self._defined = False  # something, perhaps since the last COMMIT
        self._set = False  # a parameter of the session, likewise
        self._names = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, sql: str, oids: Sequence[int]) -> Statement | None:
        """The statement that is kept for `sql` with parameters declared as `oids`."""
        key = (sql, oids, self._parameters.get("search_path"))
        statement = self._kept.get(key)
        if statement is not None:
            self._kept.move_to_end(key)
        return statement

    def new(self, sql: str, oids: Sequence[int]) -> Statement:
        """A statement to be prepared and described; it is not kept yet."""
        oids = tuple(oids)
        name = b""
        if self.size > 0:
            self._names += 1
            name = b"pgwire_%d" % self._names
        return Statement((sql, oids, self._parameters.get("search_path")), sql, oids, name)

    def keep(self, statement: Statement) -> None:
        """Keep a statement that has been prepared and described."""
        replaced = self._kept.pop(statement.key, None)
        if replaced is not None:
            self.close(replaced)
        self._kept[statement.key] = statement
        while len(self._kept) > (self.size or DEFAULT_SIZE):
            self.close(self._kept.popitem(last=False)[1])

    def drop(self, statement: Statement) -> None:
        """Keep a statement no longer: the server has lost it, or it means another thing now."""
        if self._kept.get(statement.key) is statement:
            del self._kept[statement.key]
            self.close(statement)

    def close(self, statement: Statement) -> None:
        """Have the server forget a statement, if it has it, with the next thing that is sent."""
        if statement.name:
            self._closing.append(statement.name)

    def closed(self, statement: Statement) -> None:
        """Do not have the server forget it after all."""
        if statement.name in self._closing:
            self._closing.remove(statement.name)

    def completed(self, tag: bytes, *, rows: bool = True) -> None:
        """A command with this tag has been done, and has returned `rows` or none. What is kept here
        may be gone by it, or mean another thing."""
        if tag in _DEALLOCATED:
            self._kept.clear()
            self._closing.clear()
        elif tag.startswith(_DEFINITIONS) or (not rows and tag.startswith(b"SELECT")):
            self._defined = True
            self.forget()  # SELECT INTO and CREATE TABLE AS say SELECT, too
        elif tag == b"DEALLOCATE" or (self._defined and tag == b"ROLLBACK"):
            self.forget()
        elif tag in _SETTINGS and "search_path" not in self._parameters:
            self._set = True
            self.forget(inferred=True)
        elif tag in _ENDS:
            if self._set:  # perhaps SET LOCAL
                self.forget(inferred=True)
            if tag == b"COMMIT":
                self._defined = self._set = False

    def forget(self, *, inferred: bool = False) -> None:
        """Keep none of the statements, or none with `inferred` types of parameters. The server
        forgets them with the next thing that is sent; closing what is gone is no error."""
        for statement in list(self._kept.values()):
            if not inferred or 0 in statement.oids:
                self.drop(statement)

    def take_closing(self) -> list[Message]:
        """The Close messages that ride along with the next flight."""
        if not self._closing:
            return []
        closing, self._closing = self._closing, []
        return [Close(b"S", name) for name in closing]


def stale(error: errors.DatabaseError, statement: Statement) -> bool:
    """Whether preparing `statement` anew may cure the `error`, which came before its BindComplete.

    The statement is gone (26000); it would return other columns (0A000, told from others by the
    server's function, not by its words); its parameters or columns do not fit the tables any more
    (08P01: another number of columns; class 42: names and types; XX000: a type is gone); or a value
    does not fit the type that was inferred for its parameter (class 22).
    """
    code = error.sqlstate or ""
    if code.startswith("22"):
        return 0 in statement.oids
    if code == "0A000":
        return error.diagnostics.routine == "RevalidateCachedQuery"
    return code in ("26000", "08P01", "XX000") or code.startswith("42")


def checked_size(size: int) -> int:
    """`size`, if so many statements can be kept. Raises ProgrammingError."""
    if type(size) is not int or size < 0:
        raise errors.ProgrammingError(
            f"statement_cache_size must be 0, to keep no statements, or more, not {size!r}",
            sqlstate="22023",
        )
    return size
