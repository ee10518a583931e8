"""Named tuples without generated code, beside those of the standard library."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire.types.named import named_tuple

ODD = ["a", "class", "_b", "a", "?column?", "", "x y", "é", "count", "index", "self", "cls"]


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="ascii"), max_size=3))))
def test_names_are_those_of_collections(names: list[str]) -> None:
    model: Any = namedtuple("model", names, rename=True)  # type: ignore[misc]
    ours: Any = named_tuple("model", names)
    values = range(len(names))
    mine, theirs = ours._make(values), model._make(values)
    assert (mine, ours._fields, ours.__match_args__) == (theirs, model._fields, model._fields)
    assert repr(mine) == repr(theirs)
    assert mine._asdict() == theirs._asdict()
    assert [getattr(mine, name) for name in ours._fields] == list(values)
    for name in ours._fields:
        assert mine._replace(**{name: "new"}) == theirs._replace(**{name: "new"})
    assert ours(*values) == ours(**mine._asdict()) == mine


def test_names_that_are_one_in_source() -> None:
    row = named_tuple("Row", ["\ufb01", "fi", "\u2460"])._make([1, 2, 3])
    assert row._fields == ("fi", "_1", "_2")
    assert row.fi == row.ﬁ == 1  # type: ignore[attr-defined]


def test_any_title() -> None:
    assert repr(named_tuple("of a server; 1/0", ["x"])(1)) == "of a server; 1/0(x=1)"


def test_wrong_values() -> None:
    pair = named_tuple("pair", ["a", "b"])
    for arguments, named in (((1,), {}), ((1, 2, 3), {}), ((1,), {"c": 2}), ((), {"b": 2})):
        with pytest.raises(TypeError, match="pair"):
            pair(*arguments, **named)
    with pytest.raises(TypeError, match="takes 2 values, not 1"):
        pair._make([1])


def test_matching() -> None:
    match named_tuple("pair", ["a", "b"])(1, 2):
        case (a, b):
            assert (a, b) == (1, 2)
