"""What a client sends before its session begins. Manual: 54.2.1, 54.2.8, 54.2.10, 54.2.11."""

from __future__ import annotations

from typing import Final

from pgwire import errors
from pgwire.protocol.backend import ErrorResponse
from pgwire.protocol.constants import STARTUP_PACKET_LIMIT
from pgwire.protocol.first_packets import decode_first_packet
from pgwire.protocol.frontend import CancelRequest, GSSENCRequest, SSLRequest, StartupMessage

_TLS_HANDSHAKE: Final = 0x16
"""First byte of a TLS record of that kind: no startup packet is long enough to begin so."""

_TRUE: Final = frozenset((b"true", b"yes", b"on", b"1", b"database", b"t", b"y"))


class Refused(Exception):
    """The client is not let in. `answer`: what it is told; empty if nothing, as servers do."""

    def __init__(self, reason: str, answer: bytes = b"") -> None:
        super().__init__(reason)
        self.answer = answer


class DirectTLS:
    """The client begins TLS without asking."""


class Startup:
    """A StartupMessage: its `packet` as it came, and what the relay needs of it."""

    __slots__ = ("database", "packet", "replication", "user")

    def __init__(self, packet: bytes, message: StartupMessage) -> None:
        parameters = message.parameters
        user = parameters.get(b"user", b"")
        self.packet = packet
        self.user = user.decode("utf-8", "surrogateescape")
        self.database = (parameters.get(b"database") or user).decode("utf-8", "surrogateescape")
        self.replication = parameters.get(b"replication", b"").lower() in _TRUE

    def __repr__(self) -> str:
        return f"<Startup of {self.user!r} in {self.database!r}>"


First = Startup | SSLRequest | GSSENCRequest | CancelRequest | DirectTLS


class FirstPackets:
    """The packets that come before the session, cut out of what a client sends.

    There may be one request for each kind of encryption. `tls`: whether a client may begin TLS
    without asking. Nothing is kept beyond one packet's longest length and one read.
    """

    def __init__(self, *, tls: bool) -> None:
        self._data = bytearray()
        self._tls = tls
        self._asked: set[type] = set()

    @property
    def pending(self) -> int:
        """Bytes that have come and not been taken."""
        return len(self._data)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what has been received."""
        self._data += data

    def rest(self) -> bytes:
        """Take what came after the last packet."""
        rest = bytes(self._data)
        self._data.clear()
        return rest

    def next(self) -> First | None:
        """The next packet, None if it is not complete. Raises Refused if there cannot be one."""
        data = self._data
        if not data:
            return None
        if self._tls and data[0] == _TLS_HANDSHAKE and not self._asked:
            self._begin_tls()
            return DirectTLS()
        if len(data) < 4:
            return None
        length = int.from_bytes(data[:4])
        if not 8 <= length <= STARTUP_PACKET_LIMIT + 4:
            raise Refused("invalid length of startup packet")
        if len(data) < length:
            return None
        packet = bytes(data[:length])
        del data[:length]
        try:
            message = decode_first_packet(packet[4:])
        except errors.ProtocolError as error:
            raise _refused(packet, error.message) from None
        if isinstance(message, StartupMessage):
            return Startup(packet, message)
        if isinstance(message, CancelRequest):
            return message
        assert isinstance(message, SSLRequest | GSSENCRequest)
        kind = type(message)
        if kind in self._asked:
            # As a server, which takes a second one for the version of a protocol.
            raise _refused(packet, "encryption was requested twice")
        if data:
            raise Refused(
                "received unencrypted data after a request for encryption",
                fatal(
                    "08P01",
                    "received unencrypted data after SSL request"
                    if kind is SSLRequest
                    else "received unencrypted data after GSSAPI encryption request",
                    detail="This could be either a client-software bug or evidence of an attempted "
                    "man-in-the-middle attack.",
                ),
            )
        if kind is SSLRequest:
            self._begin_tls()
        else:
            self._asked.add(kind)
        return message

    def _begin_tls(self) -> None:
        # Under TLS nothing of that kind is asked for any more; without, a second time is too much.
        self._asked.update((SSLRequest, DirectTLS))
        self._tls = False


def _refused(packet: bytes, reason: str) -> Refused:
    code = int.from_bytes(packet[4:8])
    if code >> 16 == 3:
        return Refused(reason, fatal("08P01", "invalid startup packet layout", detail=reason))
    if code >> 16 == 1234 and code & 0xFFFF == 5678:
        return Refused("invalid length of a cancel request")
    version = f"{code >> 16}.{code & 0xFFFF}"
    return Refused(
        reason, fatal("0A000", f"unsupported frontend protocol {version}: gateway supports 3.x")
    )


def fatal(sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> bytes:
    """An ErrorResponse of severity FATAL."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message, "D": detail, "H": hint}
    return ErrorResponse(
        {kind: text.encode("utf-8", "replace") for kind, text in fields.items() if text}
    ).encode()
