"""Exceptions, and the diagnostics a server sends with an error or a notice.

The tree is PEP 249's. Below it stands one class per SQLSTATE (`pgwire.sqlstates`, generated from
PostgreSQL's own list), so that ``except UniqueViolation`` and ``except IntegrityError`` both work.
What the server said is kept whole in `Diagnostics`; the exception only offers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ConnectionLost",
    "ConninfoError",
    "DataError",
    "DatabaseError",
    "Diagnostics",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PipelineAborted",
    "ProgrammingError",
    "ProtocolError",
    "TimeoutExpired",
    "Warning",
]


class Diagnostics:
    """The fields of an ErrorResponse or NoticeResponse.

    Manual: "Error and Notice Message Fields". A field the server did not send is None; `message`
    is then "".

    Attributes:
        severity: ERROR, FATAL, PANIC, WARNING, NOTICE, DEBUG, INFO or LOG; never localized if the
            server sends the unlocalized
            one (it does since 9.6).
        localized_severity: the severity in the language of the server's messages.
        sqlstate: the five-character code.
        position, internal_position: in characters from 1, into the query sent and into
            `internal_query`.
        line: line in the server's source `file`, as the server wrote it.
    """

    __slots__ = (
        "column",
        "constraint",
        "context",
        "datatype",
        "detail",
        "file",
        "hint",
        "internal_position",
        "internal_query",
        "line",
        "localized_severity",
        "message",
        "position",
        "routine",
        "schema",
        "severity",
        "sqlstate",
        "table",
    )

    def __init__(
        self,
        *,
        message: str = "",
        severity: str | None = None,
        localized_severity: str | None = None,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        internal_position: int | None = None,
        internal_query: str | None = None,
        context: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
        datatype: str | None = None,
        constraint: str | None = None,
        file: str | None = None,
        line: str | None = None,
        routine: str | None = None,
    ) -> None:
        self.message = message
        self.severity = severity
        self.localized_severity = localized_severity if localized_severity is not None else severity
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint
        self.position = position
        self.internal_position = internal_position
        self.internal_query = internal_query
        self.context = context
        self.schema = schema
        self.table = table
        self.column = column
        self.datatype = datatype
        self.constraint = constraint
        self.file = file
        self.line = line
        self.routine = routine

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Diagnostics:
        """Diagnostics from the fields of the message, keyed by their one-letter codes. Unknown
        codes are ignored.
        """
        get = fields.get
        localized = get("S")
        return cls(
            message=get("M", ""),
            severity=get("V", localized),
            localized_severity=localized,
            sqlstate=get("C"),
            detail=get("D"),
            hint=get("H"),
            position=_position(get("P")),
            internal_position=_position(get("p")),
            internal_query=get("q"),
            context=get("W"),
            schema=get("s"),
            table=get("t"),
            column=get("c"),
            datatype=get("d"),
            constraint=get("n"),
            file=get("F"),
            line=get("L"),
            routine=get("R"),
        )

    def render(self, query: str | None = None) -> str:
        """The text libpq makes of it at default verbosity, without the final newline.

        Arguments:
            query: the query that was sent, for the ``LINE 1: …`` excerpt; without it the position
                is given as
                ``at character n``. An error inside a function brings its own query.

        Like libpq, the context is left out unless this is an error. Manual: PQresultErrorMessage,
        PQsetErrorVerbosity.
        """
        text = f"{self.localized_severity}:  " if self.localized_severity is not None else ""
        text += self.message
        source, position = query, self.position
        if position is None:
            source, position = self.internal_query, self.internal_position
        if position is not None and source is None:
            text += f" at character {position}"
        lines = [text]
        if position is not None and source is not None:
            # Imported on the first error with a position: most programs never draw one.
            from pgwire.excerpt import error_excerpt

            lines.extend(error_excerpt(source, position))
        if self.detail is not None:
            lines.append(f"DETAIL:  {self.detail}")
        if self.hint is not None:
            lines.append(f"HINT:  {self.hint}")
        if self.internal_query is not None:
            lines.append(f"QUERY:  {self.internal_query}")
        if self.context is not None and self.severity not in _NOTICE_SEVERITIES:
            lines.append(f"CONTEXT:  {self.context}")
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Diagnostics):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.sqlstate, self.message))

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in self.__slots__)
        shown = [f"{name}={value!r}" for name, value in values if value is not None]
        return f"Diagnostics({', '.join(shown)})"


class Warning(Exception):
    """PEP 249: important warnings. Never raised: notices go to the notice handler."""


class Error(Exception):
    """Base class of every error of pgwire.

    Arguments:
        message: the primary message, without severity.
        sqlstate: the five-character code; by default the class's own, if it has one.
        detail, hint, context: as in the manual's "Error and Notice Message Fields".
        diagnostics: everything the server said; then the other arguments but `message` are not
            looked at.
    """

    sqlstate: str | None = None
    """SQLSTATE of the error: the class's own, or what was given; None if there is none."""

    diagnostics: Diagnostics
    """All fields of the error; made from the arguments if it is not a server's."""

    def __init__(
        self,
        message: str = "",
        *,
        sqlstate: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        context: str | None = None,
        diagnostics: Diagnostics | None = None,
    ) -> None:
        # Only the message goes to args: copy and pickle call the class with args and then restore
        # the attributes.
        super().__init__(message)
        if diagnostics is None:
            diagnostics = Diagnostics(
                message=message,
                severity="ERROR",
                sqlstate=sqlstate if sqlstate is not None else type(self).sqlstate,
                detail=detail,
                hint=hint,
                context=context,
            )
        self.diagnostics = diagnostics
        if diagnostics.sqlstate != self.sqlstate:
            self.sqlstate = diagnostics.sqlstate

    @property
    def message(self) -> str:
        """The primary message."""
        return str(self.args[0]) if self.args else ""

    @property
    def severity(self) -> str | None:
        """ERROR, FATAL or PANIC, not localized."""
        return self.diagnostics.severity

    @property
    def detail(self) -> str | None:
        """The DETAIL of the error."""
        return self.diagnostics.detail

    @property
    def hint(self) -> str | None:
        """The HINT of the error."""
        return self.diagnostics.hint

    @property
    def context(self) -> str | None:
        """The CONTEXT of the error: the call stack in the server."""
        return self.diagnostics.context

    @property
    def position(self) -> int | None:
        """Where in the query the error is, in characters from 1."""
        return self.diagnostics.position

    @property
    def schema(self) -> str | None:
        """Schema of the object the error is about."""
        return self.diagnostics.schema

    @property
    def table(self) -> str | None:
        """Table the error is about."""
        return self.diagnostics.table

    @property
    def column(self) -> str | None:
        """Column the error is about."""
        return self.diagnostics.column

    @property
    def datatype(self) -> str | None:
        """Data type the error is about."""
        return self.diagnostics.datatype

    @property
    def constraint(self) -> str | None:
        """Constraint the error is about."""
        return self.diagnostics.constraint

    def __str__(self) -> str:
        text = self.message
        diagnostics = self.diagnostics
        if diagnostics.detail is not None:
            text += f"\nDETAIL:  {diagnostics.detail}"
        if diagnostics.hint is not None:
            text += f"\nHINT:  {diagnostics.hint}"
        if diagnostics.context is not None:
            text += f"\nCONTEXT:  {diagnostics.context}"
        return text


class InterfaceError(Error):
    """PEP 249: the client was used wrongly, such as after it was closed."""


class DatabaseError(Error):
    """PEP 249: an error of the database."""


class DataError(DatabaseError):
    """PEP 249: a value is wrong: out of range, malformed, not representable."""


class OperationalError(DatabaseError):
    """PEP 249: not under the programmer's control: lost connection, resources, cancel."""


class IntegrityError(DatabaseError):
    """PEP 249: a constraint is violated."""


class InternalError(DatabaseError):
    """PEP 249: the database is in a state that does not allow the command, or is broken."""


class ProgrammingError(DatabaseError):
    """PEP 249: a wrong statement: syntax, unknown names, wrong parameters."""


class NotSupportedError(DatabaseError):
    """PEP 249: not supported by the database or by pgwire."""


class ProtocolError(OperationalError):
    """The peer broke the frontend/backend protocol; the connection cannot be used any more."""

    sqlstate: str | None = "08P01"


class ConnectionLost(OperationalError):
    """The network, or the server at its other end, is gone in the middle of a conversation.

    Attributes:
        reason: what happened, in libpq's words.
        server: which connection: ``connection to server at "db1", port 5432``.
        phase: what was going on: ``startup``, ``simple query``, ….
    """

    sqlstate: str | None = "08006"

    def __init__(self, reason: str = "", *, server: str = "", phase: str = "") -> None:
        super().__init__(f"{server} lost in phase {phase}: {reason}" if server else reason)
        self.reason = reason
        self.server = server
        self.phase = phase


class TimeoutExpired(OperationalError, TimeoutError):
    """A deadline that the caller set has passed. Whether the connection is still good, it tells
    itself.
    """


class PipelineAborted(OperationalError):
    """A query in a pipeline has not been run, since another one before it has failed, or since the
    pipeline was given up. ``__cause__`` is the error of the one that has failed. Manual: 54.2.4.
    """


class ConninfoError(ProgrammingError):
    """A connection string, or a file it names, is wrong. The message is libpq's."""


_NOTICE_SEVERITIES: Final = frozenset(("WARNING", "NOTICE", "DEBUG", "INFO", "LOG"))
_MAXIMUM_DIGITS: Final = 10


def _position(text: str | None) -> int | None:
    """A position field; None for what cannot be one, as a broken server's error must still be
    shown.
    """
    if text is None or len(text) > _MAXIMUM_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text) or None
