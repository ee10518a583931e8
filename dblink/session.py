"""A database session in the sense of the manual's dblink: its connections and its functions.

Manual: F.12 dblink. Each method bears the name of its function and takes the arguments in the
order of SQL; `functions.FUNCTIONS` lists the overloads. What the manual calls
`fail_on_error` may be positional, as in SQL, or the keyword argument `fail`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import pgwire
from dblink import columns as column_lists
from dblink import copying, cursors, events, keys, messages
from dblink.connections import Connections
from dblink.failure import RemoteFailure, as_seen_by_caller
from dblink.functions import Arguments, bind
from dblink.local import Local, open_local
from dblink.notices import NoticeHandler, Notices, RemoteNoticeHandler, notice
from dblink.pending import Pending
from dblink.query import Reader
from dblink.remote import Remote
from dblink.result import Result
from dblink.rowstore import RowStore
from dblink.security import LocalPrivileges, Privileges
from pgwire import errors
from pgwire.flows.query import RowSet

if TYPE_CHECKING:
    from pgwire.flows.attempts import Vetter


Columns = str | Sequence[column_lists.Declared]
"""What follows `AS t` in SQL, or columns whose values the caller converts itself: these come from
`dblink.columns.converted_by_caller`."""


class Notify(NamedTuple):
    """A row of dblink_get_notify."""

    notify_name: str
    be_pid: int
    extra: str


class Session:
    """One session: it owns the named connections and the unnamed one.

    It belongs to one thread at a time. As a context manager it closes what it opened.
    """

    def __init__(
        self,
        local: str | pgwire.Connection | Local | None = None,
        *,
        privileged: bool | None = None,
        privileges: Privileges | None = None,
        vet: Vetter | None = None,
        secrets: bool = True,
        on_notice: NoticeHandler | None = None,
        on_remote_notice: RemoteNoticeHandler | None = None,
        on_wait: events.WaitHandler | None = None,
    ) -> None:
        """
        Args:
            local: the local database, the one that C dblink would run in: a connection string, a
                `pgwire.Connection`, or None. Foreign servers, privileges, `dblink_get_pkey`, the
                statement builders and the types of `columns=` are looked up in it.
            privileged: whether the caller counts as a superuser. None: the local database
                says; without one the caller does not, and so has to give passwords.
            privileges: who says so, and whether the caller may use `dblink_connect_u`, in place of
                the local database: see `dblink.security.Privileges`.
            vet: called with a target and each of its addresses before a remote connection is made
                there: see `pgwire.connect`.
            secrets: whether privileged callers may use what this process has: its environment,
                password file, service files and certificates. False: nobody may, and connection
                options that name files are refused (42501).
            on_notice: called with the notices that `fail=False` makes of errors, and with
                dblink's own. All of them also go to the logger `dblink`.
            on_remote_notice: called with the notices of remote servers, and the name of the
                connection (None: not named); C dblink drops these.
            on_wait: called with a `WaitEvent` when a wait begins and when it ends.

        Raises what `pgwire.connect` raises if `local` is a connection string; ProgrammingError if
        both `privileged` and `privileges` are given.
        """
        if privileged is not None and privileges is not None:
            raise errors.ProgrammingError(
                "privileged and privileges may not be used together: both say who the caller is"
            )
        self.local = open_local(local)
        self._notices = Notices(on_notice, on_remote_notice)
        self._connections = Connections(
            self.local,
            privileges or LocalPrivileges(self.local, privileged),
            self._notices,
            on_wait,
            vet=vet,
            secrets=secrets,
        )

    # Connections.

    def dblink_connect(self, *args: str | None) -> str | None:
        """Open a persistent connection: `(connstr)`, unnamed, or `(name, connstr)`.

        `connstr` is the name of a foreign server of the local database, or a connection string.
        The unnamed connection replaces the one that is open. Returns "OK".

        Raises DuplicateObject (42710) for a name that is in use, 08001 if it cannot connect, 2F003
        if an unprivileged caller gives no password or the server does not ask for it.
        Manual: dblink_connect.
        """
        return self._connect("dblink_connect", args)

    def dblink_connect_u(self, *args: str | None) -> str | None:
        """Like `dblink_connect`, but without the password rule; for those who may call it.

        Raises InsufficientPrivilege (42501) for others. Manual: dblink_connect_u.
        """
        return self._connect("dblink_connect_u", args)

    def dblink_disconnect(self, *args: str | None) -> str | None:
        """Close the unnamed connection, or `(name)`. Returns "OK".

        Raises ConnectionDoesNotExist (08003). Manual: dblink_disconnect.
        """
        call = bind("dblink_disconnect", args)
        if call is None:
            return None
        self._connections.close(_text(call, "connname"))
        return "OK"

    def dblink_get_connections(self) -> list[str] | None:
        """The names of the named connections, in no particular order; None if there are none.

        Manual: dblink_get_connections.
        """
        return self._connections.names() or None

    # Queries.

    def dblink(
        self,
        *args: str | bool | None,
        fail: bool | None = None,
        columns: Columns | None = None,
        params: Sequence[object] | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Run a query: `(sql)`, `(sql, fail)`, `(conn, sql)`, `(conn, sql, fail)`.

        Args:
            conn: the name of a connection, or else a foreign server or a connection string, for
                a connection that lasts as long as the call.
            sql: one or more statements; the last one's rows, or its tag, are the result.
            fail: False makes an error of the remote server a notice, and returns the rows that
                came before it.
            columns: what follows `AS t` in SQL: "a int, b text". Without it, the remote types. Of
                `dblink.columns.converted_by_caller`: each value comes as text.
            params: values for $1, $2, … of the one statement in `sql`; an addition.
            timeout: seconds until the query is cancelled; an addition.

        Returns: a `Result`; a large one is read while it is iterated over.

        Raises the remote server's errors, with its SQLSTATE; 42804 if `columns` does not fit; what
        the conversion to `columns` raises; 08003, 08001 and 2F003 as `dblink_connect`; XX000
        if the query cannot be sent; 0A000 for COPY. Manual: dblink.
        """
        call = bind("dblink", args, fail)
        declared = self._declared(columns)
        if call is None:
            return Result((), RowStore(), None, tag="")
        sql, given = str(call["sql"]), _text(call, "connname")
        with self._borrowed(given) as remote, remote.in_use():
            try:
                reply = remote.send(sql, params, timeout)
            except RemoteFailure as failure:
                raise messages.could_not_send(failure.error.message) from None
            # While the server is at work.
            report = self._report(remote, given, "executing query", call)
            reader = Reader(remote, sql, declared, self.local, report)
            try:
                with remote.waiting():
                    return reader.all_results(reply)
            except RemoteFailure as failure:
                report(failure.error)
                return reader.no_rows()

    def dblink_exec(
        self,
        *args: str | bool | None,
        fail: bool | None = None,
        params: Sequence[object] | None = None,
        timeout: float | None = None,
    ) -> str | None:
        """Run a command: `(sql)`, `(sql, fail)`, `(conn, sql)`, `(conn, sql, fail)`.

        Arguments as in `dblink`. Returns the command tag of the last statement, or "ERROR" for
        a remote error with `fail=False`.

        Raises 2F003 if the last statement returns rows, whatever `fail` says: it has been run.
        Otherwise as `dblink`. Manual: dblink_exec.
        """
        call = bind("dblink_exec", args, fail)
        if call is None:
            return None
        given = _text(call, "connname")
        with self._borrowed(given) as remote, remote.in_use():
            try:
                with remote.waiting():
                    outcome = remote.run(str(call["sql"]), params, timeout)
            except RemoteFailure as failure:
                self._report(remote, given, "executing command", call)(failure.error)
                return "ERROR"
        if isinstance(outcome, RowSet):
            raise messages.results_not_allowed()
        return outcome.tag

    # Cursors.

    def dblink_open(
        self, *args: str | bool | None, fail: bool | None = None, timeout: float | None = None
    ) -> str | None:
        """Open a cursor: `(cursor, sql)` or `(conn, cursor, sql)`, each also with `fail`.

        Begins a transaction if none is open; `dblink_close` of the last cursor commits it.
        Returns "OK", or "ERROR" for a remote error with `fail=False`. Manual: dblink_open.
        """
        call = bind("dblink_open", args, fail)
        if call is None:
            return None
        cursor, sql, given = str(call["cursorname"]), str(call["sql"]), _text(call, "connname")
        remote = self._connections.get(given)
        with remote.in_use(), remote.waiting():
            try:
                self._begin_if_idle(remote, timeout)
                remote.command(f"DECLARE {cursor} CURSOR FOR {sql}", timeout)
            except RemoteFailure as failure:
                self._report(remote, given, f'opening cursor "{cursor}"', call)(failure.error)
                return "ERROR"
            remote.cursors.opened(cursor)
        return "OK"

    def dblink_fetch(
        self,
        *args: str | int | bool | None,
        fail: bool | None = None,
        columns: Columns | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Fetch rows: `(cursor, howmany)` or `(conn, cursor, howmany)`, each also with `fail`.

        `columns` and the `Result` as in `dblink`; no rows when the cursor has reached its end.
        Raises InvalidCursorName (34000) if there is no such cursor. Manual: dblink_fetch.
        """
        call = bind("dblink_fetch", args, fail)
        declared = self._declared(columns)
        if call is None:
            return Result((), RowStore(), None, tag="")
        cursor, given = str(call["cursorname"]), _text(call, "connname")
        remote = self._connections.get(given)
        sql = f"FETCH {call['howmany']} FROM {cursor}"
        with remote.in_use():
            report = self._report(remote, given, f'fetching from cursor "{cursor}"', call)
            reader = Reader(remote, sql, declared, self.local, report)
            try:
                with remote.waiting():
                    return reader.last_result(
                        remote.send(sql, timeout=timeout),
                        on_command=lambda: messages.no_such_cursor(cursor),
                    )
            except RemoteFailure as failure:
                report(failure.error)
                return reader.no_rows()

    def dblink_close(
        self, *args: str | bool | None, fail: bool | None = None, timeout: float | None = None
    ) -> str | None:
        """Close a cursor: `(cursor)` or `(conn, cursor)`, each also with `fail`.

        Commits the transaction that `dblink_open` began when its last cursor is closed. Returns
        "OK", or "ERROR" for a remote error with `fail=False`. Manual: dblink_close.
        """
        call = bind("dblink_close", args, fail)
        if call is None:
            return None
        cursor, given = str(call["cursorname"]), _text(call, "connname")
        remote = self._connections.get(given)
        with remote.in_use(), remote.waiting():
            try:
                remote.command(f"CLOSE {cursor}", timeout)
            except RemoteFailure as failure:
                self._report(remote, given, f'closing cursor "{cursor}"', call)(failure.error)
                return "ERROR"
            self._commit_if_last(remote, timeout)
        return "OK"

    # Asynchronous queries.

    def dblink_send_query(self, name: str | None, sql: str | None) -> int | None:
        """Start `sql` on the connection `name` without waiting. Returns 1, or 0 with a notice if
        it could not be sent. Manual: dblink_send_query."""
        call = bind("dblink_send_query", (name, sql))
        if call is None:
            return None
        remote = self._connections.get(name)
        with remote.in_use():
            try:
                reply = remote.send(str(sql))
            except RemoteFailure as failure:
                self._notices.own(notice(f"could not send query: {failure.error.message}"))
                return 0
            remote.pending = Pending(reply, str(sql))
        return 1

    def dblink_is_busy(self, name: str | None) -> int | None:
        """1 if the next result of the query on `name` is not complete yet, else 0. Never waits.

        Manual: dblink_is_busy.
        """
        if bind("dblink_is_busy", (name,)) is None:
            return None
        return int(not self._has_result(self._connections.get(name), idle=True))

    def dblink_get_result(
        self,
        *args: str | bool | None,
        fail: bool | None = None,
        columns: Columns | None = None,
        timeout: float | None = None,
    ) -> Result:
        """The next result of the query on a connection: `(name)` or `(name, fail)`; it waits.

        To be called once per statement and once more: the last `Result` has no rows and ends
        the query. Other arguments as in `dblink`; `timeout` cancels the query. Manual:
        dblink_get_result.
        """
        call = bind("dblink_get_result", args, fail)
        declared = self._declared(columns)
        if call is None:
            return Result((), RowStore(), None, tag="")
        given = _text(call, "connname")
        remote = self._connections.get(given)
        with remote.in_use():
            report = self._report(remote, given, "executing query", call)
            sql = remote.pending.sql if remote.pending is not None else ""
            reader = Reader(remote, sql, declared, self.local, report)
            try:
                with remote.waiting():
                    result = reader.pending_result(timeout)
            except RemoteFailure as failure:
                report(failure.error)
                result = None
        return result if result is not None else reader.no_rows()

    def dblink_wait_any(self, names: Sequence[str], timeout: float | None = None) -> list[str]:
        """Those of the connections `names` whose query has a complete result to fetch (or its
        end); waits for one, at most `timeout` seconds. An addition to the documented functions.

        Returns none when the time is over, and at once if no query is pending on any of them.
        """
        remotes = [(name, self._connections.get(name)) for name in names]
        clock = pgwire.Stopwatch(timeout)
        while True:
            ready = [name for name, remote in remotes if self._has_result(remote, idle=False)]
            waiting = [r.connection for _, r in remotes if r.pending and not r.connection.closed]
            if ready or not waiting or clock.expired:
                return ready
            pgwire.wait_any(waiting, timeout=clock.remaining)

    def dblink_cancel_query(self, name: str | None) -> str | None:
        """Ask the server to cancel what runs on `name`. Returns "OK", or what went wrong.

        The query's results still have to be fetched: the error says so. Manual:
        dblink_cancel_query.
        """
        if bind("dblink_cancel_query", (name,)) is None:
            return None
        remote = self._connections.get(name)
        remote.check_free()
        try:
            remote.connection.cancel()
        except pgwire.Error as error:
            return error.message
        return "OK"

    def dblink_error_message(self, name: str | None) -> str | None:
        """The last error on the connection `name`, as libpq words it; "OK" if there was none.

        Manual: dblink_error_message.
        """
        if bind("dblink_error_message", (name,)) is None:
            return None
        remote = self._connections.get(name)
        remote.check_free()
        return remote.error_text or "OK"

    def dblink_get_notify(self, *args: str | None) -> list[Notify]:
        """The notifications that have arrived on the unnamed connection or on `(name)`, each once,
        in order. Never waits. Manual: dblink_get_notify."""
        call = bind("dblink_get_notify", args)
        if call is None or (not args and self._connections.unnamed is None):
            return []
        remote = self._connections.get(_text(call, "connname"))
        with remote.in_use():
            return [Notify(n.channel, n.process_id, n.payload) for n in remote.notifications()]

    # The local database.

    def dblink_get_pkey(self, relname: str | None) -> list[keys.KeyColumn]:
        """The primary key columns of a local relation, `(position, colname)`, in key order.

        Manual: dblink_get_pkey.
        """
        if bind("dblink_get_pkey", (relname,)) is None:
            return []
        return keys.primary_key(self._needed_local("dblink_get_pkey"), str(relname))

    def dblink_build_sql_insert(
        self,
        relname: str | None,
        attnums: str | Sequence[int] | None,
        num: int | None,
        src_values: Sequence[str | None] | None,
        tgt_values: Sequence[str | None] | None,
    ) -> str | None:
        """An INSERT of the local row whose key is `src_values`, with `tgt_values` as its key.

        `attnums` are the key columns' numbers, "1 2" or [1, 2]; `num` of them count.
        Manual: dblink_build_sql_insert.
        """
        args = (relname, attnums, num, src_values, tgt_values)
        return self._build_sql("dblink_build_sql_insert", args, keys.insert_statement)

    def dblink_build_sql_delete(
        self,
        relname: str | None,
        attnums: str | Sequence[int] | None,
        num: int | None,
        tgt_values: Sequence[str | None] | None,
    ) -> str | None:
        """A DELETE of the row whose key is `tgt_values`. Manual: dblink_build_sql_delete."""
        args = (relname, attnums, num, tgt_values)
        return self._build_sql("dblink_build_sql_delete", args, keys.delete_statement)

    def dblink_build_sql_update(
        self,
        relname: str | None,
        attnums: str | Sequence[int] | None,
        num: int | None,
        src_values: Sequence[str | None] | None,
        tgt_values: Sequence[str | None] | None,
    ) -> str | None:
        """An UPDATE of the row whose key is `tgt_values` to the local row whose key is
        `src_values`. Manual: dblink_build_sql_update."""
        args = (relname, attnums, num, src_values, tgt_values)
        return self._build_sql("dblink_build_sql_update", args, keys.update_statement)

    # Additions.

    def dblink_copy(
        self,
        source: str | None,
        query: str,
        target: str | None,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        binary: bool | None = None,
        progress: copying.Progress | None = None,
        timeout: float | None = None,
    ) -> int:
        """Move the rows of a query on one connection into a table on another, by COPY: nothing is
        decoded on the way, and memory is bounded. An addition to the documented functions.

        Args:
            source, target: connections as in `dblink`; None: the unnamed one.
            query: one statement that returns rows, for `source`.
            table: of `target`, qualified and quoted as in SQL where need be.
            columns: names of the columns of `table` that take the rows; all by default.
            binary: whether rows go in binary format; by default if the types of the columns are
                the same, and built in, on both sides. If false, the server of `target` reads the
                text of each value.
            progress: called with the bytes moved so far and the rows, as far as they are known, at
                most once per mebibyte, and at the end.
            timeout: seconds until both sides are given up.

        Returns: the number of rows moved.

        Raises the error of the side that fails, with its SQLSTATE; nothing has been moved then.
        08003, 08001 and 2F003 as `dblink_connect`; XX000 if a connection is busy or lost.
        """
        with self._borrowed(source) as one, one.in_use(), self._borrowed(target) as other:
            if one is other:
                raise messages.connection_in_use(source)
            with other.in_use(), one.waiting():
                return copying.copy(
                    copying.Side(one, source, "copying from a query"),
                    query,
                    copying.Side(other, target, f'copying into table "{table}"'),
                    table,
                    columns=columns,
                    binary=binary,
                    progress=progress,
                    timeout=timeout,
                )

    def columns_of(self, conn: str | None, sql: str) -> str:
        """The column definition list for the query `sql`: "AS t(a integer, b text)", for SQL and
        for `columns=`. The query is not run. `conn` as in `dblink`; None: the unnamed one."""
        with self._borrowed(conn) as remote, remote.in_use(), remote.waiting():
            return column_lists.definition_list(remote.connection, sql)

    def close(self) -> None:
        """Close all connections, and the local one if the session opened it."""
        self._connections.close_all()
        if self.local is not None:
            self.local.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What the methods share.

    def _connect(self, function: str, args: Sequence[str | None]) -> str | None:
        call = bind(function, args)
        if call is None:
            return None
        self._connections.open(
            _text(call, "connname"), str(call["connstr"]), insecure=function.endswith("_u")
        )
        return "OK"

    @contextmanager
    def _borrowed(self, given: str | None) -> Iterator[Remote]:
        """The connection that `given` names, or else one to the place it names, for this call."""
        remote = self._connections.find(given)
        if remote is not None:
            yield remote
            return
        if given is None:
            raise messages.connection_not_available(None)
        remote = self._connections.open_transient(given)
        try:
            yield remote
        finally:
            stream = remote.stream
            if stream is None:
                remote.connection.close()
            else:
                # The connection is the result's now, to its end or until nobody holds it.
                weakref.finalize(stream, remote.connection.close)

    def _declared(self, columns: Columns | None) -> tuple[column_lists.Declared, ...] | None:
        if isinstance(columns, str):
            return column_lists.resolve(columns, self.local)
        return None if columns is None else tuple(columns)

    def _begin_if_idle(self, remote: Remote, timeout: float | None) -> None:
        if not remote.idle:
            return
        try:
            rows = remote.rows(cursors.BEGIN, timeout)
        except RemoteFailure:
            raise messages.make("XX000", f"begin error: {remote.error_text}") from None
        remote.cursors.began = rows[0][0]

    def _commit_if_last(self, remote: Remote, timeout: float | None) -> None:
        if remote.cursors.began is None:
            return
        try:
            if remote.cursors.may_commit(remote.rows(cursors.STILL_OPEN, timeout)):
                remote.command("COMMIT", timeout)
        except RemoteFailure:
            raise messages.make("XX000", f"commit error: {remote.error_text}") from None

    def _has_result(self, remote: Remote, *, idle: bool) -> bool:
        """Whether the next result is there; `idle` is the answer if no query is pending."""
        remote.check_free()
        if remote.pending is None:
            return idle
        with remote.in_use():
            return remote.poll()

    def _needed_local(self, function: str) -> Local:
        if self.local is None:
            raise messages.needs_local(function)
        return self.local

    def _build_sql(
        self,
        function: str,
        args: Sequence[object],
        build: Callable[..., str],
    ) -> str | None:
        if bind(function, args) is None:
            return None
        return build(self._needed_local(function), *args)

    def _report(
        self, remote: Remote, given: str | None, action: str, call: Arguments
    ) -> Callable[[errors.DatabaseError], None]:
        """What raises an error of the remote side for this call, or makes it a notice."""
        label, fail = remote.label(given), bool(call["fail_on_error"])

        def report(error: errors.DatabaseError) -> None:
            seen = as_seen_by_caller(error, action, label)
            if fail:
                raise seen from error
            told = seen.diagnostics
            told.severity = told.localized_severity = "NOTICE"
            self._notices.own(told)

        return report


def _text(call: Arguments, name: str) -> str | None:
    value = call.get(name)
    return None if value is None else str(value)
