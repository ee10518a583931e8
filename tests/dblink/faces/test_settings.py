"""Whatever a session has set, a call comes to what it comes to with C dblink."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dblink.differential.world import World
from tests.dblink.faces.compare import at_once, same
from tests.dblink.faces.faces import Face, Original
from tests.dblink.faces.psql import Printed, Psql
from tests.dblink.faces.settings import BEFORE_THE_CATALOGUE, CALLS, HOSTILE, SETTINGS

_PREPARED = """
CREATE TABLE keyed(id int PRIMARY KEY, t text, f float8, b bytea, d date, a int[]);
INSERT INTO keyed VALUES (1, 'it''s \\', 0.1, '\\xde00', '2020-02-03', '{1,NULL}');
GRANT ALL ON keyed TO PUBLIC;
CREATE SERVER fs FOREIGN DATA WRAPPER dblink_fdw
  OPTIONS (host '127.0.0.1', port '<port>', dbname 'remote');
GRANT USAGE ON FOREIGN SERVER fs TO plain;
CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'scram_user', password 'secret');
CREATE USER MAPPING FOR plain SERVER fs OPTIONS (user 'scram_user', password 'secret');
"""


def _run(world: World, face: Face, program: Path, setting: str) -> list[Printed]:
    with Psql(program, face.conninfo("postgres"), "-A") as psql:
        pieces = [
            f"SELECT dblink_connect('c1', '{world.fill_in('<remote>')}');"
            f" SELECT dblink_connect('c2', '{world.fill_in('<remote>')}');",
            f"{setting};",
            *(f"{call};" for call in CALLS),
        ]
        printed = [psql.run(piece) for piece in pieces]
    for one in printed:
        # The server tells of its caches.
        one.reports = [report for report in one.reports if report["severity"] != "DEBUG"]
    return printed


@pytest.fixture(scope="module")
def prepared(world: World, faces: list[Face], psql: Path) -> list[Face]:
    """The faces, C dblink's first, with the tables and servers that are called for."""
    world.reset_remote()
    everybody = [Original(world), *faces]
    for face in everybody:
        face.reset()
        with Psql(psql, face.conninfo("postgres")) as session:
            printed = session.run(world.fill_in(_PREPARED) + HOSTILE)
            assert not printed.reports, printed
    return everybody


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(world: World, prepared: list[Face], psql: Path, setting: str) -> None:
    theirs, *others = at_once(lambda face: _run(world, face, psql, setting), prepared)
    for face, ours in zip(prepared[1:], others, strict=True):
        for call, original, own in zip(("", setting, *CALLS), theirs, ours, strict=True):
            if setting == BEFORE_THE_CATALOGUE and "hostile" in str(original.reports):
                # There C dblink uses operators by a name that is not qualified.
                continue
            assert same(world.major, face, original, own), f"{face.name}: {call}\n{original}\n{own}"
