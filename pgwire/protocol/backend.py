"""The messages that a server sends. Manual: 54.7 Message Formats, 54.8 Error and Notice Fields.

`BACKEND` maps type bytes to classes, `decode` makes the message. Counts and OIDs are unsigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from pgwire import errors
from pgwire.protocol import writer
from pgwire.protocol.authentication import (
    Authentication,
    AuthenticationCleartextPassword,
    AuthenticationCryptPassword,
    AuthenticationGSS,
    AuthenticationGSSContinue,
    AuthenticationKerberosV4,
    AuthenticationKerberosV5,
    AuthenticationMD5Password,
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    AuthenticationSCMCredential,
    AuthenticationSSPI,
    decode_authentication,
)
from pgwire.protocol.constants import TRANSACTION_STATUSES
from pgwire.protocol.copydata import (
    CopyBothResponse,
    CopyData,
    CopyDone,
    CopyInResponse,
    CopyOutResponse,
)
from pgwire.protocol.description import FieldDescription, ParameterDescription, RowDescription
from pgwire.protocol.message import BackendMessage, Bodiless, Message
from pgwire.protocol.reader import Reader

__all__ = [
    "BACKEND",
    "Authentication",
    "AuthenticationCleartextPassword",
    "AuthenticationCryptPassword",
    "AuthenticationGSS",
    "AuthenticationGSSContinue",
    "AuthenticationKerberosV4",
    "AuthenticationKerberosV5",
    "AuthenticationMD5Password",
    "AuthenticationOk",
    "AuthenticationSASL",
    "AuthenticationSASLContinue",
    "AuthenticationSASLFinal",
    "AuthenticationSCMCredential",
    "AuthenticationSSPI",
    "BackendKeyData",
    "BindComplete",
    "CloseComplete",
    "CommandComplete",
    "CopyBothResponse",
    "CopyData",
    "CopyDone",
    "CopyInResponse",
    "CopyOutResponse",
    "DataRow",
    "EmptyQueryResponse",
    "ErrorResponse",
    "FieldDescription",
    "FunctionCallResponse",
    "NegotiateProtocolVersion",
    "NoData",
    "NoticeResponse",
    "NotificationResponse",
    "ParameterDescription",
    "ParameterStatus",
    "ParseComplete",
    "PortalSuspended",
    "ReadyForQuery",
    "RowDescription",
    "decode",
    "decode_authentication",
]


class BackendKeyData(BackendMessage):
    """What a CancelRequest for this session must show. The key has 4 bytes in 3.0, up to 256 in
    3.2; which of them goes is for the one to check who knows the version."""

    __slots__ = ("process_id", "secret_key")
    _secrets = frozenset(("secret_key",))
    type = b"K"

    def __init__(self, process_id: int, secret_key: bytes) -> None:
        self.process_id = process_id
        self.secret_key = secret_key

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.int32s((self.process_id,), "process id of BackendKeyData"),
            writer.plain(self.secret_key, "secret key of BackendKeyData"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.int32(), reader.rest())


class NegotiateProtocolVersion(BackendMessage):
    """The server speaks `version` at most and does not know these protocol extensions."""

    __slots__ = ("unrecognized", "version")
    type = b"v"

    def __init__(self, version: int, unrecognized: Iterable[bytes] = ()) -> None:
        self.version = version
        self.unrecognized = tuple(unrecognized)

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.uint32s((self.version,), "protocol version"),
            writer.int32s((len(self.unrecognized),), "number of unsupported parameters"),
            *[writer.cstring(name, "name of a parameter") for name in self.unrecognized],
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        prefix = "received invalid protocol negotiation message: "
        try:
            version, count = reader.uint32(), reader.int32()
            names = [reader.cstring() for _ in range(count)]  # none if negative
        except errors.ProtocolError:
            raise errors.ProtocolError(prefix + "message too short") from None
        if count < 0:
            raise errors.ProtocolError(
                prefix + "server reported negative number of unsupported parameters"
            )
        return cls(version, names)


class ParameterStatus(BackendMessage):
    """The setting `name` is now `value`."""

    __slots__ = ("name", "value")
    type = b"S"

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.value = value

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.cstring(self.name, "name of a parameter"),
            writer.cstring(self.value, "value of a parameter"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring(), reader.cstring())


class ReadyForQuery(BackendMessage):
    """The server waits for a command. `status`: b"I" outside a transaction block, b"T" in one,
    b"E" in one that has failed."""

    __slots__ = ("status",)
    type = b"Z"

    def __init__(self, status: bytes) -> None:
        self.status = status

    def _parts(self) -> Sequence[bytes]:
        if self.status not in TRANSACTION_STATUSES:
            raise errors.ProgrammingError(f"invalid transaction status {self.status!r}")
        return (self.status,)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """The message with this `body`; as `Message.decode`, and quicker."""
        status = bytes(body)
        return cls(status) if status in TRANSACTION_STATUSES else super().decode(status)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        status = reader.take(1)
        if status not in TRANSACTION_STATUSES:
            raise errors.ProtocolError(f"invalid transaction status {status!r} in {cls.label}")
        return cls(status)


class _Diagnostics(BackendMessage):
    """`fields` maps the one-letter codes of the manual's section 54.8 to text."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, bytes]) -> None:
        self.fields = dict(fields)

    def _parts(self) -> Sequence[bytes]:
        parts = []
        for code, text in self.fields.items():
            if len(code) != 1 or not 0 < ord(code) < 0x100:
                raise errors.ProgrammingError(f"invalid field code {code!r} in {self.label}")
            parts.append(code.encode("latin-1"))
            parts.append(writer.cstring(text, f'field "{code}" of {self.label}'))
        return (*parts, b"\0")

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        fields = {}
        while code := reader.byte():
            fields[chr(code)] = reader.cstring()
        return cls(fields)


class ErrorResponse(_Diagnostics):
    """The server refuses something, or itself (severity FATAL)."""

    __slots__ = ()
    type = b"E"


class NoticeResponse(_Diagnostics):
    """A message to whom it may concern."""

    __slots__ = ()
    type = b"N"


class NotificationResponse(BackendMessage):
    """The session with `process_id` has issued NOTIFY."""

    __slots__ = ("channel", "payload", "process_id")
    type = b"A"

    def __init__(self, process_id: int, channel: bytes, payload: bytes) -> None:
        self.process_id = process_id
        self.channel = channel
        self.payload = payload

    def _parts(self) -> Sequence[bytes]:
        return (
            writer.int32s((self.process_id,), "process id of NotificationResponse"),
            writer.cstring(self.channel, "channel of NotificationResponse"),
            writer.cstring(self.payload, "payload of NotificationResponse"),
        )

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.int32(), reader.cstring(), reader.cstring())


class DataRow(BackendMessage):
    """One row: the `values` of its columns, None for NULL. Only for those who want one message;
    the rows of a result are decoded in bulk from `FrameBuffer.data_rows`."""

    __slots__ = ("values",)
    type = b"D"

    def __init__(self, values: Iterable[bytes | None]) -> None:
        self.values = tuple(values)

    def _parts(self) -> Sequence[bytes]:
        parts = [writer.count(len(self.values), "columns")]
        for number, value in enumerate(self.values, 1):
            parts += writer.length_and_value(value, f"value of column {number}")
        return parts

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls([reader.value() for _ in range(reader.uint16())])


class CommandComplete(BackendMessage):
    """A command is done; `tag` tells which, and how many rows ("INSERT 0 1")."""

    __slots__ = ("tag",)
    type = b"C"

    def __init__(self, tag: bytes) -> None:
        self.tag = tag

    def _parts(self) -> Sequence[bytes]:
        return (writer.cstring(self.tag, "command tag"),)

    @classmethod
    def decode(cls, body: bytes | bytearray | memoryview) -> Self:
        """The message with this `body`; as `Message.decode`, and quicker."""
        data = bytes(body)
        # The first NUL must be the end of it.
        return cls(data[:-1]) if data.find(b"\0") == len(data) - 1 >= 0 else super().decode(data)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.cstring())


class FunctionCallResponse(BackendMessage):
    """What the function returned; None for NULL."""

    __slots__ = ("value",)
    type = b"V"

    def __init__(self, value: bytes | None) -> None:
        self.value = value

    def _parts(self) -> Sequence[bytes]:
        return (*writer.length_and_value(self.value, "value of the function"),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        return cls(reader.value())


class EmptyQueryResponse(BackendMessage, Bodiless):
    """The query string held no statement."""

    __slots__ = ()
    type = b"I"


class ParseComplete(BackendMessage, Bodiless):
    """Parse is done."""

    __slots__ = ()
    type = b"1"


class BindComplete(BackendMessage, Bodiless):
    """Bind is done."""

    __slots__ = ()
    type = b"2"


class CloseComplete(BackendMessage, Bodiless):
    """Close is done."""

    __slots__ = ()
    type = b"3"


class NoData(BackendMessage, Bodiless):
    """The statement or portal described returns no rows."""

    __slots__ = ()
    type = b"n"


class PortalSuspended(BackendMessage, Bodiless):
    """Execute has reached its row limit; the portal may have more."""

    __slots__ = ()
    type = b"s"


BACKEND: Final[dict[int, type[Message]]] = {
    message.type[0]: message
    for message in (
        *(Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, ReadyForQuery),
        *(ErrorResponse, NoticeResponse, NotificationResponse, RowDescription, DataRow),
        *(CommandComplete, EmptyQueryResponse, ParseComplete, BindComplete, CloseComplete, NoData),
        *(PortalSuspended, ParameterDescription, FunctionCallResponse),
        *(CopyInResponse, CopyOutResponse, CopyBothResponse, CopyData, CopyDone),
    )
}
"""Type byte -> message; `Authentication.decode` finds out which of its messages it is."""


def decode(kind: int, body: bytes | bytearray | memoryview) -> Message:
    """The message with type byte `kind` and this `body`.

    Raises ProtocolError for an unknown type and for a body that is not such a message's.
    """
    message = BACKEND.get(kind)
    if message is None:
        raise errors.ProtocolError(
            "unexpected response from server; first received character was "
            f'"{ascii(chr(kind))[1:-1]}"'
        )
    return message.decode(body)
