from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblink
from dblink.exports import json_encoder, write_csv, write_json
from dblink.result import ResultColumn
from pgwire import sqlstates

TEXT = 25


def columns(*names: str, oid: int = TEXT) -> list[ResultColumn]:
    return [ResultColumn(name, "text", oid) for name in names]


def as_csv(rows: list[tuple[str | None, ...]], *names: str) -> str:
    out = io.StringIO()
    write_csv(columns(*names), rows, out)
    return out.getvalue()


def as_json(rows: list[tuple[str | None, ...]], *names: str) -> str:
    out = io.StringIO()
    write_json(columns(*names), rows, out)
    return out.getvalue()


def test_csv_tells_null_from_an_empty_string() -> None:
    assert as_csv([(None, ""), ("x", "y")], "a", "b") == 'a,b\n,""\nx,y\n'


def test_csv_quotes_what_would_be_misread() -> None:
    rows = [("1,2",), ('say "x"',), ("a\nb",), ("a\rb",), ("\\.",), (" x ",), ("'",)]
    assert as_csv(rows, "a,b") == ('"a,b"\n"1,2"\n"say ""x"""\n"a\nb"\n"a\rb"\n"\\."\n x \n\'\n')


texts = st.text(st.characters(exclude_characters="\0"), max_size=10)


@given(st.lists(st.tuples(texts, texts), max_size=4))
def test_csv_can_be_read_again(rows: list[tuple[str, str]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(list(rows), "a", "b"), newline="")))
    assert read == [["a", "b"], *map(list, rows)]


@given(st.lists(st.tuples(st.none() | texts, texts), max_size=4))
def test_json_can_be_read_again(rows: list[tuple[str | None, str]]) -> None:
    written = as_json(list(rows), "a", 'b"\n')
    assert json.loads(written) == [{"a": a, 'b"\n': b} for a, b in rows]
    assert written.count("\n") == (len(rows) + 2 if rows else 1)  # a line per row


def test_json_cannot_have_one_name_twice() -> None:
    out = io.StringIO()
    with pytest.raises(sqlstates.DuplicateColumn):
        write_json(columns("a", "b", "a"), [], out)
    assert out.getvalue() == ""


VALUES = [
    "1",
    "-9223372036854775808",
    "12345678901234567890.00100",
    "1e-300::float8",
    "float8 '-Infinity'",
    "numeric 'NaN'",
    "0.1::float4",
    "true",
    "false",
    "NULL::int",
    "text ''",
    "text E'quote\" back\\\\ line\\n \\u20ac'",
    "'{1,NULL,3}'::int[]",
    "'{{1,2},{3,4}}'::numeric[]",
    "'{}'::int[]",
    "'[5:6]={7,8}'::int[]",
    "'{t,f,NULL}'::bool[]",
    """'{"a b","c\\"d",NULL,"NULL",""}'::text[]""",
    "ARRAY['{\"k\": [1, 2]}', 'null']::json[]",
    "'{(2,2),(1,1);(4,4),(3,3)}'::box[]",
    '\'{"a": 1.50, "b": [null, "x"]}\'::json',
    "'[1, {\"z\": true}]'::jsonb",
    "E'[1,\\n2]'::json",
    "'12:30'::time",
    "date '2026-02-03'",
    "interval '1 day 02:03'",
    "'\\xdeadbeef'::bytea",
    "'1 2'::int2vector::text",
    "42::oid",
    "money '12.34'",
    "ROW(1, 'x')::text",
]


@pytest.mark.parametrize("value", VALUES)
def test_the_server_makes_the_same_json(session: dblink.Session, value: str) -> None:
    result = session.dblink("c", f"SELECT {value} AS v, to_json({value})::text AS expected")
    types = [column.type_oid for column in result.columns]
    ((text, expected),) = result.text_rows()
    if text is None:
        assert expected is None
        return
    assert expected is not None
    encoded = json_encoder(types[0])(text)
    assert json.loads(encoded) == json.loads(expected)
    assert "\n" not in encoded


def test_rows_are_written_as_they_come() -> None:
    for write in (write_csv, write_json):
        out = io.StringIO()
        seen = []

        def rows(out: io.StringIO = out, seen: list[str] = seen):
            for n in range(3):
                seen.append(out.getvalue())
                yield (f"value {n}",)

        write(columns("a"), rows(), out)
        assert "value 0" not in seen[0]
        assert "value 0" in seen[1] and "value 1" in seen[2]
