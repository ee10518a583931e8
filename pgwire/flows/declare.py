"""Declaring a cursor. Manual: DECLARE, and 54.2.3 Describe."""

from __future__ import annotations

from collections.abc import Sequence

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.prepared import settle
from pgwire.flows.query import columns_of
from pgwire.protocol import backend
from pgwire.protocol.frontend import Bind, Describe, Execute, Parse, Sync
from pgwire.rows.column import Column


def declare(
    channel: Channel,
    sql: str,
    cursor: str,
    oids: Sequence[int],
    formats: Sequence[int],
    values: Sequence[bytes | None],
) -> Flow[tuple[Column, ...]]:
    """Run `sql`, which declares `cursor`; the columns of its rows. Raises the server's error.

    A cursor is a portal: so its columns are asked for in the same flight.
    """
    yield channel.send(
        Parse(b"", channel.encode(sql, "the query"), oids),
        Bind(b"", b"", formats, values, ()),
        Execute(b"", 0),
        Describe(b"P", channel.encode(cursor, "the name of the cursor")),
        Sync(),
    )
    columns: tuple[Column, ...] = ()
    while True:
        kind, start, end = yield from channel.receive()
        message = channel.decode(kind, start, end)
        if isinstance(message, backend.RowDescription):
            columns = columns_of(channel, message)
        elif isinstance(message, backend.ErrorResponse):
            error = errors.from_diagnostics(channel.diagnostics(message.fields))
            yield from settle(channel)
            raise error
        elif isinstance(message, backend.ReadyForQuery):
            return columns
