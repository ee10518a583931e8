"""A catalogue in a SQLite file: the default, for one machine."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from dblink.links.store import TABLES, StoreError, Transaction, check_version

_BUSY: Final = 30.0
"""Seconds to wait for the writer before."""


class SqliteStore:
    """A store in a file. Each transaction has a connection of its own, so that any thread may
    begin one.

    The file is made so that its owner alone can read it: secrets of access keys are in it, and
    maybe those of maintenance roles.
    """

    def __init__(self, path: Path) -> None:
        """Raises StoreError if the file cannot be used, or can be read by others."""
        self._path = path
        self._prepare()

    def __repr__(self) -> str:
        return f"<SqliteStore {self._path}>"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Store.transaction`."""
        try:
            connected = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None)
            with closing(connected) as connection:
                connection.execute("PRAGMA foreign_keys = on")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield _SqliteTransaction(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"the catalogue {self._path}: {error}") from error

    def close(self) -> None:
        """See `Store.close`: nothing is open between transactions."""

    def _prepare(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"the catalogue {self._path}: {error.strerror}") from error
        mode = os.fstat(descriptor).st_mode
        os.close(descriptor)
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreError(
                f"the catalogue {self._path} can be read by others: its permissions must be "
                "u=rw (0600)"
            )
        with self.transaction() as transaction:
            for statement in TABLES:
                transaction.query(statement)
            check_version(transaction)


class _SqliteTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Transaction.query`."""
        # To SQLite, $1 is the parameter whose name is 1.
        named = {str(n): value for n, value in enumerate(params, 1)}
        return self._connection.execute(sql, named).fetchall()
