"""Where the clients of these tests connect to, and what they find there."""

from __future__ import annotations

from typing import NamedTuple

FAR = "clients_far"
NEAR = "clients_near"

FAR_TABLES = """
    CREATE TABLE stock (item text PRIMARY KEY, amount int, price numeric(10,2), tags text[]);
    INSERT INTO stock VALUES
        ('chair', 120, 49.90, '{wood,"four legs"}'), ('lamp', 35, 24.50, '{}'),
        ('table', 18, 199, NULL);
"""
NEAR_TABLES = """
    CREATE TABLE orders (id int PRIMARY KEY, item text, ordered timestamptz);
    INSERT INTO orders VALUES (1, 'lamp', '2026-05-19 12:00Z'), (2, 'chair', NULL);
"""

STOCK = "dblink('far', 'SELECT * FROM stock ORDER BY item') AS s(item text, amount int, {more})"


class Place(NamedTuple):
    """A database behind a gateway, and the remote one that dblink connects to."""

    host: str
    port: int
    user: str
    #: Of the database `FAR`, without an apostrophe in it.
    far: str
    dbname: str = NEAR

    def conninfo(self) -> str:
        """As a connection string for libpq."""
        return f"host={self.host} port={self.port} user={self.user} dbname={self.dbname}"

    @property
    def connect(self) -> str:
        """The statement that opens the connection `far`."""
        return f"SELECT dblink_connect('far', '{self.far}')"

    def programs(self) -> dict[str, str]:
        """The environment that leads libpq's programs here."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": self.dbname,
        }
