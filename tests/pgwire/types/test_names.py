import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire.types.catalog import OIDS, TYPES
from pgwire.types.names import format_type, resolve_type_name


@pytest.mark.parametrize(
    ("name", "oid", "typmod", "shown"),
    [
        ("int", 23, -1, "integer"),
        ("INTEGER", 23, -1, "integer"),
        ("pg_catalog.int4", 23, -1, "integer"),
        ('pg_catalog."int4"', 23, -1, "integer"),
        ("double  precision", 701, -1, "double precision"),
        ("float", 701, -1, "double precision"),
        ("float(24)", 700, -1, "real"),
        ("varchar", 1043, -1, "character varying"),
        ("character varying ( 10 )", 1043, 14, "character varying(10)"),
        ("national character varying(3)", 1043, 7, "character varying(3)"),
        ("char", 1042, 5, "character(1)"),
        ("bpchar", 1042, -1, "bpchar"),
        ('"char"', 18, -1, '"char"'),
        ("pg_catalog.char", 18, -1, '"char"'),
        ("bit", 1560, 1, "bit(1)"),
        ("bit varying(4)", 1562, 4, "bit varying(4)"),
        ("numeric(10,2)", 1700, 655366, "numeric(10,2)"),
        ("dec(5,-2)", 1700, 329730, "numeric(5,-2)"),
        ("timestamp(3) with time zone", 1184, 3, "timestamp(3) with time zone"),
        ("timestamptz", 1184, -1, "timestamp with time zone"),
        ("time without time zone", 1083, -1, "time without time zone"),
        ("timestamp(9)", 1114, 6, "timestamp(6) without time zone"),
        ("interval", 1186, -1, "interval"),
        ("interval(3)", 1186, 2147418115, "interval(3)"),
        ("interval day to second(2)", 1186, 470286338, "interval day to second(2)"),
        ("interval year", 1186, 327679, "interval year"),
        ("text[]", 1009, -1, "text[]"),
        ("int[3][4]", 1007, -1, "integer[]"),
        ("int array[3]", 1007, -1, "integer[]"),
        ("_int4", 1007, -1, "integer[]"),
        ("varchar(10)[]", 1015, 14, "character varying(10)[]"),
        ("timestamp with time zone[]", 1185, -1, "timestamp with time zone[]"),
        ("box[]", 1020, -1, "box[]"),
        ("regclass", 2205, -1, "regclass"),
    ],
)
def test_both_ways(name: str, oid: int, typmod: int, shown: str) -> None:
    assert resolve_type_name(name) == (oid, typmod)
    assert format_type(oid, typmod) == shown
    assert resolve_type_name(shown) == (oid, typmod)


@pytest.mark.parametrize(
    "name",
    [
        *("", "foo", "int4 int4", "int]", "[]", "int[", "numeric(", "numeric()", "numeric(1,)"),
        *("numeric(0)", "numeric(1001)", "numeric(1,2,3)", "varchar(0)", "varchar(1,2)", "text(3)"),
        *(
            "float(0)",
            "float(54)",
            "interval hour(3)",
            "interval day to day",
            "interval second(-1)",
        ),
        *("pg_catalog.int", "public.int4", '"INT4"', '"int', "int4;", "time with zone", "bit(0)"),
        *("int with time zone", "pg_catalog.interval(3)", "_text(3)", "any[]", "_foo", "int2[x]"),
        *("interval year(2)", "array", "varchar(99999999999999999999)", "timestamp(-1)", "é"),
    ],
)
def test_no_type(name: str) -> None:
    assert resolve_type_name(name) is None


def test_without_a_modifier_character_is_not_the_type_of_that_name() -> None:
    assert (format_type(1042, None), format_type(1042, -1)) == ("character", "bpchar")
    assert (format_type(1560, None), format_type(1560, -1)) == ("bit", '"bit"')


def test_what_is_not_built_in() -> None:
    assert (format_type(0), format_type(100_000)) == ("-", "???")


def test_the_catalogue_is_consistent() -> None:
    assert [oid for oid, _, _ in TYPES] == sorted({oid for oid, _, _ in TYPES})
    arrays = [array for _, _, array in TYPES if array]
    assert len(set(arrays)) == len(arrays) and not set(arrays) & {oid for oid, _, _ in TYPES}
    for oid, name, array in TYPES:
        assert OIDS[name] == (oid, array)
        assert resolve_type_name(f'"{name}"') == (oid, -1)
        assert resolve_type_name(format_type(oid)) == (oid, -1)
        if array:
            assert resolve_type_name(f"_{name}") == resolve_type_name(f'"{name}"[]') == (array, -1)


@given(
    st.lists(
        st.sampled_from(
            (
                *("(", ")", "[", "]", ",", ".", " ", "int", "varchar", "interval", "second"),
                *("array", "3", "-1", '"char"', "timestamp", "with time zone", "numeric"),
                *("pg_catalog", "to", "day"),
            )
        )
    ).map(" ".join)
    | st.text()
)
def test_any_text(text: str) -> None:
    resolved = resolve_type_name(text)
    if resolved is not None:
        assert resolve_type_name(format_type(*resolved)) == resolved
