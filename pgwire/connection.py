"""The blocking connection: thin, over the flows, and the place that keeps it in step.

Between the first byte of a query and its ReadyForQuery anything may raise: a decoder, a notice
handler, a deadline, Ctrl-C. Whatever it is, the connection is either read on to ReadyForQuery or
closed: the next answer always belongs to the next query.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Notification
from pgwire.flows.idle import listen, take_message, terminate
from pgwire.flows.query import RowSet, describe, extended_query, simple_query, skip
from pgwire.info import ConnectionInfo
from pgwire.net.blocking import BlockingTransport
from pgwire.net.cancel import send_cancel_request
from pgwire.net.clock import Deadline, Stopwatch, deadline_after
from pgwire.net.connect import Opened, open_connection
from pgwire.net.readiness import wait_readable
from pgwire.reply import Reply
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.rows.decoder import Row
from pgwire.types.context import Context
from pgwire.types.registry import Registry, default_registry

_T = TypeVar("_T")

CANCEL_GRACE = 5.0
"""Seconds that a cancelled query gets to end before the connection is given up."""

NoticeHandler = Callable[[errors.Diagnostics], None]
_Rest = Callable[[], Flow[object]]


def connect(
    conninfo: str | None = None,
    *,
    on_notice: NoticeHandler | None = None,
    scram_min_iterations: int = 1,
    scram_max_iterations: int = 1_000_000,
    environ: Mapping[str, str] | None = None,
    **options: str | int | float | bool | os.PathLike[str] | None,
) -> Connection:
    """Connect to a server.

    Args:
        conninfo: a connection string as libpq takes it, `key=value …` or a URI.
        on_notice: called with the `Diagnostics` of each notice, at once; it must not use the
            connection. Without it notices are dropped.
        scram_min_iterations, scram_max_iterations: what the server may ask of SCRAM's key
            derivation; fewer make passwords easy to guess, more burn our time.
        environ: environment variables to read, instead of `os.environ`.
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
    opened = open_connection(
        conninfo,
        options,
        environ=os.environ if environ is None else environ,
        on_notice=on_notice,
        scram_iterations=(scram_min_iterations, scram_max_iterations),
    )
    return Connection(opened)


class Connection:
    """A session with a PostgreSQL server. Made by `connect`.

    It belongs to one thread at a time; only `cancel` may be called from another one. As a context
    manager it closes itself.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._transport: BlockingTransport = opened.transport
        self._channel = opened.transport.channel
        self._reply: Reply | None = None
        self._closed = False
        self._savepoints = 0
        self.registry: Registry = default_registry
        """The codecs of this connection; give it a copy before you register your own."""

    # Queries.

    def query(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> Result:
        """Run `sql` and return its result; of several statements, the last one's.

        Args:
            sql: one or more statements; with `params` exactly one, with $1, $2, ….
            params: values of the parameters; goes by the extended query protocol.
            timeout: seconds until the query is cancelled on the server.

        Raises:
            DatabaseError: the server's error, of the class of its SQLSTATE.
            TimeoutExpired: `timeout` has passed; the query has been cancelled.
            ConnectionLost: the server is gone; the connection is closed.
            NotSupportedError: the statement is a COPY.

        After any error but a lost connection the connection is ready for the next query.
        """
        return self._results(sql, params, timeout)[-1]

    def query_text(
        self,
        sql: str,
        params: Sequence[object] | None = None,
        *,
        timeout: float | None = None,
    ) -> list[tuple[str | None, ...]]:
        """Like `query`, but every value is the server's text, as psql would show it."""
        result = self._results(sql, params, timeout, as_text=True)[-1]
        return result.rows  # type: ignore[return-value]

    def query_all(self, sql: str, *, timeout: float | None = None) -> list[Result]:
        """Like `query`, but the results of all statements in `sql`, in order; at least one."""
        return self._results(sql, None, timeout)

    def execute(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> str:
        """Like `query`, but returns only the command tag ("INSERT 0 1"), of the last statement."""
        return self.query(sql, params, timeout=timeout).tag

    def send(
        self, sql: str, params: Sequence[object] | None = None, *, timeout: float | None = None
    ) -> Reply:
        """Start `sql` and return its `Reply`, from which results and rows are read as they come.

        Arguments as in `query`; when `timeout` has passed the reply raises TimeoutExpired. The
        connection is busy until the reply has been read to its end.
        """
        self._check_ready()
        deadline = deadline_after(timeout)
        if params is None:
            exchange = simple_query(self._channel, sql)
        else:
            types, values = self._encode_parameters(params)
            exchange = extended_query(self._channel, sql, types, values)
        self._reply = reply = Reply(self, exchange, deadline)
        try:
            self.run(exchange.send(), deadline)
        except errors.InterfaceError:
            self._reply = None  # somebody else is using the connection: nothing has been sent
            raise
        except BaseException as error:
            self.resynchronise()
            self._reply = None  # refused, or undone
            if isinstance(error, errors.TimeoutExpired):
                raise _expired(timeout) from None
            raise
        return reply

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A block that is one transaction: committed at its end, rolled back if it raises.

        Inside another one it is a savepoint. Raises InFailedSqlTransaction if the block has
        caught an error of the server and gone on: nothing is committed then. Manual: BEGIN,
        SAVEPOINT.
        """
        if self._channel.state.transaction_status == "I":
            begin, end, undo = "BEGIN", "COMMIT", "ROLLBACK"
        else:
            self._savepoints += 1
            name = f"pgwire_{self._savepoints}"
            begin, end = f"SAVEPOINT {name}", f"RELEASE {name}"
            undo = f"ROLLBACK TO {name}; RELEASE {name}"
        self.execute(begin)
        try:
            yield
        except BaseException:
            self.resynchronise()  # the block may have left in the middle of a reply
            if not self._closed:
                # Why the block was left says more than what went wrong after that.
                try:
                    self.execute(undo)
                except errors.Error:
                    self.abandon()
            raise
        if self.execute(end) == "ROLLBACK":
            raise errors.error_class("25P02")(
                "the transaction was rolled back instead of committed: an error in it was ignored"
            )

    # Notifications.

    def notifies(self, *, timeout: float | None = None) -> Iterator[Notification]:
        """Notifications of the channels that the session listens on, as they arrive.

        Ends when `timeout` seconds have passed without one; without `timeout` never. Those that
        arrived in the middle of queries come first; none is dropped. Raises ConnectionLost, or
        what the server said, when the session ends. Manual: LISTEN.
        """
        queue = self._channel.notifications
        while True:
            if not queue:
                self._check_ready()
                try:
                    self.run(listen(self._channel), deadline_after(timeout))
                except errors.TimeoutExpired:
                    return
            while queue:
                yield queue.popleft()

    def take_notifications(self) -> None:
        """Take in what has arrived while no query is running, without waiting. Raises as
        `notifies` does."""
        self._check_ready()
        try:
            while True:
                self.run(take_message(self._channel), deadline_after(0))
        except errors.TimeoutExpired:
            pass

    def received_notifications(self) -> list[Notification]:
        """The notifications that have been received so far, each once."""
        received = list(self._channel.notifications)
        self._channel.notifications.clear()
        return received

    def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns that the statement `sql` would return, none if it returns no rows; it is
        not run. Raises the server's error. Manual: 54.2.3, Describe."""
        self._check_ready()
        try:
            return self.run(describe(self._channel, sql), None)
        except errors.InterfaceError:
            raise
        except BaseException as error:
            self._recover(
                partial(skip, self._channel), None, cancel=not isinstance(error, Exception)
            )
            raise

    # The session.

    def cancel(self, *, timeout: float = 10.0) -> None:
        """Ask the server to cancel what this session is running; may be called from any thread.

        The query then fails with `QueryCanceled`, unless it was done before. Raises
        OperationalError if the request could not be delivered within `timeout` seconds.
        Manual: 54.2.8 Canceling Requests in Progress.
        """
        if self._closed:
            raise errors.InterfaceError("connection not open")
        send_cancel_request(self._opened, deadline_after(timeout))

    def close(self) -> None:
        """End the session. An open transaction is rolled back by the server. May be repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._reply is None or self._reply.done:
                self._transport.run(terminate(self._channel), deadline_after(CANCEL_GRACE))
        except errors.Error:
            pass  # the server is gone already, or another thread is in the middle of a query
        finally:
            self._transport.close()

    @property
    def closed(self) -> bool:
        """Whether the connection has been closed, by `close` or because it was lost."""
        return self._closed

    @property
    def info(self) -> ConnectionInfo:
        """What is known of the session: server version, parameters, process id, …."""
        return ConnectionInfo(self._opened)

    @property
    def context(self) -> Context:
        """The session parameters that the text of values depends on, as last reported."""
        return self._channel.context

    @property
    def frames(self) -> bytearray:
        """The receive buffer, in which `Exchange.next_rows` gives bounds."""
        return self._channel.frames.data

    def fileno(self) -> int:
        """Descriptor of the socket, for `select` and its like."""
        return self._transport.sock.fileno()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Connection {'closed' if self._closed else 'open'}: {self._opened.server}>"

    # Keeping in step. `Reply` runs its flows through here too.

    def _check_ready(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the connection is closed")
        # The protocol would let an extended query queue up behind another; then its sender would
        # read the other's answer.
        if self._reply is not None and not self._reply.done:
            raise errors.InterfaceError("another command is already in progress")

    def _encode_parameters(self, params: Sequence[object]) -> tuple[list[int], list[bytes | None]]:
        types: list[int] = []
        values: list[bytes | None] = []
        for number, value in enumerate(params, 1):
            if value is None:
                types.append(0)
                values.append(None)
                continue
            try:
                oid, codec = self.registry.for_value(value)
                values.append(codec.text_encoder(self._channel.context)(value))
            except errors.Error as error:
                error.add_note(f"parameter ${number}")
                raise
            types.append(oid)
        return types, values

    def _results(
        self,
        sql: str,
        params: Sequence[object] | None,
        timeout: float | None,
        *,
        as_text: bool = False,
    ) -> list[Result]:
        results: list[Result] = []
        failure: errors.Error | None = None
        reply: Reply | None = None
        try:
            reply = self.send(sql, params, timeout=timeout)
            while (outcome := reply.next_result()) is not None:
                rows: list[Row] = []
                columns: tuple[Column, ...] = ()
                if isinstance(outcome, RowSet):
                    columns = outcome.columns
                    if as_text:
                        reply.decode_as_text()
                    while (batch := reply.next_rows()) is not None:
                        rows += batch
                failure = failure or getattr(outcome, "error", None)
                if failure is None:
                    results.append(Result(rows, columns, getattr(outcome, "tag", None) or ""))
        except errors.ConnectionLost as lost:
            # The server's last words say more than the end of the stream does.
            raise failure if failure is not None else lost from None
        except errors.TimeoutExpired:
            self.resynchronise()
            raise _expired(timeout) from None
        except Exception:
            # A decoder or a notice handler failed, the query did not: read its reply to the end.
            # Without a reply nothing was sent, perhaps since somebody else's query is running.
            if reply is not None:
                self.resynchronise(cancel=False)
            raise
        except BaseException:
            self.resynchronise()
            raise
        if failure is not None:
            raise failure
        return results

    def run(self, flow: Flow[_T], deadline: Deadline) -> _T:
        """Run a flow of `pgwire.flows` on this connection; for code that speaks the protocol."""
        try:
            return self._transport.run(flow, deadline)
        except errors.InterfaceError:
            raise  # nothing has been done; another thread may be in the middle of something
        except Exception as error:
            broken = isinstance(error, errors.ConnectionLost | errors.ProtocolError)
            if broken or not self._transport.intact or self._channel.state.phase == "CLOSED":
                self.abandon()
            raise
        except BaseException:
            if not self._transport.intact:
                self._give_up()
            raise

    def resynchronise(self, *, cancel: bool = True) -> None:
        """Make the connection ready for the next query whatever is going on: cancel what runs
        (unless `cancel` is false and the timeout of the query has not passed), skip the rest of
        the reply, and close if that does not work within `CANCEL_GRACE` seconds of a cancel."""
        reply = self._reply
        if reply is None or reply.done:
            # Nothing to read on from, even if an interrupt came when a query was half begun.
            self._recover(None, None, cancel=cancel)
        else:
            self._recover(reply.exchange.finish, reply.deadline, cancel=cancel)

    def _recover(self, rest: _Rest | None, deadline: Deadline, *, cancel: bool) -> None:
        """Run `rest`, which reads what is left of a reply, cancelling at the `deadline`."""
        if self._closed or self._idle():
            return
        handler = self._channel.on_notice
        if handler is not None:
            # It may be what has failed: its second failure must not end the connection.
            self._channel.on_notice = _forgiving(handler)
        try:
            if rest is not None and self._transport.intact:
                self._finish(rest, deadline, cancel=cancel)
        except errors.Error:
            pass
        except BaseException:
            self.abandon()
            raise
        finally:
            self._channel.on_notice = handler
        if not self._idle():
            self._give_up()

    def _finish(self, rest: _Rest, deadline: Deadline, *, cancel: bool) -> None:
        if not cancel:
            try:
                self._transport.run(rest(), deadline)
                return
            except errors.TimeoutExpired:
                pass
        # A request that comes before the server has begun with the query, or just after it has
        # ended, is lost: it is repeated until one works.
        grace = Stopwatch(CANCEL_GRACE)
        patience = 0.1
        while True:
            self.cancel(timeout=CANCEL_GRACE)
            try:
                self._transport.run(rest(), deadline_after(min(patience, grace.remaining or 0)))
                return
            except errors.TimeoutExpired:
                if grace.expired:
                    raise
            patience *= 2

    def _idle(self) -> bool:
        """Whether nothing is under way: the next answer will be the next query's."""
        transport = self._transport
        return transport.intact and not transport.unsent and self._channel.state.phase == "READY"

    def _give_up(self) -> None:
        """Close the connection, but not behind the back of a query that nobody waits for."""
        try:
            with suppress(errors.Error):
                self.cancel(timeout=CANCEL_GRACE)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the connection without a word to the server."""
        self._closed = True
        self._transport.close()


def _expired(timeout: float | None) -> errors.TimeoutExpired:
    return errors.TimeoutExpired(
        f"the query did not end within {timeout} seconds and has been cancelled"
    )


def _forgiving(handler: NoticeHandler) -> NoticeHandler:
    def call(diagnostics: errors.Diagnostics) -> None:
        with suppress(Exception):
            handler(diagnostics)

    return call


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
