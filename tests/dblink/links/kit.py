"""What the tests of links share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pgwire
from dblink.links import Link, LinkCatalogue, Target
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster

PASSWORD = "keys to the 'stock' \\ \"room\""

# clerk must prove who he is, on either way.
HBA = [
    "local all clerk scram-sha-256",
    "host all clerk 127.0.0.1/32 scram-sha-256",
    "local all all trust",
    "host all all 127.0.0.1/32 trust",
]
SETUP = [
    "CREATE ROLE clerk LOGIN PASSWORD $$" + PASSWORD + "$$",
    "CREATE ROLE app LOGIN",
    "CREATE ROLE keeper LOGIN",
    "CREATE DATABASE shop",
    "CREATE DATABASE stock",
]

UNDONE = """
SELECT 'server ' || srvname FROM pg_foreign_server
UNION ALL SELECT 'wrapper ' || fdwname FROM pg_foreign_data_wrapper
UNION ALL SELECT 'mapping ' || usename FROM pg_user_mappings
"""


@contextmanager
def prepared(binaries: Binaries, **options: Any) -> Iterator[Cluster]:
    """A server on which the role clerk has to give a password, and everybody else is let in."""
    with Cluster(binaries, hba=HBA, **options) as server:
        with pgwire.connect(server.conninfo()) as admin:
            for statement in SETUP:
                admin.execute(statement)
        with pgwire.connect(server.conninfo("stock")) as admin:
            admin.execute("CREATE TABLE item AS SELECT 'chair' AS name, 3 AS amount")
            admin.execute("GRANT SELECT ON item TO clerk")
        yield server


class World:
    """A catalogue with the clusters pc-a and pc-b, whose databases are shop and stock."""

    def __init__(self, catalogue: LinkCatalogue, where: str, server: Cluster) -> None:
        self.catalogue = catalogue
        self.where = where
        self.server = server

    def __enter__(self) -> World:
        self._before = self.left()
        conninfo = self.server.conninfo()
        for name in ("pc-a", "pc-b"):
            self.catalogue.add_cluster(name, region="cn-hangzhou", account="a1", conninfo=conninfo)
        return self

    def __exit__(self, *exception: object) -> None:
        for link in self.catalogue.links():
            self.catalogue.delete_link(link.cluster, link.name)
        assert self.left() == self._before

    def left(self, database: str = "shop") -> list[str]:
        """What links leave in a database, as words."""
        with pgwire.connect(self.server.conninfo(database)) as admin:
            return [row[0] for row in admin.query(UNDONE)]

    def create(self, name: str = "dblink_test", cluster: str = "pc-a", **options: Any) -> Link:
        """Make a link from shop to stock as clerk."""
        options.setdefault("database", "shop")
        options.setdefault("target", Target("stock", "clerk", cluster="pc-b"))
        options.setdefault("password", PASSWORD)
        return self.catalogue.create_link(cluster, name, **options)
