from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from dblink.names import NAME_LENGTH, first_identifier, fold, quoted_identifier, truncate
from dblink.relations import split_name
from pgwire import sqlstates

# Characters that PostgreSQL stores: neither NUL nor half a surrogate pair.
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a" * 63, "a" * 63),
        ("a" * 64, "a" * 63),
        ("é" * 32, "é" * 31),  # 64 bytes: the last character does not fit
        ("a" + "é" * 31, "a" + "é" * 31),
        ("x" * 62 + "é", "x" * 62),
        ("", ""),
    ],
)
def test_truncate(name: str, expected: str) -> None:
    assert truncate(name) == expected


@given(names)
def test_what_is_truncated_is_the_longest_beginning_that_fits(name: str) -> None:
    cut = truncate(name)
    assert name.startswith(cut)
    assert len(cut.encode()) <= NAME_LENGTH
    if cut != name:
        assert len(name[: len(cut) + 1].encode()) > NAME_LENGTH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cur", "cur"),
        ('"Cur"', "Cur"),
        ('"a""b" no scroll', 'a"b'),
        ("  cur SCROLL", "cur"),
        ("cur;select 1", "cur"),
        ("Straße$1_x y", "straße$1_x"),
        ("ÄB", "Äb"),  # PostgreSQL folds ASCII letters only in a UTF-8 database
        ('"open', ""),
        ("", ""),
        ("x" * 70, "x" * 63),
    ],
)
def test_first_identifier(text: str, expected: str) -> None:
    assert first_identifier(text) == expected


def test_folding_and_truncation_agree_with_the_server(local: pgwire.Connection) -> None:
    for name in ("Cur", "ÄB", "Straße", "x" * 70, "É" * 40, "a$B_1"):
        local.execute("BEGIN")
        local.execute(f"DECLARE {name} CURSOR FOR SELECT 1")
        (stored,) = local.query_text("SELECT name FROM pg_cursors")
        local.execute("ROLLBACK")
        assert stored == (fold(name),)


@given(names.filter(bool), st.text(max_size=10))
def test_a_quoted_name_is_read_back(name: str, rest: str) -> None:
    if rest.startswith('"'):
        rest = " " + rest
    written = '"' + name.replace('"', '""') + '"'
    assert quoted_identifier(written + rest) == (truncate(name), rest)
    assert first_identifier(written + rest) == truncate(name)


@given(st.lists(names.filter(bool), min_size=1, max_size=4))
def test_a_qualified_name_is_read_back(parts: list[str]) -> None:
    written = " . ".join('"' + part.replace('"', '""') + '"' for part in parts)
    assert split_name(f" {written} ") == [truncate(part) for part in parts]


@given(st.text(st.sampled_from('a"B. \t1é'), max_size=12))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        parts = split_name(text)
    except sqlstates.InvalidName as error:
        assert error.message == "invalid name syntax"
        return
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in parts)
    if all(parts):
        assert split_name(quoted) == parts
