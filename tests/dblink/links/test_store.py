"""Both kinds of stores behave alike."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from dblink.links import LinkCatalogue, StoreError
from dblink.links.sqlite import SqliteStore
from dblink.links.store import is_conninfo, open_store
from pgwire.testing.cluster import Cluster


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("links.db", False),
        ("/var/lib/dblink/links.db", False),
        ("./host=here", False),
        ("postgresql://db.example/links", True),
        ("postgres://", True),
        ("host=db.example dbname=links", True),
        ("service = links", True),
    ],
)
def test_which_is_meant(text: str, kind: bool) -> None:
    assert is_conninfo(text) is kind


def test_a_block_is_done_as_a_whole_or_not_at_all(where: str) -> None:
    store = open_store(where)
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        transaction.query("INSERT INTO setting (name, value) VALUES ('a', 'b')")
        raise ZeroDivisionError
    with store.transaction() as transaction:
        assert not transaction.query("SELECT 1 FROM setting WHERE name = 'a'")
        transaction.query("INSERT INTO setting (name, value) VALUES ($1, $2)", ("a", "b"))
    store.close()
    with closing(open_store(where)) as store, store.transaction() as transaction:
        assert transaction.query("SELECT value FROM setting WHERE name = $1", ("a",)) == [("b",)]


def test_blocks_follow_each_other(where: str) -> None:
    store = open_store(where)
    with store.transaction() as transaction:
        transaction.query("INSERT INTO setting (name, value) VALUES ('n', '0')")

    def count() -> None:
        for _ in range(10):
            with closing(open_store(where)) as own, own.transaction() as transaction:
                ((n,),) = transaction.query("SELECT value FROM setting WHERE name = 'n'")
                transaction.query(
                    "UPDATE setting SET value = $1 WHERE name = 'n'", (str(int(n) + 1),)
                )

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.transaction() as transaction:
        assert transaction.query("SELECT value FROM setting WHERE name = 'n'") == [("40",)]
    store.close()


def test_a_store_of_a_newer_program(where: str) -> None:
    with LinkCatalogue(where) as catalogue, catalogue._store.transaction() as transaction:
        transaction.query("UPDATE setting SET value = '2' WHERE name = 'version'")
    with pytest.raises(StoreError, match="version 2"):
        LinkCatalogue(where)


def test_values_come_back(where: str) -> None:
    """Whatever a catalogue is told, in either kind."""
    with LinkCatalogue(where) as catalogue:
        numbers = iter(range(10000))

        @given(
            note=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            roles=st.lists(st.text("aé'\"\\ $1{}[],", min_size=1, max_size=9), unique=True),
        )
        def come_back(note: str, roles: list[str]) -> None:
            key = catalogue.add_access_key("a1", note=note)
            assert catalogue.access_key(key.id) == key
            name = f"c{next(numbers)}"
            cluster = catalogue.add_cluster(
                name, region="cn-hangzhou", account="a1", conninfo="host=h", roles=roles
            )
            assert catalogue.cluster(name) == cluster

        come_back()


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no database at all, but long enough to look like one" * 100)
    (tmp_path / "notes").chmod(0o600)
    with pytest.raises(StoreError, match="notes: file is not a database"):
        LinkCatalogue(tmp_path / "notes")
    with pytest.raises(StoreError, match=r"notes/links\.db"):
        LinkCatalogue(tmp_path / "notes" / "links.db")


@pytest.mark.skipif(os.name != "posix", reason="permissions of files are POSIX's")
def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "links.db"
    SqliteStore(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(StoreError, match="0600"):
        SqliteStore(path)


def test_a_file_that_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "links.db"
    store = SqliteStore(path)
    monkeypatch.setattr("dblink.links.sqlite._BUSY", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"), store.transaction():
        pass
    other.close()


def test_a_database_that_is_gone(server: Cluster) -> None:
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("CREATE DATABASE passing")
        store = open_store(server.conninfo("passing"))
        with store.transaction():
            pass
        end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        admin.query(f"{end} WHERE datname = 'passing'")
        with store.transaction() as transaction:  # a new connection takes the place of the old
            assert transaction.query("SELECT 1") == [(1,)]
        admin.execute("DROP DATABASE passing WITH (FORCE)")
        with pytest.raises(StoreError, match="passing"), store.transaction():
            pass
        store.close()


def test_a_role_that_may_not_make_the_schema(server: Cluster) -> None:
    with pytest.raises(StoreError, match="permission denied"):
        open_store(server.conninfo("shop", user="keeper"))
