from __future__ import annotations

from collections.abc import Callable

import pytest

from pgwire import errors
from pgwire.protocol.reader import Reader

BODY = bytes(range(0xF8, 0x100)) + b"\xff\xff\xff\xffab\0cd"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_fields_in_turn(kind: Callable[[bytes], bytes]) -> None:
    reader = Reader(kind(BODY), "x")
    assert reader.byte() == 0xF8
    assert reader.int16() == -0x0606
    assert reader.uint16() == 0xFBFC
    assert reader.take(3) == b"\xfd\xfe\xff"
    assert reader.value() is None
    assert reader.cstring() == b"ab"
    with pytest.raises(errors.ProtocolError, match=r"message contents do not agree .* in x"):
        reader.finish()
    assert reader.rest() == b"cd"
    reader.finish()
    assert reader.rest() == b""


def test_signed_and_unsigned() -> None:
    assert Reader(b"\xff\xff\xff\xfe", "x").int32() == -2
    assert Reader(b"\xff\xff\xff\xfe", "x").uint32() == 0xFFFFFFFE
    assert Reader(b"\xff\xff\0\1", "x").uint16s(2) == (0xFFFF, 1)
    assert Reader(b"\xff\xff\xff\xff\0\0\0\1", "x").uint32s(2) == (0xFFFFFFFF, 1)


@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader.int32(),
        lambda reader: reader.uint32(),
        lambda reader: reader.cstring(),
        lambda reader: reader.take(4),
        lambda reader: reader.take(-1),
        lambda reader: reader.value(),
        lambda reader: reader.uint16s(2),
        lambda reader: reader.uint32s(1 << 40),
    ],
)
def test_nothing_is_read_beyond_the_body(read: Callable[[Reader], object]) -> None:
    reader = Reader(b"abc", "the message")
    with pytest.raises(errors.ProtocolError, match="insufficient data in the message"):
        read(reader)
    assert reader.rest() == b"abc"
