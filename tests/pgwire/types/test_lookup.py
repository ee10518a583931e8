"""Types that are not built in, looked up on a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster
from pgwire.types.array import Array
from pgwire.types.codec import Codec, always
from pgwire.types.range import Multirange, Range
from pgwire.types.registry import default_registry

SCHEMA = """
create schema lookup;
create schema "Other One";
set search_path = lookup, public;
create type mood as enum ('sad', 'ok', 'very "happy", é');
create domain positive as int check (value > 0);
create domain positives as positive[];
create type point3 as (x float8, y float8, z float8);
create type "Other One"."Mood" as enum ('other');
create type deep as (
  id positive, moods mood[], "where" point3, "odd name" text, trail point3[], many positives,
  spans int4range[], raw "Other One"."Mood"
);
create type nothing as ();
create type one as (sole text);
create type floatrange as range (subtype = float8, multirange_type_name = floatranges);
create type moodrange as range (subtype = mood);
create table item (id int, dropped text, price numeric(10, 2), bought timestamptz);
alter table item drop column dropped;
"""


class Mood(enum.Enum):
    BAD = "sad"
    FINE = "ok"
    GREAT = 'very "happy", é'


class ByName(enum.Enum):
    sad = 1
    ok = bytearray(b"not even hashable")


class Word(enum.StrEnum):
    SAD = "sad"
    OK = "ok"
    GREAT = 'very "happy", é'


@dataclass(frozen=True)
class Point3:
    x: float
    y: float
    z: float | None


class Only(NamedTuple):
    sole: str | None


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[str]:
    with pgwire.connect(cluster.conninfo()) as connection:
        connection.execute("create database lookup_types template template0 encoding 'UTF8'")
    conninfo = cluster.conninfo(dbname="lookup_types")
    with pgwire.connect(conninfo) as connection:
        connection.query_all(SCHEMA)
    yield conninfo
    with pgwire.connect(cluster.conninfo()) as connection:
        connection.execute("drop database lookup_types with (force)")


@pytest.fixture
def connection(database: str) -> Iterator[pgwire.Connection]:
    with pgwire.connect(database) as connection:
        connection.execute("set search_path = lookup, public")
        yield connection


def both_formats(connection: pgwire.Connection, expression: str) -> Any:
    """The value by the simple protocol (in text) and by the extended one agree."""
    (text,) = connection.query(f"select {expression}").rows[0]
    (asked,) = connection.query(f"select {expression}", ()).rows[0]
    assert text == asked and type(text) is type(asked)
    return text


def there_and_back(connection: pgwire.Connection, value: object, name: str) -> None:
    """A parameter of a type comes back equal, in both formats of the codec."""
    (back,) = connection.query("select $1", ((value, name),)).rows[0]
    assert back == value
    codec = connection.registry.resolve(name)
    assert (
        codec.text_decoder(connection.context)(codec.text_encoder(connection.context)(value))
        == value
    )
    if codec.binary_encoder is not None:
        binary = codec.binary_encoder(connection.context)(value)
        assert codec.binary_decoder(connection.context)(binary) == value


def test_unknown_types_are_str(connection: pgwire.Connection) -> None:
    assert both_formats(connection, "'ok'::mood") == "ok"
    assert both_formats(connection, "row(1, 2, null)::point3") == "(1,2,)"
    assert both_formats(connection, "array['ok', 'sad']::mood[]") == "{ok,sad}"


def test_everything_at_any_depth(connection: pgwire.Connection) -> None:
    connection.load_types("deep")
    deep = both_formats(
        connection,
        """row(1, '{ok,NULL}', row(1, 'infinity', null), '(a,"b\\c" ', array[row(1,2,3)]::point3[],
        '{1,2}', '{"[1,3)",empty}', 'other')::deep""",
    )
    assert type(deep).__name__ == "deep"
    # A field whose name is no identifier goes by its position.
    assert deep._fields == ("id", "moods", "where", "_3", "trail", "many", "spans", "raw")
    assert deep.id == 1 and deep.moods == ["ok", None]
    assert deep.where == (1.0, float("inf"), None) and deep.where.y == float("inf")
    assert deep[3] == '(a,"b\\c" '
    assert deep.trail == [(1, 2, 3)] and deep.trail[0].z == 3
    assert deep.many == [1, 2] and deep.spans == [Range(1, 3), Range(empty=True)]
    assert deep.raw == "other"
    there_and_back(connection, deep, "deep")
    there_and_back(connection, [deep, None, deep], "deep[]")
    # Its class is known, so it needs no type; a tuple has the fields as well.
    assert connection.query("select pg_typeof($1)::text", (deep,)).rows == [("deep",)]
    assert connection.query("select ($1).moods", ((tuple(deep), "lookup.deep"),)).rows == [
        (["ok", None],)
    ]
    assert connection.query("select $1", ([deep],)).rows == [([deep],)]


def test_awkward_composites(connection: pgwire.Connection) -> None:
    connection.load_types("nothing", "one", "item")
    assert both_formats(connection, "row()::nothing") == ()
    assert both_formats(connection, "row(null)::one") == (None,)
    assert both_formats(connection, "row('')::one") == ("",)
    there_and_back(connection, (None,), "one")
    there_and_back(connection, ("",), "one")
    there_and_back(connection, (' (),"\\\n',), "one")
    item = both_formats(connection, "row(1, 2.50, '2024-02-29 12:00+00')::item")
    assert item == (1, Decimal("2.50"), dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC))
    assert item._fields == ("id", "price", "bought")
    with pytest.raises(errors.DataError, match="3 fields, not 2"):
        connection.query("select $1", (((1, 2), "item"),))
    with pytest.raises(errors.ProgrammingError, match="list as item"):
        connection.query("select $1", (([1, 2, 3], "item"),))


def test_an_altered_type_is_an_error_until_it_is_loaded_again(
    connection: pgwire.Connection,
) -> None:
    connection.execute("create type altered as (a int)")
    try:
        connection.load_types("altered")
        assert both_formats(connection, "row(1)::altered") == (1,)
        connection.execute("alter type altered add attribute b text")
        for params in (None, ()):
            with pytest.raises(errors.DataError, match="composite type altered") as caught:
                connection.query("select row(1, 'x')::altered", params)
            assert "load_types" in str(caught.value.diagnostics.hint)
        connection.load_types("altered")
        assert both_formats(connection, "row(1, 'x')::altered") == (1, "x")
    finally:
        connection.execute("drop type altered")


def test_ranges_of_ones_own(connection: pgwire.Connection) -> None:
    connection.load_types("floatrange", "moodrange")
    assert both_formats(connection, "'[0.5,1e30)'::floatrange") == Range(0.5, 1e30)
    assert both_formats(connection, "'{[0.5,1],(2,)}'::floatranges") == Multirange(
        [Range(0.5, 1.0, "[]"), Range(2.0, None, "()")]
    )
    there_and_back(connection, Range(0.25, None, "()"), "floatrange")
    there_and_back(connection, Multirange([Range(0.25, 0.5)]), "floatranges")
    there_and_back(connection, [Multirange([Range(0.25, 0.5)]), Multirange()], "floatranges[]")
    there_and_back(connection, Range("ok", 'very "happy", é', "[]"), "moodrange")


def test_enums(connection: pgwire.Connection) -> None:
    connection.load_types("mood", '"Other One"."Mood"')
    assert both_formats(connection, "'ok'::mood") == "ok"
    assert both_formats(connection, "array['ok', null]::mood[]") == ["ok", None]
    there_and_back(connection, 'very "happy", é', "mood")
    there_and_back(connection, "other", '"Other One"."Mood"')
    connection.register_enum("mood", Mood)
    assert both_formats(connection, "'sad'::mood") is Mood.BAD
    assert both_formats(connection, "array['ok', null]::mood[]") == [Mood.FINE, None]
    assert connection.query("select $1::text, $2::text", (Mood.GREAT, [Mood.BAD])).rows == [
        (Mood.GREAT.value, "{sad}")
    ]
    # Types that are made of it get it as well, and it survives another lookup.
    connection.load_types("deep")
    deep = both_formats(connection, "row(1, '{ok}', null, null, null, null, null, null)::deep")
    assert deep.moods == [Mood.FINE]
    there_and_back(connection, deep, "deep")


def test_an_enum_that_is_str_too(connection: pgwire.Connection) -> None:
    connection.register_enum("mood", Word)
    assert both_formats(connection, "'sad'::mood") is Word.SAD
    sql = "select pg_typeof($1)::text, $1, $2, $3::text"
    assert connection.query(sql, (Word.OK, [Word.GREAT, None], "sad")).rows == [
        ("mood", Word.OK, [Word.GREAT, None], "sad")
    ]


@pytest.mark.parametrize("encoding", ["LATIN1", "SJIS", "GB18030"])
def test_names_and_labels_in_another_encoding(database: str, encoding: str) -> None:
    label = {"LATIN1": "é", "SJIS": "表"}.get(encoding, "é表")
    with pgwire.connect(database, client_encoding=encoding) as connection:
        connection.execute("set search_path = lookup, public")
        connection.execute(f'create type "{label}" as enum (\'{label}"\')')
        try:
            connection.load_types(f'"{label}"')
            connection.register_enum(f'"{label}"', enum.Enum("Labels", {"ONE": f'{label}"'}))  # type: ignore[arg-type]
            value = both_formats(connection, f'array[\'{label}"\']::"{label}"[]')
            assert [member.name for member in value] == ["ONE"]
            assert connection.query("select $1", (value,)).rows == [(value,)]
        finally:
            connection.execute(f'drop type "{label}"')


def test_an_enum_by_the_names_of_its_members(connection: pgwire.Connection) -> None:
    with pytest.raises(
        errors.ProgrammingError, match="ByName has no member of the value or name 'very"
    ):
        connection.register_enum("mood", ByName)
    connection.execute("create type small as enum ('sad', 'ok')")
    try:
        connection.register_enum("small", ByName)
        assert both_formats(connection, "'sad'::small") is ByName.sad
        connection.execute("alter type small add value 'new'")
        for params in (None, ()):
            with pytest.raises(errors.DataError, match='small had no label "new"'):
                connection.query("select 'new'::small", params)
    finally:
        connection.execute("drop type small")


def test_a_registered_class(connection: pgwire.Connection) -> None:
    connection.register_composite("point3", Point3)
    value = Point3(1.0, -0.5, None)
    assert both_formats(connection, "row(1, -0.5, null)::point3") == value
    assert connection.query("select ($1).y, $2", (value, [value, None])).rows == [
        (-0.5, [value, None])
    ]
    there_and_back(connection, value, "point3")
    connection.load_types("deep")
    assert both_formats(connection, "array[row(1, -0.5, null)]::point3[]") == [value]
    connection.register_composite("one", Only)
    assert both_formats(connection, "row('x')::one") == Only("x")
    with pytest.raises(errors.ProgrammingError, match="it has x, y, z, the type has sole"):
        connection.register_composite("one", Point3)
    with pytest.raises(errors.ProgrammingError, match="mood is not a composite type"):
        connection.register_composite("mood", Point3)
    with pytest.raises(errors.ProgrammingError, match="one is not an enumerated type"):
        connection.register_enum("one", Mood)
    with pytest.raises(errors.ProgrammingError, match=r"subclass of enum\.Enum"):
        connection.register_enum("mood", Point3)  # type: ignore[arg-type]


def test_a_class_that_refuses_a_value(connection: pgwire.Connection) -> None:
    class Strict:
        def __init__(self, sole: str | None) -> None:
            raise ValueError("no")

    connection.register_composite("one", Strict)
    with pytest.raises(ValueError, match="no") as caught:
        connection.query("select row('x')::one", ())
    assert any("composite type one" in note for note in caught.value.__notes__)
    assert connection.query("select 1").rows == [(1,)]


def test_domains(connection: pgwire.Connection) -> None:
    connection.load_types("positive", "positives")
    assert both_formats(connection, "7::positive") == 7
    assert both_formats(connection, "array[7, null]::positive[]") == [7, None]
    assert both_formats(connection, "'{7}'::positives") == [7]
    there_and_back(connection, [7, 8], "positive[]")
    with pytest.raises(errors.IntegrityError):
        connection.query("select $1", ((-1, "positive"),))


def test_a_name_that_is_none(connection: pgwire.Connection) -> None:
    before = connection.registry
    with pytest.raises(errors.ProgrammingError, match="'moood' does not exist"):
        connection.load_types("mood", "moood")
    with pytest.raises(errors.ProgrammingError, match="a str, not int"):
        connection.load_types(5)  # type: ignore[arg-type]
    with pytest.raises(errors.ProgrammingError, match="'mood' is not known") as caught:
        connection.query("select $1", (("ok", "mood"),))
    assert "parameter $1" in caught.value.__notes__
    assert connection.registry is before is default_registry


def test_names(connection: pgwire.Connection) -> None:
    connection.load_types("LookUp.Mood", "mood[]", "int", "pg_class")
    for name in ("mood", "lookup.mood", ' "lookup" . mood', "MOOD"):
        (row,) = connection.query("select $1, pg_typeof($1)::text", (("ok", name),)).rows
        assert row == ("ok", "mood")
    (row,) = connection.query("select $1", ((["ok"], "mood array"),)).rows
    assert row == (["ok"],)
    connection.execute("set search_path = public")
    (row,) = connection.query("select $1, pg_typeof($1)::text", (("ok", "mood"),)).rows
    assert row == ("ok", "lookup.mood")
    (row,) = connection.query("select c from pg_catalog.pg_class c where relname = 'pg_class'").rows
    assert row[0].relname == "pg_class"  # type: ignore[attr-defined]


def test_other_connections_do_not_know(database: str, connection: pgwire.Connection) -> None:
    connection.load_types("mood")
    assert connection.registry is not default_registry
    with pgwire.connect(database) as other:
        assert other.registry is default_registry
        with pytest.raises(errors.ProgrammingError, match="not known"):
            other.query("select $1", (("ok", "mood"),))
    # A registry that somebody shares between connections is copied, too.
    shared = connection.registry
    connection.registry = shared.copy()
    given = connection.registry
    connection.load_types("point3")
    assert connection.registry is not given and given.revision == 0


def test_a_codec_of_ones_own(connection: pgwire.Connection) -> None:
    class Shout(str):
        __slots__ = ()

    connection.register(
        Codec(
            "text",
            25,
            1009,
            text_decoder=always(lambda data: Shout(data.decode().upper())),
            text_encoder=always(lambda value: str(value).lower().encode()),
        ),
        Shout,
    )
    assert both_formats(connection, "'a'::text") == "A"
    assert both_formats(connection, "array['a', null]") == ["A", None]
    (row,) = connection.query(
        "select pg_typeof($1)::text, $2 = 'abc'", (Shout("X"), Shout("ABC"))
    ).rows
    assert row == ("TEXT", True)
    connection.load_types("one")
    assert both_formats(connection, "row('x')::one") == ("X",)


def test_bounds_of_arrays(connection: pgwire.Connection) -> None:
    bounded = both_formats(connection, "'[0:1][-2:-1]={{1,2},{3,NULL}}'::int[]")
    assert bounded == [[1, 2], [3, None]]
    assert isinstance(bounded, Array) and bounded.lower_bounds == (0, -2)
    (row,) = connection.query("select $1, array_dims($1)", (bounded,)).rows
    assert row == ([[1, 2], [3, None]], "[0:1][-2:-1]")
    assert isinstance(row[0], Array) and row[0].lower_bounds == (0, -2)
    words = Array(["a", 'b"'], (5,))
    (row,) = connection.query("select $1::text[], array_lower($1, 1)", (words,)).rows
    assert row == (["a", 'b"'], 5)
    assert isinstance(row[0], Array) and row[0].lower_bounds == (5,)


def test_records(connection: pgwire.Connection) -> None:
    (row,) = connection.query("select row(1, 'x', null, row(true), array[row(2)]), row()", ()).rows
    assert row == ((1, "x", None, (True,), [(2,)]), ())
    (row,) = connection.query("select row(1, 'x y', null), array[row(1, 2)]").rows
    assert row == (("1", "x y", None), [("1", "2")])


def test_the_other_body(database: str) -> None:
    async def work() -> None:
        async with await pgwire.connect_async(database) as connection:
            await connection.execute("set search_path = lookup, public")
            await connection.load_types("deep")
            await connection.register_enum("mood", Mood)
            await connection.register_composite("point3", Point3)
            params = (Mood.BAD, [Point3(1.0, 2.0, None)])
            (row,) = (await connection.query("select $1, $2, pg_typeof($1)::text", params)).rows
            assert row == (Mood.BAD, [Point3(1.0, 2.0, None)], "mood")

    asyncio.run(work())


def test_in_a_transaction_that_has_failed(connection: pgwire.Connection) -> None:
    connection.execute("begin")
    with pytest.raises(errors.DataError):
        connection.query("select 1/0")
    with pytest.raises(errors.error_class("25P02")):
        connection.load_types("mood")
    connection.execute("rollback")
    connection.load_types("mood")
