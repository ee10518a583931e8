"""Each place of `places.py`, in each mode of `modes.py`, with small answers and large ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.dblink.differential.world import World
from tests.dblink.faces.compare import at_once, same
from tests.dblink.faces.faces import Face, Original
from tests.dblink.faces.modes import MODES
from tests.dblink.faces.places import PLACES, SETUP, SIZES, Place
from tests.dblink.faces.psql import Printed, Psql

MODES_OF_PYTHON = (
    "no transaction block",
    "repeatable read",
    "serializable, read only",
    "savepoints",
    "exception blocks",
)
"""Enough for PL/Python: nothing of it depends on what a snapshot hides."""


def _run(
    world: World, face: Face, program: Path, size: str, places: Sequence[Place], mode: str
) -> list[Printed]:
    face.reset()

    def text(sql: str) -> str:
        return world.fill_in(sql.replace("<query>", SIZES[size])).replace(
            "debug_parallel", "debug_parallel_query" if world.major >= 16 else "force_parallel_mode"
        )

    with Psql(program, face.conninfo("postgres"), "-A") as psql:
        made = psql.run(text("\n".join(SETUP)))
        assert not made.reports, made
        return [psql.run(text(MODES[mode](place.statements))) for place in places]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_each_place_is_as_with_c_dblink(
    world: World, faces: list[Face], psql: Path, mode: str, size: str
) -> None:
    places = [place for place in PLACES if size == "small" or not place.once]
    compared = [face for face in faces if face.name == "gateway" or mode in MODES_OF_PYTHON]
    theirs, *others = at_once(
        lambda face: _run(world, face, psql, size, places, mode), [Original(world), *compared]
    )
    if mode == "read committed":
        for place, printed in zip(places, theirs, strict=True):
            failed = any(report["severity"] == "ERROR" for report in printed.reports)
            assert failed == place.fails, f"{place.name}: {printed}"
    found = []
    for face, ours in zip(compared, others, strict=True):
        for place, original, own in zip(places, theirs, ours, strict=True):
            if not same(world.major, face, original, own):
                found.append(f"{face.name}, {place.name}:\n{original}\n{own}")
    assert not found, "\n\n".join(found)
