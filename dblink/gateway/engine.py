"""What all sessions of a gateway share: the databases they have come to, and what is done now and
then, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from dblink.gateway.activity import Activity
from dblink.gateway.caller import SessionCaller
from dblink.gateway.complaint import Complaint
from dblink.gateway.replies import Replies
from dblink.gateway.side import NotSetUp, Registered, Side
from dblink.gateway.sweep import sweep
from dblink.gateway.worker import Worker
from dblink.remotes import Remotes
from pgwire import errors

logger = logging.getLogger("dblink.gateway")

TICK: Final = 0.1
"""Seconds between two looks at what is to be done, while there are sessions."""

LINGER: Final = 2.0
"""Seconds that a side connection is kept when no session needs it: little enough that a DROP
DATABASE, which waits five for others to leave, need not fail."""

RETRY: Final = 5.0
"""Seconds that a database is let alone after its side connection could not be opened."""

LOOK_AGAIN: Final = 1.0
"""Seconds between two tries to drop a table that was locked when its session ended; and how long
the end of the gateway may wait for that."""

_T = TypeVar("_T")


class Database:
    """One database: its side connection, its reply tables, and the workers of its sessions."""

    def __init__(self, conninfo: str, name: str) -> None:
        self.name = name
        self.side = Side(conninfo, name, sweep)
        self.replies = Replies(self.side)
        self.activity = Activity(self.side)
        self.workers: dict[int, Worker] = {}
        self._complaint = Complaint()
        self._set_up = True
        self._not_before = 0.0
        self._revive_not_before = 0.0
        self._next_look = 0.0

    def register(self, pid: int, user: str) -> Registered | None:
        """Register a session of `user`; None if there is nothing for the gateway to do in this
        database. Why is logged once."""
        if time.monotonic() < self._not_before:
            return None
        try:
            registered = self.side.register(pid, user)
        except NotSetUp as why:
            self._set_up = False
            self._complaint.make(f"no dblink in database {self.name!r}: {why}; see dblink setup")
        except (errors.ProgrammingError, errors.NotSupportedError) as error:
            # Half of what `setup` creates is there: a dump that is being restored, say.
            self._set_up = False
            self._complaint.make(f"no dblink in database {self.name!r}: {error.message}")
        except errors.Error as error:
            self._not_before = time.monotonic() + RETRY
            self._complaint.make(f"no side connection to database {self.name!r}: {error.message}")
        else:
            self._complaint.withdraw()
            self._set_up = True
            return registered
        return None

    @property
    def may_be_tried_again(self) -> bool:
        """Whether a session that could not be registered might be now: dblink is in the database,
        or nobody has been able to see whether it is."""
        return self._set_up and time.monotonic() >= self._not_before

    def tick(self) -> None:
        """What is to be done now and then."""
        if self.side.lost and time.monotonic() >= self._revive_not_before:
            try:
                self.side.revive()
            except (NotSetUp, errors.Error) as error:
                # New sessions try for themselves: that they are there is a good sign.
                self._revive_not_before = time.monotonic() + 1.0
                self._complaint.make(f"no side connection to database {self.name!r}: {error}")
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_AGAIN
            self.replies.abandoned(self.side.living)
        if self.replies.pending:
            self.replies.drop()
        if not self.side.lost:
            try:
                self.activity.note(dict(self.workers))
            except (NotSetUp, errors.Error) as error:
                logger.debug("waits in database %r were not noted: %s", self.name, error)

    def close(self) -> None:
        """The gateway ends."""
        if self.side.connected:
            with contextlib.suppress(errors.Error):  # or the next one sweeps
                self.activity.note({})
        # The server processes of the sessions may need a moment to see that their clients are gone.
        deadline = time.monotonic() + LOOK_AGAIN
        while self.replies.left:
            self.replies.abandoned(())
            self.replies.drop()
            if time.monotonic() >= deadline:
                break
            time.sleep(LOOK_AGAIN / 20)
        self.replies.close()
        self.side.close()


class Engine:
    """See `dblink.gateway.seam.Engine`."""

    def __init__(self, side: str, *, allow: Sequence[str] = (), max_call: int = 64 * 2**20) -> None:
        """
        Args:
            side: connection string of the side; its `dbname` is replaced.
            allow: where callers may connect to, see `remotes.Remotes`.
            max_call: bytes that a call may have.

        Raises ValueError for what is no pattern of an allow-list.
        """
        self.max_call = max_call
        self.remotes = Remotes(allow)
        self._conninfo = side
        self._databases: dict[str, Database] = {}
        self._guard = threading.Lock()
        # What is short but waits for a server: it does not wait for calls.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="dblink side")
        self._stopping = threading.Event()
        self._janitor: threading.Thread | None = None

    def caller(self, database: str, process_id: int, user: str) -> SessionCaller:
        """See `seam.Engine.caller`."""
        if self._janitor is None:
            self._janitor = threading.Thread(
                target=self._clean_up, name="dblink janitor", daemon=True
            )
            self._janitor.start()
        return SessionCaller(self, self.database(database), process_id, user)

    async def close(self) -> None:
        """End, after all callers have been closed."""
        self._stopping.set()
        await self.aside(self._close)
        self._threads.shutdown(wait=False)

    async def aside(self, work: Callable[[], _T]) -> _T:
        """Do what waits for a server, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def database(self, name: str) -> Database:
        """The database of that name."""
        with self._guard:
            found = self._databases.get(name)
            if found is None:
                found = self._databases[name] = Database(self._conninfo, name)
            return found

    def _close(self) -> None:
        if self._janitor is not None:
            self._janitor.join()
        with self._guard:
            databases = list(self._databases.values())
        for database in databases:
            database.close()

    def _clean_up(self) -> None:
        while not self._stopping.wait(TICK):
            with self._guard:
                databases = list(self._databases.values())
            for database in databases:
                try:
                    self._visit(database)
                except Exception:
                    logger.exception("cleaning up in database %r", database.name)

    def _visit(self, database: Database) -> None:
        database.tick()
        if database.side.sessions or not database.side.close_if_idle(LINGER):
            return
        database.replies.close()
