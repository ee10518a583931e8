"""All ways to decode a batch give what the plain decoder gives, or raise where it does."""

from __future__ import annotations

import decimal
import struct
from collections.abc import Callable, Iterator
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol.backend import DataRow, NoticeResponse
from pgwire.rows.batches import BatchDecoder, batch_decoder
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row, decode_rows, typed_decoders
from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec, always
from pgwire.types.context import Context
from pgwire.types.registry import Registry, default_registry

Fields = tuple[bytes | None, ...]
Decode = Callable[[bytearray], list[Row]]

_DATES = [b"2000-01-01", b"1999-12-31", b"0001-01-01", b"9999-12-31"]
_MOMENTS = [b"2020-01-01 00:00:00", b"1910-01-01 01:02:03.000001", b"2262-04-11 23:47:16.854775"]
_STRANGE_DATES = [b"infinity", b"0044-03-15 BC", b"20000-01-01"]
_BEYOND = [b"infinity", b"0044-03-15 10:00:00%b BC", b"20000-01-01 23:59:59.5%b"]


def packed(layout: str, numbers: st.SearchStrategy[int | float]) -> st.SearchStrategy[bytes]:
    return numbers.map(lambda number: struct.pack(layout, number))


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


def written(zone: bytes) -> list[bytes]:
    return [m + zone for m in _MOMENTS] + [m.replace(b"%b", zone) for m in _BEYOND]


texts = st.text(max_size=12).map(lambda text: text.replace("\0", "").encode())
DECIMALS = st.sampled_from(("NaN", "Infinity", "-Infinity")) | st.decimals(
    allow_nan=False, allow_infinity=False
).map(str)
MICROSECONDS = st.integers(-(10**16), 10**16) | st.integers(-(1 << 63), (1 << 63) - 1)

# (type, format) -> values as they may lie on the wire.
VALUES: dict[tuple[str, int], st.SearchStrategy[bytes]] = {
    ("bool", 1): st.sampled_from((b"\0", b"\1")),
    ("int2", 1): packed("!h", integers(16)),
    ("int4", 1): packed("!i", integers(32)),
    ("int8", 1): packed("!q", integers(64)),
    ("oid", 1): packed("!I", st.integers(0, (1 << 32) - 1)),
    ("float8", 1): packed("!d", st.floats(allow_nan=False)),
    ("float4", 1): packed("!f", st.floats(width=32, allow_nan=False)),
    ("date", 1): packed("!i", st.integers(-700_000, 2_900_000) | integers(32)),
    ("timestamp", 1): packed("!q", MICROSECONDS),
    ("timestamptz", 1): packed("!q", MICROSECONDS),
    ("uuid", 1): st.binary(min_size=16, max_size=16),
    ("bytea", 1): st.binary(max_size=12),
    ("text", 1): texts,
    ("jsonb", 1): st.sampled_from((b'\1{"a": 1}', b"\1[]", b'\1"\xc3\xa9"')),
    ("text", 0): texts,
    ("varchar", 0): st.sampled_from((b"always", b"of one", b"length")),
    ("int4", 0): integers(32).map(lambda n: b"%d" % n),
    ("float8", 0): st.floats(allow_nan=False).map(lambda f: repr(f).encode()),
    ("numeric", 0): DECIMALS.map(str.encode),
    ("bool", 0): st.sampled_from((b"t", b"f")),
    ("date", 0): st.sampled_from([*_DATES, *_STRANGE_DATES]),
    ("timestamp", 0): st.sampled_from(written(b"")),
    ("timestamptz", 0): st.sampled_from(written(b"+00")),
    ("uuid", 0): st.uuids().map(lambda u: str(u).encode()),
    ("json", 0): st.sampled_from((b"{}", b"null", b'["\xe2\x82\xac"]')),
}
CONTEXT = Context(unrepresentable="text")


def columns_of(types: list[tuple[str, int]]) -> list[Column]:
    return [Column(f"c{i}", OIDS[name][0], format=f) for i, (name, f) in enumerate(types)]


def frame(fields: Fields) -> bytes:
    return DataRow(fields).encode()


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[Fields]]:
    """A shape and rows of it: a few different ones, many times over."""
    fixed = draw(st.booleans())
    choice = [key for key in VALUES if key[1] and key[0] not in ("text", "bytea", "jsonb")]
    types = draw(
        st.lists(st.sampled_from(choice if fixed else list(VALUES)), min_size=1, max_size=5)
    )
    nulls = draw(st.lists(st.booleans(), min_size=len(types), max_size=len(types)))
    row = st.tuples(
        *(
            VALUES[key] | st.none() if null else VALUES[key]
            for key, null in zip(types, nulls, strict=True)
        )
    )
    usual = draw(st.lists(row, min_size=1, max_size=4))
    strange = draw(st.lists(row, max_size=4))
    repeat = draw(st.sampled_from((1, 60, 300)))
    rows = usual * repeat + strange + usual * draw(st.sampled_from((0, 1, 200)))
    return columns_of(types), rows


def ways(columns: list[Column], context: Context) -> Iterator[BatchDecoder]:
    """A decoder at first sight, and one that has learnt and takes the fast ways at once."""
    yield BatchDecoder(columns, default_registry, context, b"D"[0])
    ready = BatchDecoder(columns, default_registry, context, b"D"[0])
    ready._generate()
    yield ready


def plain(columns: list[Column], context: Context, data: bytearray) -> list[Row]:
    return decode_rows(data, 0, len(data), typed_decoders(columns, default_registry, context))


def same(got: list[Row], wanted: list[Row]) -> bool:
    """Whether rows are equal in value and in kind: 1 is not True, NaN is NaN."""
    return repr(got) == repr(wanted)


@settings(deadline=None, max_examples=50)
@given(tables(), st.binary(max_size=5), st.lists(st.integers(0, 200_000), max_size=3))
def test_every_way_gives_the_same_rows(
    table: tuple[list[Column], list[Fields]], before: bytes, cuts: list[int]
) -> None:
    columns, rows = table
    stream = b"".join(map(frame, rows))
    wanted = plain(columns, CONTEXT, bytearray(stream))
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    for decoder in ways(columns, CONTEXT):
        data = bytearray(before + stream + b"C\0\0\0\x0dSELECT 1\0")
        got: list[Row] = []
        position = len(before)
        for edge in edges:
            while True:
                new, position = decoder(data, position, len(before) + edge)
                if not new:
                    break
                got += new
        assert position == len(before) + len(stream)
        assert same(got, wanted)


@settings(deadline=None, max_examples=150)
@given(tables(), st.data())
def test_damage_is_seen_by_all(
    table: tuple[list[Column], list[Fields]], draw: st.DataObject
) -> None:
    columns, rows = table
    stream = bytearray(b"".join(map(frame, rows)))
    for _ in range(draw.draw(st.integers(1, 2))):
        # Mostly near the beginnings of frames and fields, where the lengths are.
        near = draw.draw(st.integers(0, min(len(stream) - 1, 200)))
        place = draw.draw(st.sampled_from((near, draw.draw(st.integers(0, len(stream) - 1)))))
        stream[place] = draw.draw(st.integers(0, 255) | st.sampled_from((0, 4, 5, 255)))
    for decoder in ways(columns, CONTEXT):
        assert outcome(decoder, stream) == reference(columns, stream)


def outcome(decoder: BatchDecoder, stream: bytearray) -> tuple[str, int]:
    """The rows that are decoded, and where it ends; or the error."""
    got: list[Row] = []
    position = 0
    try:
        while True:
            rows, position = decoder(stream, position, len(stream))
            got += rows
            if not rows:
                return repr(got), position
    except errors.Error as error:
        return repr(error), 0


def reference(columns: list[Column], stream: bytearray) -> tuple[str, int]:
    position = 0
    while len(stream) - position >= 5 and stream[position] == b"D"[0]:
        (length,) = struct.unpack_from("!i", stream, position + 1)
        if length < 4 or position + 1 + length > len(stream):
            break
        position += length + 1
    try:
        return repr(plain(columns, CONTEXT, stream[:position])), position
    except errors.Error as error:
        return repr(error), 0


LIES: dict[str, Callable[[bytearray, int], None]] = {
    "longer first field": lambda f, at: f.__setitem__(at + 10, f[at + 10] + 1),
    "shorter first field": lambda f, at: f.__setitem__(at + 10, f[at + 10] - 1),
    "longer frame": lambda f, at: f.__setitem__(at + 4, f[at + 4] + 1),
    "more fields": lambda f, at: f.__setitem__(at + 6, f[at + 6] + 1),
    "negative length": lambda f, at: f.__setitem__(slice(at + 7, at + 11), b"\xff\xff\xff\xfe"),
    "huge length": lambda f, at: f.__setitem__(slice(at + 7, at + 11), b"\x7f\xff\xff\xff"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize(
    "types",
    [
        [("int4", 1), ("int8", 1)],
        [("text", 0), ("text", 0)],
        [("int4", 1), ("text", 0), ("date", 1)],
        [("bytea", 1), ("int4", 1)],
    ],
)
@pytest.mark.parametrize("where", [0, 700, 1999])
def test_a_length_that_lies_in_the_middle_of_many_rows(
    lie: Callable[[bytearray, int], None], types: list[tuple[str, int]], where: int
) -> None:
    examples = {"int4": b"\0\0\1\2", "int8": b"\0" * 8, "date": b"\0\0\0\1"}
    fields = tuple(examples.get(name, b"some text") for name, _ in types)
    row = frame(fields)
    columns = columns_of(types)
    stream = bytearray(row * 2000)
    lie(stream, where * len(row))
    wanted = reference(columns, stream)
    assert wanted[1] < len(stream)
    for decoder in ways(columns, CONTEXT):
        assert outcome(decoder, stream) == wanted


@pytest.mark.parametrize("shift", range(1, 9))
def test_two_lies_that_make_up_for_each_other(shift: int) -> None:
    # The sums are right, the fields are not where they seem to be.
    row = bytearray(frame((b"0123456789", b"0123456789", b"0123456789")))
    row[10] += shift
    row[24] -= shift
    columns = columns_of([("text", 0)] * 3)
    good = frame((b"0123456789", b"0123456789", b"0123456789"))
    stream = bytearray(good * 500 + row + good * 500)
    for decoder in ways(columns, CONTEXT):
        assert outcome(decoder, stream) == reference(columns, stream)


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"D", b"DD", b"xD\0"[:2]],
        ["äöü€𐍈".encode(), b"plain"],
        [b"x" * 70_000, b"y"],
        [b"x" * 255, b"x" * 256, b"x" * 254],
        [None],
        [b"", None, b"D"],
        [b"\xc3\xbf", None],
    ],
    ids=["empty", "ends in D", "not ASCII", "70 KB", "around 255", "NULL", "mixed", "ÿ and NULL"],
)
@pytest.mark.parametrize("width", [1, 3])
def test_texts_of_all_sorts(values: list[bytes | None], width: int) -> None:
    columns = columns_of([("text", 0)] * width)
    rows = [tuple(values[(n + i) % len(values)] for i in range(width)) for n in range(1200)]
    if b"x" * 70_000 in values:
        rows = rows[:40]
    stream = bytearray(b"".join(map(frame, rows)))
    wanted = plain(columns, CONTEXT, stream)
    for decoder in ways(columns, CONTEXT):
        assert outcome(decoder, stream) == (repr(wanted), len(stream))


@pytest.mark.parametrize("every", [1, 3, 10, 700])
@pytest.mark.parametrize(
    "types",
    [
        [("int4", 1), ("bool", 1), ("timestamp", 1), ("timestamptz", 1), ("date", 1)],
        [("text", 0), ("int8", 1), ("float8", 1), ("text", 0), ("uuid", 1)],
        [("int4", 1), ("bytea", 1), ("date", 1), ("bool", 1)],
    ],
    ids=["fixed width", "text around", "bytes between"],
)
def test_nulls_that_are_rare_or_frequent(types: list[tuple[str, int]], every: int) -> None:
    sizes = {"int4": 4, "int8": 8, "float8": 8, "timestamp": 8, "timestamptz": 8, "date": 4}
    sizes |= {"uuid": 16, "bool": 1}
    columns = columns_of(types)
    rows: list[Fields] = []
    for n in range(3000):
        fields: list[bytes | None] = [
            (n % 2 if name == "bool" else n).to_bytes(sizes.get(name, 5)) for name, _ in types
        ]
        for i, (_, format) in enumerate(types):
            if not format:
                fields[i] = b"row %d" % n
        if n % every == every - 1:
            fields[n % len(types)] = None
        rows.append(tuple(fields))
    stream = bytearray(b"".join(map(frame, rows)))
    wanted = plain(columns, CONTEXT, stream)
    for decoder in ways(columns, CONTEXT):
        assert outcome(decoder, stream) == (repr(wanted), len(stream))


def test_other_messages_end_a_batch_and_the_next_goes_on() -> None:
    columns = columns_of([("int4", 1), ("text", 0)])
    rows = [(struct.pack("!i", n), b"row %d" % n) for n in range(3000)]
    notice = NoticeResponse({"M": b"half way"}).encode()
    half = b"".join(map(frame, rows[:1500]))
    stream = bytearray(half + notice + b"".join(map(frame, rows[1500:])))
    for decoder in ways(columns, CONTEXT):
        first, position = decoder(stream, 0, len(stream))
        while position < len(half):
            more, position = decoder(stream, position, len(stream))
            first += more
        assert len(first) == 1500
        assert decoder(stream, position, len(stream)) == ([], len(half))
        second, position = decoder(stream, position + len(notice), len(stream))
        assert second[0] == (1500, "row 1500")


def test_a_copy_of_binary_rows_ends_at_its_trailer() -> None:
    columns = columns_of([("int4", 1), ("text", 1)])
    row = frame((b"\0\0\0\7", b"seven")).replace(b"D", b"d", 1)
    trailer = b"d\0\0\0\6\xff\xff"
    for count in (3, 2000):
        stream = bytearray(row * count + trailer)
        for _ in range(2):  # the second time as it has been learnt
            decoder = batch_decoder(columns, default_registry, CONTEXT, kind=b"d"[0])
            rows, position = decoder(stream, 0, len(stream))
            assert rows == [(7, "seven")] * count
            assert position == len(stream) - len(trailer)


def test_a_codec_of_the_users_own_is_asked() -> None:
    registry = Registry()
    loud = Codec(
        "int4",
        23,
        text_decoder=always(lambda data: f"<{data.decode()}>"),
        text_encoder=always(lambda value: b""),
        binary_decoder=always(lambda data: f"<{int.from_bytes(data)}>"),
    )
    registry.register(loud)
    columns = [Column("a", 23, format=1), Column("b", 23), Column("c", 20, format=1)]
    stream = bytearray(frame((b"\0\0\0\1", b"2", b"\0" * 8)) * 2000)
    rows, _ = batch_decoder(columns, registry, CONTEXT)(stream, 0, len(stream))
    assert rows == [("<1>", "<2>", 0)] * 2000
    registry.register(Codec("int4", 23, text_decoder=always(len), text_encoder=always(bytes)))
    rows, _ = batch_decoder(columns[1:], registry, CONTEXT)(stream[:0], 0, 0)
    stream = bytearray(frame((b"22", b"\0" * 8)) * 2000)
    rows, _ = batch_decoder(columns[1:], registry, CONTEXT)(stream, 0, len(stream))
    assert rows == [(2, 0)] * 2000


@pytest.mark.parametrize("encoding", ["iso8859-1", "cp932", "shift_jis_2004", "johab", "cp1251"])
def test_the_encoding_of_the_session(encoding: str) -> None:
    context = Context(encoding=encoding)
    columns = columns_of([("text", 0), ("int4", 1)])
    rows = [("back\\slash é я ソ".encode(encoding, "ignore"), b"\0\0\0\1"), (b"~", None)] * 700
    stream = bytearray(b"".join(map(frame, rows)))
    wanted = plain(columns, context, stream)
    for decoder in ways(columns, context):
        assert outcome(decoder, stream) == (repr(wanted), len(stream))


def test_a_byte_that_is_no_text_is_a_data_error() -> None:
    columns = columns_of([("text", 0), ("text", 0)])
    stream = bytearray(frame((b"good", b"good")) * 1000 + frame((b"b\xffd", b"good")) * 5)
    for decoder in ways(columns, CONTEXT):
        with pytest.raises(errors.DataError, match="not valid in client_encoding"):
            decoder(stream, 0, len(stream))


@pytest.mark.parametrize("unrepresentable", ["error", "text"])
@pytest.mark.parametrize("types", [[("timestamp", 1)], [("timestamp", 1), ("text", 0)]])
def test_what_python_cannot_hold(unrepresentable: str, types: list[tuple[str, int]]) -> None:
    context = Context(unrepresentable=unrepresentable)
    columns = columns_of(types)
    rest: Fields = (b"x",) * (len(types) - 1)
    usual = frame((b"\0" * 8, *rest))
    stream = bytearray(usual * 1000 + frame((struct.pack("!q", (1 << 63) - 1), *rest)) + usual * 9)
    for decoder in ways(columns, context):
        if unrepresentable == "error":
            with pytest.raises(errors.DataError, match="infinity"):
                decoder(stream, 0, len(stream))
        else:
            rows = list(chain(decoder(stream, 0, len(stream))[0]))
            assert same(rows, plain(columns, context, stream))


def test_a_decimal_context_that_swallows_errors() -> None:
    columns = columns_of([("numeric", 0), ("text", 0)])
    good = frame((b"1.50", b"x"))
    stream = bytearray(good * 2000 + frame((b"one", b"x")))
    with decimal.localcontext() as local:
        local.traps[decimal.InvalidOperation] = False
        for decoder in ways(columns, CONTEXT):
            with pytest.raises(errors.DataError, match="numeric"):
                decoder(stream, 0, len(stream))


def test_results_of_one_shape_share_a_decoder() -> None:
    one = batch_decoder([Column("a", 23)], default_registry, Context())
    assert batch_decoder([Column("b", 23)], default_registry, Context()) is one
    assert batch_decoder([Column("b", 23, format=1)], default_registry, Context()) is not one
    assert batch_decoder([Column("b", 23)], default_registry, Context("latin-1")) is not one


@pytest.mark.parametrize("others", [[], [("text", 0)], [("bytea", 1)], [("int4", 1), ("uuid", 1)]])
@pytest.mark.parametrize("at", [1, 500, 1999])
def test_a_codec_is_asked_once_for_each_value_and_what_it_raises_is_raised(
    others: list[tuple[str, int]], at: int
) -> None:
    asked: list[bytes] = []

    def decode(data: bytes) -> object:
        asked.append(data)
        if len(asked) == at:
            raise RuntimeError("only this once")
        return data

    registry = Registry()
    registry.register(Codec("mine", 77777, text_decoder=always(decode), text_encoder=always(bytes)))
    columns = [Column("mine", 77777), *columns_of(others)]
    rest = tuple({"int4": b"1234", "uuid": b"u" * 16}.get(name, b"x") for name, _ in others)
    stream = bytearray(b"".join(frame((b"%d" % n, *rest)) for n in range(2000)))
    decoder = BatchDecoder(columns, registry, CONTEXT, b"D"[0])
    with pytest.raises(RuntimeError, match="only this once"):
        decoder(stream, 0, len(stream))
    assert asked == [b"%d" % n for n in range(at)]
    del asked[:at]
    asked += [b""] * at  # it does not happen again
    rows, position = decoder(stream, 0, len(stream))
    while position < len(stream):
        more, position = decoder(stream, position, len(stream))
        rows += more
    assert [row[0] for row in rows] == asked[at:] == [b"%d" % n for n in range(2000)]


@pytest.mark.parametrize("many", [1, 3, 200, 20_000])
def test_rows_of_no_columns_end_where_another_message_begins(many: int) -> None:
    """`SELECT` alone returns such rows. The ways that are chosen later than the plain one count."""
    decoder = BatchDecoder([], default_registry, CONTEXT, b"D"[0])
    row = DataRow([]).encode()
    for end in (b"", b"C\0\0\0\rSELECT 1\0", b"Z\0\0\0\5I", row[:-1]):
        stream = bytearray(row * many + end)
        for _ in range(20):
            assert decoder(stream, 0, len(stream)) == ([()] * many, len(row) * many)
