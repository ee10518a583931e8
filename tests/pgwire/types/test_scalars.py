import copy
import decimal
import json
import math
import pickle
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.registry import default_registry

CONTEXT = Context()


def text_of(name: str, data: bytes) -> object:
    return default_registry.by_name(name).text_decoder(CONTEXT)(data)


def binary_of(name: str, data: bytes) -> object:
    return default_registry.by_name(name).binary_decoder(CONTEXT)(data)


def to_binary(name: str, value: object) -> bytes:
    encoder = default_registry.by_name(name).binary_encoder
    assert encoder is not None
    return encoder(CONTEXT)(value)


# numeric


def test_numeric_never_rounds() -> None:
    digits = b"1" * 500 + b"." + b"7" * 300
    with decimal.localcontext(decimal.Context(prec=3)):
        value = text_of("numeric", digits)
        assert str(value).encode() == digits
        assert str(binary_of("numeric", to_binary("numeric", value))).encode() == digits


@pytest.mark.parametrize("data", [b"", b"x", b"sNaN", b"NaN1", b"1,5", b"--1", b"\xff"])
def test_no_numeric_whatever_the_decimal_context(data: bytes) -> None:
    with decimal.localcontext(decimal.Context(traps=[])), pytest.raises(errors.DataError):
        text_of("numeric", data)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!HhHH", 1, 0, 0, 0),
        struct.pack("!HhHHH", 0, 0, 0, 0, 1),
        struct.pack("!HhHHH", 1, 0, 0x1234, 0, 1),
        struct.pack("!HhHHH", 1, 0, 0, 0, 10000),
        struct.pack("!HhHHH", 1, 0, 0, 0x4000, 1),
        b"\0" * 7,
    ],
)
def test_no_binary_numeric(data: bytes) -> None:
    with pytest.raises(errors.DataError):
        binary_of("numeric", data)


def test_the_scale_is_exact() -> None:
    # 1.50 with a scale of 1 shows as 1.5, with 4 as 1.5000: the scale rules.
    assert str(binary_of("numeric", struct.pack("!HhHHHH", 2, 0, 0, 1, 1, 5000))) == "1.5"
    assert str(binary_of("numeric", struct.pack("!HhHHHH", 2, 0, 0, 4, 1, 5000))) == "1.5000"
    assert str(binary_of("numeric", struct.pack("!HhHHH", 1, 5, 0x4000, 0, 1))) == "-1" + "0" * 20


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-NaN"), Decimal("sNaN123")])
def test_every_nan_is_nan(value: Decimal) -> None:
    codec = default_registry.by_name("numeric")
    assert codec.text_encoder(CONTEXT)(value) == b"NaN"
    assert to_binary("numeric", value).hex() == "00000000c0000000"


# float


@given(st.integers(0, 2**32 - 1).map(lambda bits: struct.pack("!I", bits)))
def test_a_single_survives(data: bytes) -> None:
    value = binary_of("float4", data)
    assert isinstance(value, float)
    if not math.isnan(value):
        assert struct.pack("!f", value) == data
        assert len(Decimal(repr(value)).normalize().as_tuple().digits) <= 9


def test_singles() -> None:
    assert repr(binary_of("float4", struct.pack("!f", 1.1))) == "1.1"
    # The server does not write 6.643501e+07, which lies halfway to the next single.
    assert repr(binary_of("float4", struct.pack("!f", 66435008.0))) == "66435008.0"
    assert repr(binary_of("float4", bytes.fromhex("00000001"))) == "1e-45"
    assert repr(binary_of("float4", bytes.fromhex("7f7fffff"))) == "3.4028235e+38"
    assert binary_of("float4", bytes.fromhex("ff800000")) == -math.inf


# bytea


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"\\xDEADbeef", b"\xde\xad\xbe\xef"),
        (b"", b""),
        (b"abc", b"abc"),
        (b"a\\\\b\\000\\377", b"a\\b\x00\xff"),
        (b"\\\\x41", b"\\x41"),
    ],
)
def test_bytea(text: bytes, value: bytes) -> None:
    assert text_of("bytea", text) == value


@pytest.mark.parametrize("text", [b"\\x1", b"\\xzz", b"\\x 1", b"\\", b"\\1", b"\\400", b"\\a"])
def test_no_bytea(text: bytes) -> None:
    with pytest.raises(errors.DataError):
        text_of("bytea", text)


@given(st.binary())
def test_bytea_in_escape_format(value: bytes) -> None:
    escaped = b"".join(
        b"\\\\" if byte == 92 else bytes([byte]) if 32 <= byte < 127 else b"\\%03o" % byte
        for byte in value
    )
    assert text_of("bytea", escaped) == value


# "char"


@given(st.integers(0, 255))
def test_char_has_256_values(byte: int) -> None:
    text = binary_of("char", bytes([byte]))
    assert to_binary("char", text) == bytes([byte])
    assert isinstance(text, str)
    assert text_of("char", text.encode()) == text
    if byte:
        assert text_of("char", bytes([byte])) == text  # as older servers write it


# json


def test_json() -> None:
    assert text_of("json", '{"é": [1.5, null]}'.encode()) == {"é": [1.5, None]}
    assert binary_of("jsonb", b'\x01"x"') == "x"
    assert to_binary("jsonb", {"é": [True]}) == b'\x01{"\xc3\xa9": [true]}'
    assert to_binary("json", json.dumps("x")) == b'"x"'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("json", b"{"),
        ("json", b"\xff"),
        ("jsonb", b'\x02"x"'),
        ("jsonb", b""),
        ("json", b"[" * 10**6),
    ],
)
def test_no_json(name: str, data: bytes) -> None:
    with pytest.raises(errors.DataError) as caught:
        binary_of(name, data)
    assert len(str(caught.value)) < 300


def test_an_object_within_itself_is_no_json() -> None:
    endless: dict[str, object] = {}
    endless["x"] = endless
    with pytest.raises(errors.DataError):
        to_binary("jsonb", endless)


# int


@pytest.mark.parametrize("data", [b"", b"x", b"1.5", b"9" * 5000, b"\xff"])
def test_no_integer(data: bytes) -> None:
    with pytest.raises(errors.DataError):
        text_of("int4", data)


# Context


def test_a_context_does_not_change() -> None:
    context = Context()
    changed = context.replace(time_zone="Europe/Berlin")
    assert (context.time_zone, changed.time_zone) == ("UTC", "Europe/Berlin")
    assert changed != context == Context() and hash(context) == hash(Context())
    assert pickle.loads(pickle.dumps(changed)) == copy.deepcopy(changed) == changed
    assert "Europe/Berlin" in repr(changed)
    with pytest.raises(AttributeError):
        context.encoding = "x"
    with pytest.raises(AttributeError):
        del context.encoding
    with pytest.raises(TypeError):
        context.replace(nothing="x")
