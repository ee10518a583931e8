"""Conversion without a local database, held against what a server's input functions do."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblink
import pgwire
from dblink.plain import input_decoder
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.names import resolve_type_name
from pgwire.types.range import Range
from tests.dblink.kit import raises


@pytest.fixture(scope="module")
def sessions(remote: str, local_conninfo: str) -> Iterator[tuple[dblink.Session, dblink.Session]]:
    """One session without a local database, one with."""
    with (
        dblink.Session(privileged=True) as bare,
        dblink.Session(local_conninfo) as asking,
    ):
        for session in (bare, asking):
            session.dblink_connect("c", remote)
        yield bare, asking


def outcome(session: dblink.Session, text: str | None, remote_type: str, declared: str) -> object:
    """The value, or the SQLSTATE of the error, of a remote value in a declared column."""
    sql = f"SELECT CAST($1::text AS {remote_type})"
    try:
        (row,) = session.dblink("c", sql, params=(text,), columns=f"a {declared}")
    except pgwire.DatabaseError as error:
        return error.sqlstate
    return repr(row[0])


integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=10**7).filter(
    lambda value: value > -(10**7)
) | st.integers(-1200, 1200).map(Decimal)
# Not all of Unicode: what PostgreSQL takes for a blank differs from Python's str.strip().
words = st.text(st.sampled_from("aB é€\\'\"{},"), max_size=6)
numbers_as_text = st.one_of(
    integers.map(str), decimals.map(str), words, st.sampled_from(["", "1.", "1e3", " 7 ", "0x1F"])
)
timestamps = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(str)

NUMBERS = ["int2", "int4", "int8", "numeric", "numeric(6,2)", "numeric(3,3)", "numeric(2,-1)"]
STRINGS = ["text", "varchar", "varchar(3)", "char(3)", "bpchar", "name"]


@given(integers, st.sampled_from(NUMBERS + STRINGS + ["oid", "float8"]))
def test_integers(sessions, value: int, declared: str) -> None:
    bare, asking = sessions
    args = str(value), "int8", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(decimals, st.sampled_from(NUMBERS + STRINGS + ["float4", "float8"]))
def test_decimals(sessions, value: Decimal, declared: str) -> None:
    bare, asking = sessions
    args = str(value), "numeric", declared
    own, servers = outcome(bare, *args), outcome(asking, *args)
    # Of a text that is wrong in two ways the server tells what comes first.
    assert own == servers or (own, servers) == ("22P02", "22003")


@given(st.floats(width=64), st.sampled_from(["float4", "float8", "numeric", "text", "varchar(5)"]))
def test_floats(sessions, value: float, declared: str) -> None:
    bare, asking = sessions
    args = repr(value), "float8", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@pytest.mark.parametrize("declared", ["float4", "float8"])
@pytest.mark.parametrize(
    "text",
    ["1e39", "1e400", "-1e400", "1e-400", "-1e-60", "1e-44", "0e5", "0.000", "-0", "inf", "NaN",
     "3.4028235e38", "3.4028236e38", "16777217", "0.1", "infinity", " 1 ", "1_0"],
)  # fmt: skip
def test_text_as_floats(sessions, text: str, declared: str) -> None:
    bare, asking = sessions
    args = text, "text", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(words, st.sampled_from(STRINGS))
def test_strings(sessions, value: str, declared: str) -> None:
    bare, asking = sessions
    args = value, "text", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(numbers_as_text, st.sampled_from(["int2", "int4", "int8", "bool"]))
def test_text_as_numbers(sessions, text: str, declared: str) -> None:
    own, servers = (outcome(session, text, "text", declared) for session in sessions)
    if own != servers:
        # The server's input functions take more notations than its output functions write; and
        # of a text that is wrong in two ways they tell what comes first.
        assert own == "22P02" and (text == "0x1F" or servers == "22003")


@given(timestamps, st.sampled_from(["timestamp", "timestamptz", "text", "date", "time"]))
def test_timestamps(sessions, text: str, declared: str) -> None:
    bare, asking = sessions
    args = text, "timestamp", declared
    own, servers = outcome(bare, *args), outcome(asking, *args)
    # Cutting a timestamp down to a date is the input function's art: refused, never guessed.
    assert own == servers or own == "22007"


@given(
    st.timedeltas(datetime.timedelta(days=-4000), datetime.timedelta(days=4000)),
    st.sampled_from(["interval", "text"]),
)
def test_intervals(sessions, value: datetime.timedelta, declared: str) -> None:
    bare, asking = sessions
    args = f"{value.days} days {value.seconds} seconds", "interval", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(st.lists(st.none() | integers, max_size=4), st.sampled_from(["int8[]", "text[]", "text"]))
def test_arrays(sessions, values: list[int | None], declared: str) -> None:
    bare, asking = sessions
    text = "{" + ",".join("NULL" if v is None else str(v) for v in values) + "}"
    args = text, "int8[]", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(st.binary(max_size=8), st.sampled_from(["bytea", "text"]))
def test_bytes(sessions, value: bytes, declared: str) -> None:
    bare, asking = sessions
    args = "\\x" + value.hex(), "bytea", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@given(st.uuids(), st.sampled_from(["uuid", "text", "varchar(8)"]), st.booleans())
def test_uuids(sessions, value: object, declared: str, as_text: bool) -> None:
    bare, asking = sessions
    args = str(value), "text" if as_text else "uuid", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@pytest.mark.parametrize("declared", ["numeric", "numeric(10,2)", "oid", "int4", "int8"])
@pytest.mark.parametrize(
    "text",
    ["1e10", "1E+3", "0e7", "-0.00", "1e4000", "1e131072", "1e999999999", "-1", "4294967296",
     "-2147483649", "1.", ".5", "", "-", "+5", "٣", "9223372036854775808"],
)  # fmt: skip
def test_odd_texts_as_numbers(sessions, text: str, declared: str) -> None:
    own, servers = (outcome(session, text, "text", declared) for session in sessions)
    assert own == servers or {own, servers} == {"22P02", "22003"}


@pytest.mark.parametrize("text", ["t", "TRUE", " yes ", "of", "o", "2", "", "on", "1", "n", "ja"])
def test_booleans(sessions, text: str) -> None:
    bare, asking = sessions
    args = text, "text", "bool"
    assert outcome(bare, *args) == outcome(asking, *args)


@pytest.mark.parametrize("declared", ["numeric(4,1)", "numeric(4)", "numeric", "float4"])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "0", "-0.04", "999.94", "999.95"])
def test_numbers_that_are_none_and_those_at_the_edge(sessions, text: str, declared: str) -> None:
    bare, asking = sessions
    args = text, "numeric", declared
    assert outcome(bare, *args) == outcome(asking, *args)


@pytest.mark.parametrize(
    ("sql", "declared", "sqlstate", "message", "detail"),
    [
        ("'x'", "int", "22P02", 'invalid input syntax for type integer: "x"', None),
        ("1.5", "int", "22P02", 'invalid input syntax for type integer: "1.5"', None),
        ("'x'", "bool", "22P02", 'invalid input syntax for type boolean: "x"', None),
        ("70000", "int2", "22003", 'value "70000" is out of range for type smallint', None),
        ("'abcd'", "varchar(3)", "22001", "value too long for type character varying(3)", None),
        ("'abcd'", "char(3)", "22001", "value too long for type character(3)", None),
        (
            "1234.5",
            "numeric(5,2)",
            "22003",
            "numeric field overflow",
            "A field with precision 5, scale 2 must round to an absolute value less than 10^3.",
        ),
        (
            "1.5",
            "numeric(3,3)",
            "22003",
            "numeric field overflow",
            "A field with precision 3, scale 3 must round to an absolute value less than 1.",
        ),
        (
            "'Infinity'::float8",
            "numeric(3,1)",
            "22003",
            "numeric field overflow",
            "A field with precision 3, scale 1 cannot hold an infinite value.",
        ),
    ],
)
def test_errors_in_the_servers_words(
    sessions, sql: str, declared: str, sqlstate: str, message: str, detail: str | None
) -> None:
    for session in sessions:
        with raises(sqlstate, message, detail=detail, context=None):
            session.dblink("c", f"SELECT {sql}", columns=f"a {declared}")


def test_what_takes_a_local_database_says_so(sessions) -> None:
    bare, _ = sessions
    with raises("0A000", "conversion from text to int4range needs a local database") as caught:
        bare.dblink("c", "SELECT '[1,2)'::text", columns="a int4range")
    assert caught.error.hint is not None and "Session(local=...)" in caught.error.hint
    with raises("0A000", "conversion from text to inet needs a local database"):
        bare.dblink("c", "SELECT '10.0.0.1'::text", columns="a inet")
    # What the remote server has made sure of is a value, or stays the text it is.
    for value, declared, expected in (
        ("[1,2)", "int4range", Range(1, 2)),
        ("10.0.0.1", "inet", IPv4Address("10.0.0.1")),
        ("pg_class", "regclass", "pg_class"),
        ("$1.50", "money", "$1.50"),
        ("infinity", "date", "infinity"),
        ("{-infinity,0044-03-15 BC}", "date[]", ["-infinity", "0044-03-15 BC"]),
    ):
        sql = f"SELECT '{value}'::{declared}"
        for session in sessions:
            assert session.dblink("c", sql, columns=f"a {declared}").scalar() == expected


CASES = ["bool", "int2", "int4", "int8", "numeric(5,2)", "float8", "varchar(3)", "date",
         "timestamptz", "interval", "uuid", "bytea", "int4[]", "json"]  # fmt: skip


@given(st.sampled_from(CASES), st.binary(max_size=12))
def test_any_bytes_are_a_value_or_a_clear_error(declared: str, data: bytes) -> None:
    resolved = resolve_type_name(declared)
    assert resolved is not None
    column = Column("a", 25)
    convert = input_decoder(column, *resolved, Context())
    try:
        convert(data)
    except pgwire.DatabaseError as error:
        assert error.sqlstate is not None


def test_the_local_connection_keeps_its_choice(remote: str, local_conninfo: str) -> None:
    with pgwire.connect(local_conninfo) as local, dblink.Session(local) as session:
        session.dblink_connect("c", remote)
        value = session.dblink("c", "SELECT 'infinity'::text", columns="a date").scalar()
        assert value == "infinity"
        assert local.unrepresentable == "error"
        with pytest.raises(pgwire.DataError, match="infinity"):
            local.query("SELECT date 'infinity'")
