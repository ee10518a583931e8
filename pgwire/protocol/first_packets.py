"""What a client sends first: packets without a type byte. Manual: 54.2.1, 54.2.8, 54.2.10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from pgwire import errors
from pgwire.protocol import writer
from pgwire.protocol.constants import (
    CANCEL_KEY_LIMIT,
    CANCEL_REQUEST_CODE,
    GSSENC_REQUEST_CODE,
    PROTOCOL_3_0,
    SSL_REQUEST_CODE,
    STARTUP_PACKET_LIMIT,
)
from pgwire.protocol.message import Message
from pgwire.protocol.reader import Reader

__all__ = ["CancelRequest", "GSSENCRequest", "SSLRequest", "StartupMessage", "decode_first_packet"]


class _FirstPacket(Message):
    __slots__ = ()
    limit = STARTUP_PACKET_LIMIT + 4


class StartupMessage(_FirstPacket):
    """Begin a session: `parameters` hold at least b"user"; names beginning with `_pq_.` are
    protocol extensions; what is no keyword of the protocol is a setting of the server."""

    __slots__ = ("parameters", "version")

    def __init__(self, parameters: Mapping[bytes, bytes], version: int = PROTOCOL_3_0) -> None:
        self.parameters = dict(parameters)
        self.version = version

    def _parts(self) -> Sequence[bytes]:
        parts = [writer.uint32s((self.version,), "protocol version")]
        for name, value in self.parameters.items():
            if not name:
                # It would end the list, and what follows would not be read as parameters.
                raise errors.ProgrammingError("a startup parameter has an empty name")
            parts.append(writer.cstring(name, "name of a startup parameter"))
            shown = bytes(name).decode("utf-8", "backslashreplace")
            parts.append(writer.cstring(value, f'startup parameter "{shown}"'))
        return (*parts, b"\0")

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        version = reader.uint32()
        if version >> 16 != PROTOCOL_3_0 >> 16:
            raise errors.ProtocolError(
                f"unsupported frontend protocol {version >> 16}.{version & 0xFFFF}"
            )
        parameters: dict[bytes, bytes] = {}
        while name := reader.cstring():
            parameters[name] = reader.cstring()
        return cls(parameters, version)


class _Request(_FirstPacket):
    __slots__ = ()
    code: ClassVar[int]

    def _parts(self) -> Sequence[bytes]:
        return (self.code.to_bytes(4),)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        cls._take_code(reader)
        return cls()

    @classmethod
    def _take_code(cls, reader: Reader) -> None:
        if reader.uint32() != cls.code:
            raise errors.ProtocolError(f"not a {cls.__name__}")


class SSLRequest(_Request):
    """Ask for TLS; the answer is one byte, `S` or `N`."""

    __slots__ = ()
    code = SSL_REQUEST_CODE


class GSSENCRequest(_Request):
    """Ask for GSSAPI encryption; the answer is one byte, `G` or `N`."""

    __slots__ = ()
    code = GSSENC_REQUEST_CODE


class CancelRequest(_Request):
    """Cancel what the session with this BackendKeyData is doing; there is no answer."""

    __slots__ = ("process_id", "secret_key")
    _secrets = frozenset(("secret_key",))
    code = CANCEL_REQUEST_CODE

    def __init__(self, process_id: int, secret_key: bytes) -> None:
        self.process_id = process_id
        self.secret_key = secret_key

    def _parts(self) -> Sequence[bytes]:
        key = writer.plain(self.secret_key, "secret key of CancelRequest")
        if not 0 < len(key) <= CANCEL_KEY_LIMIT:
            raise errors.ProgrammingError(
                f"secret key of CancelRequest must have 1 to {CANCEL_KEY_LIMIT} bytes"
            )
        process_id = writer.int32s((self.process_id,), "process id of CancelRequest")
        return (self.code.to_bytes(4), process_id, key)

    @classmethod
    def _take(cls, reader: Reader) -> Self:
        cls._take_code(reader)
        process_id, key = reader.int32(), reader.rest()
        if not 0 < len(key) <= CANCEL_KEY_LIMIT:
            raise errors.ProtocolError("invalid length of the secret key in CancelRequest")
        return cls(process_id, key)


_REQUESTS: dict[int, type[_Request]] = {
    request.code: request for request in (SSLRequest, GSSENCRequest, CancelRequest)
}


def decode_first_packet(body: bytes | bytearray | memoryview) -> Message:
    """The packet that `body`, code or version first and the length word left out, holds.

    Raises ProtocolError if it is too long, malformed, or of a protocol before 3 or after it.
    """
    if len(body) > STARTUP_PACKET_LIMIT:
        raise errors.ProtocolError("invalid length of startup packet")
    code = Reader(body, "first packet").uint32()
    return _REQUESTS.get(code, StartupMessage).decode(body)
