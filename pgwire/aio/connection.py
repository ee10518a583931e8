"""The asyncio connection: thin. What it does is in `pgwire.session`, for both bodies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pgwire.aio.copies import AsyncCopyMethods
from pgwire.aio.reply import AsyncReply
from pgwire.flows import Flow
from pgwire.flows.attempts import Dialler, Hooks, Resolver, Vetter
from pgwire.flows.channel import Notification
from pgwire.flows.oauth import TokenCallback
from pgwire.flows.query import Exchange
from pgwire.flows.statements import DEFAULT_SIZE, checked_size
from pgwire.net.aio import drive, within
from pgwire.net.aio_connect import open_connection, send_cancel_request
from pgwire.net.clock import Deadline
from pgwire.net.opened import checked_spin
from pgwire.reading import Reading
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.session import (
    EXHAUSTED,
    Cancel,
    Command,
    End,
    NoticeHandler,
    Pull,
    Push,
    Run,
    Step,
)
from pgwire.session.pipelines import OpenPipeline
from pgwire.session.queries import CHUNK_ROWS

if TYPE_CHECKING:
    import socket
    import ssl
    from enum import Enum

    from pgwire.aio.cursor import AsyncCursor
    from pgwire.aio.pipeline import AsyncPipeline
    from pgwire.aio.stream import AsyncStream
    from pgwire.rows.factories import RowFactory

    ParameterRows: TypeAlias = Iterable[Sequence[object]] | AsyncIterable[Sequence[object]]

_T = TypeVar("_T")


async def connect_async(
    conninfo: str | None = None,
    *,
    on_notice: NoticeHandler | None = None,
    scram_min_iterations: int = 1,
    scram_max_iterations: int = 1_000_000,
    ssl_context: ssl.SSLContext | None = None,
    oauth_token: TokenCallback | None = None,
    secure: bool = False,
    dial: Dialler | None = None,
    resolve: Resolver | None = None,
    vet: Vetter | None = None,
    sock: socket.socket | None = None,
    environ: Mapping[str, str] | None = None,
    ambient: bool = True,
    spin: int = 0,
    statement_cache_size: int = DEFAULT_SIZE,
    **options: str | int | float | bool | os.PathLike[str] | None,
) -> AsyncConnection:
    """Connect to a server: `pgwire.connect` in the asyncio body, with the same arguments and
    errors.

    Functions that it is given to call, but `on_notice`, may be coroutine functions; others are
    called in a thread, so that they may take their time.

    Returns: an open `AsyncConnection`, ready for queries.
    """
    checked_spin(spin)
    checked_size(statement_cache_size)
    opened = await open_connection(
        conninfo,
        options,
        environ=os.environ if environ is None else environ,
        on_notice=on_notice,
        scram_iterations=(scram_min_iterations, scram_max_iterations),
        ssl_context=ssl_context,
        oauth_token=oauth_token,
        secure=secure,
        ambient=ambient,
        hooks=Hooks(dial=dial, resolve=resolve, vet=vet, sock=sock),
    )
    opened.channel.statements.size = statement_cache_size
    return AsyncConnection(opened)


class AsyncConnection(AsyncCopyMethods):
    """A session with a PostgreSQL server. Made by `connect_async`.

    It belongs to one task at a time; only `cancel` may be called from another one. As an
    asynchronous context manager it closes itself.

    Cancelling a task in the middle of a query cancels the query on the server, and the task ends
    when the connection is ready for the next one, or closed: within some `CANCEL_GRACE` seconds, at
    once when it is cancelled a second time.
    """

    # Queries.

    async def query(
        self,
        sql: str,
        params: Sequence[object] | None = None,
        *,
        timeout: float | None = None,
        rows: RowFactory[Any] | None = None,
    ) -> Result:
        """Run `sql` and return its result; of several statements, the last one's.

        Args:
            sql: one or more statements; with `params` exactly one, with $1, $2, ….
            params: values of the parameters, also `()`: goes by the extended query protocol, and
                the statement is kept prepared.
            timeout: seconds until the query is cancelled on the server.
            rows: makes something else of each row than a tuple, as `pgwire.dict_row`.

        Raises:
            DatabaseError: the server's error, of the class of its SQLSTATE.
            TimeoutExpired: `timeout` has passed; the query has been cancelled.
            ConnectionLost: the server is gone; the connection is closed.
            NotSupportedError: a statement is a COPY FROM STDIN (`copy_in` sends its data).

        After any error but a lost connection the connection is ready for the next query. A query
        that is interrupted (Ctrl-C, a task that is cancelled) is cancelled on the server.
        """
        return await self._do(self._query_one(sql, params, timeout, rows))

    async def query_text(
        self,
        sql: str,
        params: Sequence[object] | None = None,
        *,
        timeout: float | None = None,
    ) -> list[tuple[str | None, ...]]:
        """Like `query`, but every value is the server's text, as psql would show it."""
        results = await self._do(self._query(sql, params, timeout, as_text=True))
        return results[-1].rows  # type: ignore[return-value]

    async def query_all(self, sql: str, *, timeout: float | None = None) -> list[Result]:
        """Like `query`, but the results of all statements in `sql`, in order; at least one."""
        return await self._do(self._query(sql, None, timeout))

    async def execute(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> str:
        """Like `query`, but returns only the command tag ("INSERT 0 1"), of the last statement."""
        return (await self._do(self._query_one(sql, params, timeout))).tag

    async def send(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> AsyncReply:
        """Start `sql` and return its reply, from which results and rows are read as they come.

        Arguments as in `query`; when `timeout` has passed the reply raises TimeoutExpired. The
        connection is busy until the reply has been read to its end.
        """
        return await self._do(self._send(sql, params, timeout))

    def stream(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        rows: RowFactory[Any] | None = None,
        chunk_rows: int = CHUNK_ROWS,
        timeout: float | None = None,
    ) -> AsyncStream:
        """The rows of `sql` one after the other, in bounded memory however many they are.

        To be used as a context manager and an iterator of rows. The server computes `chunk_rows`
        rows at a time, and none after the chunk, or the one that follows it, in which the block is
        left. In the meantime the connection can do nothing else: for that see `cursor`.

        Args:
            sql: one statement, with $1, $2, ….
            params: values of the parameters.
            rows: makes something else of each row than a tuple, as `pgwire.dict_row`.
            chunk_rows: how many rows to ask for at a time.
            timeout: seconds until the query is cancelled on the server, from its begin to the last
                row, your own time between the rows included.

        Raises, when it is begun or iterated, what `query` does: the server's error comes after the
        rows before it. Manual: 54.2.3, Execute.
        """
        from pgwire.aio.stream import AsyncStream
        from pgwire.session.streams import OpenStream

        return AsyncStream(OpenStream(self, sql, params, rows, chunk_rows, timeout), self._do)

    def cursor(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        name: str | None = None,
        scroll: bool = False,
        hold: bool = False,
        rows: RowFactory[Any] | None = None,
    ) -> AsyncCursor:
        """A cursor on the server, from which rows are fetched as they are wanted, other commands
        in between.

        To be used as a context manager; it is declared when that is entered, or when rows are first
        fetched. It lives in a transaction, unless `hold`.

        Args:
            sql: a SELECT or VALUES, with $1, $2, ….
            params: values of the parameters.
            name: its name; else one is made.
            scroll: whether it can be read backwards too.
            hold: whether it outlives its transaction. The server keeps all its rows then.
            rows: makes something else of each row than a tuple, as `pgwire.dict_row`.

        Raises, when it is declared, ProgrammingError if there is no transaction for it to live in,
        and what `query` does. Manual: DECLARE, FETCH, MOVE, CLOSE.
        """
        from pgwire.aio.cursor import AsyncCursor
        from pgwire.session.cursors import OpenCursor

        return AsyncCursor(OpenCursor(self, sql, params, name, scroll, hold, rows), self._do)

    async def executemany(
        self,
        sql: str,
        params_seq: ParameterRows,
        *,
        timeout: float | None = None,
    ) -> int:
        """Run `sql`, one statement, once for each row of parameters, all in one flight.

        Outside a transaction it is one: all rows or none. An error, be it the server's, of a value
        that cannot be sent or of `params_seq` itself, undoes the rows before it; inside a
        transaction that has failed then, as after any error.

        Args:
            sql: the statement, with $1, $2, …; rows that it returns are skipped.
            params_seq: the rows; taken as they are needed, never held all at once. In the asyncio
                body also an asynchronous iterable.
            timeout: seconds until all of it is cancelled on the server.

        Returns: the number of rows affected in all: the sum of what the command tags tell.

        Raises what `query` does. An error of one row has a note: `row N of params_seq`, from 1.
        Manual: 54.2.4 Pipelining.
        """
        return await self._do(self._executemany(sql, params_seq, timeout))

    def pipeline(self, *, timeout: float | None = None) -> AsyncPipeline:
        """A block of queries that go out in one flight, each with an answer of its own: see
        `Pipeline`. When `timeout` seconds have passed since its begin, what still runs is
        cancelled and the pipeline raises TimeoutExpired. Manual: 54.2.4 Pipelining."""
        from pgwire.aio.pipeline import AsyncPipeline

        return AsyncPipeline(OpenPipeline(self, timeout), self._do)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A block that is one transaction: committed at its end, rolled back if it raises.

        Inside another one it is a savepoint. Raises InFailedSqlTransaction if the block has
        caught an error of the server and gone on: nothing is committed then. Manual: BEGIN,
        SAVEPOINT.
        """
        end, undo = await self._do(self._begin())
        try:
            yield
        except BaseException:
            await self._do(self._roll_back(undo))
            raise
        await self._do(self._commit(end, undo))

    async def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns that the statement `sql` would return, none if it returns no rows; it is
        not run. Raises the server's error. Manual: 54.2.3, Describe."""
        return await self._do(self._describe(sql))

    # Types.

    async def load_types(self, *names: str) -> None:
        """Look types up that are not built in, and those that they are made of, at any depth: from
        then on their values come as Python values on this connection, and may be sent.

        Arguments:
            names: as SQL writes them, under the search_path. An enumerated type comes as str, a
                composite type or a table's rows as named tuples, hstore as dict, a range as
                `Range`, a domain as what it is based on; a type nothing is known of as str.

        Raises ProgrammingError if there is no such type. Types are not looked up again by
        themselves: what has been altered has to be loaded once more. Manual: 8.7, 8.16 to 8.18.
        """
        await self._do(self._load_types(names))

    async def register_composite(self, name: str, cls: type) -> None:
        """Look a composite type up, and let its values come as `cls`, and be sent from it.

        Arguments:
            name: of the type, as in `load_types`.
            cls: a dataclass, a named tuple, or a class of your own: called with the fields by
                name, which it has as attributes.

        Raises ProgrammingError if there is no such composite type, or `cls` has other fields.
        """
        await self._do(self._register_composite(name, cls))

    async def register_enum(self, name: str, cls: type[Enum]) -> None:
        """Look an enumerated type up, and let its values come as members of `cls`.

        Arguments:
            name: of the type, as in `load_types`.
            cls: has a member for each label, whose value the label is, or whose name.

        Raises ProgrammingError if there is no such enumerated type, or a member is missing.
        """
        await self._do(self._register_enum(name, cls))

    # Notifications.

    async def notifies(self, *, timeout: float | None = None) -> AsyncIterator[Notification]:
        """Notifications of the channels that the session listens on, as they arrive.

        Ends when `timeout` seconds have passed without one; without `timeout` never. Those that
        arrived in the middle of queries come first; none is dropped. Raises ConnectionLost, or
        what the server said, when the session ends. Manual: LISTEN.
        """
        queue = self._channel.notifications
        while True:
            while queue:
                yield queue.popleft()
            if not await self._do(self._listen(timeout)):
                return

    async def take_notifications(self) -> None:
        """Take in what has arrived while no query is running, without waiting. Raises as
        `notifies` does."""
        await self._do(self._take_notifications())

    # The session.

    async def cancel(self, *, timeout: float = 10.0) -> None:
        """Ask the server to cancel what this session is running; for another thread of a
        `Connection`, another task of an `AsyncConnection`.

        The query then fails with `QueryCanceled`, unless it was done before. Raises
        OperationalError if the request could not be delivered within `timeout` seconds.
        Manual: 54.2.8 Canceling Requests in Progress.
        """
        await self._do(self._cancel(timeout))

    async def resynchronise(self, *, cancel: bool = True) -> None:
        """Make the connection ready for the next query whatever is going on: cancel what runs
        (unless `cancel` is false and the timeout of the query has not passed), skip the rest of
        the reply, and close if that does not work within `CANCEL_GRACE` seconds of a cancel."""
        await self._do(self._resynchronise(cancel=cancel))

    async def close(self) -> None:
        """End the session. An open transaction is rolled back by the server. May be repeated."""
        await self._do(self._close())

    def fileno(self) -> int:
        """Descriptor of the socket, for `select` and its like."""
        return self._transport.fileno()

    async def run(self, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow of `pgwire.flows` on this connection; for code that speaks the protocol."""
        return await self._do(self._run(flow, deadline))

    async def read(self, reading: Reading, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow that reads a part of a reply; for the reply."""
        return await self._do(self._read(reading, flow, deadline))

    async def __aenter__(self) -> AsyncConnection:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # The steps of `Session`.

    def _new_reply(self, exchange: Exchange, deadline: Deadline) -> AsyncReply:
        return AsyncReply(self, exchange, deadline)

    # These two only hand on: a coroutine more or less is felt in a short query.

    def _do(self, command: Command[_T]) -> Coroutine[Any, Any, _T]:
        return drive(command, self._perform, self.abandon)

    def _perform(self, step: Step) -> Coroutine[Any, Any, Any]:
        if isinstance(step, Run):
            return self._transport.run(step.flow, step.deadline)
        return self._perform_rare(step)

    async def _perform_rare(self, step: Cancel | End | Pull | Push) -> Any:
        if isinstance(step, Cancel):
            return await send_cancel_request(self._opened, step.deadline)
        if isinstance(step, Pull):
            if not hasattr(step.source, "__anext__"):
                return next(step.source, EXHAUSTED)
            if step.deadline is None:
                return await anext(step.source, EXHAUSTED)
            return await within(anext(step.source, EXHAUSTED), step.deadline)
        if isinstance(step, Push):
            done = step.target(step.item)
            return await done if isawaitable(done) else done
        return await self._transport.end(step.deadline)
