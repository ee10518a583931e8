"""A link's name is a connection name in every face of dblink, in psql."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import dblink
import pgwire
from dblink import shells
from dblink.gateway import running
from dblink.links import LinkCatalogue
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.faces.faces import install_python
from tests.dblink.links.kit import World, prepared
from tests.programs import run

QUERY = """
SELECT * FROM dblink('dblink_test', 'SELECT name, amount, current_user FROM item')
    AS t(name text, amount int, account text);
SELECT dblink_connect('c', 'dblink_test');
SELECT * FROM dblink('c', 'SELECT current_database()') AS t(name text);
"""
ANSWER = ["chair|3|clerk", "OK", "stock"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def link(tmp_path: Path, stack: ExitStack) -> Callable[[Cluster], None]:
    """Makes a link in the database shop of a server, for the role app as well."""

    def link(server: Cluster) -> None:
        where = str(tmp_path / "links.db")
        catalogue = stack.enter_context(LinkCatalogue(where))
        world = stack.enter_context(World(catalogue, where, server))
        world.create(roles=["app"])

    return link


def answer(conninfo: str) -> list[str]:
    return run("psql", "-X", "-At", "-d", conninfo, stdin=QUERY).stdout.splitlines()


def test_c_dblink(
    contrib_binaries: Binaries, stack: ExitStack, link: Callable[[Cluster], None]
) -> None:
    server = stack.enter_context(prepared(contrib_binaries))
    with pgwire.connect(server.conninfo("shop")) as shop:
        shop.execute("CREATE EXTENSION dblink")
    link(server)
    for role in (server.superuser, "app"):
        assert answer(server.conninfo("shop", user=role)) == ANSWER


def test_through_the_gateway(
    server: Cluster, stack: ExitStack, link: Callable[[Cluster], None]
) -> None:
    with pgwire.connect(server.conninfo("shop")) as shop:
        shells.setup(shop)
        link(server)
        with running(server.conninfo()) as gateway:
            for role in (server.superuser, "app"):
                assert answer(gateway.conninfo(dbname="shop", user=role)) == ANSWER
        stack.close()
        shells.remove(shop)


def test_in_plpython(
    plpython_binaries: Binaries, stack: ExitStack, link: Callable[[Cluster], None]
) -> None:
    server = stack.enter_context(prepared(plpython_binaries))
    with pgwire.connect(server.conninfo("shop")) as shop:
        install_python(shop, "public")
    link(server)
    for role in (server.superuser, "app"):
        assert answer(server.conninfo("shop", user=role)) == ANSWER


def test_in_python(server: Cluster, link: Callable[[Cluster], None]) -> None:
    link(server)
    for role in (server.superuser, "app"):
        with dblink.Session(server.conninfo("shop", user=role)) as session:
            session.dblink_connect("dblink_test")
            assert session.dblink("SELECT * FROM item").fetchall() == [("chair", 3)]
