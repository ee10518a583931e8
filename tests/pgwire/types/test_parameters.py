"""Parameters that are easily sent as something else than what they mean, on a real server."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest

import pgwire
from pgwire import errors
from pgwire.testing.cluster import Cluster
from pgwire.types.binding import ParameterEncoder
from pgwire.types.catalog import OIDS
from pgwire.types.context import Context
from pgwire.types.enumeration import enum_codec
from pgwire.types.registry import Registry


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(
        host=cluster.host, port=cluster.port, user="postgres", dbname="postgres"
    ) as connection:
        yield connection


@pytest.mark.parametrize(
    ("value", "type", "result"),
    [
        (["1", None, 2], "int4[]", [1, None, 2]),
        ([["yes"], ["f"]], "bool[]", [[True], [False]]),
        (["abc"], "bytea[]", [b"abc"]),
        (["epoch"], "timestamp[]", [datetime.datetime(1970, 1, 1)]),
        (["2020-02-03"], "date[]", [datetime.date(2020, 2, 3)]),
        (pgwire.Range("1", 5), "int4range", pgwire.Range(1, 5)),
        ([pgwire.Range("2020-02-03", None)], "daterange[]", None),
        ([], "int2vector", []),
        ([1, 2], "int2vector", [1, 2]),
    ],
)
def test_a_str_within_a_value_is_text(
    connection: pgwire.Connection, value: object, type: str, result: object
) -> None:
    got = connection.query(f"SELECT $1::{type}", [(value, type)]).scalar()
    if result is None:
        result = [pgwire.Range(datetime.date(2020, 2, 3), None)]
    assert got == result


def test_a_moment_within_an_array_has_the_time_zone_of_the_session(
    connection: pgwire.Connection,
) -> None:
    connection.query("SET TimeZone = 'Asia/Kathmandu'")
    try:
        moment = datetime.datetime(2020, 2, 3, 5, 45)
        single = connection.query("SELECT $1", [(moment, "timestamptz")]).scalar()
        assert single == datetime.datetime(2020, 2, 3, tzinfo=datetime.UTC)
        several = connection.query("SELECT $1", [([moment], "timestamptz[]")]).scalar()
        assert several == [single]
    finally:
        connection.query("RESET TimeZone")


@pytest.mark.parametrize(
    ("value", "type"),
    [([1.5], "int4[]"), ([2**40], "int4[]"), (["a", b"b"], "text[]"), ([object()], "int4[]")],
)
def test_what_neither_format_takes_is_refused_here(
    connection: pgwire.Connection, value: object, type: str
) -> None:
    with pytest.raises((errors.ProgrammingError, errors.DataError)) as caught:
        connection.query("SELECT $1", [(value, type)])
    assert caught.value.sqlstate in ("42804", "22003")
    assert caught.value.__notes__ == ["parameter $1"]


@pytest.mark.parametrize("digits", [19, 20, 4300, 4301, 131072])
def test_an_int_of_any_size_is_a_numeric(connection: pgwire.Connection, digits: int) -> None:
    text = connection.query("SELECT $1::text", [-(10**digits - 1)]).scalar()
    assert text == "-" + "9" * digits
    text = connection.query("SELECT $1::text", [10**digits]).scalar() if digits < 131072 else ""
    assert text in ("", "1" + "0" * digits)


@pytest.mark.parametrize("type", ["numeric", "int8", "int4[]"])
def test_an_int_beyond_its_type_is_refused(connection: pgwire.Connection, type: str) -> None:
    number = 10**131073
    value = ["1", number] if type.endswith("[]") else number
    with pytest.raises(errors.DataError) as caught:
        connection.query("SELECT $1", [(value, type)])
    assert caught.value.sqlstate == "22003"


@pytest.mark.parametrize("params", ["a", b"a", {"a": 1}, {1}, 5, iter([1]), (x for x in [1])])
def test_parameters_are_a_sequence_of_values(connection: pgwire.Connection, params: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match="a list or a tuple of values, not"):
        connection.query("SELECT $1", params)


def test_any_sequence_of_values_will_do(connection: pgwire.Connection) -> None:
    assert connection.query("SELECT $1 + $2", range(3, 5)).scalar() == 7


@pytest.mark.parametrize("type", ["int2", "int4", "int8", "oid", "float4", "float8", "numeric"])
def test_a_bool_is_no_number_where_one_is_known_to_be_wanted(type: str) -> None:
    encoder = ParameterEncoder(Registry(), Context())
    with pytest.raises(errors.ProgrammingError, match="cannot send a Python bool as"):
        encoder.encode_known([True], [OIDS[type][0]])
    assert encoder.encode_known([1], [OIDS[type][0]])[1] != [b"t"]
    assert encoder.encode_known([True], [OIDS["bool"][0]])[1] == [b"\1"]


def test_rows_with_a_bool_do_as_they_do_alone(connection: pgwire.Connection) -> None:
    connection.query("CREATE TEMP TABLE numbers (n int4)")
    several: list[list[list[object]]] = [[[True]], [["1"], [True]], [[1], [True]]]
    for rows in several:
        with pytest.raises(errors.ProgrammingError, match="is of type integer but expression"):
            connection.executemany("INSERT INTO numbers VALUES ($1)", rows)


def test_the_label_that_a_class_lacks_is_named() -> None:
    Colours = Enum("Colours", {"A": "red", "B": "green"})
    with pytest.raises(errors.ProgrammingError, match="no member of the value or name 'blue'"):
        enum_codec("colour", 1, 2, ["red", "blue", "green"], Colours)
    with pytest.raises(errors.ProgrammingError, match="no member of the value or name 'C'"):
        enum_codec("colour", 1, 2, ["A", "C", "B"], Colours)


def test_a_number_of_json_that_python_cannot_read_is_named(
    connection: pgwire.Connection,
) -> None:
    for params in (None, ()):
        with pytest.raises(errors.DataError, match="a number in a value of type jsonb") as caught:
            connection.query("SELECT repeat('9', 5000)::jsonb", params)
        assert caught.value.sqlstate == "22003"
