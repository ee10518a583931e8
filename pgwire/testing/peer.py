"""The server's end of one connection, for scripted servers: messages in, messages or any bytes out.

Every step has the same deadline, so that a test whose client says nothing fails and does not hang.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from pgwire import errors
from pgwire.net.readiness import wait_readable, wait_writable
from pgwire.protocol import backend, frontend
from pgwire.protocol.authentication import PasswordMessage, SASLInitialResponse, SASLResponse
from pgwire.protocol.first_packets import decode_first_packet
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.frontend import (
    CancelRequest,
    GSSENCRequest,
    GSSResponse,
    SSLRequest,
    StartupMessage,
)
from pgwire.protocol.message import Message
from pgwire.testing.hangup import Hangup

if TYPE_CHECKING:
    import ssl

    from pgwire.testing.tls import ServerTLS

__all__ = ["Peer", "ScriptError", "What"]

What = type[Message] | tuple[type[Message], ...] | Callable[[Message], bool]
"""What a script expects: a class of messages, several, or a function that judges the message."""

# What the client's next "p" message is depends on what the server has asked for.
_ANSWERS: dict[type[Message], type[Message]] = {
    backend.AuthenticationCleartextPassword: PasswordMessage,
    backend.AuthenticationMD5Password: PasswordMessage,
    backend.AuthenticationSASL: SASLInitialResponse,
    backend.AuthenticationSASLContinue: SASLResponse,
    backend.AuthenticationGSS: GSSResponse,
    backend.AuthenticationGSSContinue: GSSResponse,
    backend.AuthenticationSSPI: GSSResponse,
}

_CHUNK = 65536


class ScriptError(AssertionError):
    """The client did not do what the script expects, or not in time."""


class Peer:
    """A client that has connected.

    Attributes:
        number: of the connection, from 0 in the order of their coming.
        received: the messages that the client has sent, as far as they have been looked at.
        input: all bytes that the client has sent, as they came: ciphertext once there is TLS.
        startup: its StartupMessage, once it has come.
        client_closed: whether the client has closed the connection, or reset it.
        closed: whether this end has been closed.
    """

    def __init__(self, sock: socket.socket, number: int, deadline: float) -> None:
        sock.setblocking(False)
        self.number = number
        self.received: list[Message] = []
        self.input = bytearray()
        self.startup: StartupMessage | None = None
        self.client_closed = False
        self._sock = sock
        self._deadline = deadline
        self._frames = FrameBuffer(sender="client")
        self._first = bytearray()
        self._awaiting: type[Message] = PasswordMessage
        self._stopping = threading.Event()
        self._tls: ServerTLS | None = None
        self.closed = False

    def __repr__(self) -> str:
        return f"<Peer {self.number}, {len(self.received)} messages received>"

    # Steps.

    def expect(self, what: What) -> Message:
        """Wait for the next message and return it. Raises ScriptError if it is not `what`.

        A request for encryption that comes first is declined, unless it is what is expected.
        """
        message = self._next(what)
        while isinstance(message, SSLRequest | GSSENCRequest) and not _is(message, what):
            self.send(b"N")
            message = self._next(what)
        if not _is(message, what):
            raise ScriptError(f"expected {_called(what)}, but the client sent {message!r}")
        return message

    def send(self, *messages: Message | bytes) -> None:
        """Send messages, or bytes as they are; what a real server would never send included."""
        for message in messages:
            if isinstance(message, Message):
                self._awaiting = _ANSWERS.get(type(message), self._awaiting)
        self._write(b"".join([m.encode() if isinstance(m, Message) else m for m in messages]))

    def take(self) -> bytes:
        """Wait until the client has sent something, whatever it is, and return that."""
        return self._read("anything")

    def secure(self, context: ssl.SSLContext) -> None:
        """Shake hands; from now on everything goes through TLS. Answering the client's SSLRequest
        with `S` is the script's affair, and the script ends if the client does not agree."""
        from pgwire.testing.tls import ServerTLS

        tls = ServerTLS(context)
        tls.received(bytes(self._first))  # what a client sends before it has been told to
        self._first.clear()
        while not tls.step():
            self._write_raw(tls.outgoing())
            tls.received(self._read_raw("a TLS handshake"))
        self._write_raw(tls.outgoing())
        self._tls = tls

    def unsecure(self) -> None:
        """End TLS with a close_notify alert, without closing the connection."""
        assert self._tls is not None
        self._write_raw(self._tls.goodbye())

    def drip(self, data: bytes, *, chunk: int = 1, interval: float = 0.0) -> None:
        """Send `data` in pieces of `chunk` bytes, with `interval` seconds between them. Ends
        early if the client hangs up."""
        for start in range(0, len(data), chunk):
            self._write(data[start : start + chunk])
            if interval and self._pause(interval):
                return

    def stall(self) -> None:
        """Say nothing more, until the client hangs up or the server is closed. What the client
        sends meanwhile is recorded."""
        try:
            while True:
                self._read("the client to hang up")
        except Hangup:
            pass

    def close(self) -> None:
        """Close the connection: the client reads what has been sent, then its end."""
        if not self.closed:
            self.closed = True
            self._sock.close()

    def reset(self) -> None:
        """Close the connection the hard way (RST over TCP): what is on the way is lost."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    # For the server that owns it.

    def stop(self) -> None:
        """Make whatever step is waiting end; called from another thread."""
        self._stopping.set()
        with suppress(OSError):  # it may be closed already
            self._sock.shutdown(socket.SHUT_RDWR)

    def _next(self, what: What) -> Message:
        try:
            message = self._message(what) if self.startup is not None else self._first_packet(what)
        except errors.ProtocolError as error:
            raise ScriptError(f"the client broke the protocol: {error}") from error
        if isinstance(message, StartupMessage):
            self.startup = message
        self.received.append(message)
        return message

    def _message(self, what: What) -> Message:
        while (frame := self._frames.next_frame()) is None:
            self._frames.feed(self._read(_called(what)))
        kind, start, end = frame
        return frontend.decode(kind, bytes(self._frames.data[start:end]), awaiting=self._awaiting)

    def _first_packet(self, what: What) -> Message:
        first = self._first
        while len(first) < 4 or len(first) < int.from_bytes(first[:4]):
            first += self._read(_called(what))
        length = int.from_bytes(first[:4])
        message = decode_first_packet(bytes(first[4:length]))
        if isinstance(message, StartupMessage):
            self._frames.feed(first[length:])
            first.clear()
        elif isinstance(message, CancelRequest) and len(first) > length:
            raise ScriptError("the client sent more after its CancelRequest")
        del first[:length]
        return message

    def _read(self, awaited: str) -> bytes:
        if self._tls is None:
            return self._read_raw(awaited)
        while not (data := self._tls.decrypted()):
            self._tls.received(self._read_raw(awaited))
        return data

    def _read_raw(self, awaited: str) -> bytes:
        while not self.closed:
            try:
                data = self._sock.recv(_CHUNK)
            except BlockingIOError:
                if not wait_readable((self._sock,), self._deadline):
                    raise ScriptError(f"timed out waiting for {awaited}") from None
                continue
            except OSError:
                data = b""  # a reset is an end as well
            if data:
                self.input += data
                return data
            self.client_closed = not self._stopping.is_set()
            break
        raise Hangup(f"the client hung up instead of sending {awaited}", expected=True)

    def _write(self, data: bytes) -> None:
        self._write_raw(data if self._tls is None else self._tls.encrypted(data))

    def _write_raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                if not wait_writable(self._sock, self._deadline):
                    raise ScriptError("timed out sending: the client does not read") from None
            except OSError:
                self.client_closed = not self._stopping.is_set()
                raise Hangup("the client hung up") from None

    def _pause(self, seconds: float) -> bool:
        """Wait; true if the server is being closed. Past the deadline the script has failed."""
        if monotonic() + seconds > self._deadline:
            raise ScriptError("timed out in the middle of a drip")
        return self._stopping.wait(seconds)


def _is(message: Message, what: What) -> bool:
    if isinstance(what, type | tuple):
        return isinstance(message, what)
    return what(message)


def _called(what: What) -> str:
    if isinstance(what, tuple):
        return " or ".join(kind.__name__ for kind in what)
    return getattr(what, "__name__", repr(what))
