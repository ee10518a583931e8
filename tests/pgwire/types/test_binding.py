"""Parameters: which types are declared, in which formats their values go."""

from __future__ import annotations

import datetime as dt
import enum
import struct
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.testing.cluster import Cluster
from pgwire.types.array import Array
from pgwire.types.binding import (
    ParameterEncoder,
    encode_known,
    encode_parameters,
    parameter_encoder,
)
from pgwire.types.codec import Codec, always
from pgwire.types.composite import derived_composite
from pgwire.types.context import Context
from pgwire.types.names import split_type_name
from pgwire.types.range import Multirange, Range
from pgwire.types.registry import Registry, default_registry

CONTEXT = Context()
DAY = dt.date(2024, 2, 29)


class Whole(enum.IntEnum):
    SEVEN = 7


class Pair(NamedTuple):
    a: int
    b: str


def one(value: object) -> tuple[int, int, bytes | None]:
    (oid,), (form,), (data,) = encode_parameters([value], default_registry, CONTEXT)
    return oid, form, data


@pytest.mark.parametrize(
    ("value", "oid", "form", "data"),
    [
        (None, 0, 0, None),
        ("é", 0, 0, "é".encode()),
        ([], 0, 0, b"{}"),
        ([None], 0, 0, b"{NULL}"),
        (["a", 'b"'], 0, 0, b'{"a","b\\""}'),
        (["a", None], 0, 0, b"{a,NULL}"),
        (1, 23, 1, struct.pack("!i", 1)),
        (2**31, 20, 1, struct.pack("!q", 2**31)),
        (2**63, 1700, 0, b"9223372036854775808"),
        (Whole.SEVEN, 23, 1, struct.pack("!i", 7)),
        (True, 16, 1, b"\1"),
        (1.5, 701, 1, struct.pack("!d", 1.5)),
        (b"\0", 17, 1, b"\0"),
        (bytearray(b"\0"), 17, 1, b"\0"),
        (Decimal("1.50"), 1700, 0, b"1.50"),
        (DAY, 1082, 1, struct.pack("!i", 8825)),
        (uuid.UUID(int=1), 2950, 1, bytes(15) + b"\1"),
        ({"a": 1}, 3802, 0, b'{"a": 1}'),
        (Range(1, 2), 0, 0, b"[1,2)"),
        (Range(1.5, Decimal(2)), 0, 0, b"[1.5,2)"),
        (Range("a b", None), 0, 0, b'["a b",)'),
        (Range(empty=True), 0, 0, b"empty"),
        (Multirange([Range(1, 2), Range(5)]), 0, 0, b"{[1,2),[5,)}"),
        ([Range(1, 2), None], 0, 0, b'{"[1,2)",NULL}'),
        (Multirange(), 0, 0, b"{}"),
    ],
)
def test_a_value_alone(value: object, oid: int, form: int, data: bytes | None) -> None:
    assert one(value) == (oid, form, data)
    if value is not None:  # with a name its type is what is named
        assert one((value, "text"))[0] == 25 if isinstance(value, str) else True


def test_ranges_of_dates_tell_their_type() -> None:
    assert one(Range(DAY, None))[0] == 3912
    assert one(Range(None, dt.datetime(2024, 1, 1)))[0] == 3908
    assert one(Range(dt.datetime(2024, 1, 1, tzinfo=dt.UTC)))[0] == 3910
    assert one(Multirange([Range(DAY, None)]))[0] == 4535
    assert one([Range(DAY, None), Range(empty=True), None])[0] == 3913
    assert one(Range(DAY, "x")) == (0, 0, b"[2024-02-29,x)")


@pytest.mark.parametrize(
    ("name", "oid"),
    [
        ("int8", 20),
        ("BIGINT", 20),
        (" double  precision ", 701),
        ("numeric(10,2)[]", 1231),
        ("timestamp(3) with time zone", 1184),
        ("pg_catalog.int4", 23),
        ('"char"', 18),
        ("int array", 1007),
        ("int4range[]", 3905),
        (20, 20),
        (99999, 99999),
        ("record", 2249),
        ("aclitem", 1033),
    ],
)
def test_the_name_of_a_type(name: str | int, oid: int) -> None:
    assert one((None, name)) == (oid, 0, None)
    assert one(("x", name)) == (oid, 0, b"x")
    assert default_registry.resolve(name).oid == oid


def test_a_value_and_its_type() -> None:
    assert one((5, "int8")) == (20, 1, struct.pack("!q", 5))
    assert one((5, "float8")) == (701, 1, struct.pack("!d", 5.0))
    assert one((5, "numeric")) == (1700, 0, b"5")
    assert one(({"a": 1}, "json")) == (114, 0, b'{"a": 1}')
    assert one(([1, None], "int8[]"))[:2] == (1016, 1)
    assert one(([], "date[]")) == (1182, 1, struct.pack("!iiI", 0, 0, 1082))
    assert one((Range(1, 2), "int8range"))[0] == 3926


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2, 3), r"a tuple as a parameter is \(value, type\)"),
        ((), "a tuple as a parameter"),
        ((1, 2.5), "a tuple as a parameter"),
        ((1, True), "a tuple as a parameter"),
        ((1, "nonsense"), "'nonsense' is not known"),
        ((1, "int4("), "not known"),
        ((1, ""), "not known"),
        ((1, -1), "-1 is not the OID"),
        ((1, 2**32), "is not the OID"),
        ((1, 99999), "int as oid 99999"),
        ((1.5, "int4"), "float as integer"),
        (([1], "int4"), "list as integer"),
        ((1, "int4[]"), r"int as int4\[\]"),
        ((((1,)), "record"), "no anonymous record"),
        ([(1, 2)], "tuple without the name of its type"),
        (Pair(1, "x"), "test_binding.Pair"),
        (object(), "builtins.object"),
    ],
)
def test_what_is_no_parameter(value: object, message: str) -> None:
    with pytest.raises(errors.ProgrammingError, match=message) as caught:
        encode_parameters([1, value], default_registry, CONTEXT)
    assert caught.value.__notes__ == ["parameter $2"]


def test_a_value_that_does_not_fit_says_which() -> None:
    for params in ((1, (2**40, "int4")), (1, "a\0b"), (1, [1, [2]])):
        for _ in range(2):  # the second time the shape may be known
            with pytest.raises(errors.DataError) as caught:
                encode_parameters(params, default_registry, CONTEXT)
            assert caught.value.__notes__ == ["parameter $2"]
    encode_parameters((1, "x"), default_registry, CONTEXT)
    with pytest.raises(errors.DataError) as caught:
        encode_parameters((1, "a\0b"), default_registry, CONTEXT)
    assert caught.value.__notes__ == ["parameter $2"]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
    | st.binary(max_size=4)
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(dt.UTC))
    | st.uuids()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.lists(st.integers(-(2**40), 2**40), max_size=3)
)


@given(st.lists(st.lists(SCALARS, min_size=2, max_size=2), max_size=8))
def test_what_is_remembered_changes_nothing(rows: list[list[object]]) -> None:
    encoder = ParameterEncoder(default_registry, CONTEXT)
    for row in [*rows, *rows]:
        fresh = ParameterEncoder(default_registry, CONTEXT)
        assert encoder.encode(row) == fresh.encode(row)


def test_rows_of_one_shape_share_their_types() -> None:
    encoder = ParameterEncoder(default_registry, CONTEXT)
    first = encoder.encode((1, "a", DAY))
    again = encoder.encode((2, "b", dt.date(2000, 1, 1)))
    assert again[0] is encoder.encode((3, "c", DAY))[0] == first[0] == (23, 0, 1082)
    assert encoder.encode((2**40, "b", DAY))[0] == (20, 0, 1082)
    for wide in (2**63, 1):  # what one int needs is not what the next one gets
        assert encoder.encode([wide])[0] == ((1700,) if wide > 1 else (23,))
    naive, aware = dt.datetime(2000, 1, 1), dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    assert encoder.encode([naive])[0] == (1114,) and encoder.encode([aware])[0] == (1184,)
    assert encoder.encode([(1, "int8")])[0] == (20,) and encoder.encode([(1, "int2")])[0] == (21,)


def test_an_encoder_per_registry_context_and_revision() -> None:
    registry = Registry()
    encoder = parameter_encoder(registry, CONTEXT)
    assert parameter_encoder(registry, Context()) is encoder
    latin = parameter_encoder(registry, Context("iso8859-1"))
    assert latin.encode(("é",))[2] == [b"\xe9"]
    assert parameter_encoder(registry, CONTEXT) is encoder
    assert encoder.encode((7,)) == ((23,), (1,), [b"\0\0\0\7"])
    registry.register(
        Codec(
            "int4",
            23,
            1007,
            text_decoder=always(bytes),
            text_encoder=always(lambda value: b"seven"),
        )
    )
    assert parameter_encoder(registry, CONTEXT).encode((7,)) == ((23,), (0,), [b"seven"])
    assert encode_parameters((7,), default_registry, CONTEXT)[1] == (1,)
    for number in range(30):
        parameter_encoder(registry, Context(time_zone=f"Etc/GMT+{number}"))
    assert len(registry.parameter_encoders) < 10


def test_known_types() -> None:
    def known(params: list[Any], oids: list[int]) -> Any:
        return encode_known(params, oids, default_registry, CONTEXT)

    assert known([1, 1, 1, 1], [20, 21, 701, 1700]) == (
        (1, 1, 1, 0),
        [struct.pack("!q", 1), b"\0\1", struct.pack("!d", 1.0), b"1"],
    )
    assert known(["1", "x", None, []], [20, 1082, 20, 1009])[0][:3] == (0, 0, 0)
    assert known([[1]], [1016])[1] == [struct.pack("!iiIiiiq", 1, 0, 20, 1, 1, 8, 1)]
    assert known([(1, "bigint")], [20])[1] == [struct.pack("!q", 1)]
    assert known(["x"], [99999]) == ((0,), [b"x"])
    for params, oids, message in (
        ([1.5], [20], "float as bigint"),
        ([1], [25], "int as text"),
        ([(1, "int4")], [20], "given as int4, but the statement's parameter is int8"),
        ([(1, 2, 3)], [20], "a tuple as a parameter"),
        ([1], [99999], "int as oid 99999"),
    ):
        with pytest.raises(errors.ProgrammingError, match=message) as caught:
            known(params, oids)
        assert caught.value.__notes__ == ["parameter $1"]
    with pytest.raises(errors.DataError) as overflow:
        known([1, 2**40], [20, 23])
    assert overflow.value.__notes__ == ["parameter $2"]
    with pytest.raises(errors.ProgrammingError, match="has 2 parameters, 1 were given"):
        known([1], [20, 20])


def test_registered_classes() -> None:
    registry = Registry()
    registry.derive([derived_composite("pair", 70000, 70001, [("a", 23), ("b", 25)], Pair)])
    assert encode_parameters([Pair(1, "x")], registry, CONTEXT)[::2] == (
        (70000,),
        [struct.pack("!iIii", 2, 23, 4, 1) + struct.pack("!Ii", 25, 1) + b"x"],
    )
    assert encode_parameters([[Pair(1, "x"), None]], registry, CONTEXT)[0] == (70001,)
    assert encode_parameters([([(1, "x")], "pair[]")], registry, CONTEXT)[0] == (70001,)
    assert encode_parameters([((1, "x"), "pair")], registry, CONTEXT)[0] == (70000,)
    lone = Registry()
    lone.derive([derived_composite("pair", 70000, 0, [("a", 23), ("b", 25)], Pair)])
    with pytest.raises(errors.ProgrammingError, match="no array type"):
        lone.for_value([Pair(1, "x")])
    # A class belongs to one type only, the one it was registered for last.
    registry.derive([derived_composite("other", 70002, 70003, [("a", 23), ("b", 25)], Pair)])
    assert encode_parameters([Pair(1, "x")], registry, CONTEXT)[0] == (70002,)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", (("a",), False)),
        ('A . "B"', (("a", "B"), False)),
        ('"x ""y"[]', (('x "y',), True)),
        ("_a(3)[4]", (("_a",), True)),
        ("a.b(1,2)", (("a", "b"), False)),
        ("a.b.c array", (("a", "b", "c"), True)),
        *(
            (bad, None)
            for bad in ("", "a.", ".a", "a b", "a(", "a(x)", "a(1) b", "[]", "3", "a,b", "(1)")
        ),
    ],
)
def test_split_type_name(text: str, parts: object) -> None:
    assert split_type_name(text) == parts


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as opened:
        yield opened


def test_the_server_knows_better(connection: pgwire.Connection) -> None:
    """What has no type of its own goes where a literal may go."""
    connection.execute(
        "create temp table everything (n int8, d date, a int8[], t text[], r int8range,"
        " m nummultirange, b bit(3), j json, e float8[])"
    )
    values: tuple[Any, ...] = (
        None,
        "2024-02-29",
        [],
        [None, "x"],
        Range(1, 5),
        Multirange([Range(1, 2)]),
    )
    connection.execute(
        "insert into everything values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        (*values, "101", '{"a": 1}', [None]),
    )
    assert connection.query("select n, d, a, t, r, m, e from everything", ()).rows == [
        (
            None,
            DAY,
            [],
            [None, "x"],
            Range(1, 5),
            Multirange([Range(Decimal(1), Decimal(2))]),
            [None],
        )
    ]
    for value in (None, "x", [], ["a"], [None]):
        connection.query("select $1", (value,))  # not "could not determine data type"
    assert connection.query("select 3 = any($1), $2::int8", ([3, 4], "5")).rows == [(True, 5)]


def test_big_lists(connection: pgwire.Connection) -> None:
    ints, floats = list(range(20_000)), [n / 3 for n in range(20_000)]
    texts = [f"{n} \"',\\" for n in range(20_000)]
    sql = (
        "select sum(a), count(distinct t), sum(f)"
        " from unnest($1::int[], $2::text[], $3::float8[]) as x (a, t, f)"
    )
    (row,) = connection.query(sql, (ints, texts, floats)).rows
    assert row[:2] == (sum(ints), 20_000) and isinstance(row[2], float)
    (row,) = connection.query("select $1, $2::text[], $3", (ints, texts, floats)).rows
    assert row == (ints, texts, floats)


def test_types_by_name(connection: pgwire.Connection) -> None:
    sql = "select pg_typeof($1)::text, pg_typeof($2)::text, $2, $3"
    params = ((5, "numeric(10,2)"), ([1], "double precision[]"), (Array([1], (3,)), "int2[]"))
    (row,) = connection.query(sql, params).rows
    assert row[:3] == ("numeric", "double precision[]", [1.0])
    assert isinstance(row[3], Array) and row[3].lower_bounds == (3,)
