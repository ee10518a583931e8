from __future__ import annotations

import io
import re

import pytest

import dblink
from dblink import demo
from dblink.functions import FUNCTIONS
from pgwire.testing.binaries import BinariesNotFoundError
from tests.programs import program


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
        f"{count} calls between two databases, {demo.STATEMENTS.count(';')} statements in SQL: "
        "all answered."
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
        "create_link('here', 'warehouse_link', database='shop', ...)\n active, answers in ",
    ):
        assert shown in text
    # The quick one of two queries is done first, although it was sent last.
    assert text.index("dblink_get_result('trusted')") < text.index("dblink_get_result('stock')")


def in_sql(text: str) -> str:
    """What follows the heading of the last chapter, without blanks at the ends of lines."""
    _, _, chapter = text.partition("=== The same in SQL")
    return re.sub(r" +$", "", chapter, flags=re.MULTILINE)


def assert_the_statements_were_answered(told: str) -> None:
    for statement in demo.STATEMENTS.strip().split("\n\n"):
        assert statement in told
    assert "\nCREATE VIEW\n" in told
    assert " chair | DELETE 1\n" in told
    assert told.count("ERROR:") == 1
    assert (
        'ERROR:  relation "basement" does not exist\n'
        'CONTEXT:  while executing query on dblink connection named "stock"\n'
    ) in told


@pytest.mark.clients
def test_it_ends_in_psql(outcome: tuple[str, set[str]]) -> None:
    program("psql")
    told = in_sql(outcome[0])
    assert "\n$ psql shop\n" in told and "\nINSERT 0 1\n" in told
    assert " desk          |    5 |\n" in told and " table         |      |     5\n" in told
    assert_the_statements_were_answered(told)


def test_without_psql_the_statements_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> None:
        raise BinariesNotFoundError(f"no {name} here")

    monkeypatch.setattr(demo, "find_program", nowhere)
    monkeypatch.setattr(demo, "CHAPTERS", [])
    out = io.StringIO()
    demo.run(out)
    assert "$ psql" not in out.getvalue()
    assert_the_statements_were_answered(in_sql(out.getvalue()))


def test_it_shows_no_password_and_no_place(outcome: tuple[str, set[str]]) -> None:
    text, _ = outcome
    assert "{password}" in demo.DATABASES["shop"]
    assert demo.PASSWORD not in text
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
