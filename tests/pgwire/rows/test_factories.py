"""Row factories: what a row may become, and what is said when it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

import pgwire
from pgwire import errors
from pgwire.rows.column import Column
from pgwire.rows.factories import (
    callable_row,
    dataclass_row,
    dict_row,
    make_rows,
    namedtuple_row,
    tuple_row,
)
from pgwire.rows.formats import formatted, result_formats
from pgwire.testing.cluster import Cluster
from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec, always
from pgwire.types.context import Context
from pgwire.types.registry import Registry, default_registry

COLUMNS = [Column("id", 23), Column("name", 25)]


@dataclass
class Person:
    id: int
    name: str = "nobody"
    seen: list[str] = field(default_factory=list)
    shown: str = field(init=False, default="")


def test_tuples_cost_nothing() -> None:
    rows: list[tuple[object, ...]] = [(1, "x")]
    assert make_rows(None, COLUMNS, rows) is rows
    assert make_rows(tuple_row, COLUMNS, rows) is rows


def test_dictionaries() -> None:
    assert make_rows(dict_row, COLUMNS, [(1, "x"), (2, None)]) == [
        {"id": 1, "name": "x"},
        {"id": 2, "name": None},
    ]


def test_named_tuples_whatever_the_columns_are_called() -> None:
    columns = [Column(name, 23) for name in ("id", "class", "?column?", "id", "_x", "__import__")]
    (row,) = make_rows(namedtuple_row, columns, [(1, 2, 3, 4, 5, 6)])
    assert row == (1, 2, 3, 4, 5, 6)
    assert row._fields == ("id", "_1", "_2", "_3", "_4", "_5")
    again = make_rows(namedtuple_row, columns, [(1, 2, 3, 4, 5, 6)])[0]
    assert type(again) is type(row)


def test_dataclasses_by_name_in_any_order() -> None:
    columns = [COLUMNS[1], COLUMNS[0]]
    assert make_rows(dataclass_row(Person), columns, [("x", 1)]) == [Person(1, "x")]
    assert make_rows(dataclass_row(Person), [COLUMNS[0]], [(1,)]) == [Person(1, "nobody")]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["id", "age"], 'it has no field for column "age"'),
        (["id", "shown"], 'it has no field for column "shown"'),
        (["id", "id"], 'several columns are named "id"'),
        (["name"], 'there is no column for its field "id"'),
    ],
)
def test_a_dataclass_that_does_not_fit(names: list[str], problem: str) -> None:
    columns = [Column(name, 23) for name in names]
    with pytest.raises(errors.ProgrammingError, match=f"cannot be made Person: {problem}"):
        make_rows(dataclass_row(Person), columns, [])


def test_what_is_no_dataclass() -> None:
    with pytest.raises(TypeError, match="not a dataclass"):
        dataclass_row(int)


def test_a_function_of_the_values() -> None:
    assert make_rows(callable_row(lambda a, b: f"{a}{b}"), COLUMNS, [(1, "x")]) == ["1x"]


def formats(*names: str, context: Context | None = None) -> tuple[int, ...]:
    columns = [Column("c", OIDS[name][0]) for name in names]
    return result_formats(columns, default_registry, context or Context())


def test_formats_depend_on_what_else_there_is() -> None:
    assert formats("int4", "float8", "bool", "date", "bytea") == (1, 1, 1, 1, 1)
    assert formats("text", "numeric", "varchar", "float4") == (0, 0, 0, 0)
    assert formats("int4", "timestamp") == (1, 1)
    # Only binary if the text would have to be rewritten.
    assert formats("text", "timestamptz", context=Context(time_zone="Asia/Tokyo")) == (0, 1)
    assert formats("text", "timestamp", context=Context(date_style="German")) == (0, 1)


def test_a_type_nobody_knows_and_a_codec_without_binary_come_as_text() -> None:
    registry = Registry()
    registry.register(Codec("int4", 23, text_decoder=always(len), text_encoder=always(bytes)))
    columns = [Column("a", 23), Column("b", 987654)]
    assert result_formats(columns, registry, Context()) == (0, 0)


def test_columns_in_formats() -> None:
    columns = [Column("a", 23, 4, type_size=4, table_oid=7, number=2)]
    (column,) = formatted(columns, (1,))
    assert column.format == 1
    assert columns[0].format == 0
    assert formatted([column], (0,)) == tuple(columns)


def test_formats_do_not_change_values(cluster: Cluster) -> None:
    sql = """
        SELECT n::int2, n::int4, n::int8, (n / 7.0)::float8, (n / 7.0)::float4, n % 2 = 0,
               (n / 7.0)::numeric, 'text é ' || n, decode(lpad(to_hex(n), 8, '0'), 'hex'),
               date '2000-01-01' + n, timestamp '2000-01-01' + n * interval '1.5 days',
               timestamptz '2000-01-01 00:00+00' + n * interval '1.5 hours', n::oid,
               CASE WHEN n % 3 > 0 THEN n END, CASE WHEN n % 5 > 0 THEN 't' || n END
        FROM generate_series(-3000, 3000) AS n WHERE n >= 0"""
    with pgwire.connect(cluster.conninfo()) as connection:
        for few in ("", " LIMIT 5"):
            text = list(connection.query(sql + few))
            assert len(text) in (3001, 5)
            assert repr(list(connection.query(sql + few, ()))) == repr(text)
            for only in (2, 13):  # one column: a constant stride, with and without NULL
                names = ", ".join(f"c{i}" for i in range(15))
                one = f"SELECT c{only} FROM ({sql + few}) AS t ({names})"
                assert list(connection.query(one, ())) == [(row[only],) for row in text]
