from __future__ import annotations

import io
import re

import pytest

import dblink
from dblink import demo
from dblink.functions import FUNCTIONS


@pytest.fixture(scope="module")
def outcome() -> tuple[str, set[str]]:
    out = io.StringIO()
    called = demo.run(out)
    return out.getvalue(), called


def test_every_documented_function_is_called(outcome: tuple[str, set[str]]) -> None:
    text, called = outcome
    assert FUNCTIONS.keys() - called == set()
    for name in FUNCTIONS:
        assert re.search(rf"^{name}\(", text, re.MULTILINE)


def test_the_last_line_sums_up(outcome: tuple[str, set[str]]) -> None:
    text, _ = outcome
    count = len(re.findall(r"^dblink\w*\(", text, re.MULTILINE))
    assert text.splitlines()[-1] == (
        f"{len(FUNCTIONS)} of {len(FUNCTIONS)} documented functions, "
        f"{count} calls between two databases: all answered."
    )


def test_what_it_shows_is_what_it_promises(outcome: tuple[str, set[str]]) -> None:
    text, _ = outcome
    for shown in (
        " chair |  49.9\n",  # the declared numeric(6,1)
        " clerk        | warehouse\n",  # whom the user mapping logs in as
        "NOTICE:  canceling statement due to user request",
        "| 20 chairs",
        'NOTICE:  relation "basement" does not exist',
        "LINE 1: SELECT * FROM basement",
        " VALUES('standing desk','5','320.00','2026-06-30')",
    ):
        assert shown in text
    # The quick one of two queries is done first, although it was sent last.
    assert text.index("dblink_get_result('trusted')") < text.index("dblink_get_result('stock')")


def test_it_shows_no_password_and_no_place(outcome: tuple[str, set[str]]) -> None:
    text, _ = outcome
    assert "keys to the warehouse" in demo.DATABASES["shop"]
    assert "keys to the warehouse" not in text
    assert "host=/" not in text and "port=" not in text


def test_it_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = []

    class Noted(demo.Cluster):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            clusters.append(self)

    monkeypatch.setattr(demo, "Cluster", Noted)
    monkeypatch.setattr(demo, "CHAPTERS", [lambda db, warehouse: db.dblink("SELECT 1")])
    with pytest.raises(dblink.session.errors.DatabaseError):  # there is no connection
        demo.run(io.StringIO())
    assert [cluster.running for cluster in clusters] == [False]
