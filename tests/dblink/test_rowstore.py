from __future__ import annotations

import gc
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink import rowstore
from dblink.rowstore import RowStore
from pgwire.protocol.backend import DataRow
from tests.dblink.kit import memory_below


def frame(value: bytes) -> bytes:
    return DataRow([value]).encode()


def lengths(run: bytes) -> list[int]:
    found, position = [], 0
    while position < len(run):
        assert run[position : position + 1] == b"D"
        length = int.from_bytes(run[position + 1 : position + 5])
        position += 1 + length
        found.append(length)
    assert position == len(run)  # complete messages only
    return found


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.lists(st.binary(max_size=40), min_size=1)),
            st.tuples(st.just("take"), st.integers(1, 3)),
        )
    ),
    st.integers(1, 200),
    st.integers(1, 64),
)
def test_every_row_comes_out_once_and_in_order(
    steps: list[tuple[str, object]], in_memory: int, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rowstore, "IN_MEMORY", in_memory)
        patch.setattr(rowstore, "_CHUNK", chunk)
        store, expected, taken = RowStore(), b"", b""
        for step, value in steps:
            if step == "put":
                run = b"".join(map(frame, value))  # type: ignore[call-overload]
                store.put(run)
                expected += run
            else:
                # Every time another iterator, left in the middle.
                for _, run in zip(range(value), store.take(), strict=False):  # type: ignore[call-overload]
                    lengths(run)
                    taken += run
        assert store.all() == expected
        for run in store.take():
            lengths(run)
            taken += run
        assert taken == expected
        assert store.size == len(expected)
        store.close()


def test_beyond_its_limit_it_is_on_disk() -> None:
    store = RowStore()
    run = b"".join(frame(b"%060d" % n) for n in range(1000))
    with memory_below(3 * rowstore.IN_MEMORY):
        while store.size < 8 * rowstore.IN_MEMORY:
            store.put(run)
        taken = sum(map(len, store.take()))
    assert taken == store.size
    assert store._file.fileno() >= 0
    file = store._file
    del store
    gc.collect()
    assert file.closed


def test_a_row_larger_than_a_chunk() -> None:
    store = RowStore()
    rows = [frame(b"x" * size) for size in (1, rowstore._CHUNK * 3, 5, rowstore._CHUNK, 0)]
    store.put(b"".join(rows))
    assert b"".join(store.take()) == b"".join(rows)


def test_rows_put_in_while_others_are_taken() -> None:
    store = RowStore()
    store.put(frame(b"0"))
    taken = []
    for number, run in zip(count(1), store.take(), strict=False):
        taken.append(run)
        if number < 4:
            store.put(frame(b"%d" % number))
    assert taken == [frame(b"%d" % n) for n in range(4)]
