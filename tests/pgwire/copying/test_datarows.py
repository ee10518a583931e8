"""Rows of a result as the data of a binary COPY: the same rows, whatever is in them."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from pgwire.copying.datarows import HEADER, TRAILER, copy_data, text_data
from pgwire.testing import Cluster

FIELDS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=8))
ROWS = st.one_of(
    st.lists(st.lists(FIELDS, max_size=4), max_size=30),
    st.builds(lambda row, count: [row] * count, st.lists(FIELDS, max_size=4), st.integers(0, 40)),
)


def frame(body: bytes) -> bytes:
    return b"D" + struct.pack("!i", len(body) + 4) + body


def framed(rows: list[list[str | None]]) -> bytes:
    return b"".join([frame(text_data([row])) for row in rows])


def taken_apart(data: bytes) -> list[list[str | None]]:
    """What COPY's binary format says, read as slowly as it can be."""
    rows, position = [], 0
    while position < len(data):
        (count,) = struct.unpack_from("!h", data, position)
        position += 2
        row: list[str | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", data, position)
            position += 4
            row.append(None if length < 0 else data[position : position + length].decode())
            position += max(length, 0)
        rows.append(row)
    return rows


@given(ROWS)
def test_rows_as_tuples(rows: list[list[str | None]]) -> None:
    assert taken_apart(text_data(rows)) == rows
    assert copy_data(framed(rows)) == text_data(rows)


@given(ROWS.filter(bool), st.data())
def test_what_is_no_run_is_refused(rows: list[list[str | None]], chosen: st.DataObject) -> None:
    whole = framed(rows)
    ends = {0, len(whole)}
    for row in rows:
        ends.add(max(end for end in ends if end < len(whole)) + len(framed([row])))
    cut = chosen.draw(st.integers(0, len(whole)).filter(lambda cut: cut not in ends))
    with pytest.raises(pgwire.ProgrammingError, match="DataRow"):
        copy_data(whole[:cut])


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    "header", [b"d\0\0\0\x06", b"D\0\0\0\3", b"D\xff\xff\xff\xff", b"D\0\0\0\7"]
)
def test_headers_that_lie(header: bytes, count: int) -> None:
    good = frame(b"\0\0") * count
    for lying in (header + b"\0\0" + good, good + header + b"\0\0", good * 2 + header):
        with pytest.raises(pgwire.ProgrammingError):
            copy_data(lying)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(pgwire.DataError, match="surrogates not allowed"):
        text_data([("fine", "\ud800")])


@pytest.mark.parametrize("wide", [[], ["repeat('ü', n % 7)", "NULL"]])
def test_a_result_is_copied(cluster: Cluster, wide: list[str]) -> None:
    """From a query on one connection into a table on another, without a row being decoded."""
    shown = ["n", *wide, "n * 3"]
    sql = f"SELECT {', '.join(shown)} FROM generate_series(10000, 60000) AS n"
    columns = [f"c{n} text" for n in range(len(shown))]
    with pgwire.connect(cluster.conninfo()) as one, pgwire.connect(cluster.conninfo()) as other:
        reply = one.send(sql)
        assert isinstance(reply.next_result(), pgwire.RowSet)
        other.execute(f"CREATE TEMP TABLE taken({', '.join(columns)})")

        def pieces() -> object:
            yield HEADER
            while (frames := reply.next_frames()) is not None:
                yield copy_data(frames)
            yield TRAILER

        assert other.copy_in("COPY taken FROM STDIN (FORMAT binary)", pieces()) == 50_001
        assert reply.finish() is None
        told = other.query_text("SELECT * FROM taken ORDER BY c0::int")
        assert told == one.query_text(sql)
        assert all(int(a[0] or 0) + 1 == int(b[0] or 0) for a, b in pairwise(told))
