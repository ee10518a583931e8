"""The seam to the local database: the one that C dblink would run in.

Foreign servers, privileges, primary keys, the statement builders and the conversion to declared
types ask it. This is all that they may ask; a session inside a server, or in front of one,
brings its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pgwire
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row

TextRow = tuple[str | None, ...]


class Local(Protocol):
    """What a session needs of the local database."""

    def query(self, sql: str, params: Sequence[str | None] = ()) -> list[TextRow]:
        """Run one statement with parameters $1, $2, … as text; rows as the server's text.

        Raises `pgwire.DatabaseError` with the server's SQLSTATE, message, detail and hint.
        """
        ...

    def query_typed(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """Like `query`, with Python values; as `str` what no Python class can hold (infinity)."""
        ...

    def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns that the statement `sql` would return. Raises as `query` does."""
        ...

    def parameter(self, name: str) -> str:
        """The current value of a parameter that the server reports (`DateStyle`, …)."""
        ...

    def close(self) -> None:
        """End it, if it was opened for the session."""
        ...


class PgwireLocal:
    """A local database reached through a `pgwire.Connection`."""

    def __init__(self, connection: pgwire.Connection, *, owned: bool) -> None:
        """`owned`: the connection was opened for the session and is closed with it."""
        self.connection = connection
        self._owned = owned

    def query(self, sql: str, params: Sequence[str | None] = ()) -> list[TextRow]:
        """See `Local.query`."""
        return self.connection.query_text(sql, params)

    def query_typed(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """See `Local.query_typed`."""
        chosen = self.connection.unrepresentable
        self.connection.unrepresentable = "text"
        try:
            return self.connection.query(sql, params).rows
        finally:
            self.connection.unrepresentable = chosen

    def describe(self, sql: str) -> tuple[Column, ...]:
        """See `Local.describe`."""
        return self.connection.describe(sql)

    def parameter(self, name: str) -> str:
        """See `Local.parameter`."""
        return self.connection.info.parameters.get(name, "")

    def close(self) -> None:
        """See `Local.close`."""
        if self._owned:
            self.connection.close()


def open_local(local: str | pgwire.Connection | Local | None) -> Local | None:
    """The local database that `Session(local=...)` was given."""
    if isinstance(local, str):
        return PgwireLocal(pgwire.connect(local), owned=True)
    if isinstance(local, pgwire.Connection):
        return PgwireLocal(local, owned=False)
    return local
