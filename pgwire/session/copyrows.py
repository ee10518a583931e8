"""Typed rows out of a COPY TO STDOUT in binary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pgwire import errors
from pgwire.net.clock import deadline_after
from pgwire.rows.column import Column
from pgwire.session.copying import Copying, OpenCopy, Table
from pgwire.session.core import ReplyT, TransportT
from pgwire.session.steps import Command

if TYPE_CHECKING:
    from pgwire.copying.binaryreader import BinaryReader
    from pgwire.flows.copy import CopyOut
    from pgwire.rows.factories import RowFactory

__all__ = ["OpenRowCopy"]


class OpenRowCopy(OpenCopy[TransportT, ReplyT]):
    """A COPY TO STDOUT whose rows are read as they come: its commands, for the faces."""

    def __init__(
        self,
        session: Copying[TransportT, ReplyT],
        source: Table,
        columns: Sequence[str] | None,
        factory: RowFactory[Any] | None,
        timeout: float | None,
    ) -> None:
        super().__init__(session, "", None, timeout)
        self._source = source
        self._names = columns
        self._factory = factory
        self._reader: BinaryReader | None = None
        self.columns: tuple[Column, ...] = ()

    def start(self) -> Command[CopyOut]:
        """Start it, if it has not been: ask for the types, then for the rows."""
        if self.copy is not None:
            return self.copy
        session = self._session
        deadline = deadline_after(self._timeout)
        self._sql = yield from self._statement()
        copy = yield from super().start()
        copy.deadline = deadline
        if not copy.format or len(copy.column_formats) != len(self.columns):
            yield from self.end()
            raise errors.ProgrammingError(
                f"the COPY gives {len(copy.column_formats)} columns where {len(self.columns)} were "
                "described: has the table been altered in between?"
            )
        from pgwire.copying.binaryreader import BinaryReader

        self._reader = BinaryReader(self.columns, session.registry, session.context)
        return copy

    def next_rows(self) -> Command[Sequence[Any] | None]:
        """The rows that have come; None at their end. Raises what went wrong."""
        copy = yield from self.start()
        assert self._reader is not None
        rows = yield from self._part(self._reader.read(copy))
        if rows is None or self._factory is None:
            return rows
        from pgwire.rows.factories import make_rows

        made: Sequence[Any] = make_rows(self._factory, self.columns, rows)
        return made

    def _statement(self) -> Command[str]:
        from pgwire.copying.statements import (
            copy_out_statement,
            plain_name,
            relation,
            select_as_binary,
        )

        session = self._session
        session._check_ready()
        source = self._source
        if isinstance(source, str) and not plain_name(source):
            if self._names is not None:
                raise errors.ProgrammingError(
                    "columns can be chosen of a table only, not of a query"
                )
            found = list((yield from session._describe(source)))
            what, names = f"({source}\n)", None
        else:
            table = relation(source)
            found = yield from session._columns_to_copy(table, self._names, None)
            what, names = table.sql, self._names
        if not found and what.startswith("("):
            raise errors.ProgrammingError("the query returns no rows that could be copied")
        self.columns, casts = select_as_binary(found, session.registry)
        return copy_out_statement(what, names, found, casts)
