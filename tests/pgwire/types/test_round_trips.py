"""Random values of every scalar type through a real server, each format on the way there and back.

The seed stands in the message of a failure; PGWIRE_TEST_SEED=… repeats it. CI has the same values
every time.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import math
import os
import random
import struct
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import pgwire
from pgwire import sqlstates
from pgwire.flows.query import Exchange, RowSet
from pgwire.protocol.frontend import Bind, Describe, Execute, Parse, Sync
from pgwire.rows.decoder import decode_rows
from pgwire.testing.cluster import Cluster
from pgwire.types.codec import BINARY, TEXT, Codec
from pgwire.types.context import Context
from pgwire.types.geometric import Box, Circle, Line, LSeg, Path, Point, Polygon
from pgwire.types.interval import Interval
from pgwire.types.lsn import LSN
from pgwire.types.registry import _FAMILIES, default_registry
from pgwire.types.snapshots import Snapshot

SEED = os.environ.get("PGWIRE_TEST_SEED") or (
    "0" if os.environ.get("CI") else str(random.SystemRandom().randrange(2**32))
)
COUNT = 40

Make = Callable[[random.Random], Any]
ALPHABET = "abc ,;:'\"\\(){}[]<>!&|*%_\t\nÄß€😀\x01"
YEAR_ONE = dt.datetime(1, 1, 2, tzinfo=dt.UTC)


def integers(low: int, high: int) -> Make:
    """Of every size, and the ends of the range."""

    def make(r: random.Random) -> int:
        number = r.getrandbits(r.randint(0, 64)) * r.choice((1, -1))
        return r.choice((low, high, min(max(number, low), high)))

    return make


def text(r: random.Random) -> str:
    return "".join(r.choices(ALPHABET, k=r.randrange(12)))


def single(r: random.Random) -> float:
    """A float that is what PostgreSQL shows of some float4."""
    data = struct.pack("!I", r.getrandbits(32))
    value = default_registry.by_name("float4").binary_decoder(Context())(data)
    assert isinstance(value, float)
    return math.nan if math.isnan(value) else value  # of which there are many to the bit


def double(r: random.Random) -> float:
    (value,) = struct.unpack("!d", r.randbytes(8))
    value = math.nan if math.isnan(value) else value
    return r.choice((value, r.uniform(-1e6, 1e6), float(r.randrange(10)), -0.0, math.inf))


def finite(r: random.Random) -> float:
    return r.choice(
        (r.uniform(-1e9, 1e9), float(r.randrange(9)), r.random() * 10.0 ** r.randint(-300, 300))
    )


def numeric(r: random.Random) -> Decimal:
    if r.random() < 0.1:
        return Decimal(r.choice(("NaN", "Infinity", "-Infinity")))
    digits = "".join(r.choices("000123456789", k=r.randint(1, 60)))
    return Decimal(f"{r.choice(('', '-'))}{digits}E{r.randint(-80, 30)}")


def date(r: random.Random) -> dt.date:
    return dt.date.fromordinal(r.randint(1, dt.date.max.toordinal()))


def time(r: random.Random) -> dt.time:
    micro = r.choice((0, r.randrange(1_000_000), r.randrange(1000) * 1000))
    return dt.time(r.randrange(24), r.randrange(60), r.randrange(60), micro)


def zone(r: random.Random) -> dt.timezone:
    return dt.timezone(dt.timedelta(seconds=r.choice((0, 3600, r.randint(-57_599, 57_599)))))


def interval(r: random.Random) -> Interval | dt.timedelta:
    if r.random() < 0.5:
        return dt.timedelta(r.randint(-99_999, 99_999), 0, r.randint(-(10**10), 10**10))
    return Interval(
        r.choice((1, -1)) * r.randint(1, 9999), r.randint(-9999, 9999), r.getrandbits(40)
    )


def point(r: random.Random) -> Point:
    return Point(finite(r), finite(r))


def points(r: random.Random) -> tuple[Point, ...]:
    return tuple(point(r) for _ in range(r.randint(1, 5)))


def document(r: random.Random, depth: int = 3) -> Any:
    kind = r.randrange(7 if depth else 5)
    if kind == 5:
        return [document(r, depth - 1) for _ in range(r.randrange(4))]
    if kind == 6:
        return {text(r): document(r, depth - 1) for _ in range(r.randrange(4))}
    return (None, True, r.randint(-(2**62), 2**62), text(r), r.uniform(-1, 1))[kind]


def address(r: random.Random) -> Any:
    if r.random() < 0.5:
        return ipaddress.IPv4Address(r.getrandbits(32))
    return ipaddress.IPv6Address(r.getrandbits(128))


def inet(r: random.Random) -> Any:
    found = address(r)
    bits = r.randint(0, found.max_prefixlen)
    # With all bits it is an address without a netmask.
    return (
        found
        if bits == found.max_prefixlen
        else ipaddress.ip_interface((int(found), bits))
        if (found.version == 4 or int(found) >= 2**32)
        else ipaddress.IPv6Interface((int(found), bits))
    )


def cidr(r: random.Random) -> Any:
    found = address(r)
    return ipaddress.ip_network(f"{found}/{r.randint(0, found.max_prefixlen)}", strict=False)


def lexeme(r: random.Random) -> str:
    return "'" + (text(r) + "x").replace("\\", "\\\\").replace("'", "''") + "'"


def tsvector(r: random.Random) -> str:
    words = []
    for _ in range(r.randrange(6)):
        positions = sorted({r.randint(1, 16383) for _ in range(r.randrange(4))})
        marks = ",".join(f"{p}{r.choice(('', 'A', 'B', 'C'))}" for p in positions)
        words.append(lexeme(r) + (":" + marks if marks else ""))
    return " ".join(words)


def tsquery(r: random.Random, depth: int = 4) -> str:
    if not depth or r.random() < 0.25:
        flags = r.choice(("", "", ":*", ":A", ":*BC", ":ABCD"))
        return lexeme(r) + flags
    if r.random() < 0.2:
        return f"!( {tsquery(r, depth - 1)} )"
    sign = r.choice(("&", "|", "<->", "<2>", "<16384>"))
    left, right = tsquery(r, depth - 1), tsquery(r, depth - 1)
    return r.choice(("{} {} {}", "( {} ) {} {}", "{} {} ( {} )")).format(left, sign, right)


VALUES: dict[str, Make] = {
    "bit": lambda r: r.choice("01"),
    "varbit": lambda r: "".join(r.choices("01", k=r.randrange(40))),
    "bool": lambda r: r.random() < 0.5,
    "bytea": lambda r: r.randbytes(r.randrange(20)),
    "date": date,
    "timestamp": lambda r: dt.datetime.combine(date(r), time(r)),
    "timestamptz": lambda r: max(
        YEAR_ONE,
        dt.datetime.combine(date(r), time(r), dt.UTC) - dt.timedelta(1)
        if r.random() < 0.9
        else YEAR_ONE,
    ).astimezone(r.choice((dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))))),
    "time": time,
    "timetz": lambda r: time(r).replace(tzinfo=zone(r)),
    "interval": interval,
    "float4": single,
    "float8": double,
    "numeric": numeric,
    "int2": integers(-(2**15), 2**15 - 1),
    "int4": integers(-(2**31), 2**31 - 1),
    "int8": integers(-(2**63), 2**63 - 1),
    "oid": integers(0, 2**32 - 1),
    "xid": integers(0, 2**32 - 1),
    "cid": integers(0, 2**32 - 1),
    "xid8": integers(0, 2**64 - 1),
    "int2vector": lambda r: [r.randint(-(2**15), 2**15 - 1) for _ in range(r.randint(1, 5))],
    "oidvector": lambda r: [r.getrandbits(32) for _ in range(r.randint(1, 5))],
    "point": point,
    "line": lambda r: Line(1.5 + abs(finite(r)), finite(r), finite(r)),
    "lseg": lambda r: LSeg(point(r), point(r)),
    "box": lambda r: Box(point(r), point(r)),
    "circle": lambda r: Circle(point(r), abs(finite(r))),
    "path": lambda r: Path(points(r), r.random() < 0.5),
    "polygon": lambda r: Polygon(points(r)),
    "json": document,
    "jsonb": document,
    "jsonpath": lambda r: f'$."{r.choice("abc")}"[*]?(@."x" > {r.randrange(9)})',
    "pg_lsn": lambda r: LSN(r.getrandbits(r.randint(1, 64))),
    "pg_snapshot": lambda r: snapshot(r),
    "txid_snapshot": lambda r: snapshot(r),
    "tid": lambda r: f"({r.getrandbits(32)},{r.getrandbits(16)})",
    "inet": inet,
    "cidr": cidr,
    "macaddr": lambda r: r.randbytes(6).hex(":"),
    "macaddr8": lambda r: r.randbytes(8).hex(":"),
    "text": text,
    "varchar": text,
    "bpchar": text,
    "refcursor": text,
    "name": lambda r: text(r)[:20],
    "xml": lambda r: f"<a>{r.randrange(10**6)}</a>",
    "char": lambda r: r.choice(("", "a", "\x01", "'", "\\200", "\\377")),
    "tsvector": tsvector,
    "tsquery": tsquery,
    "uuid": lambda r: uuid.UUID(int=r.getrandbits(128)),
}
# What has no values of its own: void. What means another thing in each of the formats: money and
# the names of objects, which have tests below.
ELSEWHERE = {"void", "money", *_FAMILIES["regtypes"]}


def snapshot(r: random.Random) -> Snapshot:
    first = r.randrange(1, 2**40)
    running = sorted({first + r.randrange(50) for _ in range(r.randrange(4))})
    return Snapshot(first, first + 50, tuple(running))


def expected(name: str, value: Any) -> Any:
    """What the server makes of a value."""
    if name == "timestamptz":
        return value.astimezone(dt.UTC)
    if name == "numeric" and value.is_zero():
        value = abs(value)  # there is one zero
    if name == "numeric" and value.is_finite() and value.as_tuple().exponent > 0:
        return Decimal(f"{value:f}")  # nor is there a negative scale
    if name == "box":
        xs, ys = (value.high.x, value.low.x), (value.high.y, value.low.y)
        return Box(Point(max(xs), max(ys)), Point(min(xs), min(ys)))
    return value


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        yield connection


def through(
    connection: pgwire.Connection, name: str, values: list[bytes | None], sent: int, wanted: int
) -> list[bytes | None]:
    """The encoded values as parameters of a type to the server, and what it sends back."""
    listed = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    oid = default_registry.by_name(name).oid
    sql = f"SELECT {listed}".encode()
    exchange = Exchange(
        connection._channel,
        [
            Parse(b"", sql, [oid] * len(values)),
            Bind(b"", b"", [sent], values, [wanted]),
            Describe(b"P", b""),
            Execute(b"", 0),
            Sync(),
        ],
        extended=True,
    )
    run = connection._transport.run
    run(exchange.send(), None)
    outcome = run(exchange.next_result(), None)
    rows: list[tuple[Any, ...]] = []
    if isinstance(outcome, RowSet):
        assert {(c.type_oid, c.format) for c in outcome.columns} == {(oid, wanted)}
        while (bounds := run(exchange.next_rows(), None)) is not None:
            rows += decode_rows(connection.frames, *bounds, [bytes] * len(values))
    failure = run(exchange.finish(), None)
    error = getattr(outcome, "error", None) or failure
    assert error is None and len(rows) == 1, f"{error}, PGWIRE_TEST_SEED={SEED}"
    return list(rows[0])


def coders(connection: pgwire.Connection, codec: Codec, form: int) -> tuple[Any, Any]:
    assert codec.binary_encoder is not None
    if form == TEXT:
        makers: tuple[Any, Any] = codec.text_encoder, codec.text_decoder
    else:
        makers = codec.binary_encoder, codec.binary_decoder
    return makers[0](connection.context), makers[1](connection.context)


def test_every_scalar_type_has_values() -> None:
    assert VALUES.keys() | ELSEWHERE == {
        name
        for names in _FAMILIES.values()
        for name in names
        if default_registry.derived(default_registry.by_name(name).oid) is None
    }


@pytest.mark.parametrize("name", VALUES)
def test_values_go_there_and_back_in_both_formats(connection: pgwire.Connection, name: str) -> None:
    if name == "xml":
        try:
            connection.query("SELECT '<a/>'::xml")
        except sqlstates.FeatureNotSupported:
            pytest.skip("the server was built without libxml")
    r = random.Random(f"{SEED} {name}")
    codec = default_registry.by_name(name)
    values = [VALUES[name](r) for _ in range(COUNT)]
    if name == "char" and connection.info.server_version < 150000:
        values = [value for value in values if len(value) < 4]  # \377 was four characters then
    given = values
    if name in ("json", "jsonb"):
        given = [json.dumps(value) for value in values]  # a str is JSON text
    reference: dict[int, list[bytes | None]] = {}
    for sent in (TEXT, BINARY):
        encode, _ = coders(connection, codec, sent)
        encoded = [encode(value) for value in given]
        for wanted in (TEXT, BINARY):
            told = f"{name}, sent in format {sent}, asked for in {wanted}, PGWIRE_TEST_SEED={SEED}"
            received = through(connection, name, encoded, sent, wanted)
            decode = coders(connection, codec, wanted)[1]
            for value, item in zip(values, received, strict=True):
                got = decode(item)
                if name in ("tsvector", "tsquery"):  # whose text the server puts in order
                    continue
                if name in ("json", "jsonb"):
                    assert got == value, told
                else:
                    assert repr(got) == repr(expected(name, value)), told
            # Whatever it was sent in, the server understood the same.
            assert reference.setdefault(wanted, received) == received, told
    texts = [coders(connection, codec, BINARY)[1](item) for item in reference[BINARY]]
    if name in ("tsvector", "tsquery"):
        assert [text.encode() for text in texts] == reference[TEXT], f"PGWIRE_TEST_SEED={SEED}"


@pytest.mark.parametrize(
    "name",
    [
        *("inet", "cidr", "point", "line", "lseg", "box", "circle", "path", "polygon", "pg_lsn"),
        *("pg_snapshot", "date", "timestamp", "timestamptz", "time", "timetz", "interval"),
        *("numeric", "uuid"),
    ],
)
def test_a_class_chooses_the_type_of_a_parameter(connection: pgwire.Connection, name: str) -> None:
    r = random.Random(f"{SEED} {name}")
    oid = default_registry.by_name(name).oid
    for _ in range(10):
        value = VALUES[name](r)
        sql = "SELECT $1, pg_typeof($1)::oid, $2, $3::text::oid"
        got = connection.query(sql, [value, [value, None], str(oid)])[0]
        told = f"PGWIRE_TEST_SEED={SEED}"
        if value == value:  # no NaN
            assert got[0] == expected(name, value) and got[2] == [expected(name, value), None], told
        assert got[1] == got[3] == oid, told


def test_amounts_of_money(connection: pgwire.Connection) -> None:
    codec = default_registry.by_name("money")
    assert codec.binary_encoder is not None
    cents = [0, 1, -1, 123_456, 2**63 - 1]
    sent = [codec.binary_encoder(connection.context)(amount) for amount in cents]
    assert through(connection, "money", list(sent), BINARY, BINARY) == sent
    texts = through(connection, "money", list(sent), BINARY, TEXT)
    assert through(connection, "money", texts, TEXT, BINARY) == sent
    assert [codec.binary_decoder(connection.context)(item) for item in sent] == cents
    for encode in (codec.text_encoder, codec.binary_encoder):
        with pytest.raises(pgwire.ProgrammingError):
            encode(connection.context)(Decimal("1.5"))
    with pytest.raises(pgwire.ProgrammingError):
        codec.text_encoder(connection.context)(5)  # five what?


@pytest.mark.parametrize(
    ("name", "written", "oid"),
    [
        ("regclass", "pg_class", 1259),
        ("regtype", "timestamp with time zone[]", 1185),
        ("regproc", "now", 1299),
        ("regprocedure", "abs(integer)", 1397),
        ("regoperator", "+(integer,integer)", 551),
        ("regnamespace", "pg_catalog", 11),
        ("regrole", "pg_monitor", 3373),
        ("regclass", "-", 0),
        ("regclass", "4294967290", 4294967290),
    ],
)
def test_names_of_objects(connection: pgwire.Connection, name: str, written: str, oid: int) -> None:
    codec = default_registry.by_name(name)
    assert codec.preferred == TEXT and codec.binary_encoder is not None
    context = connection.context
    for value, sent, form in (
        (written, codec.text_encoder(context)(written), TEXT),
        (oid, codec.text_encoder(context)(oid), TEXT),
        (oid, codec.binary_encoder(context)(oid), BINARY),
    ):
        (as_text,) = through(connection, name, [sent], form, TEXT)
        (as_binary,) = through(connection, name, [sent], form, BINARY)
        assert as_text is not None and as_binary is not None, value
        assert codec.text_decoder(context)(as_text) == written
        assert codec.binary_decoder(context)(as_binary) == oid
    if not written.isdigit():
        with pytest.raises(pgwire.DataError, match="OID"):
            codec.binary_encoder(context)(written)
