"""The thread of one client session: it runs the calls that come, on a `dblink.Session`.

Whatever a message holds, it is answered, or thrown away and logged. Nothing is raised out of the
thread, and nothing waits for somebody who has gone.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import pgwire
from dblink import messages
from dblink.columns import converted_by_caller
from dblink.events import WaitEvent
from dblink.functions import bind
from dblink.gateway import calls
from dblink.gateway.asking import AskedLocal
from dblink.gateway.calls import Call, Malformed, Message, Told
from dblink.gateway.mailbox import Abandoned, Job, Mailbox
from dblink.gateway.replies import Replies, Rows
from dblink.gateway.side import Registered, Side
from dblink.gateway.trust import CallersPrivileges
from dblink.local import TextRow
from dblink.remotes import Remotes
from dblink.result import Result
from dblink.session import Session
from pgwire import errors

logger = logging.getLogger("dblink.gateway")

CHECK_EVERY = 0.1
"""Seconds between two looks whether the call has been abandoned."""

IN_ROW = 32 * 1024
"""Bytes of rows that an answer may have in the mailbox row; more goes through a table."""

IN_FUNCTION = 8 * 1024
"""The same where the answer has to pass snapshots."""

_REMEMBERED = 8

Said = tuple[str, str, str | None, str | None, str]
"""SQLSTATE, message, detail, hint and context of an error or notice that has been answered."""


class Waiting:
    """What the session waits for: for the activity view."""

    __slots__ = ("_call", "began", "event", "since")

    def __init__(self, event: WaitEvent, call: Call | None) -> None:
        self.event = event
        self._call = call
        self.began = time.monotonic()
        self.since = time.time()

    @property
    def query(self) -> str | None:
        """The query that is waited for, if the function that waits was given it."""
        return None if self._call is None else _query_of(self._call)


class Worker:
    """Runs the calls of the session `registered` in a thread of its own."""

    def __init__(
        self,
        side: Side,
        registered: Registered,
        remotes: Remotes,
        replies: Replies,
        *,
        on_end: Callable[[], None],
    ) -> None:
        """`on_end` is called in the thread when it has ended."""
        self.mailbox = Mailbox()
        self.waiting: Waiting | None = None
        self.said: deque[Said] = deque(maxlen=_REMEMBERED)
        self._side = side
        self._registered = registered
        self._remotes = remotes
        self._replies = replies
        self._on_end = on_end
        self._privileges = CallersPrivileges(side, registered)
        self._job = Job(b"")
        self._notices: list[errors.Diagnostics] = []
        self._call: Call | None = None
        self._moving: Result | None = None
        self._complained = False
        # Where the next answer goes: a question moves it on.
        self._number = ""
        self._bell: int | None = None
        self._snapshots = True
        self._thread = threading.Thread(
            target=self._run, name=f"dblink session {registered.pid}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._session() as session:
                while (job := self.mailbox.take()) is not None:
                    self._job = job
                    try:
                        self._serve(session, job)
                    except Exception:
                        # Without its answer the caller notices that the gateway has gone.
                        logger.exception("an answer to session %d was lost", self._registered.pid)
                    job.done = True
                    if job.abandoned:  # what it has filled is of no use to anybody
                        self._replies.read(self._registered)
        except Exception:
            logger.exception("the end of session %d", self._registered.pid)
        finally:
            if not self.mailbox.closed:
                self._side.unregister(self._registered)  # so that nobody waits for this thread
            self._on_end()

    def _session(self) -> Session:
        return Session(
            AskedLocal(self._ask, self._privileges.may_use),
            privileges=self._privileges,
            vet=self._remotes.vet,
            secrets=False,
            on_notice=self._notices.append,
            on_wait=self._note_wait,
        )

    def _serve(self, session: Session, job: Job) -> None:
        if job.too_large:
            self._refuse_size(job)
            return
        try:
            message = calls.decode(job.payload, self._side.codec)
        except Malformed as malformed:
            self._complain(malformed)
            return
        finally:
            job.payload = b""
        if isinstance(message, Told):
            # The call that asked has been cancelled. Should its caller not have been, it waits.
            self._address(message)
            self._snapshots = False  # which works wherever the caller is
            self._answer(calls.answer(calls.failure(_CANCELLED)))
            return
        self._begin(message)
        self._replies.read(self._registered)
        began = time.monotonic()
        outcome = "OK"
        try:
            # Nobody could be woken by the interruption before the first wait.
            self._check()
            with pgwire.interruptible(self._check, every=CHECK_EVERY):
                content = self._perform(session, message)
        except Abandoned:
            outcome = "57014"
            self._give_up_rows()
            if not job.cancelled:
                return
            content = calls.failure(_CANCELLED)
        except errors.Error as error:
            outcome = error.sqlstate or "XX000"
            self._remember([error.diagnostics])
            content = calls.failure(error.diagnostics)
        except Exception as error:
            logger.exception("%s failed in the gateway", message.function.name)
            outcome = "XX000"
            content = calls.failure(_internal_error(error))
        finally:
            self.waiting = self._call = self._moving = None
            self._remember(self._notices)
            self._log(session, message, time.monotonic() - began, outcome)
        self._answer(calls.answer(content, self._notices))

    def _begin(self, call: Call) -> None:
        self._address(call)
        self._snapshots = call.snapshots
        self._privileges.begin(call)
        self._notices.clear()
        self._call = call

    def _perform(self, session: Session, call: Call) -> dict[str, object]:
        """What the function of that name returns, as the content of an answer."""
        method = getattr(session, call.function.name)
        if call.declared:
            declared = converted_by_caller(call.types or ())
            return self._rows(method(*call.arguments, columns=declared), call)
        returned = method(*call.arguments)
        if call.function.returns_set:
            return calls.rows(returned)
        return calls.value(returned)

    def _rows(self, result: Result, call: Call) -> dict[str, object]:
        limit = IN_ROW if call.snapshots else IN_FUNCTION
        if result.size is not None and result.size <= limit:
            return {**calls.rows(result.fetchall()), **_styles(result)}
        return self._rows_by_tables(result, call.role)

    def _rows_by_tables(self, result: Result, role: str) -> dict[str, object]:
        """The answer whose rows are in the last of some tables: while the caller reads one of
        them, the next one is filled."""
        self._moving = result
        rows = Rows(result)
        columns, styles = len(result.columns), _styles(result)
        name = self._replies.fill(self._registered, role, columns, rows, self._check)
        while rows.more:
            number = secrets.token_hex(16)
            self._job.asking = True
            self._replies.given(self._registered, name)
            self._answer(calls.answer({**calls.table(name, columns, number), **styles}))
            try:
                name = self._replies.fill(self._registered, role, columns, rows, self._check)
            except Exception:
                self._told(number)  # it is there that the caller waits, now for the failure
                raise
            try:
                self._told(number)
            except BaseException:
                self._replies.given(self._registered, name)  # so that it goes
                raise
            self._replies.read(self._registered)
        self._replies.given(self._registered, name)
        return {**calls.table(name, columns), **styles}

    def _give_up_rows(self) -> None:
        """Cancel the query of rows that nobody wants any more. Whoever waited for the remote server
        has done so; but the wait that was interrupted may have been another one, for the caller or
        for the side."""
        if self._moving is not None:
            with contextlib.suppress(errors.Error):
                self._moving.give_up()

    # The conversation with the caller.

    def _address(self, message: Message) -> None:
        self._number, self._bell = message.number, message.bell

    def _answer(self, text: str) -> None:
        if self._job.abandoned and not self._job.cancelled:
            return
        number, bell, snapshots = self._number, self._bell, self._snapshots
        try:
            self._side.answer(self._registered, number, bell, text, snapshots=snapshots)
        except errors.DatabaseError as error:
            if error.sqlstate is None or error.sqlstate[:2] in ("08", "57"):
                raise
            # The database cannot hold the answer: a character that its encoding has not, say.
            told = calls.answer(calls.failure(error.diagnostics))
            self._side.answer(self._registered, number, bell, told, snapshots=snapshots)

    def _ask(self, sql: str, parameters: Sequence[str | None]) -> list[TextRow]:
        """Have the caller run a query. Raises Abandoned if it fails there."""
        number = secrets.token_hex(16)
        self._job.asking = True
        self._answer(calls.answer(calls.question(sql, parameters, number)))
        return self._told(number)

    def _told(self, number: str) -> list[TextRow]:
        """Wait for what the caller tells under `number`. Raises Abandoned if it does not."""
        answer = self.mailbox.reply(self._job)
        try:
            message = calls.decode(answer.payload, self._side.codec)
        except Malformed as malformed:
            self._complain(malformed)
            raise Abandoned from None
        if not isinstance(message, Told) or message.number != number:
            # Another call: the query has failed, and the failure has been caught.
            self.mailbox.give_back(answer)
            raise Abandoned
        self._address(message)
        return message.rows

    def _check(self) -> None:
        """Called while the call waits for something remote. Raises Abandoned."""
        if self._job.abandoned:
            raise Abandoned

    # What is wrong with messages.

    def _refuse_size(self, job: Job) -> None:
        number = calls.number_in(job.payload)
        told = f"a call of {job.too_large} bytes is too large for the gateway"
        self._complain(Malformed(told, number), sqlstate="54000")

    def _complain(self, malformed: Malformed, sqlstate: str = "08P01") -> None:
        """Tell whoever has sent it; the log only once, or it could be filled."""
        log = logger.debug if self._complained else logger.warning
        self._complained = True
        log("session %d: not a call: %s", self._registered.pid, malformed.reason)
        if malformed.number is None:
            return
        self._number, self._bell = malformed.number, None
        self._snapshots = False  # which works wherever the caller is
        error = messages.make(
            sqlstate,
            f"the gateway did not understand the call: {malformed.reason}",
            hint="The functions and the gateway may be of different versions.",
        )
        self._answer(calls.answer(calls.failure(error.diagnostics)))

    # What others want to know.

    def _note_wait(self, event: WaitEvent) -> None:
        self.waiting = Waiting(event, self._call) if event.duration is None else None

    def _remember(self, diagnostics: Sequence[errors.Diagnostics]) -> None:
        for told in diagnostics:
            self.said.append(
                (told.sqlstate or "", told.message, told.detail, told.hint, told.context or "")
            )

    def _log(self, session: Session, call: Call, seconds: float, outcome: str) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        # The first argument may be a name, or hold a password.
        first = call.arguments[0] if call.arguments else None
        known = session.dblink_get_connections() or ()
        named = f" on {first!r}" if first in known else ""
        logger.info(
            "session %d: %s%s took %.6f s: %s",
            self._registered.pid,
            call.function.name,
            named,
            seconds,
            outcome,
        )


def _styles(result: Result) -> dict[str, object]:
    """With which settings the caller is to read dates; most answers have none."""
    styles = result.styles
    return {"styles": styles} if styles else {}


_CANCELLED = errors.Diagnostics(
    message="canceling statement due to user request", severity="ERROR", sqlstate="57014"
)


def _internal_error(error: Exception) -> errors.Diagnostics:
    return errors.Diagnostics(
        message=f"the gateway failed: {type(error).__name__}",
        severity="ERROR",
        sqlstate="XX000",
        hint="The log of the gateway tells more.",
    )


def _query_of(call: Call) -> str | None:
    """The argument `sql`, if the function has one; connection strings are nobody's to see."""
    bound = bind(call.function.name, call.arguments) or {}
    found = bound.get("sql")
    return found if isinstance(found, str) else None
