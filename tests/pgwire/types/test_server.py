"""What a real server writes in every style is read as what it sends in binary."""

import datetime
from collections.abc import Iterator

import pytest

import pgwire
from pgwire.testing.cluster import Cluster
from pgwire.types.iso import to_iso
from pgwire.types.names import format_type, resolve_type_name
from pgwire.types.registry import default_registry

VALUES = {
    "date": ("2020-02-03", "1997-12-17", "0044-03-15 BC", "12020-11-30", "infinity", "-infinity"),
    "timestamp": (
        *("2020-02-03 01:02:03.5", "1997-12-17 07:37:16.123456", "0001-01-01 00:00:00"),
        *("9999-12-31 23:59:59.999999", "0044-03-15 00:00:00 BC", "294276-12-31 23:59:59"),
        *("infinity", "-infinity"),
    ),
    "timestamptz": (
        *("2020-02-03 01:02:03+00", "2020-07-03 01:02:03.25+00", "12020-07-31 23:59:59+00"),
        *("2021-10-31 00:30:00+00", "2021-10-31 01:30:00+00", "2021-03-28 01:00:00+00"),
        *("9999-12-31 23:59:59+00", "-infinity"),
    ),
}
INTERVALS = (
    *("0", "1 day", "-1 day +02:03:04", "1 mon -1 day", "-1 year -2 mons +3 days -04:05:06.789"),
    *("178000000 years", "-00:00:00.5", "1 year 2 mons 3 days 04:05:06.789", "100:00:00"),
    *("-1 day -00:00:01.000001", "1 day -00:00:00.25", "-11 mons", "1 hour -1 mon", "-1 sec"),
    *("2147483647 days", "1 year 1 sec", "-1 mon +1 hour"),
)


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        yield connection


def check(connection: pgwire.Connection, name: str, values: tuple[str, ...]) -> None:
    """Text, binary and ISO text of the values agree; and so does the server's reading of them."""
    codec = default_registry.by_name(name)
    assert codec.binary_encoder is not None
    listed = ", ".join(f"('{value}'::{name})" for value in values)
    rows = connection.query(
        f"select v::text, encode({name}_send(v), 'hex') from (values {listed}) as x(v)"
    ).rows
    context = connection.context.replace(unrepresentable="text")
    texts = []
    for text, binary in rows:
        assert isinstance(text, str) and isinstance(binary, str)
        value = codec.text_decoder(context)(text.encode())
        from_binary = codec.binary_decoder(context)(bytes.fromhex(binary))
        encoded = codec.binary_encoder(context)(value)
        assert codec.binary_encoder(context)(from_binary) == encoded, (context, text)
        if not isinstance(value, datetime.timedelta):
            assert encoded.hex() == binary, (context, text)
        texts += [to_iso(codec.oid, text.encode(), context).decode()]
    listed = ", ".join(f"('{text}'::{name})" for text in texts)
    read = connection.query(
        f"select encode({name}_send(v), 'hex') from (values {listed}) as x(v)"
    ).rows
    assert [row[0] for row in read] == [row[1] for row in rows]


@pytest.mark.parametrize("style", ["ISO", "SQL", "Postgres", "German"])
@pytest.mark.parametrize("order", ["MDY", "DMY", "YMD"])
def test_date_styles(connection: pgwire.Connection, style: str, order: str) -> None:
    connection.execute(f"set datestyle = '{style}, {order}'")
    for zone in ("UTC", "Europe/London", "Asia/Kolkata", "America/New_York", "UTC-5", "<+05>-05"):
        connection.execute(f"set timezone = '{zone}'")
        assert connection.context.date_style == f"{style}, {order}"
        for name, values in VALUES.items():
            check(connection, name, values)


@pytest.mark.parametrize("style", ["postgres", "postgres_verbose", "sql_standard", "iso_8601"])
def test_interval_styles(connection: pgwire.Connection, style: str) -> None:
    connection.execute(f"set intervalstyle = '{style}'")
    check(connection, "interval", INTERVALS)


def test_names_of_types(connection: pgwire.Connection) -> None:
    rows = connection.query(
        "select oid::int8, typname::text, typarray::int8, format_type(oid, null),"
        " format_type(oid, -1) from pg_type where oid < 10000 and typcategory <> 'A'"
    ).rows
    known = 0
    for oid, name, array, bare, shown in rows:
        assert isinstance(oid, int)
        if resolve_type_name(f'"{name}"') is None:
            continue
        known += 1
        assert resolve_type_name(f'"{name}"') == (oid, -1)
        assert (format_type(oid, None), format_type(oid, -1)) == (bare, shown)
        assert not array or resolve_type_name(f'"{name}"[]') == (array, -1)
    assert known > 100
