"""The cursors of dblink_open, and the transaction that dblink began for them.

C dblink counts opens and closes, and so may commit a transaction that is the user's, or leave its
own open. Here the books are kept by name, and before a COMMIT the server is asked which of the
cursors are really open, and whether the transaction is still the one that dblink began.
"""

from __future__ import annotations

from collections.abc import Sequence

from dblink.names import first_identifier

BEGIN = (
    "BEGIN; SELECT EXTRACT(EPOCH FROM pg_catalog.transaction_timestamp())"
    "::pg_catalog.numeric::pg_catalog.text"
)
"""Begins a transaction and tells what it is known by: when it began, to the microsecond."""

STILL_OPEN = (
    "SELECT EXTRACT(EPOCH FROM pg_catalog.transaction_timestamp())"
    "::pg_catalog.numeric::pg_catalog.text, c.name"
    " FROM (VALUES (1)) AS one(row) LEFT JOIN pg_catalog.pg_cursors AS c ON true"
)
"""The transaction and the open cursors: at least one row."""


class Cursors:
    """The books of one connection. `began` is the mark of the transaction that dblink began and
    that has not ended yet; None if there is no such transaction."""

    __slots__ = ("_names", "began")

    def __init__(self) -> None:
        self.began: str | None = None
        self._names: set[str] = set()

    def opened(self, cursor: str) -> None:
        """Note a cursor that dblink_open has declared; `cursor` is the text that it was given."""
        if self.began is not None:
            self._names.add(first_identifier(cursor))

    def after_query(self, transaction_status: str, tags: Sequence[str]) -> None:
        """Note what the user's own statements did: their command tags, and the status after."""
        ended = transaction_status == "I" or "COMMIT" in tags or "PREPARE TRANSACTION" in tags
        if ended:
            self.began = None
            self._names.clear()

    def may_commit(self, rows: Sequence[tuple[str | None, ...]]) -> bool:
        """Whether the transaction is dblink's own and none of its cursors is open any more, by
        the `rows` of STILL_OPEN; if the transaction is another one, it is the user's."""
        if not rows or rows[0][0] != self.began:
            self.began = None
            self._names.clear()
            return False
        self._names &= {name for _, name in rows if name is not None}
        return not self._names
