"""Reading the body of one message within its bounds."""

from __future__ import annotations

import struct

from pgwire import errors

_INT16 = struct.Struct("!h")
_UINT16 = struct.Struct("!H")
_INT32 = struct.Struct("!i")
_UINT32 = struct.Struct("!I")


class Reader:
    """Takes fields from the front of `body`, the body of the message that `name` describes.

    Every method raises ProtocolError, naming the message, when the body ends before the field.
    """

    __slots__ = ("_body", "_name", "_position")

    def __init__(self, body: bytes | bytearray | memoryview, name: str) -> None:
        self._body = body if type(body) is bytes else bytes(body)
        self._name = name
        self._position = 0

    def byte(self) -> int:
        """One byte, as a number."""
        return self._body[self._advance(1)]

    def int16(self) -> int:
        """A signed Int16."""
        value: int = _INT16.unpack_from(self._body, self._advance(2))[0]
        return value

    def uint16(self) -> int:
        """An Int16 that is a count: nothing negative is meant."""
        value: int = _UINT16.unpack_from(self._body, self._advance(2))[0]
        return value

    def int32(self) -> int:
        """A signed Int32."""
        value: int = _INT32.unpack_from(self._body, self._advance(4))[0]
        return value

    def uint32(self) -> int:
        """An Int32 that is an OID or a code: nothing negative is meant."""
        value: int = _UINT32.unpack_from(self._body, self._advance(4))[0]
        return value

    def uint16s(self, count: int) -> tuple[int, ...]:
        """`count` numbers of 16 bits; memory is taken only if they are all there."""
        return struct.unpack_from(f"!{count}H", self._body, self._advance(2 * count))

    def uint32s(self, count: int) -> tuple[int, ...]:
        """`count` numbers of 32 bits; memory is taken only if they are all there."""
        return struct.unpack_from(f"!{count}I", self._body, self._advance(4 * count))

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Fields that always stand together; `layout` is in network byte order."""
        return layout.unpack_from(self._body, self._advance(layout.size))

    def cstring(self) -> bytes:
        """The bytes up to the next NUL, which is taken too."""
        start = self._position
        end = self._body.find(b"\0", start)
        if end < 0:
            raise self._insufficient()
        self._position = end + 1
        return self._body[start:end]

    def take(self, count: int) -> bytes:
        """The next `count` bytes; a negative count is as bad as one that is too large."""
        start = self._advance(count)
        return self._body[start : start + count]

    def value(self) -> bytes | None:
        """An Int32 length and so many bytes; None for the length -1."""
        length = self.int32()
        if length == -1:
            return None
        return self.take(length)

    def rest(self) -> bytes:
        """All that is left, possibly nothing."""
        start = self._position
        self._position = len(self._body)
        return self._body[start:]

    def finish(self) -> None:
        """Raise ProtocolError if anything is left."""
        if self._position != len(self._body):
            raise errors.ProtocolError(f"message contents do not agree with length in {self._name}")

    def _advance(self, count: int) -> int:
        start = self._position
        end = start + count
        if count < 0 or end > len(self._body):
            raise self._insufficient()
        self._position = end
        return start

    def _insufficient(self) -> errors.ProtocolError:
        return errors.ProtocolError(f"insufficient data in {self._name}")
