"""Composites, ranges, enums, hstore and arrays of them: random values through a real server, each
format on the way there and back; and whatever bytes a peer may send.

The seed stands in the message of a failure; PGWIRE_TEST_SEED=… repeats it.
"""

from __future__ import annotations

import datetime as dt
import enum
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.flows.query import Exchange, RowSet
from pgwire.protocol.frontend import Bind, Describe, Execute, Parse, Sync
from pgwire.rows.decoder import decode_rows
from pgwire.testing.cluster import Cluster
from pgwire.types.array import Array
from pgwire.types.codec import BINARY, TEXT, Codec
from pgwire.types.composite import MAXIMUM_DEPTH, derived_composite
from pgwire.types.context import Context
from pgwire.types.enumeration import enum_codec
from pgwire.types.hstore import hstore_codec
from pgwire.types.range import Multirange, Range
from pgwire.types.registry import Registry, default_registry

SEED = os.environ.get("PGWIRE_TEST_SEED") or (
    "0" if os.environ.get("CI") else str(random.SystemRandom().randrange(2**32))
)
COUNT = 30
ALPHABET = "ab ,;:'\"\\(){}[]<>=\t\nÄß€😀N"
Make = Callable[[random.Random], Any]

SCHEMA = """
create schema containers;
set search_path = containers;
create type colour as enum ('red', 'deep "blue", (or) {so}\\', ' ');
create domain short as varchar(20);
create type inner_part as (n int8, "the text" text, c colour, d numeric);
create type outer_part as (
  parts inner_part[], one inner_part, span daterange, spans int4multirange, tags short[],
  at timestamptz, colours colour[]
);
create type textrange as range (subtype = text, collation = "C", multirange_type_name = textranges);
create type partrange as range (subtype = inner_part);
"""
COLOURS = ("red", 'deep "blue", (or) {so}\\', " ")


def maybe(make: Make, r: random.Random) -> Any:
    return None if r.random() < 0.2 else make(r)


def text(r: random.Random) -> str:
    return r.choice(("NULL", "", "empty", "".join(r.choices(ALPHABET, k=r.randrange(9)))))


def array(make: Make, *, nulls: bool = True) -> Make:
    def made(r: random.Random) -> Any:
        lengths = [r.randrange(1, 4) for _ in range(r.choice((0, 1, 1, 1, 2, 3)))]
        if not lengths:
            return []

        def level(depth: int) -> Any:
            if depth == len(lengths):
                return maybe(make, r) if nulls else make(r)
            return [level(depth + 1) for _ in range(lengths[depth])]

        items = level(0)
        if r.random() < 0.3:
            return Array(items, [r.randrange(-5, 5) for _ in lengths])
        return items

    return made


def day(r: random.Random) -> dt.date:
    return dt.date.fromordinal(r.randrange(1, 3_000_000))


def span(make: Make) -> Make:
    """Ranges that the server leaves as they are, even of discrete types."""

    def made(r: random.Random) -> Any:
        if r.random() < 0.1:
            return Range(empty=True)
        low, high = sorted((make(r), make(r)))
        if low == high:
            return Range(low, None)
        return Range(r.choice((low, None)), r.choice((high, None)), "[)")

    return made


def spans(make: Make) -> Make:
    def made(r: random.Random) -> Any:
        edges = sorted({make(r) for _ in range(2 * r.randrange(4))})
        if len(edges) % 2:
            edges.pop()
        return Multirange(Range(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))

    return made


def small(r: random.Random) -> int:
    return r.randint(-(2**31), 2**31 - 2)


def number(r: random.Random) -> Decimal:
    return Decimal(r.randint(-(10**9), 10**9)).scaleb(-r.randrange(6))


def inner(r: random.Random) -> Any:
    return (
        maybe(lambda r: r.getrandbits(63) - 2**62, r),
        maybe(text, r),
        maybe(lambda r: r.choice(COLOURS), r),
        maybe(number, r),
    )


def outer(r: random.Random) -> Any:
    return (
        maybe(array(inner), r),
        maybe(inner, r),
        maybe(span(day), r),
        maybe(spans(small), r),
        maybe(array(text), r),
        maybe(lambda r: dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(r.random()), r),
        maybe(array(lambda r: r.choice(COLOURS)), r),
    )


VALUES: dict[str, Make] = {
    "colour": lambda r: r.choice(COLOURS),
    "short": text,
    "inner_part": inner,
    "outer_part": outer,
    "int4range": span(small),
    "numrange": span(number),
    "daterange": span(day),
    "tsrange": span(lambda r: dt.datetime(2000, 1, 1) + dt.timedelta(r.random())),
    "textrange": span(text),
    "int8multirange": spans(lambda r: r.getrandbits(40)),
    "textranges": spans(text),
    "partrange": lambda r: Range(inner(r), None),
    "outer_part[]": array(outer),
    "int4range[]": array(span(small)),
    "textranges[]": array(spans(text)),
    "int8[]": array(lambda r: r.getrandbits(63) - 2**62),
    "float8[]": array(lambda r: r.uniform(-1e9, 1e9), nulls=False),
    "text[]": array(text),
    "bool[]": array(lambda r: r.random() < 0.5),
    "numeric[]": array(number),
    "jsonb[]": array(lambda r: {"a": text(r)}),
}


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        connection.execute("create database containers template template0 encoding 'UTF8'")
        with pgwire.connect(cluster.conninfo(dbname="containers")) as inside:
            inside.query_all(SCHEMA)
            inside.load_types("outer_part", "textrange", "partrange")
            yield inside
        connection.execute("drop database containers with (force)")


def through(
    connection: pgwire.Connection, oid: int, values: list[bytes | None], sent: int, wanted: int
) -> list[bytes | None]:
    """Parameters of a type to the server, and what it sends back for them."""
    listed = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    request = [
        Parse(b"", f"select {listed}".encode(), [oid] * len(values)),
        Bind(b"", b"", [sent], values, [wanted]),
        Describe(b"P", b""),
        Execute(b"", 0),
        Sync(),
    ]
    exchange = Exchange(connection._channel, request, extended=True)
    run = connection._transport.run
    run(exchange.send(), None)
    outcome = run(exchange.next_result(), None)
    rows: list[tuple[Any, ...]] = []
    if isinstance(outcome, RowSet):
        while (bounds := run(exchange.next_rows(), None)) is not None:
            rows += decode_rows(connection.frames, *bounds, [bytes] * len(values))
    failure = run(exchange.finish(), None)
    error = getattr(outcome, "error", None) or failure
    assert error is None and len(rows) == 1, f"{error}, PGWIRE_TEST_SEED={SEED}"
    return list(rows[0])


@pytest.mark.parametrize("name", VALUES)
def test_values_go_there_and_back_in_both_formats(connection: pgwire.Connection, name: str) -> None:
    r = random.Random(f"{SEED} {name}")
    values = [VALUES[name](r) for _ in range(COUNT)]
    codec = connection.registry.resolve(name)
    assert codec.binary_encoder is not None
    encoders = {TEXT: codec.text_encoder, BINARY: codec.binary_encoder}
    decoders = {TEXT: codec.text_decoder, BINARY: codec.binary_decoder}
    for sent, make_encoder in encoders.items():
        encode = make_encoder(connection.context)
        encoded: list[bytes | None] = [encode(value) for value in values]
        for wanted, make_decoder in decoders.items():
            decode = make_decoder(connection.context)
            for value, item in zip(
                values, through(connection, codec.oid, encoded, sent, wanted), strict=True
            ):
                got = decode(item or b"")
                told = f"{name}, sent in {sent}, asked for in {wanted}, PGWIRE_TEST_SEED={SEED}"
                assert got == value, told
                assert getattr(got, "lower_bounds", None) in (
                    getattr(value, "lower_bounds", None),
                    None if all(n == 1 for n in getattr(value, "lower_bounds", ())) else (),
                ), told


def test_hstore(contrib_cluster: Cluster) -> None:
    r = random.Random(SEED)
    with pgwire.connect(contrib_cluster.conninfo()) as connection:
        connection.execute("create schema with_extensions")
        connection.execute("set search_path = with_extensions")
        try:
            for extension in ("hstore", "citext", "ltree"):
                connection.execute(f"create extension {extension}")
            assert connection.query("select 'a=>1'::hstore", ()).rows == [('"a"=>"1"',)]
            connection.load_types("hstore", "citext", "ltree")
            values: list[dict[str, str | None]] = [{}, {"a": None, "b": "NULL", "": ""}]
            values += [{text(r): maybe(text, r) for _ in range(r.randrange(6))} for _ in range(30)]
            codec = connection.registry.resolve("hstore")
            for value in values:
                told = f"PGWIRE_TEST_SEED={SEED}"
                sql = "select $1, $1::text, hstore_send($1), $2"
                (row,) = connection.query(sql, ((value, "hstore"), ([value, None], "hstore[]")))
                assert row[0] == value and row[3] == [value, None], told
                context = connection.context
                assert codec.text_decoder(context)(str(row[1]).encode()) == value, told
                assert codec.binary_encoder is not None and isinstance(row[2], bytes)
                assert codec.binary_decoder(context)(row[2]) == value, told
                encoded = codec.binary_encoder(context)(value)
                assert codec.binary_decoder(context)(encoded) == value, told
                assert through(connection, codec.oid, [encoded], BINARY, BINARY) == [row[2]], told
            sql = "select 'AbC'::citext, 'a.b'::ltree, array['x']::citext[], array['a.b']::ltree[]"
            for params in (None, ()):
                assert connection.query(sql, params).rows == [("AbC", "a.b", ["x"], ["a.b"])]
            assert connection.query("select $1 = 'abc'", (("ABC", "citext"),)).rows == [(True,)]
            with pytest.raises(pgwire.ProgrammingError, match="NoneType and str"):
                connection.query("select $1", (({None: "x"}, "hstore"),))
        finally:
            connection.execute("drop schema with_extensions cascade")


# Without a server.

CONTEXT = Context()


class Mood(enum.Enum):
    SAD = "sad"
    OK = "ok"


REGISTRY = Registry()
REGISTRY.derive(
    [
        derived_composite("pair", 70000, 70001, [("a", 23), ("b", 25)]),
        derived_composite("pairs", 70002, 70003, [("one", 70000), ("all", 70001), ("x", 99999)]),
    ]
)
REGISTRY.register(enum_codec("mood", 70004, 70005, ("sad", "ok"), Mood))
REGISTRY.register(hstore_codec("hstore", 70006, 70007))
OIDS = (70000, 70001, 70002, 70003, 70004, 70005, 70006, 70007, 2249, 2287, 3904, 4451, 3911, 6150)
PIECES = st.lists(
    st.sampled_from(
        (
            *(b"(", b")", b"[", b"]", b"{", b"}", b'"', b'""', b"\\", b",", b", ", b"=>", b"NULL"),
            *(b"1", b"a", b"empty", b'"a"=>"b"', b" ", b"sad", b"\xff", b"[1,2)", b"(1,)"),
        )
    ),
    max_size=9,
).map(b"".join)
WORDS = st.lists(
    st.sampled_from((0, 1, 2, 4, 23, 25, -1, 70000, 70001, 2249, 2287, 2**31 - 1, -(2**31)))
    | st.integers(-3, 30),
    max_size=16,
).map(lambda words: struct.pack(f"!{len(words)}i", *words))


@pytest.mark.parametrize("codec", [REGISTRY.by_oid(oid) for oid in OIDS], ids=lambda c: c.name)
@given(
    data=st.binary(max_size=64)
    | PIECES
    | WORDS
    | st.tuples(st.binary(max_size=1), WORDS).map(b"".join),
    encoding=st.sampled_from(("utf-8", "cp932", "pgwire_sql_ascii")),
)
@example(data=b"", encoding="utf-8")
@example(data=b"\x00\x00\x00\x02" + b"\x7f" * 60, encoding="utf-8")
def test_bytes_of_any_kind(codec: Codec, data: bytes, encoding: str) -> None:
    context = Context(encoding)
    for decode in (codec.text_decoder(context), codec.binary_decoder(context)):
        try:
            decode(data)
        except errors.DataError as error:
            assert error.sqlstate is not None and len(str(error)) < 500


def record(*fields: tuple[int, bytes | None]) -> bytes:
    data = struct.pack("!i", len(fields))
    for oid, value in fields:
        data += struct.pack("!Ii", oid, -1 if value is None else len(value)) + (value or b"")
    return data


def record_array(item: bytes) -> bytes:
    return struct.pack("!iiIiii", 1, 0, 2249, 1, 1, len(item)) + item


@pytest.mark.parametrize("through_arrays", [False, True])
def test_records_may_not_be_nested_without_end(through_arrays: bool) -> None:
    decode = default_registry.by_oid(2249).binary_decoder(CONTEXT)
    data = record((23, b"\0\0\0\7"))
    for depth in range(1, 3000):
        data = record((2287, record_array(data)) if through_arrays else (2249, data))
        if depth == MAXIMUM_DEPTH:
            value: Any = decode(data)
            for _ in range(depth):
                value = value[0][0] if through_arrays else value[0]
            assert value == (7,)
    with pytest.raises(errors.DataError, match=f"more than {MAXIMUM_DEPTH} deep"):
        decode(data)


def test_a_type_cannot_contain_itself() -> None:
    registry = REGISTRY.copy()
    for parts in ([("x", 70000)], [("x", 70001)], [("x", 70002)], [("x", 70003)]):
        with pytest.raises(errors.DataError, match="contain itself"):
            registry.derive([derived_composite("pair", 70000, 70001, parts)])
    # What a type was made of does not matter when all are told anew.
    registry.derive(
        [
            derived_composite("pair", 70000, 70001, [("x", 70002)]),
            derived_composite("pairs", 70002, 70003, [("x", 23)]),
        ]
    )
    decode = registry.by_oid(70000).text_decoder(CONTEXT)
    assert decode(b'("(5)")') == ((5,),)


def test_a_field_of_an_unknown_type_asks_for_text() -> None:
    assert REGISTRY.by_oid(70000).preferred == BINARY
    assert REGISTRY.by_oid(70002).preferred == TEXT
    assert not REGISTRY.by_oid(70003).reads_binary
    decode = REGISTRY.by_oid(70002).text_decoder(CONTEXT)
    assert decode(b'("(1,x)",{},y)') == ((1, "x"), [], "y")


def test_the_class_of_a_composite_type_is_pure_data() -> None:
    names = ["class", "a", "a", "_b", "__init__", "x y", "self", "é"]
    registry = Registry()
    registry.derive([derived_composite('"); import os"', 70000, 0, [(n, 23) for n in names])])
    value: Any = registry.by_oid(70000).text_decoder(CONTEXT)(b"(1,2,3,4,5,6,7,8)")
    assert value == (1, 2, 3, 4, 5, 6, 7, 8)
    assert type(value).__name__ == "composite"
    assert value._fields == ("_0", "a", "_2", "_3", "_4", "_5", "self", "é")


def test_an_inner_codec_that_is_replaced() -> None:
    registry = REGISTRY.copy()
    old = registry.by_oid(70001).text_decoder(CONTEXT)
    registry.register(enum_codec("int4", 23, 1007, ("sad",), Mood))
    value: Any = registry.by_oid(70001).text_decoder(CONTEXT)(b'{"(sad,x)"}')
    assert value == [(Mood.SAD, "x")] and old(b'{"(1,x)"}') == [(1, "x")]


UNBOUNDED = Range[int]()


def test_ranges() -> None:
    span = Range(1, 5)
    assert 1 in span and 4 in span and 5 not in span and 0 not in span
    assert 5 in Range(1, 5, "(]") and 1 not in Range(1, 5, "(]")
    assert 10**9 in Range(1) and -5 in Range(None, 0) and 7 in UNBOUNDED
    assert 1 not in Range[int](empty=True) and not Range(empty=True) and UNBOUNDED
    assert Range(1, 2, empty=True) == Range(5, 6, "()", empty=True) != UNBOUNDED
    assert hash(Range(1, 2)) == hash(Range(1, 2)) and Range(1, 2) != Range(1, 2, "[]")
    assert Range(None, None, "[]").bounds == "()" and Range(1, None, "[]").bounds == "[)"
    assert pickle.loads(pickle.dumps(span)) == span and repr(span) == "Range(1, 5, '[)')"
    with pytest.raises(errors.DataError, match="not '<>'"):
        Range(1, 2, "<>")
    with pytest.raises(AttributeError):
        span.lower = 3
    with pytest.raises(AttributeError):
        del span.lower
    several = Multirange([Range(1, 3), Range(7, None)])
    assert 2 in several and 5 not in several and 100 in several and Range(1, 3) in several
    assert pickle.loads(pickle.dumps(several)) == several
    with pytest.raises(errors.ProgrammingError, match="not of int"):
        Multirange([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("empty", Range(empty=True)),
        (" [1,5) ", Range(1, 5)),
        ("(,)", Range()),
        ("[1,)", Range(1)),
        ('["1","5"]', Range(1, 5, "[]")),
    ],
)
def test_text_of_ranges(data: str, value: Range[int]) -> None:
    assert default_registry.by_name("int4range").text_decoder(CONTEXT)(data.encode()) == value


@pytest.mark.parametrize(
    "data", ["", "[1,5", "1,5)", "[1 5)", "[1,5)x", "[1,5),[7,8)", "[1,2,3)", 'x"', '["1,5)']
)
def test_text_that_is_no_range(data: str) -> None:
    with pytest.raises(errors.DataError, match="int4range"):
        default_registry.by_name("int4range").text_decoder(CONTEXT)(data.encode())
    with pytest.raises(errors.DataError, match="int4multirange"):
        default_registry.by_name("int4multirange").text_decoder(CONTEXT)(b"{[1,2)," + data.encode())


@pytest.mark.parametrize("encoding", ["cp932", "gb18030"])
def test_text_whose_characters_hold_quotes(encoding: str) -> None:
    context = Context(encoding)
    for oid, value in ((70000, (1, '表"ソ,')), (70006, {"表": 'ソ"'}), (70001, [(1, "表"), None])):
        codec = REGISTRY.by_oid(oid)
        data = codec.text_encoder(context)(value)
        assert codec.text_decoder(context)(data) == value
        assert codec.binary_encoder is not None
        assert codec.binary_decoder(context)(codec.binary_encoder(context)(value)) == value


def test_an_array_with_bounds() -> None:
    bounded = Array([[1], [2]], (0, -3))
    assert bounded == [[1], [2]] and pickle.loads(pickle.dumps(bounded)).lower_bounds == (0, -3)
    assert repr(bounded) == "Array([[1], [2]], lower_bounds=(0, -3))"
    codec = default_registry.by_name("int4[]")
    assert codec.text_encoder(CONTEXT)(bounded) == b"[0:1][-3:-3]={{1},{2}}"
    for wrong in ((1,), (1, 2, 3), (2**31, 1), (1, 2**31 - 1), (-(2**31) - 1, 1)):
        with pytest.raises(errors.DataError, match="lower bound"):
            codec.text_encoder(CONTEXT)(Array([[1], [2]], wrong))
    assert codec.text_encoder(CONTEXT)(Array([], (7,))) == b"{}"


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), st.data())
def test_fixed_width_at_once_is_what_it_is_one_by_one(
    items: list[int], data: st.DataObject
) -> None:
    codec = default_registry.by_name("int8[]")
    assert codec.binary_encoder is not None
    encoded = codec.binary_encoder(CONTEXT)(items)
    # With a NULL nothing is done at once.
    slowly = codec.binary_encoder(CONTEXT)([*items, None])
    assert slowly[12 : 12 + 8][4:] == encoded[16:20] or not items
    assert slowly[20:-4] == encoded[20:]
    decode = codec.binary_decoder(CONTEXT)
    assert decode(encoded) == items
    if items:
        # A lying length, wherever it is, is found out.
        position = (
            20 + 12 * data.draw(st.integers(0, len(items) - 1)) + data.draw(st.integers(0, 3))
        )
        lying = bytearray(encoded)
        lying[position] ^= data.draw(st.integers(1, 255))
        with pytest.raises(errors.DataError):
            decode(bytes(lying))
