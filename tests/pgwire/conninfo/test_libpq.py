"""Against the real libpq: strings that nobody thought of."""

from __future__ import annotations

from typing import Protocol

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pgwire.conninfo import OPTIONS, ConninfoError, make, parse


class LibPQ(Protocol):
    version: int
    options: list[dict[str, str | None]]
    keywords: list[str]

    def parse(self, text: str) -> dict[str, str] | str: ...


_FRAGMENTS = st.one_of(
    st.sampled_from([*"=' \\@:/?&,[]%#+;\t\n\x1c\xa0", "%41", "%00", "%2", "%zz", "é", "\udcff"]),
    st.sampled_from(["host", "port", "user", "password", "requiressl", "ssl", "true", "a", "1"]),
    st.sampled_from(["host=", "dbname='", "port = ", "?sslmode=", "&user=", "bogus=", "u:p@h"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
)
_STRINGS = st.tuples(
    st.sampled_from(["", "", "postgresql://", "postgres://", "Postgres://"]),
    st.lists(_FRAGMENTS, max_size=12),
).map(lambda drawn: drawn[0] + "".join(drawn[1]))


@given(_STRINGS)
def test_parse_agrees(libpq: LibPQ, text: str) -> None:
    if libpq.version < 180000:
        # Before 18 spaces in URIs were treated otherwise.
        assume(not (text.startswith("postgres") and " " in text))
    expected = libpq.parse(text)
    try:
        found: dict[str, str] | str = parse(text)
    except ConninfoError as error:
        found = str(error)
    else:
        assume(set(found) <= set(libpq.keywords))
    assert found == expected


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), st.text("ab'\\ \n=é%@")))
def test_libpq_reads_what_make_writes(libpq: LibPQ, options: dict[str, str]) -> None:
    known = {k: v for k, v in options.items() if k in libpq.keywords}
    assert libpq.parse(make(**known)) == known


def test_the_table_is_that_of_libpq(libpq: LibPQ) -> None:
    ours = [keyword for keyword in OPTIONS if keyword in libpq.keywords]
    # Options of libpq that ours does not have are newer than 18.
    theirs = [keyword for keyword in libpq.keywords if keyword in OPTIONS]
    assert ours == theirs
    for row in libpq.options:
        keyword = row["keyword"]
        if keyword is None or keyword not in OPTIONS:
            continue
        option = OPTIONS[keyword]
        assert option.environment == row["envvar"], keyword
        # It became a hint of its own in 18.
        assert option.display == (row["dispchar"] or ""), keyword
        # Defaults that depend on how libpq was built.
        if keyword not in ("gssencmode", "channel_binding", "sslmode", "sslcertmode"):
            assert option.default == row["compiled"], keyword


def test_a_libpq_of_18_has_the_whole_table(libpq: LibPQ) -> None:
    if libpq.version < 180000:
        pytest.skip("this libpq is older than the table")
    assert set(OPTIONS) <= set(libpq.keywords)
