"""Where a catalogue is kept: what it asks of a store, and which store a name means.

A store is a few tables and one writer at a time. Both kinds, a SQLite file and a PostgreSQL
database, understand the same SQL, so the statements stand once, in `dblink.links.records`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

VERSION: Final = 1
"""Version of the tables."""

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS setting (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cluster ("
    " id text PRIMARY KEY, region text NOT NULL, account text NOT NULL,"
    " conninfo text NOT NULL, roles text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS link ("
    " id text PRIMARY KEY, cluster text NOT NULL REFERENCES cluster (id), name text NOT NULL,"
    " source_db text NOT NULL, target_db text NOT NULL, target_account text NOT NULL,"
    " target_cluster text REFERENCES cluster (id), target_address text, target_port integer,"
    " target_vpc text, roles text NOT NULL, state text NOT NULL, created text NOT NULL,"
    " resource_group text, checked text, latency double precision, problem text,"
    " UNIQUE (cluster, name))",
    "CREATE TABLE IF NOT EXISTS client_token ("
    " account text NOT NULL, token text NOT NULL, request text NOT NULL, link text NOT NULL,"
    " made text NOT NULL, PRIMARY KEY (account, token))",
    "CREATE TABLE IF NOT EXISTS access_key ("
    " id text PRIMARY KEY, secret text NOT NULL, account text NOT NULL, policies text NOT NULL,"
    " active integer NOT NULL, created text NOT NULL, note text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS nonce ("
    " access_key text NOT NULL, nonce text NOT NULL, until text NOT NULL,"
    " PRIMARY KEY (access_key, nonce))",
)
"""No password of a link has a place here: those are in user mappings of source databases only.
Times are text, in UTC and of one form; lists and documents are JSON."""


class StoreError(Exception):
    """The store cannot be used. Its text holds no secret."""


class Transaction(Protocol):
    """A transaction that nobody else writes beside."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement with parameters $1, $2, …: str, int, float or None. Its rows."""
        ...


class Store(Protocol):
    """Where a catalogue is kept."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A block that is done as a whole, lastingly, or not at all. The transactions of all
        processes follow each other. Raises StoreError."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


_CONNINFO: Final = re.compile(r"postgres(ql)?://|[a-z_]+\s*=")


def is_conninfo(text: str) -> bool:
    """Whether `text` is a connection string, not the name of a file."""
    return _CONNINFO.match(text) is not None


def open_store(where: str | Path | Store) -> Store:
    """The store that `where` means: a connection string, else the path of a SQLite file, which is
    made if it does not exist. Raises StoreError."""
    if isinstance(where, str) and is_conninfo(where):
        from dblink.links.postgres import PostgresStore

        return PostgresStore(where)
    if isinstance(where, str | Path):
        from dblink.links.sqlite import SqliteStore

        return SqliteStore(Path(where))
    return where


def check_version(transaction: Transaction) -> None:
    """Write the version into a new store. Raises StoreError if it is of a newer program."""
    found = transaction.query("SELECT value FROM setting WHERE name = 'version'")
    if not found:
        transaction.query(
            "INSERT INTO setting (name, value) VALUES ('version', $1)", (str(VERSION),)
        )
    elif int(found[0][0]) > VERSION:
        raise StoreError(
            f"the catalogue is of version {found[0][0]}, this program knows version {VERSION}: "
            "use a newer one"
        )
