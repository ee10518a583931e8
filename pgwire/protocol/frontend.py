"""The messages that a client sends after the startup. Manual: 54.7 Message Formats.

`FRONTEND` maps type bytes to classes. The type byte "p" has four meanings, of which only the
conversation tells which is meant: `decode` takes it as `awaiting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self

from pgwire import errors
from pgwire.protocol import writer
from pgwire.protocol.authentication import (
    GSSResponse,
    PasswordMessage,
    SASLInitialResponse,
    SASLResponse,
)
from pgwire.protocol.copydata import CopyData, CopyDone, CopyFail
from pgwire.protocol.first_packets import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    decode_first_packet,
)
from pgwire.protocol.message import Bodiless, FrontendMessage, Message
from pgwire.protocol.reader import Reader

__all__ = [
    "FRONTEND",
    "Bind",
    "CancelRequest",
    "Close",
    "CopyData",
    "CopyDone",
    "CopyFail",
    "Describe",
    "Execute",
    "Flush",
    "FunctionCall",
    "GSSENCRequest",
    "GSSResponse",
    "Parse",
    "PasswordMessage",
    "Query",
    "SASLInitialResponse",
    "SASLResponse",
    "SSLRequest",
    "StartupMessage",
    "Sync",
    "Terminate",
    "decode",
    "decode_first_packet",
    "decode_password_family",
]


class Query(FrontendMessage):
    """A simple query: `sql` may hold any number of statements."""

    __slots__ = ("sql",)
    type = b"Q"

    def __init__(self, sql: bytes) -> None:
        self.sql = sql

    def _parts(self) -> Sequence[bytes]:
        return (writer.cstring(self.sql, "query"),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring())


class Parse(FrontendMessage):
    """Prepare `sql`, one statement, under the name `statement` (empty: the unnamed one).

    `parameter_types` are the OIDs of the types of $1, $2, …; 0, or none, lets the server infer it.
    """

    __slots__ = ("parameter_types", "sql", "statement")
    type = b"P"

    def __init__(self, statement: bytes, sql: bytes, parameter_types: Iterable[int] = ()) -> None:
        self.statement = statement
        self.sql = sql
        self.parameter_types = tuple(parameter_types)

    def _parts(self) -> Sequence[bytes]:
        types = self.parameter_types
        return (
            writer.cstring(self.statement, "name of a prepared statement"),
            writer.cstring(self.sql, "query"),
            writer.count(len(types), "parameters"),
            writer.uint32s(types, "OID of a parameter type"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring(), reader.cstring(), reader.uint32s(reader.uint16()))


class Bind(FrontendMessage):
    """Make the portal `portal` of the prepared statement `statement` and these values.

    `parameters` are the values, None for NULL. `parameter_formats` and `result_formats` hold one
    code each, one for all, or none: all are text.
    """

    __slots__ = ("parameter_formats", "parameters", "portal", "result_formats", "statement")
    type = b"B"

    def __init__(
        self,
        portal: bytes,
        statement: bytes,
        parameter_formats: Iterable[int],
        parameters: Iterable[bytes | None],
        result_formats: Iterable[int],
    ) -> None:
        self.portal = portal
        self.statement = statement
        self.parameter_formats = tuple(parameter_formats)
        self.parameters = tuple(parameters)
        self.result_formats = tuple(result_formats)

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.cstring(self.portal, "name of a portal"),
            writer.cstring(self.statement, "name of a prepared statement"),
            *_arguments(self.parameter_formats, self.parameters, "parameters"),
            writer.count(len(self.result_formats), "result formats"),
            writer.uint16s(self.result_formats, "result format"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        portal, statement = reader.cstring(), reader.cstring()
        parameter_formats = reader.uint16s(reader.uint16())
        parameters = [reader.value() for _ in range(reader.uint16())]
        result_formats = reader.uint16s(reader.uint16())
        return cls(portal, statement, parameter_formats, parameters, result_formats)


class _StatementOrPortal(FrontendMessage):
    """`kind` is b"S" for a prepared statement, b"P" for a portal; `name` is its name."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: bytes, name: bytes) -> None:
        self.kind = kind
        self.name = name

    def _parts(self) -> Sequence[bytes]:
        if self.kind not in (b"S", b"P"):
            raise errors.ProgrammingError(
                f'kind in {self.label} must be b"S" or b"P", not {self.kind!r}'
            )
        return (bytes(self.kind), writer.cstring(self.name, f"name in {self.label}"))

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        kind, name = reader.take(1), reader.cstring()
        if kind not in (b"S", b"P"):
            raise errors.ProtocolError(f"invalid subtype {kind[0]} in {cls.label}")
        return cls(kind, name)


class Describe(_StatementOrPortal):
    """Ask what a prepared statement takes and returns, or what a portal returns."""

    __slots__ = ()
    type = b"D"


class Close(_StatementOrPortal):
    """Forget a prepared statement or a portal; no error if there is none of that name."""

    __slots__ = ()
    type = b"C"


class Execute(FrontendMessage):
    """Run `portal`, or go on with it, for at most `max_rows` rows (0: all)."""

    __slots__ = ("max_rows", "portal")
    type = b"E"

    def __init__(self, portal: bytes, max_rows: int = 0) -> None:
        self.portal = portal
        self.max_rows = max_rows

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.cstring(self.portal, "name of a portal"),
            writer.int32s((self.max_rows,), "row limit of Execute"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring(), reader.int32())


class Flush(FrontendMessage, Bodiless):
    """Ask for the replies so far, without ending the transaction."""

    __slots__ = ()
    type = b"H"


class Sync(FrontendMessage, Bodiless):
    """End the series of extended-query messages: commits it, or rolls it back after an error."""

    __slots__ = ()
    type = b"S"


class Terminate(FrontendMessage, Bodiless):
    """The client leaves."""

    __slots__ = ()
    type = b"X"


class FunctionCall(FrontendMessage):
    """Call the function with OID `function_oid` (a legacy of the protocol).

    Formats as in Bind; `result_format` is one code.
    """

    __slots__ = ("argument_formats", "arguments", "function_oid", "result_format")
    type = b"F"

    def __init__(
        self,
        function_oid: int,
        argument_formats: Iterable[int],
        arguments: Iterable[bytes | None],
        result_format: int = 0,
    ) -> None:
        self.function_oid = function_oid
        self.argument_formats = tuple(argument_formats)
        self.arguments = tuple(arguments)
        self.result_format = result_format

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.uint32s((self.function_oid,), "OID of a function"),
            *_arguments(self.argument_formats, self.arguments, "arguments"),
            writer.uint16s((self.result_format,), "result format"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        function_oid = reader.uint32()
        argument_formats = reader.uint16s(reader.uint16())
        arguments = [reader.value() for _ in range(reader.uint16())]
        result_format = reader.uint16()
        return cls(function_oid, argument_formats, arguments, result_format)


def _arguments(
    formats: tuple[int, ...], values: tuple[bytes | None, ...], what: str
) -> list[bytes]:
    parts = [
        writer.count(len(formats), f"formats of {what}"),
        writer.uint16s(formats, f"format of {what}"),
        writer.count(len(values), what),
    ]
    for number, value in enumerate(values, 1):
        parts += writer.length_and_value(value, f"value {number} of {what}")
    return parts


FRONTEND: Final[dict[int, type[Message]]] = {
    message.type[0]: message
    for message in (
        *(Query, Parse, Bind, Describe, Execute, Close, Flush, Sync, Terminate, FunctionCall),
        *(CopyData, CopyDone, CopyFail, PasswordMessage),
    )
}
"""Type byte -> message. "p" is listed as PasswordMessage; see `decode_password_family`."""


def decode(
    kind: int, body: bytes | bytearray | memoryview, *, awaiting: type[Message] = PasswordMessage
) -> Message:
    """The message with type byte `kind` and this `body`; `awaiting` as below.

    Raises ProtocolError for an unknown type and for a body that is not such a message's.
    """
    if kind == PasswordMessage.type[0]:
        return decode_password_family(body, awaiting=awaiting)
    message = FRONTEND.get(kind)
    if message is None:
        raise errors.ProtocolError(f"invalid frontend message type {kind}")
    return message.decode(body)


def decode_password_family(
    body: bytes | bytearray | memoryview, *, awaiting: type[Message]
) -> Message:
    """The body of a "p" message, as what the server has asked for: `awaiting` is PasswordMessage,
    SASLInitialResponse, SASLResponse or GSSResponse."""
    return awaiting.decode(body)
