"""Queries: one result, or several, or a reply that is read as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pgwire import errors
from pgwire.flows import RECEIVE, Flow, untouched
from pgwire.flows.prepared import PreparedQuery
from pgwire.flows.query import Exchange, describe, extended_query, skip
from pgwire.flows.simple import SimpleQuery
from pgwire.net.clock import Deadline, deadline_after
from pgwire.reading import Reading
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.session.core import Core, ReplyT, TransportT, expired
from pgwire.session.steps import Command, Run

if TYPE_CHECKING:
    from pgwire.rows.factories import RowFactory

_T = TypeVar("_T")

CHUNK_ROWS = 1000
"""Rows that a stream and a cursor ask for at a time."""


class Queries(Core[TransportT, ReplyT]):
    """The commands that run a query."""

    def _send(
        self, sql: str, params: Sequence[object] | None, timeout: float | None
    ) -> Command[ReplyT]:
        self._check_ready()
        deadline = deadline_after(timeout)
        exchange: Exchange
        if params is None:
            exchange = SimpleQuery(self._channel, sql, self.registry)
        else:
            types, formats, values = self._encode_parameters(params)
            exchange = extended_query(self._channel, sql, types, values, formats)
        self._current = reply = self._new_reply(exchange, deadline)
        try:
            yield from self._run(exchange.send(), deadline)
        except errors.InterfaceError:
            self._current = None  # somebody else is using the connection: nothing has been sent
            raise
        except BaseException as error:
            yield from self._resynchronise()
            self._current = None  # refused, or undone
            if isinstance(error, errors.TimeoutExpired):
                raise expired(timeout) from None
            raise
        return reply

    def _query(
        self,
        sql: str,
        params: Sequence[object] | None,
        timeout: float | None,
        *,
        as_text: bool = False,
    ) -> Command[list[Result]]:
        reply: ReplyT | None = None
        try:
            reply = yield from self._send(sql, params, timeout)
            return (yield from self._run(reply.collect(as_text=as_text), reply.deadline))
        except errors.ConnectionLost as lost:
            # The server's last words say more than the end of the stream does.
            last_words = reply.failure if reply is not None else None
            raise last_words if last_words is not None else lost from None
        except errors.TimeoutExpired:
            yield from self._resynchronise()
            raise expired(timeout) from None
        except Exception:
            # If a decoder or a notice handler failed, the query did not: read its reply to the end.
            # Without a reply nothing was sent, perhaps since somebody else's query is running.
            if reply is not None:
                yield from self._resynchronise(cancel=False)
            raise
        except BaseException:
            yield from self._resynchronise()
            raise

    def _query_one(
        self,
        sql: str,
        params: Sequence[object] | None,
        timeout: float | None,
        rows: RowFactory[Any] | None = None,
    ) -> Command[Result]:
        """Run `sql`: the result of its last statement, or of the one with `params`."""
        if params is None:
            return self._query_last(sql, timeout, rows)
        return self._query_prepared(sql, params, timeout, rows)

    def _query_last(
        self, sql: str, timeout: float | None, rows: RowFactory[Any] | None
    ) -> Command[Result]:
        self._check_ready()
        query = SimpleQuery(self._channel, sql, self.registry)
        reply = self._new_reply(query, deadline_after(timeout))
        return self._converse(reply, _fetch(reply, query), timeout, rows)

    def _query_prepared(
        self,
        sql: str,
        params: Sequence[object],
        timeout: float | None,
        rows: RowFactory[Any] | None,
    ) -> Command[Result]:
        self._check_ready()
        oids, formats, values = self._encode_parameters(params)
        query = PreparedQuery(self._channel, sql, oids, formats, values, self.registry)
        reply = self._new_reply(query, deadline_after(timeout))
        return self._converse(reply, _fetch(reply, query), timeout, rows)

    def _answer(self, exchange: Exchange, rows: RowFactory[Any] | None) -> Command[Result]:
        """Run an exchange that has been made elsewhere; its last result."""
        self._check_ready()
        reply = self._new_reply(exchange, None)
        return (yield from self._converse(reply, _collect(reply, exchange), None, rows))

    def _converse(
        self,
        reply: ReplyT,
        flow: Flow[Result],
        timeout: float | None,
        rows: RowFactory[Any] | None,
    ) -> Command[Result]:
        """Run `flow`, which sends the exchange of `reply` and reads all of that."""
        self._current = reply
        try:
            result: Result = yield Run(flow, reply.deadline)
        except BaseException as error:
            yield from self._check_intact(error)
            late = isinstance(error, errors.TimeoutExpired)
            if not untouched(flow) or late:  # else somebody else is using the connection
                # If a decoder or a notice handler failed, the query did not.
                yield from self._resynchronise(cancel=late or not isinstance(error, Exception))
            self._current = None
            if late:
                raise expired(timeout) from None
            if isinstance(error, errors.ConnectionLost) and reply.failure is not None:
                raise reply.failure from None  # the server's last words say more
            raise
        return result if rows is None else _made(result, rows)

    def _read(self, reading: Reading, flow: Flow[_T], deadline: Deadline) -> Command[_T]:
        """Read a part of a reply; interrupted (a timeout is none), all of it is given up."""
        try:
            result: _T = yield Run(flow, deadline)
        except BaseException as error:
            yield from self._unread(reading, error)
            raise
        return result

    def _unread(self, reading: Reading, error: BaseException) -> Command[None]:
        """What is to be done when reading a part of a reply has ended with `error`."""
        yield from self._check_intact(error)
        if not isinstance(error, Exception) and reading is self._current:
            yield from self._resynchronise()

    def _describe(self, sql: str) -> Command[tuple[Column, ...]]:
        self._check_ready()
        try:
            return (yield from self._run(describe(self._channel, sql), None))
        except errors.InterfaceError:
            raise
        except BaseException as error:
            yield from self._recover(
                partial(skip, self._channel), None, cancel=not isinstance(error, Exception)
            )
            raise

    def _encode_parameters(
        self, params: Sequence[object]
    ) -> tuple[tuple[int, ...], tuple[int, ...], list[bytes | None]]:
        """The types to declare, the formats, and the values of parameters."""
        if not params:
            return (), (), []
        # Families of types are imported when they are needed.
        from pgwire.types.binding import parameter_encoder

        return parameter_encoder(self.registry, self._channel.context).encode(params)


def _fetch(reply: Reading, query: PreparedQuery | SimpleQuery) -> Flow[Result]:
    """Send `query`, whose `reply` this is, and read all of it. Raises the server's error."""
    flight = query.flight()
    if flight is None:
        yield from query.send()
    else:
        yield flight
    if not query.pending:
        yield RECEIVE
    whole = query.whole_reply()
    if whole is None:
        return (yield from reply.collect(as_text=False))[-1]
    return Result(*whole)


def _collect(reply: Reading, exchange: Exchange) -> Flow[Result]:
    """Send `exchange`, whose `reply` this is, and read all of it. Raises the server's error."""
    yield from exchange.send()
    return (yield from reply.collect(as_text=False))[-1]


def _made(result: Result, rows: RowFactory[Any]) -> Result:
    """`result` with its rows made by a row factory."""
    from pgwire.rows.factories import make_rows

    return Result(make_rows(rows, result.columns, result.rows), result.columns, result.tag)
