"""Differences in SQL that no scenario shows. `listed.KEYS` are theirs in docs/differences.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pgwire
from dblink import shells
from dblink.gateway import running
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.differential.world import World
from tests.dblink.faces import listed
from tests.dblink.faces.faces import Face, Original
from tests.dblink.kit import raises

DIFFERENCES = Path(__file__).parents[3] / "docs" / "differences.md"
SECTION = re.compile(r"^## In SQL$.*?(?=^## )", re.MULTILINE | re.DOTALL)


def _session(world: World, face: Face) -> pgwire.Connection:
    """A session of the face; the connection c1 is open."""
    connection = pgwire.connect(face.conninfo("postgres"))
    connection.query("SELECT dblink_connect('c1', $1)", [world.fill_in("<remote>")])
    return connection


@pytest.fixture(autouse=True)
def fresh(world: World, faces: list[Face]) -> None:
    world.reset_remote()
    for face in (Original(world), *faces):
        face.reset()


def test_what_is_listed_is_documented_and_the_other_way_round() -> None:
    section = SECTION.search(DIFFERENCES.read_text("utf-8"))
    assert section is not None
    rows = re.findall(r"^\| `([a-z-]+)` \|.* \| `([a-z_./]+)` \|$", section[0], re.MULTILINE)
    assert len(rows) == section[0].count("\n| `")
    tests = Path(__file__).parents[1]
    for key, test in rows:
        assert (tests / test).is_file(), f"{key} is tested by {test}"
    scenarios = {
        difference.key
        for difference in listed.SCENARIOS.values()
        if any(outcome is not None for outcome in difference.steps.values())
    }
    elsewhere = {key for key, test in rows if not test.startswith("faces/")}
    assert {key for key, _ in rows} == scenarios | listed.KEYS | elsewhere


def test_a_record_in_a_target_list(world: World, faces: list[Face]) -> None:
    sql = "SELECT dblink('c1', 'create temp table made(a int)')"
    with _session(world, Original(world)) as session:
        assert list(session.query_text(sql)) == [('("CREATE TABLE")',)]
    for face in faces:
        with _session(world, face) as session:
            with raises("0A000"):
                session.query(sql)
            assert session.query("SELECT dblink_exec('c1', 'listen x')").scalar() == "LISTEN"


_HANDLER = """
CREATE FUNCTION seen() RETURNS text LANGUAGE plpgsql AS $$
DECLARE seen text;
BEGIN
  PERFORM dblink_exec('c1', 'selec');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS seen = PG_EXCEPTION_CONTEXT;
  RETURN seen;
END $$
"""
_OWN = "while executing command on dblink connection named"


def test_the_context_in_a_handler(world: World, faces: list[Face]) -> None:
    with _session(world, Original(world)) as session:
        session.execute(_HANDLER)
        assert str(session.query("SELECT seen()").scalar()).startswith(_OWN)
    for face in faces:
        with _session(world, face) as session:
            session.execute(_HANDLER)
            seen = str(session.query("SELECT seen()").scalar())
            assert _OWN not in seen
            assert "PL/pgSQL function dblink_exec(text,text)" in seen
            assert seen.endswith("PL/pgSQL function seen() line 4 at PERFORM")


def test_the_context_that_a_client_sees(world: World, faces: list[Face]) -> None:
    for face in faces:
        with _session(world, face) as session, raises("42601") as caught:
            session.query("SELECT dblink_exec('c1', 'selec')")
        context = caught.error.context or ""
        assert context.startswith(_OWN) == face.contexts
        assert ("dblink_exec(text,text)" in context) != face.contexts


_MARKS = "SELECT DISTINCT proparallel::text FROM pg_proc WHERE oid = ANY ($1::regprocedure[])"
_MARKED = ["dblink(text)", "dblink_exec(text)", "dblink_get_pkey(text)", "dblink_is_busy(text)"]


def test_parallel_marks(world: World, faces: list[Face]) -> None:
    for face in (Original(world), *faces):
        with _session(world, face) as session:
            (mark,) = [row[0] for row in session.query(_MARKS, [_MARKED])]
        unsafe = face.name != "C dblink" and world.major < 17
        assert mark == ("u" if unsafe else "r"), face.name


# How C dblink gets to a nested use: the check of a domain runs in the middle of a conversion.
_CHECKED = """
CREATE FUNCTION nested() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN PERFORM dblink_exec('c1', 'listen x'); RETURN true; END $$;
CREATE DOMAIN checked AS text CHECK (nested());
"""


def test_a_nested_use_in_a_conversion(world: World, faces: list[Face]) -> None:
    for face in faces:
        with _session(world, face) as session:
            session.query_all(_CHECKED)
            for rows, length in ((2, 1), (300, 5000)):
                sql = f"select repeat(''x'', {length}) from generate_series(1, {rows})"
                query = f"SELECT count(*) FROM dblink('c1', '{sql}') AS t(a checked)"
                assert session.query(query).scalar() == rows
                assert session.query("SELECT dblink_exec('c1', 'listen y')").scalar() == "LISTEN"


def test_a_hot_standby(contrib_binaries: Binaries) -> None:
    with Cluster(contrib_binaries) as primary:
        with pgwire.connect(primary.conninfo()) as session:
            shells.setup(session)
        with primary.standby() as standby, running(standby.conninfo()) as gateway:
            conninfo = gateway.conninfo(dbname="postgres", user=primary.superuser)
            with pgwire.connect(conninfo) as session:
                assert session.query("SELECT pg_is_in_recovery()").scalar() is True
                with raises("55000", "dblink does not work on a hot standby"):
                    session.query("SELECT dblink_get_connections()")
                assert session.query("SELECT 1").scalar() == 1
