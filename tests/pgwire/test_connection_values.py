"""Values there and back through a real server, in text and in binary format."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import IPv4Interface

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import pgwire
from pgwire.testing import Cluster
from pgwire.types.geometric import Point
from pgwire.types.interval import Interval
from pgwire.types.lsn import LSN

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
STAMPS = st.datetimes()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ZONES = st.integers(-15 * 60 + 1, 15 * 60 - 1).map(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))
)

VALUES: dict[str, SearchStrategy[object]] = {
    "bool": st.booleans(),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "oid": st.integers(0, 2**32 - 1),
    "float8": st.floats(allow_nan=False),
    # Of more digits than six the text shows fewer than a double has.
    "float4": st.integers(-(10**6), 10**6).map(lambda n: n / 2),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=7),
    "text": TEXTS,
    "varchar": TEXTS,
    "bytea": st.binary(max_size=300),
    "date": st.dates(),
    "time": st.times(),
    "timetz": st.times(timezones=ZONES),
    "timestamp": STAMPS,
    "timestamptz": st.datetimes(
        dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=st.just(dt.UTC)
    ),
    # What has no months comes as a timedelta.
    "interval": st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))
    | st.builds(
        Interval, st.integers(1, 999), st.integers(-9999, 9999), st.integers(-(10**15), 10**15)
    ),
    "uuid": st.uuids(),
    "jsonb": st.dictionaries(TEXTS, JSON, max_size=4),
    "int4[]": st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=5),
    "text[]": st.lists(st.none() | TEXTS, max_size=5),
    "timestamp[]": st.lists(STAMPS, max_size=3),
}


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as opened:
        yield opened


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_value_goes_there_and_back(
    connection: pgwire.Connection, name: str, data: st.DataObject
) -> None:
    value = data.draw(VALUES[name])
    got = connection.query(f"SELECT $1::{name}, $2::{name}", [value, None])
    assert got[0] == (value, None)
    assert type(got[0][0]) is type(value)
    # A binary cursor is the one way to binary results in the simple protocol (54.2.2).
    with connection.transaction():
        connection.query(f"SELECT set_config('g.v', ($1::{name})::text, true)", [value])
        connection.execute(
            f"DECLARE c BINARY CURSOR FOR SELECT current_setting('g.v')::{name}, NULL::{name}"
        )
        binary = connection.query("FETCH ALL FROM c")
        assert {column.format for column in binary.columns} == {1}
    assert binary[0] == (value, None)


SAMPLES: dict[str, object] = {
    "'NaN'::numeric": Decimal("NaN"),
    "1e-20::numeric": Decimal("1E-20"),
    "'-0'::float8": -0.0,
    "'inf'::float4": math.inf,
    "'x'::char(3)": "x  ",
    "'x'::name": "x",
    "'x'::\"char\"": "x",
    "'{\"a\": [1]}'::json": {"a": [1]},
    "'{{1,2},{3,4}}'::int[]": [[1, 2], [3, 4]],
    "'{}'::text[]": [],
    "'1 mon 2 days 03:04:05.000006'::interval": Interval(1, 2, 11045000006),
    "'2026-11-20 10:00+02'::timestamptz": dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC),
    "'00000000-0000-0000-0000-000000000001'::uuid": uuid.UUID(int=1),
    "NULL": None,
    "'mood'": "mood",
    "'(1,2)'::point": Point(1.0, 2.0),
    "'192.0.2.1/24'::inet": IPv4Interface("192.0.2.1/24"),
    "'pg_class'::regclass": "pg_class",
    "'16/B374D848'::pg_lsn": LSN("16/B374D848"),
    "pg_sleep(0)": "",
}


@pytest.mark.parametrize("sql", SAMPLES)
def test_samples(connection: pgwire.Connection, sql: str) -> None:
    wanted = SAMPLES[sql]
    for params in (None, []):
        got = connection.query(f"SELECT {sql}", params).scalar()
        assert type(got) is type(wanted)
        assert repr(got) == repr(wanted) or got == wanted


def test_a_type_that_nobody_knows(connection: pgwire.Connection) -> None:
    with connection.transaction():
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')")
        assert connection.query("SELECT 'sad'::mood, '{sad}'::mood[]")[0] == ("sad", "{sad}")
        assert connection.query("SELECT $1::mood", ["happy"]).scalar() == "happy"
        connection.execute("DROP TYPE mood")


def test_what_cannot_be_sent_is_refused_before_a_byte(connection: pgwire.Connection) -> None:
    for value in (object(), [1, "x"], [[1], [2, 3]], "a\0b", [["a\0b"]]):
        with pytest.raises(pgwire.DatabaseError) as caught:
            connection.query("SELECT $1, $2", [1, value])
        assert caught.value.__notes__ == ["parameter $2"]
    with pytest.raises(pgwire.DataError, match="NUL"):
        connection.query("SELECT 'a\0b'")
    assert connection.query("SELECT $1::int", [5]).scalar() == 5


def test_connections_with_equal_settings_share_their_context(cluster: Cluster) -> None:
    from pgwire.flows import channel

    with pgwire.connect(cluster.conninfo()) as one, pgwire.connect(cluster.conninfo()) as other:
        assert one.context is other.context
        other.execute("SET datestyle TO german")
        assert other.context != one.context
        for number in range(channel._MAXIMUM_CONTEXTS):
            one.execute(f"SET timezone TO '+{number % 12}:{number // 12:02}'")
        assert len(channel._CONTEXTS) <= channel._MAXIMUM_CONTEXTS
        assert other.context.date_style.startswith("German")
