"""The server's end of TLS, for scripted servers: bytes in, bytes out."""

from __future__ import annotations

import ssl
from contextlib import suppress

from pgwire.testing.hangup import Hangup


class ServerTLS:
    """One TLS session, as the server."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def received(self, data: bytes) -> None:
        """The client has sent `data`."""
        self._incoming.write(data)

    def outgoing(self) -> bytes:
        """What is to be sent to the client."""
        return self._outgoing.read()

    def step(self) -> bool:
        """Go on with the handshake; whether it is done. Raises Hangup if there is no agreement."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise Hangup(f"TLS failed: {error}") from error
        return True

    def decrypted(self) -> bytes:
        """What has come, as far as it is whole."""
        try:
            return self._object.read(65536)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise Hangup(f"TLS has ended: {error}") from error

    def encrypted(self, data: bytes) -> bytes:
        """`data` as it goes over the wire."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """The close_notify alert."""
        with suppress(ssl.SSLError):  # it wants the client's, too
            self._object.unwrap()
        return self._outgoing.read()
