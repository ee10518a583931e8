"""The classes of the network, geometric and system types, and what their codecs refuse."""

import copy
import pickle
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

import pytest

from pgwire import errors
from pgwire.types.context import Context
from pgwire.types.geometric import Box, Circle, Path, Point, Polygon
from pgwire.types.lsn import LSN
from pgwire.types.registry import default_registry
from pgwire.types.snapshots import Snapshot

CONTEXT = Context()


def from_text(name: str, data: bytes) -> object:
    return default_registry.by_name(name).text_decoder(CONTEXT)(data)


def from_binary(name: str, data: bytes) -> object:
    return default_registry.by_name(name).binary_decoder(CONTEXT)(data)


def to_binary(name: str, value: object) -> bytes:
    encoder = default_registry.by_name(name).binary_encoder
    assert encoder is not None
    return encoder(CONTEXT)(value)


def test_positions_in_the_log() -> None:
    first, second = LSN("16/B374D848"), LSN(0x16_B374_D849)
    assert second - first == 1 and first + 1 == second and second - 1 == first
    assert first < second and second >= first and max(first, second) is second
    assert int(first) == 0x16_B374_D848 and f"{first:}" == "16/B374D848"
    assert repr(second) == "LSN('16/B374D849')"
    assert {first, LSN(int(first))} == {first} and first != int(first)
    assert pickle.loads(pickle.dumps(first)) == copy.copy(first) == first
    with pytest.raises(AttributeError):
        first._position = 0
    with pytest.raises(TypeError):
        assert first < 5


@pytest.mark.parametrize("position", [-1, 1 << 64, "16", "16/", "0/100000000", "g/0", "0/0 "])
def test_no_position(position: int | str) -> None:
    with pytest.raises(errors.DataError):
        LSN(position)


def test_values_are_values() -> None:
    values = [
        Point(1, 2),
        Box(Point(3, 4), Point(1, 2)),
        Path((Point(0, 0), Point(1, 1)), closed=True),
        Circle(Point(0, 0), 1),
        Snapshot(10, 20, (14,)),
    ]
    for value in values:
        assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == value
        assert len({value, copy.deepcopy(value)}) == 1
        field = next(iter(type(value).__annotations__))
        with pytest.raises(AttributeError):
            setattr(value, field, getattr(value, field))
    assert str(Snapshot(10, 20, (14, 15))) == "10:20:14,15" and str(Snapshot(1, 1)) == "1:1:"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("point", Point("1", 2)),  # type: ignore[arg-type]
        ("point", Point(10**400, 2)),
        ("circle", Circle((0, 0), 1)),  # type: ignore[arg-type]
        ("path", Path(((1, 2),))),  # type: ignore[arg-type]
        ("polygon", Polygon(5)),  # type: ignore[arg-type]
    ],
)
def test_parts_that_are_no_numbers(name: str, value: object) -> None:
    codec = default_registry.by_name(name)
    assert codec.binary_encoder is not None
    if name != "point" or value == Point(10**400, 2):
        with pytest.raises(errors.DataError, match=f"is no {name}"):
            codec.text_encoder(CONTEXT)(value)
    with pytest.raises(errors.DataError, match=f"is no {name}"):
        codec.binary_encoder(CONTEXT)(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("point", (1.0, 2.0)),
        ("box", Point(1, 2)),
        ("inet", b"10.0.0.1"),
        ("cidr", IPv4Interface("10.0.0.1/8")),
        ("macaddr", 5),
        ("bit", 5),
        ("pg_lsn", 5),
        ("tid", (0, 1)),
        ("tsvector", ["a"]),
        ("oidvector", ["a"]),
        ("regclass", True),
        ("pg_snapshot", (1, 2)),
    ],
)
def test_classes_that_do_not_fit(name: str, value: object) -> None:
    codec = default_registry.by_name(name)
    assert codec.binary_encoder is not None
    for make in (codec.text_encoder, codec.binary_encoder):
        with pytest.raises(errors.ProgrammingError, match=type(value).__name__):
            make(CONTEXT)(value)


def test_an_address_with_a_scope() -> None:
    codec = default_registry.by_name("inet")
    assert codec.binary_encoder is not None
    for encode in (codec.text_encoder(CONTEXT), codec.binary_encoder(CONTEXT)):
        with pytest.raises(errors.DataError, match="fe80::1%eth0 has a scope"):
            encode(IPv6Address("fe80::1%eth0"))


def test_the_same_address_in_other_words() -> None:
    assert to_binary("inet", "10.0.0.1") == to_binary("inet", IPv4Address("10.0.0.1"))
    assert to_binary("inet", IPv4Network("10.0.0.0/8")) == to_binary("inet", "10.0.0.0/8")
    assert from_text("inet", b"10.0.0.1") == from_binary("inet", bytes.fromhex("022000040a000001"))
    assert to_binary("macaddr", "08002B-010203") == to_binary("macaddr", "08:00:2b:01:02:03")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("inet", "022100040a000001"),  # 33 bits
        ("inet", "042000040a000001"),  # no such family
        ("inet", "022000100a000001"),  # more bytes told than there are
        ("inet", "032000040a000001"),  # of the other family's length
        ("cidr", "020801040a000001"),  # bits to the right of the netmask
        ("path", "02000000013ff00000000000003ff0000000000000"),
        ("path", "017fffffff"),
        ("path", "01ffffffff"),
        ("polygon", "40000000"),
        ("varbit", "00000009aa"),
        ("varbit", "ffffffff"),
        ("pg_snapshot", "7fffffff" + "00" * 16),
        ("oidvector", "000000010000000000000017" + "00" * 8),  # of integers
        ("oidvector", "00000001000000000000001a7fffffff00000000"),
        ("oidvector", "00000001000000000000001a0000000100000000" + "00000003" + "00000001"),
        ("tsvector", "7fffffff"),
        ("tsvector", "00000001" + "6100ffff"),
        ("tsquery", "40000000"),
        ("tsquery", "00000001" + "0201"),  # NOT of nothing
        ("tsquery", "00000002" + "0100006100" * 2),  # two trees
        ("tsquery", "00000001" + "0205"),  # no such operator
        ("tsquery", "00000001" + "0110006100"),  # no such weight
        ("jsonpath", "02" + "24"),
        ("tid", "0000"),
    ],
)
def test_no_binary_value(name: str, data: str) -> None:
    with pytest.raises(errors.DataError, match="incorrect binary data format"):
        from_binary(name, bytes.fromhex(data))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("inet", text) for text in ("", "10.0.0", "10.0.0.1/33", "10.0.0.1/255.0.0.0", "::1%lo")),
        *(("cidr", text) for text in ("10.0.0.1", "10.0.0.1/8", "10.0.0.0/x")),
        *(("macaddr", text) for text in ("", "08:00:2b:01:02", "08:00:2b:01:02:0g")),
        *(("bit", text) for text in ("2", "1 ", "0b1", "x")),
        *(("point", text) for text in ("(1,2", "(1_0,2)", "(1,2)x", "(,)", "(1;2)")),
        *(("path", text) for text in ("[]", "[(1,2))", "(1,2)", "[(1,2),]")),
        *(("tid", text) for text in ("(0)", "(0,-1)", "0,1")),
        *(("pg_snapshot", text) for text in ("1:2", "1:2:3,", "a:b:")),
        *(("int2vector", text) for text in ("1  2", "a", "1,2", "1_0")),
        ("pg_lsn", "0"),
    ],
)
def test_no_text_value(name: str, text: str) -> None:
    with pytest.raises(errors.DataError) as caught:
        from_text(name, text.encode())
    assert caught.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    "query",
    ["a b", "a &", "& a", "(a", "a)", "!", "a <-> ", "a <99999> b", "''", ":A", "()", "a!b"],
)
def test_no_tsquery(query: str) -> None:
    with pytest.raises(errors.DataError):
        to_binary("tsquery", query)


def test_a_deep_tsquery() -> None:
    """Neither way of it is bounded by Python's stack, nor takes quadratic time."""
    query = "( " * 20_000 + "a" + " ) & !b" * 20_000
    shown = from_binary("tsquery", to_binary("tsquery", query))
    assert shown == "'a'" + " & !'b'" * 20_000


def test_words_of_a_tsvector() -> None:
    binary = to_binary("tsvector", "b:3,1A,1b a 'it''s':20000 b:7")
    assert from_binary("tsvector", binary) == "'a' 'b':1A,3,7 'it''s':16383"
    for wrong in ("'a", "a:", "a:0", "a:1X", "''", "a:1,"):
        with pytest.raises(errors.DataError):
            to_binary("tsvector", wrong)


def test_vectors() -> None:
    assert from_text("int2vector", b"") == [] == from_binary("int2vector", bytes(8) + b"\0\0\0\x15")
    assert from_text("int2vector", b"1 -2") == [1, -2]
    with pytest.raises(errors.DataError):
        to_binary("int2vector", [40_000])
