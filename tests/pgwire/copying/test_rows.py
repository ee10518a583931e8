"""copy_rows_in and copy_rows_out: random rows in every format, and values that do not fit."""

from __future__ import annotations

import datetime
import uuid
from collections import namedtuple
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.copying.binary import BinaryRows
from pgwire.rows.column import Column
from pgwire.types.catalog import OIDS
from pgwire.types.codec import Codec, always
from pgwire.types.context import Context
from pgwire.types.registry import default_registry
from tests.pgwire.copying.kit import in_step, table

UTC = datetime.UTC
FORMATS = ["binary", "text", "csv"]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
SPECIAL = st.sampled_from(
    ["", "\\", "\\.", "\\N", '"', ",", "\t", "\n", "\r", "\r\n", "NULL", "é€𐍈"]
)
MOMENTS = st.datetimes()

# Type -> its values; None is added to all.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "oid": st.integers(0, 2**32 - 1),
    "float4": st.integers(-(2**20), 2**20).map(lambda n: n / 4),
    "float8": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=3),
    "text": st.one_of(TEXT, SPECIAL),
    "varchar": st.one_of(TEXT, SPECIAL),
    "bytea": st.binary(max_size=12),
    "date": st.dates(),
    "timestamp": MOMENTS,
    "timestamptz": MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    "time": st.times(),
    "uuid": st.uuids(),
    "jsonb": st.dictionaries(TEXT, st.integers(), max_size=2),
    "_int4": st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=3),
}


def oid_of(kind: str) -> int:
    return OIDS[kind[1:]][1] if kind.startswith("_") else OIDS[kind][0]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6))
    nulls = draw(st.booleans())
    row = st.tuples(*[st.one_of(st.none(), VALUES[t]) if nulls else VALUES[t] for t in types])
    return types, draw(st.lists(row, max_size=8)) * draw(st.sampled_from([1, 1, 1, 60]))


@pytest.mark.parametrize("format", FORMATS)
def test_random_tables_go_there_and_back(connection: pgwire.Connection, format: str) -> None:
    @given(tables())
    @settings(max_examples=15)
    def check(made: tuple[list[str], list[tuple[Any, ...]]]) -> None:
        types, rows = made
        # A row that is smaller may be stored before one that did not fit there any more.
        rows = [(*row, number) for number, row in enumerate(rows)]
        columns = ", ".join([f"c{n} {kind}" for n, kind in enumerate([*types, "int"])])
        connection.execute(f"DROP TABLE IF EXISTS r; CREATE TEMP TABLE r ({columns})")
        assert connection.copy_rows_in("r", rows, format=format) == len(rows)
        ordered = f"SELECT * FROM r ORDER BY c{len(types)}"
        with connection.copy_rows_out(ordered) as got:
            assert list(got) == rows
            assert got.row_count == len(rows)
        assert connection.query(ordered, ()).rows == rows

    check()


@pytest.mark.parametrize("encoding", ["SJIS", "BIG5", "GBK", "LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("format", FORMATS)
def test_encodings_in_which_a_backslash_may_be_half_a_character(
    connection: pgwire.Connection, format: str, encoding: str
) -> None:
    text = {"SJIS": "表\\表\t", "BIG5": "功\\許", "GBK": "乗\\誠", "LATIN1": "é\\"}.get(
        encoding, "é\\"
    )
    connection.execute(f"SET client_encoding = {encoding}")
    connection.copy_rows_in("t", [(1, text), (2, f'"{text}\n')], columns=["a", "b"], format=format)
    assert [row[1] for row in table(connection)] == [text, f'"{text}\n']
    connection.execute("SET client_encoding = UTF8")
    assert [row[1] for row in table(connection)] == [text, f'"{text}\n']


def test_names_are_quoted(connection: pgwire.Connection) -> None:
    connection.execute('CREATE TEMP TABLE "a "" b.c" ("Y" int, "x "" y" text)')
    names = ['x " y', "Y"]
    assert connection.copy_rows_in('a " b.c', [("one", 1)], columns=names) == 1
    assert connection.copy_rows_in(("pg_temp", 'a " b.c'), [(2, "two")]) == 1
    for source in ('a " b.c', ("pg_temp", 'a " b.c')):
        if isinstance(source, str):
            continue  # it is no plain name, so it would be a query
        assert list(connection.copy_rows_out(source, columns=names)) == [("one", 1), ("two", 2)]


def test_generated_columns_are_left_out(connection: pgwire.Connection) -> None:
    connection.execute(
        "CREATE TEMP TABLE g (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c int)"
    )
    assert connection.copy_rows_in("g", [(1, 2)]) == 1
    assert list(connection.copy_rows_out("g")) == [(1, 2)]
    assert connection.query("TABLE g").rows == [(1, 2, 2)]


def test_rows_of_every_kind(connection: pgwire.Connection) -> None:
    class Pair(namedtuple("Pair", "a b")):
        pass

    rows: list[Any] = [(1, "x"), [2, "y"], Pair(3, "z"), range(4, 6)]
    connection.execute("CREATE TEMP TABLE p (a int, b text)")
    assert connection.copy_rows_in("p", iter(rows[:3])) == 3
    assert connection.query("TABLE p").rows == [(1, "x"), (2, "y"), (3, "z")]
    connection.execute("CREATE TEMP TABLE q (a int, b int); CREATE TEMP TABLE none ()")
    assert connection.copy_rows_in("q", rows[3:]) == 1
    for format in FORMATS:
        assert connection.copy_rows_in("none", [(), ()], format=format) == 2


def test_types_told_by_the_caller(connection: pgwire.Connection) -> None:
    types = ["int4", OIDS["text"][0]]
    assert connection.copy_rows_in("t", [(1, "x")], columns=["a", "b"], types=types) == 1
    every = ["int4", "text", "numeric", "timestamp without time zone", "boolean"]
    assert connection.copy_rows_in("t", [(2, "y", None, None, True)], types=every) == 1
    assert [row[:2] for row in table(connection)] == [(1, "x"), (2, "y")]
    with pytest.raises(errors.ProgrammingError, match="1 types are given for the 2 columns"):
        connection.copy_rows_in("t", [], columns=["a", "b"], types=["int4"])


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "too large": ((2**31, "x"), errors.DataError, "out of range.*COPY t, row 3, column a"),
    "a str": (("1", "x"), errors.ProgrammingError, "a Python str as integer.*row 3, column a"),
    "a float": ((1.5, "x"), errors.ProgrammingError, "a Python float as integer.*row 3, column a"),
    "no str": ((1, 2), errors.ProgrammingError, "a Python int as text.*row 3, column b"),
    "a surrogate": ((1, "\udc80"), errors.DataError, "cannot be written.*row 3, column b"),
    "too few": ((1,), errors.ProgrammingError, "row 3 has 1 values where 2 columns"),
    "too many": ((1, "x", 2), errors.ProgrammingError, "row 3 has 3 values where 2 columns"),
    "a dict": ({"a": 1, "b": 2}, errors.ProgrammingError, "row 3 is a dict"),
    "a str as row": ("ab", errors.ProgrammingError, "row 3 is a str"),
    "None": (None, errors.ProgrammingError, "row 3 is a NoneType"),
    "a set": ({1}, errors.ProgrammingError, "row 3 is a set.*COPY t, row 3"),
    "an iterator": (zip((1, "x")), errors.ProgrammingError, "row 3 is a zip"),
    "a memoryview": (memoryview(b"ab"), errors.ProgrammingError, "row 3 is a memoryview"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_told_with_row_and_column(
    connection: pgwire.Connection, name: str
) -> None:
    row, kind, match = WRONG[name]
    with pytest.raises(kind, match=f"(?s){match}"):
        connection.copy_rows_in("t", [(1, "x"), (None, None), row], columns=["a", "b"])
    assert in_step(connection)
    assert table(connection) == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", 1),
        ("bool", "x"),
        ("bool", 0.0),
        ("date", datetime.datetime(2020, 1, 1)),
        ("date", "nonsense"),
        ("timestamp", datetime.datetime(2020, 1, 1, tzinfo=UTC)),
        ("timestamp", 17),
        ("timestamptz", datetime.datetime(2020, 1, 1)),
        ("float4", 1e39),
        ("float4", "x"),
        ("float8", "x"),
        ("float8", 10**400),
        ("int2", 2**15),
        ("int8", -(2**63) - 1),
        ("oid", -1),
        ("uuid", 3),
        ("numeric", object()),
    ],
)
def test_the_fast_ways_refuse_what_the_codec_refuses(kind: str, value: object) -> None:
    encode = BinaryRows("x", [Column("c", OIDS[kind][0])], default_registry, Context())
    with pytest.raises(errors.DatabaseError, match="COPY x, row 8, column c"):
        encode([(None,), (value,)], 7)


@given(tables())
def test_every_way_gives_the_same_bytes(made: tuple[list[str], list[tuple[Any, ...]]]) -> None:
    types, rows = made
    columns = [Column(f"c{n}", oid_of(kind)) for n, kind in enumerate(types)]
    encode = BinaryRows("x", columns, default_registry, Context())
    careful = b"".join([encode._row(row, 1) for row in rows])
    assert encode(rows, 1) == careful
    assert encode(rows, 1) == careful  # by the way that the first has chosen


def test_generated_code_has_nothing_of_names(connection: pgwire.Connection) -> None:
    name = "'; import os #\n\""
    column = Column(name, OIDS["int4"][0])
    assert BinaryRows(name, [column], default_registry, Context())([(1,)], 1) == (
        b"\0\1\0\0\0\4\0\0\0\1"
    )


def test_dates_of_other_classes(connection: pgwire.Connection) -> None:
    class Day(datetime.date):
        pass

    connection.execute("CREATE TEMP TABLE d (a date, b timestamp)")
    moment = datetime.datetime(1, 1, 1, 0, 0, 0, 1)
    rows = [(Day(2020, 1, 2), moment), (datetime.date(9999, 12, 31), datetime.date(2020, 1, 1))]
    connection.copy_rows_in("d", rows)
    assert connection.query("TABLE d").rows == [
        (datetime.date(2020, 1, 2), moment),
        (datetime.date(9999, 12, 31), datetime.datetime(2020, 1, 1)),
    ]


def test_a_codec_of_the_users_own(connection: pgwire.Connection) -> None:
    connection.registry = connection.registry.copy()
    connection.registry.register(
        Codec(
            *("int4", 23, 1007),
            text_decoder=always(lambda data: -int(data)),
            text_encoder=always(lambda value: b"%d" % -value),  # type: ignore[operator]
            binary_decoder=always(lambda data: -int.from_bytes(data, signed=True)),
            binary_encoder=always(
                lambda value: (-value).to_bytes(4, signed=True)  # type: ignore[operator]
            ),
        )
    )
    for format in FORMATS:
        connection.copy_rows_in("t", [(5,)], columns=["a"], format=format)
    assert connection.query_text("SELECT a FROM t") == [("-5",)] * 3
    assert list(connection.copy_rows_out("t", columns=["a"])) == [(5,)] * 3


def test_types_that_nobody_knows(connection: pgwire.Connection) -> None:
    connection.execute(
        "CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok');"
        "CREATE TEMP TABLE m (a pg_temp.mood, b int, c aclitem)"
    )
    rows = [("ok", 1, None), (None, 2, "postgres=r/postgres")]
    with pytest.raises(errors.ProgrammingError, match=r"(?s)no binary encoder.*load_types"):
        connection.copy_rows_in("m", rows)
    assert connection.copy_rows_in("m", rows, format="text") == 2
    assert list(connection.copy_rows_out("m")) == rows
    assert list(connection.copy_rows_out("SELECT a, a, b FROM m ORDER BY b DESC")) == [
        (None, None, 2),
        ("ok", "ok", 1),
    ]


def test_row_factories_and_columns(connection: pgwire.Connection) -> None:
    connection.copy_rows_in("t", [(1, "x", Decimal("1.5"), None, True)])
    with connection.copy_rows_out("t", columns=["b", "a"], rows=pgwire.dict_row) as rows:
        assert [column.name for column in rows.columns] == ["b", "a"]
        assert list(rows) == [{"b": "x", "a": 1}]
    with pytest.raises(errors.ProgrammingError, match="of a table only"):
        list(connection.copy_rows_out("SELECT 1", columns=["a"]))


def test_rows_in_no_rows_out_of_bounds(connection: pgwire.Connection) -> None:
    for wrong, match in (
        (lambda: connection.copy_rows_in("t", 17), "cannot copy rows from a int"),
        (lambda: connection.copy_rows_in("t", "abc"), "cannot copy rows from a str"),
        (lambda: connection.copy_rows_in("t", [], format="xml"), "binary, csv, text"),
        (lambda: connection.copy_rows_in("t", [], columns="ab"), "a sequence of one or more names"),
        (lambda: connection.copy_rows_in("", []), "a name must be a str"),
        (lambda: connection.copy_rows_in((1, 2, 3), []), "a table is its name"),
        (lambda: list(connection.copy_rows_out("nope")), "does not exist"),
        (lambda: list(connection.copy_rows_out("INSERT INTO t VALUES (1)")), "returns no rows"),
    ):
        with pytest.raises(errors.ProgrammingError, match=match):
            wrong()  # type: ignore[no-untyped-call]
        assert in_step(connection)


def test_a_row_that_fails_on_its_way_out(connection: pgwire.Connection) -> None:
    connection.execute("INSERT INTO t (a, d) VALUES (1, 'infinity')")
    with pytest.raises(errors.DataError), connection.copy_rows_out("t") as rows:
        list(rows)
    assert in_step(connection)
    division = "SELECT 1 / (n - 9000) FROM generate_series(1, 10000) n"
    got = 0
    with pytest.raises(errors.error_class("22012")):
        for _ in connection.copy_rows_out(division):
            got += 1
    assert got == 8999


def test_left_early(connection: pgwire.Connection) -> None:
    with connection.copy_rows_out("SELECT generate_series(1, 1000000000)") as rows:
        assert [next(rows) for _ in range(3)] == [(1,), (2,), (3,)]
    assert in_step(connection)


def test_uuids_are_values(connection: pgwire.Connection) -> None:
    value = uuid.uuid4()
    connection.execute("CREATE TEMP TABLE u (a uuid)")
    connection.copy_rows_in("u", [(value,)] * 3)
    assert list(connection.copy_rows_out("u")) == [(value,)] * 3
