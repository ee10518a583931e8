from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pgwire.protocol.saslprep import saslprep

ORACLE = Path(__file__).parents[2] / "data" / "saslprep_oracle.jsonl"
LINES = [json.loads(line) for line in ORACLE.read_text().splitlines()]


def test_libpq_prepares_the_same() -> None:
    assert len(LINES) == 114
    wrong = [
        line
        for line in LINES
        if saslprep(bytes.fromhex(line["password_hex"])).hex() != line["prepared_hex"]
    ]
    assert not wrong


@given(st.binary(max_size=20) | st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace")))
def test_anything_can_be_prepared(password: bytes) -> None:
    prepared = saslprep(password)
    assert bool(prepared) == bool(password)
    if password.isascii():
        assert prepared == password
