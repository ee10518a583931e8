"""The database that a PL/Python function runs in, reached through SPI. Manual: 46.6 "Database
Access".

PL/Python hands out a few types as Python's own and loses their text on the way. So each row is
asked for as the text of a composite value, which holds every field as its output function wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dblink import messages
from dblink.local import TextRow
from pgwire import errors
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.compositetext import split_fields
from pgwire.types.context import Context
from pgwire.types.registry import default_registry

QUERY_CANCELED = "57014"

_QUERIED = "SELECT q.row FROM dblink_python.queried($1, $2) AS q(row)"
_FEED = "SELECT pg_catalog.pg_sleep(0)"  # the cheapest statement that looks at interrupts


class Plan(Protocol):
    """A prepared statement."""

    def execute(self, arguments: Sequence[object] = ...) -> Any:
        """Run it."""
        ...


class Plpy(Protocol):
    """What this package uses of the module `plpy`."""

    SPIError: type[Exception]

    def prepare(self, query: str, types: Sequence[str] = ...) -> Plan:
        """Prepare a statement with parameters of these types."""
        ...

    def execute(self, query: str) -> Any:
        """Run a statement."""
        ...


class Interrupted(BaseException):
    """The backend was told to give its statement up: by a CancelRequest, `statement_timeout`, …

    The backend forgets a request when it has raised its error, and PL/Python makes a Python
    exception of that. So it must not look like the failure of a query, which somebody might handle.
    `error` is what the server said.
    """

    def __init__(self, error: errors.DatabaseError) -> None:
        super().__init__(error)
        self.error = error


class SpiLocal:
    """The server's own database as the local one: see `dblink.local.Local`."""

    def __init__(self, plpy: Plpy) -> None:
        self._plpy = plpy
        self._feed: Plan | None = None

    def query(self, sql: str, params: Sequence[str | None] = ()) -> list[TextRow]:
        """See `Local.query`; `sql` is a SELECT. Raises Interrupted as well."""
        try:
            text = f"SELECT (q.*)::pg_catalog.text AS row FROM ({sql}) AS q"
            if text.isascii():
                plan = self._plpy.prepare(text, ["pg_catalog.text"] * len(params))
                rows = [row["row"] for row in plan.execute(list(params))]
            else:
                # As a value: PL/Python does not convert statements to the database's encoding.
                plan = self._plpy.prepare(_QUERIED, ["pg_catalog.text", "pg_catalog.text[]"])
                rows = [row["row"] for row in plan.execute([text, list(params)])]
        except self._plpy.SPIError as error:
            raise self._raised(error) from None
        return [
            tuple(
                None if field is None else field.decode()
                for field in split_fields("record", row.encode(), empty=False)
            )
            for row in rows
        ]

    def query_typed(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """See `Local.query_typed`."""
        context = Context(
            date_style=self.parameter("DateStyle"),
            interval_style=self.parameter("IntervalStyle"),
            time_zone=self.parameter("TimeZone"),
            unrepresentable="text",
        )
        decoders = [
            default_registry.by_oid(column.type_oid).text_decoder(context)
            for column in self._described(sql, params)
        ]
        return [
            tuple(
                None if value is None else decode(value.encode())
                for decode, value in zip(decoders, row, strict=True)
            )
            for row in self.query(sql, params)
        ]

    def describe(self, sql: str) -> tuple[Column, ...]:
        """See `Local.describe`; `sql` is a SELECT."""
        return self._described(sql, ())

    def parameter(self, name: str) -> str:
        """See `Local.parameter`."""
        rows = self.query("SELECT pg_catalog.current_setting($1, true)", (name,))
        return rows[0][0] or ""

    def set(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Set parameters to the end of the transaction. Returns what those that changed were."""
        before = {}
        for name, value in settings.items():
            current = self.parameter(name)
            if current != value:
                self.query("SELECT pg_catalog.set_config($1, $2, true)", (name, value))
                before[name] = current
        return before

    def close(self) -> None:
        """See `Local.close`: there is nothing to end."""

    def look_at_interrupts(self) -> None:
        """Let the backend act on what it has been told meanwhile. It is quick: some 0.1 ms.

        Raises Interrupted. Does not return at all if the session was terminated.
        """
        try:
            if self._feed is None:
                self._feed = self._plpy.prepare(_FEED)
            self._feed.execute()
        except self._plpy.SPIError as error:
            raise Interrupted(database_error(error)) from None

    def _described(self, sql: str, params: Sequence[str | None]) -> tuple[Column, ...]:
        try:
            plan = self._plpy.prepare(
                f"SELECT * FROM ({sql}) AS q LIMIT 0", ["pg_catalog.text"] * len(params)
            )
            result = plan.execute(list(params))
        except self._plpy.SPIError as error:
            raise self._raised(error) from None
        described = zip(result.colnames(), result.coltypes(), result.coltypmods(), strict=True)
        return tuple(Column(name, oid, modifier) for name, oid, modifier in described)

    def _raised(self, error: Exception) -> BaseException:
        said = database_error(error)
        return Interrupted(said) if said.sqlstate == QUERY_CANCELED else said


def database_error(error: Exception) -> errors.DatabaseError:
    """A `plpy.SPIError` as pgwire's error of the same SQLSTATE, message, detail and hint."""
    # The attribute sqlstate is there only for codes of the manual's list, unlike this one.
    code, detail, hint, *_ = getattr(error, "spidata", None) or (None, None, None)
    sqlstate = "XX000" if code is None else unpacked_sqlstate(code)
    return messages.make(sqlstate, str(error), detail=detail, hint=hint)


def unpacked_sqlstate(code: int) -> str:
    """The five characters that the server packs into a number, six bits each (MAKE_SQLSTATE)."""
    return "".join(chr((code >> shift & 0x3F) + ord("0")) for shift in range(0, 30, 6))
