"""The side connection to one database: it registers sessions, and carries small answers.

Everything it runs is qualified, since nothing of the environment of the database is trusted: not
the search path, nor the settings of the role or of the database.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import pgwire
from dblink.gateway.sealing import digest, seal
from dblink.local import TextRow
from dblink.shells import FOUND, VERSION
from pgwire import errors

logger = logging.getLogger("dblink.gateway")

BELLS: Final = 1684827755
"""Namespace of the advisory locks that callers wait on: (this, pid * 2 + bell)."""

NAME: Final = "dblink_gateway"
"""The application_name by which the functions recognise a side connection that lives."""

TIMEOUT: Final = 30.0
"""Seconds for a statement of the side's: all are short; a server that does not answer is gone."""

_SETTINGS: Final = (
    ("search_path", "pg_catalog, pg_temp"),
    ("statement_timeout", "0"),
    ("lock_timeout", "1000"),
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("synchronous_commit", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("client_min_messages", "warning"),
    ("standard_conforming_strings", "on"),
    ("jit", "off"),
)

_SET_ALL: Final = (
    "SELECT pg_catalog.set_config(s.name, v.setting, false) FROM (VALUES "
    + ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS)
    + ") AS v(name, setting) JOIN pg_catalog.pg_settings AS s"
    " ON s.name OPERATOR(pg_catalog.=) v.name"
)

_ABOUT: Final = """
SELECT pg_catalog.pg_backend_pid()::pg_catalog.text, pg_catalog.pg_is_in_recovery()::pg_catalog.text
"""

# A session that is known already, since only the side was lost, keeps its secret.
_REGISTER: Final = """
INSERT INTO dblink_gateway.session AS s (pid, side_pid, secret)
VALUES ($1::pg_catalog.int4, $2::pg_catalog.int4, $3)
ON CONFLICT (pid) DO UPDATE SET side_pid = excluded.side_pid, side_role = excluded.side_role,
  secret = excluded.secret
"""

# A pooler between us and the server would make process ids up.
_LOGIN: Final = """
SELECT r.oid::pg_catalog.text, r.rolname
FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) a.datid
WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  AND ($2::pg_catalog.text OPERATOR(pg_catalog.=) ''
       OR r.rolname OPERATOR(pg_catalog.=) $2::pg_catalog.name)
"""

_PREPARE: Final = f"""
PREPARE ring(pg_catalog.int4, pg_catalog.int4) AS
  SELECT pg_catalog.pg_try_advisory_lock({BELLS}, $1),
         pg_catalog.pg_advisory_unlock({BELLS}, $2)
"""

_TAKE_BELL: Final = f"SELECT pg_catalog.pg_try_advisory_lock({BELLS}, $1::pg_catalog.int4)"
_RING: Final = f"SELECT pg_catalog.pg_advisory_unlock({BELLS}, $1::pg_catalog.int4)"

# The secret tells the session from the next one that the same process id is given to.
_FORGET: Final = """
WITH answer AS (DELETE FROM dblink_gateway.answer AS a WHERE a.call OPERATOR(pg_catalog.=) $2),
  wait AS (DELETE FROM dblink_gateway.wait AS w
           WHERE w.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4)
DELETE FROM dblink_gateway.session AS s WHERE s.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4
  AND s.secret OPERATOR(pg_catalog.=) $3
"""

_T = TypeVar("_T")


class NotSetUp(Exception):
    """The database has none of our functions, or those of another version."""


def connect(conninfo: str, database: str) -> pgwire.Connection:
    """A connection to `database` as the side. Raises what `pgwire.connect` does."""
    # The rest is set by a statement; this one keeps it from being cancelled.
    options = f"{pgwire.conninfo.parse(conninfo).get('options', '')} -c statement_timeout=0"
    connection = pgwire.connect(
        conninfo,
        dbname=database,
        options=options.strip(),
        application_name=NAME,
        client_encoding="UTF8",
        connect_timeout=10,
    )
    try:
        connection.query(_SET_ALL, timeout=TIMEOUT)
    except BaseException:
        connection.close()
        raise
    connection.unrepresentable = "text"
    return connection


class Registered:
    """A client session that the database knows of: process id, login role, and a `secret` that the
    session's superusers can read and nobody else."""

    __slots__ = ("bells", "function", "pid", "role", "role_oid", "row", "secret")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.role = ""
        self.role_oid = "0"
        self.secret = secrets.token_hex(16)
        self.bells: set[int] = set()
        """Those that the side holds now."""
        self.row = ""
        """The number of the call whose answer is in the table."""
        self.function = ""
        """The name of the function that has brought an answer past a snapshot."""


class Side:
    """The side connection to one database, for many threads: one at a time uses it.

    It is opened when it is needed, and again when it has been lost; living sessions are registered
    anew then.
    """

    def __init__(self, conninfo: str, database: str, sweep: Callable[[pgwire.Connection], None]):
        """`sweep` is called with each new connection, after the living sessions have been
        registered with it."""
        self.conninfo = conninfo
        self.database = database
        self._sweep = sweep
        self._lock = threading.Lock()
        self._connection: pgwire.Connection | None = None
        self._sessions: dict[int, Registered] = {}
        self.pid = 0
        self.codec = "utf-8"
        """Python codec of the database's encoding."""
        self.idle_since = time.monotonic()

    @property
    def sessions(self) -> int:
        """How many sessions are registered."""
        return len(self._sessions)

    @property
    def living(self) -> frozenset[int]:
        """The process ids of the sessions that are registered."""
        return frozenset(list(self._sessions))

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        connection = self._connection
        return connection is not None and not connection.closed

    @property
    def lost(self) -> bool:
        """Whether there are sessions, and no connection that could tell them anything."""
        return bool(self._sessions) and self._open_now is None

    def register(self, pid: int, user: str = "") -> Registered:
        """Have the functions of the session `pid` find a gateway. `user`: who logged in, if that
        is to be compared with what the server says.

        Raises NotSetUp, or what connecting raises; then it is as if there were no gateway.
        """
        session = Registered(pid)
        if not user.isascii():
            user = ""  # in an encoding that nobody has told us

        def register(connection: pgwire.Connection) -> None:
            rows = connection.query_text(_LOGIN, (pid, user), timeout=TIMEOUT)
            if not rows:
                raise NotSetUp(f"process {pid} is not the session's: is there a pooler between?")
            session.role_oid, session.role = str(rows[0][0]), str(rows[0][1])
            self._register(connection, session)
            self._sessions[pid] = session

        self._do(register)
        return session

    def unregister(self, session: Registered) -> None:
        """The session is over. Nothing is raised: what stays behind is swept later."""

        def forget(connection: pgwire.Connection) -> None:
            for bell in sorted(session.bells):
                connection.query(_RING, (session.pid * 2 + bell,), timeout=TIMEOUT)
            session.bells.clear()
            connection.query(_FORGET, (session.pid, session.row, session.secret), timeout=TIMEOUT)
            if session.function:
                connection.query(f"SELECT dblink_gateway.drop('{{{session.function}}}')")

        with self._lock:
            self.idle_since = time.monotonic()
            if self._sessions.get(session.pid) is session:  # and not the next of that process id
                del self._sessions[session.pid]
            connection = self._open_now
            if connection is not None:
                with contextlib.suppress(errors.Error):
                    forget(connection)

    def answer(
        self, session: Registered, number: str, bell: int | None, text: str, *, snapshots: bool
    ) -> None:
        """Put `text` where the caller of `number` looks for it, and ring its bell. `snapshots`:
        whether it sees what has been committed since its transaction began."""

        if snapshots:
            self._do(lambda connection: self._put(connection, session, number, bell, text))
            session.row = number
        else:
            name, sealed = f"reply_{session.pid}_s{digest(number)}", seal(text, number)
            keep = f"SELECT dblink_gateway.keep('{name}', '{sealed}', '{session.function}')"
            self._do(lambda connection: self._keep(connection, session, keep, bell))
            session.function = name

    def query(self, sql: str, parameters: Sequence[str | None] = ()) -> list[TextRow]:
        """Run a query of the gateway's own. Raises what `pgwire` does."""
        return self._do(lambda c: c.query_text(sql, parameters, timeout=TIMEOUT))

    def revive(self) -> None:
        """Open the connection again if it was lost. Raises what connecting does."""
        self._do(lambda connection: None)

    def close_if_idle(self, seconds: float) -> bool:
        """Close the connection if no session has needed it for so long."""
        if self._sessions or time.monotonic() - self.idle_since < seconds:
            return False
        with self._lock:
            if self._sessions:
                return False
            self._close()
        return True

    def close(self) -> None:
        """End it. Callers that wait see that the gateway has gone."""
        with self._lock:
            self._sessions.clear()
            self._close()

    @property
    def _open_now(self) -> pgwire.Connection | None:
        connection = self._connection
        return None if connection is None or connection.closed else connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _do(self, work: Callable[[pgwire.Connection], _T]) -> _T:
        # The connection is everybody's: who gives up a call does not interrupt it.
        with self._lock, pgwire.interruptible(None):
            self.idle_since = time.monotonic()
            connection = self._open_now
            if connection is not None:
                try:
                    return work(connection)
                except (errors.OperationalError, errors.InterfaceError) as error:
                    if self._open_now is not None:
                        raise
                    logger.warning("side connection to database %r lost: %s", self.database, error)
            return work(self._open())

    def _open(self) -> pgwire.Connection:
        connection = connect(self.conninfo, self.database)
        try:
            self._check(connection)
            for session in self._sessions.values():
                session.bells.clear()
                self._register(connection, session)
            self._sweep(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _check(self, connection: pgwire.Connection) -> None:
        found = connection.query_text(FOUND)
        if not found:
            raise NotSetUp("it has no functions of dblink's gateway")
        version, owner, trusted = found[0]
        if trusted != "t":
            # They would run as the side's role: whoever may create a schema could lay a trap.
            raise NotSetUp(f'its functions belong to role "{owner}", whom the side does not trust')
        if version != str(VERSION):
            raise NotSetUp(f"its functions are of version {version}, this gateway's {VERSION}")
        about = connection.query_text(_ABOUT, timeout=TIMEOUT)[0]
        if about[1] == "true":
            raise NotSetUp("it is a hot standby, which nothing can be written to")
        self.pid = int(about[0] or 0)
        encoding = connection.info.parameters.get("server_encoding", "UTF8")
        self.codec = _codec(encoding)
        connection.query(_PREPARE, timeout=TIMEOUT)

    def _register(self, connection: pgwire.Connection, session: Registered) -> None:
        bells = [(session.pid * 2 + bell,) for bell in (0, 1)]
        try:
            with connection.pipeline(timeout=TIMEOUT) as pipeline:
                pipeline.execute(_REGISTER, (session.pid, self.pid, session.secret))
                pipeline.sync()
                taken = [pipeline.query(_TAKE_BELL, bell) for bell in bells]
        except errors.DatabaseError:
            # Without its row the session has no gateway, and nobody would let its bells go.
            if not connection.closed:
                for bell in bells:
                    connection.query(_RING, bell, timeout=TIMEOUT)
            raise
        session.bells = {bell for bell in (0, 1) if taken[bell].result().scalar()}

    # Each of these is one flight. A bell that the caller does not wait for is taken before the
    # other one rings, for the call that comes next. Locks are counted: one that is held is not
    # taken again.

    def _put(
        self,
        connection: pgwire.Connection,
        session: Registered,
        number: str,
        bell: int | None,
        text: str,
    ) -> None:
        taken, rung = self._bells(session, bell)
        done = connection.query(
            f"CALL dblink_gateway.put({session.pid}, '{number}', {_literal(text)},"
            f" '{session.row}', {_key(session, taken)}, {_key(session, rung)})",
            timeout=TIMEOUT,
        )
        self._note_bells(session, taken, rung, done.scalar() is not None)

    def _keep(
        self, connection: pgwire.Connection, session: Registered, keep: str, bell: int | None
    ) -> None:
        taken, rung = self._bells(session, bell)
        ring = f"EXECUTE ring({_key(session, taken)}, {_key(session, rung)})"
        try:
            done = connection.query(f"BEGIN; {keep}; COMMIT; {ring}", timeout=TIMEOUT)
        except errors.DatabaseError:
            if not connection.closed:
                connection.query("ROLLBACK", timeout=TIMEOUT)
            raise
        self._note_bells(session, taken, rung, bool(done.scalar()))

    def _bells(self, session: Registered, bell: int | None) -> tuple[int | None, int | None]:
        """Which bell to take, and which to ring."""
        missing = {0, 1} - session.bells - {bell}
        return (min(missing) if missing else None), (bell if bell in session.bells else None)

    def _note_bells(
        self, session: Registered, taken: int | None, rung: int | None, got: bool
    ) -> None:
        session.bells -= {rung}
        if taken is not None and got:
            session.bells.add(taken)


def _key(session: Registered, bell: int | None) -> str:
    return "NULL" if bell is None else str(session.pid * 2 + bell)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _codec(encoding: str) -> str:
    """The Python codec of a database's encoding; UTF-8 for one that Python does not know, as whose
    ASCII everything of importance is written."""
    from pgwire.types.encodings import python_codec

    try:
        return python_codec(encoding)
    except errors.NotSupportedError:
        return "utf-8"
