"""A catalogue in a PostgreSQL database, for a team: in the schema `dblink_links`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import pgwire
from dblink.links.store import TABLES, StoreError, Transaction, check_version
from pgwire import conninfo, errors

SCHEMA: Final = "dblink_links"

_LOCK: Final = 0x64626C696E6B73  # "dblinks"
"""Key of the advisory lock by which transactions follow each other. Manual: 13.3.5."""

_IDLE: Final = 8
"""Connections that are kept for later."""

_TIMEOUT: Final = 30
"""Seconds to wait for the writer before, and for any statement."""

_CANCELED: Final = "57014"  # by statement_timeout

_BEGIN: Final = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    f"SET LOCAL search_path = {SCHEMA}, pg_temp",
    f"SET LOCAL statement_timeout = '{_TIMEOUT}s'",
    "SET LOCAL client_min_messages = warning",
    f"SELECT pg_catalog.pg_advisory_xact_lock({_LOCK})",
)


class PostgresStore:
    """A store in a database, whose role must own, or be able to create, the schema."""

    def __init__(self, where: str) -> None:
        """`where`: a connection string. Raises StoreError if the database cannot be used, or is
        not writable."""
        self._where = where
        self._idle: list[pgwire.Connection] = []
        self._lock = threading.Lock()
        with self._errors(), self._begun() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            for statement in TABLES:
                connection.execute(statement)
            check_version(_PostgresTransaction(connection))

    def __repr__(self) -> str:
        return f"<PostgresStore {conninfo.redact(self._where)}>"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Store.transaction`."""
        with self._errors(), self._begun() as connection:
            yield _PostgresTransaction(connection)

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except pgwire.Error as error:
            raise StoreError(f"the catalogue's database: {error.message}") from error

    @contextmanager
    def _begun(self) -> Iterator[pgwire.Connection]:
        connection = self._begin()
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # Whatever it was, closing is the surest way to roll back.
            connection.close()
            raise
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _begin(self) -> pgwire.Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            try:  # the server may have ended it since
                return _begin(connection)
            except errors.OperationalError as error:
                with suppress(pgwire.Error):
                    connection.close()
                if error.sqlstate == _CANCELED:
                    raise
        connection = pgwire.connect(
            self._where, fallback_application_name="dblink links", connect_timeout=_TIMEOUT
        )
        try:
            return _begin(connection)
        except BaseException:
            connection.close()
            raise


def _begin(connection: pgwire.Connection) -> pgwire.Connection:
    connection.query_all("; ".join(_BEGIN))
    return connection


class _PostgresTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: pgwire.Connection) -> None:
        self._connection = connection

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Transaction.query`."""
        return self._connection.query(sql, list(params)).rows
