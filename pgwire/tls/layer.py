"""TLS between the wire and the frames: bytes in, bytes out, no socket."""

from __future__ import annotations

import re
import ssl
from contextlib import suppress

from pgwire import errors
from pgwire.protocol.framing import FrameBuffer

_ROOM = 64 * 1024

# OpenSSL's reasons that may mean: no common version of TLS.
_VERSION_REASONS = frozenset(
    {
        "BAD_PROTOCOL_VERSION_NUMBER",
        "NO_PROTOCOLS_AVAILABLE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "UNKNOWN_PROTOCOL",
        "UNKNOWN_SSL_VERSION",
        "UNSUPPORTED_PROTOCOL",
        "UNSUPPORTED_SSL_VERSION",
        "VERSION_TOO_HIGH",
        "VERSION_TOO_LOW",
        "WRONG_SSL_VERSION",
        "WRONG_VERSION_NUMBER",
    }
)


class TLSLayer:
    """One TLS session. Ciphertext goes in and out as bytes; the runner moves it.

    The same layer serves every body, since it knows no socket: that is also why bytes that were
    stuffed in before the handshake cannot slip past it.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_raw", "_versions")

    def __init__(
        self,
        context: ssl.SSLContext,
        server_hostname: str | None,
        versions: str = "",
        *,
        server_side: bool = False,
    ) -> None:
        """`server_hostname` goes into SNI. `versions` are those that are allowed, in words, for
        the error that the server has none of them. `server_side`: it is the server's end.

        Raises OperationalError for a name that `ssl` refuses.
        """
        self._versions = versions
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._raw = bytearray(_ROOM)
        try:
            self._object = context.wrap_bio(
                self._incoming,
                self._outgoing,
                server_side=server_side,
                server_hostname=server_hostname,
            )
        except (ssl.SSLError, ValueError) as error:
            raise errors.OperationalError(f"could not establish SSL connection: {error}") from error

    def room(self) -> memoryview:
        """Room for ciphertext to be received into; then call `received`."""
        return memoryview(self._raw)

    def received(self, count: int) -> None:
        """`count` bytes of ciphertext have been received into the room."""
        self._incoming.write(memoryview(self._raw)[:count])

    def feed(self, ciphertext: bytes | memoryview) -> None:
        """`ciphertext` has been received elsewhere."""
        self._incoming.write(ciphertext)

    def step(self) -> bool:
        """Go on with the handshake; whether it is done. Raises OperationalError if it fails."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            told = f"SSL error: {reason_of(error)}"
            if error.reason in _VERSION_REASONS and self._versions:
                told += (
                    "\nThis may indicate that the server does not support any SSL protocol version "
                    f"between {self._versions}."
                )
            raise errors.OperationalError(told) from error
        return True

    def decrypt(self, frames: FrameBuffer) -> bool:
        """Move what has been received into `frames`; false if the peer has ended TLS."""
        while data := self.read():
            frames.feed(data)
        return data is None

    def read(self) -> bytes | None:
        """A piece of what has been received, decrypted; None if there is no more for now, empty
        if the peer has ended TLS. Raises OperationalError if TLS is broken."""
        try:
            return self._object.read(_ROOM)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise errors.OperationalError(f"SSL error: {reason_of(error)}") from error

    def encrypt(self, data: bytes) -> bytes:
        """`data` as ciphertext, after what TLS itself has to say."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What TLS itself has to say to the peer."""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """The close_notify alert."""
        with suppress(ssl.SSLError):  # it wants the peer's too, for which nobody waits
            self._object.unwrap()
        return self._outgoing.read()

    @property
    def alpn(self) -> str | None:
        """The application protocol that the server has chosen."""
        return self._object.selected_alpn_protocol()

    @property
    def certificate(self) -> bytes:
        """The server's certificate, DER; empty if it has none."""
        return self._object.getpeercert(binary_form=True) or b""

    @property
    def names(self) -> dict[str, object]:
        """The server's certificate as `ssl.SSLSocket.getpeercert` tells it; empty if it was not
        verified."""
        return dict(self._object.getpeercert() or {})

    @property
    def version(self) -> str:
        """The version of the protocol, as `TLSv1.3`."""
        return self._object.version() or ""

    @property
    def cipher(self) -> str:
        """The name of the cipher suite."""
        cipher = self._object.cipher()
        return cipher[0] if cipher else ""


def reason_of(error: Exception) -> str:
    """What went wrong, in OpenSSL's own words as libpq shows them, or the operating system's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate verify failed"
    if not isinstance(error, ssl.SSLError):
        return getattr(error, "strerror", None) or str(error)
    if error.reason:
        return error.reason.replace("_", " ").lower()
    # "[SSL] PEM lib (_ssl.c:3905)": the place in CPython's source tells nobody anything.
    return re.sub(r"^\[\w+\] | \(_ssl\.c:\d+\)$", "", error.strerror or str(error))
