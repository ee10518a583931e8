"""The statements of the manual, typed into psql on each face."""

from __future__ import annotations

from pathlib import Path

from tests.dblink.differential.world import World
from tests.dblink.faces.compare import same
from tests.dblink.faces.faces import Face, Original
from tests.dblink.faces.psql import Printed, Psql

SCRIPT = Path(__file__).with_name("manual.sql")
PIECES = [piece for piece in SCRIPT.read_text("utf-8").split("\n\n") if piece.strip()][1:]
"""Its paragraphs, but the first, which tells what it is."""


def _run(world: World, face: Face, program: Path) -> list[Printed]:
    world.reset_remote()
    face.reset()
    with Psql(program, face.conninfo("postgres")) as psql:
        return [psql.run(world.fill_in(piece)) for piece in PIECES]


def test_the_manual_is_answered_as_by_c_dblink(world: World, faces: list[Face], psql: Path) -> None:
    theirs = _run(world, Original(world), psql)
    for piece, printed in zip(PIECES, theirs, strict=True):
        failed = any(report["severity"] != "NOTICE" for report in printed.reports)
        assert failed == piece.startswith("-- fails"), f"{piece}\n{printed}"
    found = []
    for face in faces:
        for piece, original, own in zip(PIECES, theirs, _run(world, face, psql), strict=True):
            if not same(world.major, face, original, own):
                found.append(f"{face.name} on\n{piece}\n{original}\n{own}")
    assert not found, "\n\n".join(found)
