"""Local databases of other encodings than the remote one's UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dblink.differential.world import World
from tests.dblink.faces.compare import at_once, same
from tests.dblink.faces.faces import Face, Original
from tests.dblink.faces.psql import Printed, Psql

_CALLS = (
    "SELECT dblink_connect('né', '<remote>')",
    "SELECT dblink_get_connections()",
    "SELECT * FROM dblink('né', 'select ''é'', length(''éé'')') AS t(\"ä\" text, b int)",
    "SELECT dblink_exec('né', 'select é')",
    "SELECT dblink_exec('né', 'selec é', false)",
    "SELECT dblink_error_message('né')",
    "SELECT a, length(a) FROM dblink('né', 'select chr(233)') AS t(a varchar(3))",
    "SELECT count(*), max(a) = repeat('é', 2000) FROM"
    " dblink('né', 'select repeat(chr(233), 2000) from generate_series(1, 1000)') AS t(a text)",
    "BEGIN ISOLATION LEVEL REPEATABLE READ;"
    " SELECT * FROM dblink('né', 'select ''é''') AS t(a text); COMMIT",
    "SELECT dblink_build_sql_insert('\"Tä\"', '1', 1, '{é}', '{ü}')",
    "SELECT * FROM dblink_get_pkey('\"Tä\"')",
    "SELECT dblink_send_query('né', 'select ''é''')",
    "SELECT * FROM dblink_get_result('né') AS t(a text)",
    "SELECT * FROM dblink_get_result('né') AS t(a text)",
    "SELECT dblink_disconnect('ü')",
)

_TABLE = 'CREATE TABLE "Tä"("ö" text PRIMARY KEY); INSERT INTO "Tä" VALUES (\'é\');'

_EURO = "do $$ begin raise exception '%', chr(8364); end $$"
_UNTRANSLATABLE = (
    "SELECT * FROM dblink('né', 'select chr(8364)') AS t(a text)",
    "SELECT * FROM dblink('né', 'select chr(8364), repeat(''x'', 1000)"
    " from generate_series(1, 1000)') AS t(a text, b text)",
    f"SELECT dblink_exec('né', $q${_EURO}$q$)",
    f"SELECT dblink_exec('né', $q${_EURO}$q$, false)",
)


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_encodings(world: World, faces: list[Face], psql: Path, encoding: str) -> None:
    world.reset_remote()

    def run(face: Face) -> tuple[list[Printed], list[Printed]]:
        face.make_database(encoding.lower(), encoding)
        with Psql(psql, face.conninfo("postgres", encoding.lower()), "-A") as session:
            assert not session.run(_TABLE).reports
            told = [session.run(world.fill_in(f"{call};")) for call in _CALLS]
            return told, [session.run(f"{call};") for call in _UNTRANSLATABLE]

    (theirs, refused), *others = at_once(run, [Original(world), *faces])
    for face, (ours, ours_refused) in zip(faces, others, strict=True):
        for call, original, own in zip(_CALLS, theirs, ours, strict=True):
            assert same(world.major, face, original, own), f"{face.name}: {call}\n{original}\n{own}"
        if encoding == "SQL_ASCII":  # which holds everything
            assert not ours_refused[0].reports
            continue
        for original, own in zip(refused, ours_refused, strict=True):
            for printed in original, own:
                (report,) = printed.reports
                assert report["sqlstate"] == "22P05", printed
            assert "dblink connection" in str(original.reports[0]["context"])
            assert own.reports[0]["severity"] == "ERROR"
            if face.contexts:
                assert own.reports[0]["context"] is None
