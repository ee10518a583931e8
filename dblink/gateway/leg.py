"""One of the two connections that the relay joins: bytes in, bytes out, through TLS or not."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Final

from pgwire import errors
from pgwire.tls.layer import TLSLayer

ROOM: Final = 256 * 1024
"""Bytes that are received at once, and that may wait to be sent before the other side waits."""

# Why a leg is not read from.
OTHER_IS_FULL: Final = 1
NOT_YET: Final = 2

LINGER: Final = 30.0
"""Seconds that what has been sent last has to leave when a connection is closed."""

Received = Callable[["bytes | bytearray", int], None]
"""Takes the bytes up to the position; they must be copied to be kept."""


class Room:
    """What the connections of one event loop receive into, all of them: what has come is dealt with
    before the next one is read from, so that idle connections cost no memory."""

    __slots__ = ("data", "legs", "view")

    def __init__(self) -> None:
        self.legs: set[Leg] = set()
        """The connections that there are."""
        self.data = bytearray(ROOM)
        self.view = memoryview(self.data)


class Leg(asyncio.BufferedProtocol):
    """A connection of the event loop.

    Attributes, to be set by the owner:
        received: is called with what has come, decrypted.
        secured: is called when the TLS handshake is done.
        ended: is called once, when the connection is over; with the reason if it was broken.
        other: the leg that is read from only while this one can be sent to; None for none.
    """

    def __init__(self, room: Room, received: Received, ended: Callable[[str], None]) -> None:
        self.received = received
        self.secured: Callable[[], None] | None = None
        self.ended = ended
        self.other: Leg | None = None
        self.layer: TLSLayer | None = None
        self.transport: asyncio.Transport | None = None
        self.made: Callable[[], None] | None = None
        # Some loops read into a room while others are dealt with.
        self._room = Room() if sys.platform == "win32" else room
        self._legs = room.legs
        self._shaking_hands = False
        self._held = 0
        self._over = False
        self._linger: asyncio.TimerHandle | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has accepted a connection."""
        sock = transport.get_extra_info("socket")
        if sock.family != getattr(socket, "AF_UNIX", None):
            # A client whose machine is gone must not be waited for without end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.adopt(transport)  # type: ignore[arg-type]  # uvloop's are of other classes
        if self.made is not None:
            self.made()

    def adopt(self, transport: asyncio.Transport, layer: TLSLayer | None = None) -> None:
        """Take over a connection, whose TLS, if it has one, is `layer`."""
        self.transport = transport
        self.layer = layer
        self._legs.add(self)
        transport.set_write_buffer_limits(high=ROOM)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop may receive into."""
        return self._room.view

    def buffer_updated(self, nbytes: int) -> None:
        """The loop has received."""
        if self.layer is None:
            self.received(self._room.data, nbytes)
        else:
            self.decrypt(self._room.view[:nbytes])

    def eof_received(self) -> bool:
        """The peer has ended the stream."""
        self._end("")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        self._legs.discard(self)
        if self._linger is not None:
            self._linger.cancel()
        self._end(str(exc) if exc is not None else "")
        self.resume_writing()  # nobody has to wait for this leg any more

    def pause_writing(self) -> None:
        """Enough waits to be sent."""
        if self.other is not None:
            self.other.hold(OTHER_IS_FULL)

    def resume_writing(self) -> None:
        """What waits to be sent has become less."""
        if self.other is not None:
            self.other.release(OTHER_IS_FULL)

    # TLS.

    def begin_tls(self, layer: TLSLayer, ciphertext: bytes = b"") -> None:
        """What comes from now on, and the `ciphertext` that has come already, is TLS."""
        self.layer = layer
        self._shaking_hands = True
        if ciphertext:
            self.decrypt(memoryview(ciphertext))

    def decrypt(self, ciphertext: memoryview) -> None:
        """Take what has been received through TLS."""
        layer = self.layer
        assert layer is not None
        layer.feed(ciphertext)
        try:
            if self._shaking_hands:
                self._shaking_hands = not layer.step()
                self._write(layer.outgoing())
                if self._shaking_hands:
                    return
                if self.secured is not None:
                    self.secured()
            while data := layer.read():
                self.received(data, len(data))
            self._write(layer.outgoing())
        except errors.OperationalError as error:
            self._write(layer.outgoing())  # the alert that tells the peer why
            self.close()
            self._end(error.message)
            return
        if data == b"":
            self.close()
            self._end("")

    # What the owner calls.

    def send(self, data: bytes) -> None:
        """Send `data`, which nobody may change afterwards; nothing is said in the middle of a TLS
        handshake."""
        if data and not self._over and not self._shaking_hands:
            self._write(data if self.layer is None else self.layer.encrypt(data))

    def hold(self, reason: int) -> None:
        """Do not read, for a `reason`, until it is released."""
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self._held |= reason

    def release(self, reason: int) -> None:
        """A `reason` not to read is gone."""
        if not self._held & reason:
            return
        self._held &= ~reason
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Close the connection when what has been sent has left, or at once if that takes too
        long."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self.layer is not None and not self._shaking_hands and not self._over:
            self._write(self.layer.goodbye())
        self._over = True
        transport.close()
        self._linger = asyncio.get_running_loop().call_later(LINGER, transport.abort)

    def abort(self) -> None:
        """Close the connection at once."""
        self._over = True
        if self.transport is not None:
            self.transport.abort()

    @property
    def peer(self) -> str:
        """Where the peer is, for people."""
        name = None if self.transport is None else self.transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a Unix-domain socket"

    @property
    def local(self) -> bool:
        """Whether the peer is on this machine."""
        name = None if self.transport is None else self.transport.get_extra_info("peername")
        if not isinstance(name, tuple):
            return True
        host = str(name[0]).removeprefix("::ffff:")
        return host.startswith("127.") or host == "::1"

    def _write(self, data: bytes) -> None:
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def _end(self, reason: str) -> None:
        ended, self.ended = self.ended, _nothing
        ended(reason)


def _nothing(reason: str) -> None:
    pass
