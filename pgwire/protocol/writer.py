"""Building messages. What cannot be sent is refused here, before any byte has gone out.

A length that is wrong by one lets a value pass for messages of its own (CVE-2024-27304), and so
does a NUL inside a string. So lengths are measured on real `bytes`, never asked of an object that
may lie, never masked, and compared with the server's limits while refusing costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from pgwire import errors
from pgwire.protocol.constants import LARGE_MESSAGE_LIMIT

BytesLike: TypeAlias = bytes | bytearray | memoryview

NULL: Final = b"\xff\xff\xff\xff"
"""The length that stands for NULL, or for no data: -1."""

_HEADER: Final = struct.Struct("!ci")
_LENGTH: Final = struct.Struct("!i")


def frame(message_type: bytes, parts: Sequence[bytes], limit: int, name: str) -> bytes:
    """A whole message: type byte (none for a first packet), length word, `parts`.

    Raises DataError if the length word would pass `limit`; `name` is what the error calls it.
    """
    length = 4
    for part in parts:
        length += len(part)
    if length > limit:
        raise too_long(name, length, limit)
    if message_type:
        return _HEADER.pack(message_type, length) + b"".join(parts)
    return _LENGTH.pack(length) + b"".join(parts)


def cstring(value: BytesLike, what: str) -> bytes:
    """`value` and the NUL that ends it. Raises DataError if it holds a NUL itself."""
    data = value if type(value) is bytes else plain(value, what)
    if b"\0" in data:
        raise errors.DataError(f"{what} contains a NUL byte", sqlstate="22021")
    return data + b"\0"


def length_and_value(value: BytesLike | None, what: str) -> tuple[bytes, bytes]:
    """The Int32 length of `value` and `value`; -1 and nothing for None."""
    if value is None:
        return NULL, b""
    data = value if type(value) is bytes else plain(value, what)
    if len(data) > LARGE_MESSAGE_LIMIT:
        raise too_long(what, len(data), LARGE_MESSAGE_LIMIT)
    return _LENGTH.pack(len(data)), data


def plain(value: BytesLike, what: str, limit: int = LARGE_MESSAGE_LIMIT) -> bytes:
    """The bytes that `value` really has, whatever its class says about them.

    Raises DataError, before they are copied, if they are more than `limit`.
    """
    if type(value) is bytes:
        return value
    with memoryview(value) as view:
        if view.nbytes > limit:
            raise too_long(what, view.nbytes, limit)
        return view.tobytes()


def count(number: int, what: str) -> bytes:
    """A count of things as an Int16, of which the server takes all 16 bits as the number."""
    if not 0 <= number <= 65_535:
        raise errors.ProgrammingError(f"number of {what} must be between 0 and 65535, not {number}")
    return number.to_bytes(2)


def byte(number: int, what: str) -> bytes:
    """One byte."""
    return _pack("B", (number,), what, range(0x100))


def uint16s(values: Iterable[int], what: str) -> bytes:
    """Unsigned numbers of 16 bits."""
    return _pack("H", values, what, range(0x10000))


def int16s(values: Iterable[int], what: str) -> bytes:
    """Signed numbers of 16 bits."""
    return _pack("h", values, what, range(-0x8000, 0x8000))


def int32s(values: Iterable[int], what: str) -> bytes:
    """Signed numbers of 32 bits."""
    return _pack("i", values, what, range(-0x80000000, 0x80000000))


def uint32s(values: Iterable[int], what: str) -> bytes:
    """Unsigned numbers of 32 bits: OIDs and codes."""
    return _pack("I", values, what, range(0x100000000))


def too_long(what: str, length: int, limit: int) -> errors.DataError:
    """The error for something that the server would not take."""
    return errors.DataError(
        f"{what} is too long: {length} bytes, where PostgreSQL takes {limit}", sqlstate="54000"
    )


def _pack(code: str, values: Iterable[int], what: str, allowed: range) -> bytes:
    numbers = tuple(values)
    try:
        return struct.pack(f"!{len(numbers)}{code}", *numbers)
    except struct.error:
        shown = ", ".join([repr(number) for number in numbers if number not in allowed])
        raise errors.ProgrammingError(
            f"{what} must be between {allowed[0]} and {allowed[-1]}, not {shown[:100]}"
        ) from None
