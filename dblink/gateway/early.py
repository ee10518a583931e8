"""What a server says before the session begins: frame by frame. Manual: 54.2.1, 54.3."""

from __future__ import annotations

from typing import Final

from pgwire import errors

AUTHENTICATION: Final = b"R"
KEY: Final = b"K"
STATUS: Final = b"S"

_LIMIT: Final = 1 << 20
"""Bytes of the largest frame: nobody has much to say here."""

_OK: Final = 0
_SASL: Final = 10


class EarlyFrames:
    """The frames up to the first ReadyForQuery, cut out of what is received. That one, and what
    follows it, is the `rest`."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what has been received."""
        self._data += data

    def next(self) -> bytes | None:
        """The next frame, as it came; None if it is not complete, or not early any more.

        Raises ProtocolError for a length that no such frame has.
        """
        data = self._data
        if len(data) < 5 or self.over:
            return None
        length = int.from_bytes(data[1:5])
        if not 4 <= length <= _LIMIT:
            raise errors.ProtocolError(f"the server sent a message of {length} bytes")
        if len(data) <= length:
            return None
        frame = bytes(data[: length + 1])
        del data[: length + 1]
        return frame

    @property
    def over(self) -> bool:
        """Whether ReadyForQuery is next."""
        return self._data[:1] == b"Z"

    def rest(self) -> bytes:
        """Take what has not been given out."""
        rest = bytes(self._data)
        self._data.clear()
        return rest


def lets_in(frame: bytes) -> bool:
    """Whether an authentication message is AuthenticationOk; the others want to know something."""
    return int.from_bytes(frame[5:9]) == _OK


def without_binding(frame: bytes) -> bytes:
    """An authentication message; AuthenticationSASL without the mechanisms with which the client
    would bind what it sends to a TLS connection that is not the server's."""
    if int.from_bytes(frame[5:9]) != _SASL:
        return frame
    offered = frame[9:].split(b"\0")
    left = b"\0".join([name for name in offered if not name.endswith(b"-PLUS")])
    return frame[:1] + (len(left) + 8).to_bytes(4) + frame[5:9] + left
