"""The calls of one client's session: what the relay hands over, and the thread that runs it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dblink.gateway.mailbox import Job
from dblink.gateway.side import Registered
from dblink.gateway.worker import Worker

if TYPE_CHECKING:
    from dblink.gateway.engine import Database, Engine

logger = logging.getLogger("dblink.gateway")

RETRY: Final = 5.0
"""Seconds between two tries to register a session."""

_IN_TRANSACTION: Final = b"T"[0]


class SessionCaller:
    """See `dblink.gateway.seam.Caller`."""

    def __init__(self, engine: Engine, database: Database, process_id: int, user: str) -> None:
        self._engine = engine
        self._database = database
        self._process_id = process_id
        self._user = user
        self._registered: Registered | None = None
        self._worker: Worker | None = None
        self._ended: asyncio.Event | None = None
        self._opening: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._early: Job | None = None

    async def open(self) -> None:
        """See `seam.Caller.open`. Nothing is raised."""
        database, pid, user = self._database, self._process_id, self._user
        self._registered = await self._engine.aside(lambda: database.register(pid, user))
        early, self._early = self._early, None
        if early is not None:
            self._put(early)

    def call(self, payload: bytes) -> None:
        """See `seam.Caller.call`."""
        self._put(Job(payload))

    def call_too_large(self, beginning: bytes, size: int) -> None:
        """See `seam.Caller.call_too_large`."""
        self._put(Job(beginning, too_large=size))

    def error_passed(self) -> None:
        """See `seam.Caller.error_passed`."""
        self._early = None
        if self._worker is not None and self._worker.mailbox.busy:
            self._worker.mailbox.abandon()

    def ready(self, status: int) -> None:
        """See `seam.Caller.ready`."""
        self._early = None
        if self._worker is None:
            if self._registered is None and self._database.may_be_tried_again:
                self._open_again()
            return
        if self._worker.mailbox.busy:
            self._worker.mailbox.abandon()
        if status != _IN_TRANSACTION and self._registered is not None:
            self._database.replies.over(self._registered)

    def cancel(self) -> None:
        """See `seam.Caller.cancel`."""
        self._early = None
        if self._worker is not None and self._worker.mailbox.busy:
            self._worker.mailbox.abandon(cancelled=True)

    @property
    def active(self) -> bool:
        """Whether a call runs."""
        return self._worker is not None and self._worker.mailbox.busy

    def context_of(
        self, sqlstate: str, message: str, detail: str | None, hint: str | None
    ) -> str | None:
        """See `seam.Caller.context_of`."""
        if self._worker is None:
            return None
        told = (sqlstate, message, detail, hint)
        for said in reversed(self._worker.said):
            if said[:-1] == told:
                return said[-1]
        return None

    async def close(self) -> None:
        """See `seam.Caller.close`."""
        if self._opening is not None:
            await self._opening
        worker, database, registered = self._worker, self._database, self._registered
        if worker is not None and self._ended is not None:
            worker.mailbox.close()
            await self._ended.wait()
        if registered is None:
            return
        self._registered = None
        database.workers.pop(registered.pid, None)
        database.replies.read(registered)
        database.replies.over(registered)
        await self._engine.aside(lambda: database.side.unregister(registered))

    def _open_again(self) -> None:
        """What kept the side connection from being opened may have passed: a session may be a
        pool's, and last for days."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._not_before and (self._opening is None or self._opening.done()):
            self._not_before = loop.time() + RETRY
            self._opening = loop.create_task(self.open())

    def _put(self, job: Job) -> None:
        if self._registered is None and self._opening is not None and not self._opening.done():
            # A function calls only if it sees that its session is registered: it waits, and that it
            # may do so is just not known here yet.
            self._early = job
            return
        worker = self._worker or self._start()
        if worker is not None:
            worker.mailbox.put(job)

    def _start(self) -> Worker | None:
        """The worker: most sessions never call, and need none."""
        database, registered = self._database, self._registered
        if registered is None:
            return None  # then the function itself says that it needs a gateway
        loop = asyncio.get_running_loop()
        ended = self._ended = asyncio.Event()
        worker = self._worker = Worker(
            database.side,
            registered,
            self._engine.remotes,
            database.replies,
            on_end=lambda: _tell(loop, ended),
        )
        database.workers[registered.pid] = worker
        worker.start()
        return worker


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended.set)
