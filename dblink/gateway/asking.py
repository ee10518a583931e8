"""The local database of a session behind the gateway: the calling function runs its queries.

So they run in the caller's transaction, with its role and its search path, as those of C dblink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dblink import messages
from dblink.foreign import LOOK_UP
from dblink.local import TextRow
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row

Ask = Callable[[str, Sequence[str | None]], list[TextRow]]
"""Has the caller run a query. Raises what interrupts the call if the caller goes away instead."""

MayUse = Callable[[str], bool]
"""Whether the caller may use a foreign server of that name, as far as the database knows it."""

_USAGE = 2  # where the answer to foreign.LOOK_UP tells of the privilege


class AskedLocal:
    """See `dblink.local.Local`."""

    def __init__(self, ask: Ask, may_use: MayUse) -> None:
        self._ask = ask
        self._may_use = may_use

    def query(self, sql: str, params: Sequence[str | None] = ()) -> list[TextRow]:
        """See `Local.query`. An error of the query is the caller's: it ends the call."""
        rows = self._ask(sql, params)
        if sql == LOOK_UP and rows and params and not self._may_use(str(params[0])):
            # What the caller tells of its privileges counts only if the database says so too.
            rows = [(*row[:_USAGE], "false", *row[_USAGE + 1 :]) for row in rows]
        return rows

    def query_typed(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """Values are converted by the caller itself."""
        raise messages.make("0A000", "a caller behind the gateway converts values by itself")

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Column lists are read by the caller's server."""
        raise messages.make("0A000", "a caller behind the gateway declares its columns by itself")

    def parameter(self, name: str) -> str:
        """The settings of the caller are not known here."""
        return ""

    def close(self) -> None:
        """Nothing is held."""
