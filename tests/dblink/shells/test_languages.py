"""Declared types are learned from the server's messages, in whatever language it says them."""

from __future__ import annotations

from pathlib import Path

import pytest

import pgwire
from dblink import shells
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.shells.scripted import ScriptedGateway

DEBIAN = Path("/usr/lib/postgresql/15/bin")
TRANSLATIONS = Path("/usr/share/locale")

# In the first the position comes before the types, in the second between them.
LANGUAGES = {"ja": "0 による除算が行われました", "de": "Division durch Null"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_of_messages_does_not_matter(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (DEBIAN / "postgres").exists():
        pytest.skip(f"no server with translations: {DEBIAN} is not there")
    if not (TRANSLATIONS / language / "LC_MESSAGES" / "postgres-15.mo").exists():
        pytest.skip(f"the server's messages are not installed in the language {language}")
    monkeypatch.setenv("LANGUAGE", language)
    with Cluster(Binaries(DEBIAN), settings={"lc_messages": "C.UTF-8"}) as cluster:
        with pgwire.connect(cluster.conninfo()) as connection:
            with pytest.raises(pgwire.DatabaseError) as caught:
                connection.query("SELECT 1/0")
            assert caught.value.message == LANGUAGES[language]
            shells.setup(connection)
        with ScriptedGateway(cluster.conninfo()) as gateway:
            call = """SELECT * FROM dblink('[["1","abc","2.25"]]')
                      AS t(a int, b varchar(5), "c 2 (3) »x«" numeric(3,1))"""
            for _ in range(2):
                ((a, b, c),) = gateway.query(call)
                assert (a, b, str(c)) == (1, "abc", "2.3")
