"""Answers that everybody can read are understood by the caller only."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dblink.gateway.sealing import digest, seal, unseal

N = "00112233445566778899aabbccddeeff"


@given(st.text())
def test_what_was_sealed_is_read_by_the_one_who_knows_the_number(text: str) -> None:
    sealed = seal(text, N)
    assert re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", sealed)
    assert unseal(sealed, N) == text


def test_it_says_nothing_of_itself() -> None:
    secret = "a secret, " * 20
    assert seal(secret, N) != seal(secret, N[::-1])
    assert digest(N) != digest(N[::-1])
    assert N not in seal(secret, N) and digest(N) not in N
    # A text that repeats itself does not look so.
    sealed = seal("\0" * 320, N)
    assert len({sealed[n : n + 40] for n in range(0, 400, 40)}) == 10


def test_the_stream_is_the_one_that_the_functions_in_the_database_know() -> None:
    assert seal('{"value":"OK"}', N) == "NznzxUJvfmSVl50LT0c="
    assert digest(N) == "322728624730e4f4"
