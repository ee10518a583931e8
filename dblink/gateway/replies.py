"""Large answers: tables that the side fills and the caller reads.

Their rows are frozen, so that they are seen in every isolation level, and their columns are text:
what is declared is made of it by the caller, as whom the input functions of types then run. Rows
pass from the remote server into the table as they come, in bounded memory.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

import pgwire
from dblink import messages
from dblink.gateway.complaint import Complaint
from dblink.gateway.side import TIMEOUT, Registered, Side, connect
from dblink.result import Result
from pgwire import errors
from pgwire.copying.datarows import HEADER, TRAILER, copy_data, text_data

logger = logging.getLogger("dblink.gateway")

AT_ONCE: Final = 16
"""How many large answers of one database are on their way at a time, each on a side connection of
its own; others wait their turn, for one part of an answer that is."""

FIRST_PART: Final = 4 * 2**20
LARGEST_PART: Final = 256 * 2**20
"""Bytes of rows in the first table of an answer, and in those behind it at most."""

PATIENCE: Final = 60.0
"""Seconds that one waits for its turn: whose turn it is may wait for this one itself."""

LOCK_TIMEOUT: Final = 10
"""Milliseconds that dropping a table waits for one who reads it."""

_MAKE: Final = "SELECT dblink_gateway.make($1, $2::pg_catalog.int4, $3)"

# There is no such table, nor anybody who could make or drop one.
_NONE: Final = frozenset(("42P01", "3F000", "42883"))

_NO_DATABASE: Final = "3D000"


class Rows:
    """The rows of a result, as the data of one COPY after the other. Parts grow: a caller begins
    to read early, and however much it reads, it is not of very many tables."""

    def __init__(self, result: Result) -> None:
        self._runs = result.portable()
        self._next = next(self._runs, None)
        self._size = FIRST_PART

    @property
    def more(self) -> bool:
        """Whether there are rows that no part has had yet."""
        return self._next is not None

    def next_part(self) -> Iterator[bytes | bytearray]:
        """The data of the next part."""
        yield HEADER
        moved = 0
        while self._next is not None and moved < self._size:
            run = self._next
            data = copy_data(run) if isinstance(run, bytes) else text_data(run)
            moved += len(data)
            yield data
            self._next = next(self._runs, None)
        self._size = min(self._size * 2, LARGEST_PART)
        yield TRAILER


class Replies:
    """The reply tables of one database, and the connections that fill them."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        self._guard = threading.Lock()
        self._free: list[pgwire.Connection] = []
        self._unread: dict[int, list[str]] = {}
        self._read: dict[int, list[str]] = {}
        self._locked: dict[int, list[str]] = {}
        self._dropping: set[int] = set()
        self._complaint = Complaint()

    def fill(
        self,
        session: Registered,
        role: str,
        columns: int,
        rows: Rows,
        check: Callable[[], object],
    ) -> str:
        """Move as many of `rows` as belong together into a new table that only `role` may read;
        its name, without the schema. `check` is called while this waits for its turn.

        The caller's word for who he is will do here: whoever names another gives his own rows away.

        Raises what reading the result does, and what goes wrong in the database; there is no table
        then.
        """
        name = f"reply_{session.pid}_{secrets.token_hex(4)}"
        with self.turn(check), self._connection() as connection:
            try:
                connection.query("BEGIN", timeout=TIMEOUT)
                connection.query(_MAKE, (name, columns, role), timeout=TIMEOUT)
                connection.copy_in(
                    f"COPY dblink_gateway.{name} FROM STDIN (FORMAT binary, FREEZE)",
                    rows.next_part(),
                )
                connection.query("COMMIT", timeout=TIMEOUT)
            except BaseException as error:
                _roll_back(connection)
                with self._guard:  # interrupted in COMMIT, it may be there
                    self._read.setdefault(session.pid, []).append(name)
                if isinstance(error, errors.DatabaseError) and f"COPY {name}" in str(error.context):
                    # The database cannot hold a value: a character that its encoding has not, say.
                    # The table's name would say nothing to the caller.
                    told = error.diagnostics
                    raise messages.make(
                        told.sqlstate or "XX000", told.message, detail=told.detail, hint=told.hint
                    ) from error
                raise
        return name

    def given(self, session: Registered, name: str) -> None:
        """The session is told of a table, which it will read before it calls again."""
        with self._guard:
            self._unread.setdefault(session.pid, []).append(name)

    def read(self, session: Registered) -> None:
        """The session calls again, and so has read what it was answered before."""
        if not self._unread:
            return
        with self._guard:
            names = self._unread.pop(session.pid, [])
            if names:
                self._read.setdefault(session.pid, []).extend(names)

    def over(self, session: Registered) -> None:
        """The session's transaction is over: nothing is read any more, and no lock is held."""
        if not (self._unread or self._read or self._locked or self._dropping):
            return
        with self._guard:
            self._dropping.discard(session.pid)
            names = [
                name
                for where in (self._unread, self._read, self._locked)
                for name in where.pop(session.pid, ())
            ]
            if names:
                self._read.setdefault(session.pid, []).extend(names)

    @property
    def pending(self) -> bool:
        """Whether there are tables that may be dropped."""
        return bool(self._read)

    @property
    def left(self) -> bool:
        """Whether there are tables at all."""
        return bool(self._unread or self._read or self._locked)

    def abandoned(self, living: Collection[int]) -> None:
        """Of sessions that have ended no `over` will come any more: what was locked then, by
        somebody else who reads it or by a server process that has not noticed yet, may be free
        now. `living`: the process ids of all others."""
        with self._guard:
            for pid in [pid for pid in self._locked if pid not in living]:
                self._read.setdefault(pid, []).extend(self._locked.pop(pid))

    def drop(self) -> None:
        """Drop the tables that have been read. Those that are locked stay until `over`."""
        with self._guard:
            read, self._read = self._read, {}
            self._dropping = set(read)
        kept: dict[int, list[str]] = {}
        try:
            for pid, names in read.items():
                kept[pid] = list(names)
                for name in names:
                    if self._drop(name):
                        kept[pid].remove(name)
            self._complaint.withdraw()
        except errors.Error as error:
            if error.sqlstate == _NO_DATABASE:
                read = {}  # they have gone with it
            else:
                self._complaint.make(f"reply tables could not be dropped: {error}")
        with self._guard:
            for pid, names in read.items():
                # Whose transaction has ended meanwhile has no lock any more.
                where = self._locked if pid in self._dropping else self._read
                if left := kept.get(pid, names):
                    where.setdefault(pid, []).extend(left)
            self._dropping = set()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._guard:
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    @contextlib.contextmanager
    def turn(self, check: Callable[[], object]) -> Iterator[None]:
        """The turn of one large answer; `check` is called while it is waited for.

        Raises 53300 if it does not come.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._turn.acquire(timeout=0.1):
            check()
            if time.monotonic() > deadline:
                raise messages.make(
                    "53300", f"more than {AT_ONCE} large answers are on their way to the database"
                )
        try:
            yield
        finally:
            self._turn.release()

    def _drop(self, name: str) -> bool:
        # Without waiting for a turn: whoever drops has other things to do.
        with self._connection() as connection:
            return drop_table(connection, name)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[pgwire.Connection]:
        connection = self._unused() or connect(self._side.conninfo, self._side.database)
        try:
            yield connection
        finally:
            if not connection.closed and connection.info.transaction_status == "I":
                with self._guard:
                    self._free.append(connection)
            else:
                connection.close()

    def _unused(self) -> pgwire.Connection | None:
        """A connection that was used before, and still leads to the server."""
        while True:
            with self._guard:
                if not self._free:
                    return None
                connection = self._free.pop()
            try:
                connection.query("SELECT", timeout=TIMEOUT)
                return connection
            except BaseException as error:
                connection.close()
                if not isinstance(error, errors.Error):
                    raise  # an interruption


def drop_table(connection: pgwire.Connection, name: str) -> bool:
    """Drop a reply table, if nobody reads it: whether it is gone."""
    try:
        connection.query(
            f"BEGIN; SET LOCAL lock_timeout = {LOCK_TIMEOUT};"
            f" SELECT dblink_gateway.drop('{{{name}}}'); COMMIT",
            timeout=TIMEOUT,
        )
    except errors.DatabaseError as error:
        _roll_back(connection)
        if connection.closed:
            raise
        return error.sqlstate in _NONE
    return True


def _roll_back(connection: pgwire.Connection) -> None:
    if connection.closed:
        return
    with contextlib.suppress(errors.Error):
        connection.query("ROLLBACK", timeout=TIMEOUT)
