"""The password of a link is in the source's user mappings, and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.links import LinkCatalogue, LinkError, Target
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.links.kit import World, prepared

# A word that no escaping changes, so that it is found in whatever form it is written.
SECRET = "opensesame"


@pytest.fixture(scope="module")
def talkative(binaries: Binaries) -> Iterator[Cluster]:
    """A server that logs whatever it is asked."""
    settings = {
        "log_statement": "all",
        "log_min_duration_statement": 0,
        "log_min_error_statement": "debug5",
        "log_min_messages": "debug1",
        "log_error_verbosity": "verbose",
    }
    with prepared(binaries, settings=settings) as server:
        with pgwire.connect(server.conninfo()) as admin:
            admin.execute("SET log_statement = none")
            admin.execute("SET log_min_duration_statement = -1")
            admin.execute(f"ALTER ROLE clerk PASSWORD '{SECRET}'")
        yield server


@pytest.fixture
def loud(talkative: Cluster, where: str) -> Iterator[World]:
    with LinkCatalogue(where) as catalogue, World(catalogue, where, talkative) as world:
        yield world


def stored(where: str, server: Cluster) -> str:
    """Everything in a store, as text."""
    if not where.startswith("host="):
        found = b"".join(path.read_bytes() for path in Path(where).parent.glob("links.db*"))
        return found.decode("latin-1")
    with pgwire.connect(where) as connection:
        tables = [
            row[0]
            for row in connection.query(
                "SELECT quote_ident(relname) FROM pg_class"
                " WHERE relnamespace = 'dblink_links'::regnamespace AND relkind = 'r'"
            )
        ]
        assert len(tables) == 6
        return "".join(
            str(connection.query_text(f"SELECT t FROM dblink_links.{table} AS t"))
            for table in tables
        )


def test_after_every_request(
    loud: World, server: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = loud.create(password=SECRET, client_token="t1", roles=["app"])
    loud.catalogue.test_link("pc-a", "dblink_test")
    restarted = loud.catalogue.restart_link("pc-a", "dblink_test")
    shown = [repr(link), repr(restarted), repr(loud.catalogue), repr(loud.catalogue.clusters())]
    with pytest.raises(LinkError):
        loud.create("other", password=SECRET, target=Target("no", "clerk", cluster="pc-b"))
    with pytest.raises(LinkError):
        loud.create("other", password=SECRET, roles=["nobody"])
    shown += [stored(loud.where, server), caplog.text, *loud.server.log().splitlines()]
    assert [text for text in shown if SECRET in text] == []
    with pgwire.connect(loud.server.conninfo("shop")) as shop:
        assert SECRET in str(shop.query("SELECT umoptions FROM pg_user_mappings").rows)


def test_when_the_source_fails_with_it_in_its_hands(loud: World) -> None:
    # The statement that has it fails: its text must not be told.
    with pgwire.connect(loud.server.conninfo("shop")) as shop:
        shop.execute(
            "CREATE FUNCTION fail() RETURNS event_trigger LANGUAGE plpgsql AS"
            " $$BEGIN IF tg_tag = 'CREATE USER MAPPING' THEN RAISE 'no mappings'; END IF; END$$"
        )
        shop.execute("CREATE EVENT TRIGGER fail ON ddl_command_end EXECUTE FUNCTION fail()")
        try:
            with pytest.raises(LinkError, match="no mappings") as caught:
                loud.create(password=SECRET)
        finally:
            shop.execute("DROP EVENT TRIGGER fail")
            shop.execute("DROP FUNCTION fail")
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert SECRET not in loud.server.log()
    assert loud.left() == []


def test_a_role_without_rights_sends_it_as_a_parameter_only(loud: World) -> None:
    """A maintenance role that is no superuser cannot keep a server from logging parameters; in
    statements, which views and logs show to more people, the password is not."""
    with pgwire.connect(loud.server.conninfo("shop")) as shop:
        shop.execute("CREATE FOREIGN DATA WRAPPER dblink_fdw")
        shop.execute("GRANT USAGE ON FOREIGN DATA WRAPPER dblink_fdw TO keeper")
    with pgwire.connect(loud.server.conninfo()) as admin:
        for name, value in (("log_statement", "ddl"), ("log_min_duration_statement", -1)):
            admin.execute(f"ALTER ROLE keeper SET {name} = '{value}'")
    loud.catalogue.change_cluster("pc-a", conninfo=loud.server.conninfo(user="keeper"))
    before = len(loud.server.log())
    loud.create(password=SECRET, roles=["app"])
    loud.catalogue.restart_link("pc-a", "dblink_test")
    loud.catalogue.delete_link("pc-a", "dblink_test")
    assert SECRET not in loud.server.log()[before:]
    with pgwire.connect(loud.server.conninfo("shop")) as shop:
        shop.execute("DROP FOREIGN DATA WRAPPER dblink_fdw")


def test_a_connection_string_is_not_shown(tmp_path: Path) -> None:
    with LinkCatalogue(tmp_path / "links.db") as catalogue:
        cluster = catalogue.add_cluster(
            "pc-a", region="cn-hangzhou", account="a1", conninfo=f"host=h password={SECRET}"
        )
        assert SECRET not in repr(cluster)
        with pytest.raises(LinkError) as caught:
            catalogue.change_cluster("pc-a", conninfo=f"host=h password={SECRET} {SECRET}")
        assert SECRET not in str(caught.value)
        key = catalogue.add_access_key("a1")
        assert key.secret not in repr(key)
        assert key.secret not in repr(catalogue.access_keys())


def test_a_store_in_a_database_does_not_show_its_password(server: Cluster) -> None:
    where = server.conninfo(password=SECRET)
    with LinkCatalogue(where) as catalogue:
        assert SECRET not in repr(catalogue)
    with pgwire.connect(server.conninfo()) as admin:
        admin.execute("SET client_min_messages = warning")
        admin.execute("DROP SCHEMA dblink_links CASCADE")
