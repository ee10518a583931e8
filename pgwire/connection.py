"""The blocking connection: thin. What it does is in `pgwire.session`, for both bodies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pgwire.copies import CopyMethods
from pgwire.flows import Flow
from pgwire.flows.channel import Notification
from pgwire.flows.query import Exchange
from pgwire.flows.statements import DEFAULT_SIZE, checked_size
from pgwire.net.blocking import drive
from pgwire.net.clock import Deadline, deadline_after
from pgwire.net.readiness import wait_readable
from pgwire.reading import Reading
from pgwire.reply import Reply
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.session import (
    EXHAUSTED,
    Cancel,
    Command,
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

    from pgwire.cursor import Cursor
    from pgwire.flows.attempts import Dialler, Resolver, Vetter
    from pgwire.flows.oauth import TokenCallback
    from pgwire.pipeline import Pipeline
    from pgwire.rows.factories import RowFactory
    from pgwire.stream import Stream

    ParameterRows: TypeAlias = Iterable[Sequence[object]]

_T = TypeVar("_T")


def connect(
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
) -> Connection:
    """Connect to a server.

    Args:
        conninfo: a connection string as libpq takes it, `key=value …` or a URI.
        on_notice: called with the `Diagnostics` of each notice, at once; it must not use the
            connection. Without it notices are dropped.
        scram_min_iterations, scram_max_iterations: what the server may ask of SCRAM's key
            derivation; fewer make passwords easy to guess, more burn our time.
        ssl_context: your own, in place of one made from the options: its authorities, its
            certificate, versions and ciphers count, and giving such options besides is an error.
            `sslmode` is then `verify-full` unless you say otherwise, and must be `require` or
            stronger: `verify-ca` and `verify-full` demand a context that verifies, and
            `verify-full` compares the host name even if `check_hostname` is unset. Under
            `sslnegotiation=direct` the ALPN protocols of the context are set.
        oauth_token: called with a `TokenRequest` when the server asks for OAuth; returns the
            bearer token. It may take its time: no connection is open and `connect_timeout` does
            not run. What it raises is raised.
        secure: demand `sslmode=verify-full`, `channel_binding=require` and
            `require_auth=scram-sha-256`, whatever service file and environment say. A connection
            string or option that says otherwise is an error.
        dial: called with a `Target` and the seconds left (None: there is no limit) to open the way
            to it; returns a connected socket, which is ours from then on. OSError means that
            there is no way. Cancelling a query dials once more. Nothing is looked up then, and
            `sslmode` holds for every kind of socket.
        resolve: called with a host name and a port; returns its numeric addresses, in the order
            in which to try them. OSError means that there are none.
        vet: called with a `Target` and one of its addresses, as text, before that is dialled: the
            numeric address, whichever way it was found, or the path of the Unix-domain socket. It
            raises an error of pgwire's to refuse: that is told as the failure of this attempt,
            and the next address is tried. A query is cancelled at the session's own address.
        sock: a connected socket for the first connection, ours from then on, even if connecting
            fails. Without `dial` there is no second one: only one host may be given, and queries
            cannot be cancelled (one that exceeds its timeout closes the connection).
        environ: environment variables to read, instead of `os.environ`.
        ambient: False leaves out what is not said in so many words: the environment, service files,
            the password file and what lies in the home directory (certificates). For connection
            strings of somebody who must not profit from what this process may read; files that
            the string names, as in `sslkey`, are still read.
        spin: how often to look whether an answer has come before going to sleep until it has.
            Waking up may take longer than a short query does: 100 makes these faster on a machine
            that has a processor to spare, and slower on one that has not. An event loop is never
            held up: `connect_async` takes it and does not spin.
        statement_cache_size: how many statements are kept prepared, each from its first query with
            parameters on. 0: none, as poolers need it that give each transaction another server.
        options: connection options by keyword (`host="db1"`); they override `conninfo`.

    Returns: an open `Connection`, ready for queries.

    Raises:
        ConninfoError: a wrong connection string or option.
        OperationalError: no server could be reached, or it refused; the message tells each
            attempt. The class is the one of the server's SQLSTATE, as `InvalidPassword`.
        ProtocolError: what answered does not speak the protocol.
        NotSupportedError: an option demands what this version cannot do (`sslmode=require`).

    Manual: 32.1 Database Connection Control Functions.
    """
    checked_size(statement_cache_size)
    # What only connecting needs comes with the first connection.
    from pgwire.flows.attempts import Hooks
    from pgwire.net.connect import open_connection

    opened = open_connection(
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
        spin=spin,
    )
    opened.channel.statements.size = statement_cache_size
    return Connection(opened)


class Connection(CopyMethods):
    """A session with a PostgreSQL server. Made by `connect`.

    It belongs to one thread at a time; only `cancel` may be called from another one. As a context
    manager it closes itself.
    """

    # Queries.

    def query(
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
        return self._do(self._query_one(sql, params, timeout, rows))

    def query_text(
        self,
        sql: str,
        params: Sequence[object] | None = None,
        *,
        timeout: float | None = None,
    ) -> list[tuple[str | None, ...]]:
        """Like `query`, but every value is the server's text, as psql would show it."""
        results = self._do(self._query(sql, params, timeout, as_text=True))
        return results[-1].rows  # type: ignore[return-value]

    def query_all(self, sql: str, *, timeout: float | None = None) -> list[Result]:
        """Like `query`, but the results of all statements in `sql`, in order; at least one."""
        return self._do(self._query(sql, None, timeout))

    def execute(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> str:
        """Like `query`, but returns only the command tag ("INSERT 0 1"), of the last statement."""
        return self._do(self._query_one(sql, params, timeout)).tag

    def send(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> Reply:
        """Start `sql` and return its reply, from which results and rows are read as they come.

        Arguments as in `query`; when `timeout` has passed the reply raises TimeoutExpired. The
        connection is busy until the reply has been read to its end.
        """
        return self._do(self._send(sql, params, timeout))

    def stream(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        rows: RowFactory[Any] | None = None,
        chunk_rows: int = CHUNK_ROWS,
        timeout: float | None = None,
    ) -> Stream:
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
        from pgwire.session.streams import OpenStream
        from pgwire.stream import Stream

        return Stream(OpenStream(self, sql, params, rows, chunk_rows, timeout), self._do)

    def cursor(
        self,
        sql: str,
        params: Sequence[object] = (),
        *,
        name: str | None = None,
        scroll: bool = False,
        hold: bool = False,
        rows: RowFactory[Any] | None = None,
    ) -> Cursor:
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
        from pgwire.cursor import Cursor
        from pgwire.session.cursors import OpenCursor

        return Cursor(OpenCursor(self, sql, params, name, scroll, hold, rows), self._do)

    def executemany(
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
        return self._do(self._executemany(sql, params_seq, timeout))

    def pipeline(self, *, timeout: float | None = None) -> Pipeline:
        """A block of queries that go out in one flight, each with an answer of its own: see
        `Pipeline`. When `timeout` seconds have passed since its begin, what still runs is
        cancelled and the pipeline raises TimeoutExpired. Manual: 54.2.4 Pipelining."""
        from pgwire.pipeline import Pipeline

        return Pipeline(OpenPipeline(self, timeout), self._do)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A block that is one transaction: committed at its end, rolled back if it raises.

        Inside another one it is a savepoint. Raises InFailedSqlTransaction if the block has
        caught an error of the server and gone on: nothing is committed then. Manual: BEGIN,
        SAVEPOINT.
        """
        end, undo = self._do(self._begin())
        try:
            yield
        except BaseException:
            self._do(self._roll_back(undo))
            raise
        self._do(self._commit(end, undo))

    def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns that the statement `sql` would return, none if it returns no rows; it is
        not run. Raises the server's error. Manual: 54.2.3, Describe."""
        return self._do(self._describe(sql))

    # Types.

    def load_types(self, *names: str) -> None:
        """Look types up that are not built in, and those that they are made of, at any depth: from
        then on their values come as Python values on this connection, and may be sent.

        Arguments:
            names: as SQL writes them, under the search_path. An enumerated type comes as str, a
                composite type or a table's rows as named tuples, hstore as dict, a range as
                `Range`, a domain as what it is based on; a type nothing is known of as str.

        Raises ProgrammingError if there is no such type. Types are not looked up again by
        themselves: what has been altered has to be loaded once more. Manual: 8.7, 8.16 to 8.18.
        """
        self._do(self._load_types(names))

    def register_composite(self, name: str, cls: type) -> None:
        """Look a composite type up, and let its values come as `cls`, and be sent from it.

        Arguments:
            name: of the type, as in `load_types`.
            cls: a dataclass, a named tuple, or a class of your own: called with the fields by
                name, which it has as attributes.

        Raises ProgrammingError if there is no such composite type, or `cls` has other fields.
        """
        self._do(self._register_composite(name, cls))

    def register_enum(self, name: str, cls: type[Enum]) -> None:
        """Look an enumerated type up, and let its values come as members of `cls`.

        Arguments:
            name: of the type, as in `load_types`.
            cls: has a member for each label, whose value the label is, or whose name.

        Raises ProgrammingError if there is no such enumerated type, or a member is missing.
        """
        self._do(self._register_enum(name, cls))

    # Notifications.

    def notifies(self, *, timeout: float | None = None) -> Iterator[Notification]:
        """Notifications of the channels that the session listens on, as they arrive.

        Ends when `timeout` seconds have passed without one; without `timeout` never. Those that
        arrived in the middle of queries come first; none is dropped. Raises ConnectionLost, or
        what the server said, when the session ends. Manual: LISTEN.
        """
        queue = self._channel.notifications
        while True:
            while queue:
                yield queue.popleft()
            if not self._do(self._listen(timeout)):
                return

    def take_notifications(self) -> None:
        """Take in what has arrived while no query is running, without waiting. Raises as
        `notifies` does."""
        self._do(self._take_notifications())

    # The session.

    def cancel(self, *, timeout: float = 10.0) -> None:
        """Ask the server to cancel what this session is running; for another thread of a
        `Connection`, another task of an `AsyncConnection`.

        The query then fails with `QueryCanceled`, unless it was done before. Raises
        OperationalError if the request could not be delivered within `timeout` seconds.
        Manual: 54.2.8 Canceling Requests in Progress.
        """
        self._do(self._cancel(timeout))

    def resynchronise(self, *, cancel: bool = True) -> None:
        """Make the connection ready for the next query whatever is going on: cancel what runs
        (unless `cancel` is false and the timeout of the query has not passed), skip the rest of
        the reply, and close if that does not work within `CANCEL_GRACE` seconds of a cancel."""
        self._do(self._resynchronise(cancel=cancel))

    def close(self) -> None:
        """End the session. An open transaction is rolled back by the server. May be repeated."""
        self._do(self._close())

    def fileno(self) -> int:
        """Descriptor of the socket, for `select` and its like."""
        return self._transport.sock.fileno()

    def run(self, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow of `pgwire.flows` on this connection; for code that speaks the protocol."""
        return self._do(self._run(flow, deadline))

    def read(self, reading: Reading, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow that reads a part of a reply; for the reply."""
        try:
            return self._transport.run(flow, deadline)  # the one step of `_read`
        except BaseException as error:
            self._do(self._unread(reading, error))
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # The steps of `Session`.

    def _new_reply(self, exchange: Exchange, deadline: Deadline) -> Reply:
        return Reply(self, exchange, deadline)

    def _do(self, command: Command[_T]) -> _T:
        return drive(command, self._perform)

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Run):
            return self._transport.run(step.flow, step.deadline)
        if isinstance(step, Cancel):
            from pgwire.net.connect import send_cancel_request

            return send_cancel_request(self._opened, step.deadline)
        if isinstance(step, Pull):
            return next(step.source, EXHAUSTED)
        if isinstance(step, Push):
            return step.target(step.item)
        return self._transport.close()


def wait_any(
    connections: Sequence[Connection], *, timeout: float | None = None
) -> list[Connection]:
    """Wait until the servers of some `connections` have sent something.

    Returns those connections; none when `timeout` seconds have passed. What has been received
    already, and waits to be read from a `Reply`, does not count.
    """
    by_socket = {connection._transport.sock: connection for connection in connections}
    ready = wait_readable(list(by_socket), deadline_after(timeout))
    return [by_socket[sock] for sock in ready]
