"""How the event loop hands a session's messages to its worker: one at a time, the newest counts.

A caller waits for the answer to its call. So when another message comes, whoever sent the one
before it is not waiting any more, unless it was asked something: there is never more than one
message to keep, however many somebody forges.
"""

from __future__ import annotations

import threading


class Abandoned(BaseException):
    """Nobody waits for the call that runs any more. No failure: no handler of those stops it."""


class Job:
    """One message, and the call that it begins. `cancelled`: by a CancelRequest."""

    __slots__ = ("abandoned", "asking", "cancelled", "done", "payload", "too_large")

    def __init__(self, payload: bytes, *, too_large: int = 0) -> None:
        """`too_large`: the size of the message if `payload` is only its beginning."""
        self.payload = payload
        self.too_large = too_large
        self.abandoned = False
        self.cancelled = False
        self.asking = False
        self.done = False


class Mailbox:
    """Room for one message, between two threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._waiting: Job | None = None
        self._current: Job | None = None
        self.closed = False
        """Whether the session is over."""

    # In the loop's thread. None of these waits.

    def put(self, job: Job) -> None:
        """Hand a message over. The call that runs is abandoned, unless it has asked something."""
        with self._guard:
            current = self._current
            if current is not None and not current.asking:
                current.abandoned = True
            self._waiting = job
            self._ring()

    def abandon(self, *, cancelled: bool = False) -> None:
        """Nobody waits for what has been handed over so far; if `cancelled`, it is still
        answered, since the cancellation may have come too late to stop the caller."""
        with self._guard:
            for job in (self._current, self._waiting):
                if job is not None:
                    job.abandoned = True
                    job.cancelled = job.cancelled or cancelled
            if not cancelled:
                self._waiting = None
            self._ring()

    def close(self) -> None:
        """The session is over."""
        with self._guard:
            self.closed = True
            self._ring()
        self.abandon()

    @property
    def busy(self) -> bool:
        """Whether a message has been handed over that is not done with."""
        return self._current is not None or self._waiting is not None

    def _ring(self) -> None:
        if self._wake.locked():
            self._wake.release()

    # In the worker's thread.

    def take(self) -> Job | None:
        """Wait for the next call, which is then the one that runs; None at the end."""
        with self._guard:
            self._current = None
        while True:
            self._wake.acquire()
            with self._guard:
                if self.closed:
                    self._ring()
                    return None
                job, self._waiting = self._waiting, None
                if job is not None:
                    self._current = job
                    return job

    def reply(self, job: Job) -> Job:
        """Wait for the message that answers what `job` has asked. Raises Abandoned. A message that
        turns out to be no answer is to be given back, see `give_back`."""
        while True:
            self._wake.acquire()
            with self._guard:
                if job.abandoned or self.closed:
                    self._ring()
                    raise Abandoned
                answer, self._waiting = self._waiting, None
                if answer is not None:
                    job.asking = False
                    return answer

    def give_back(self, job: Job) -> None:
        """Have `take` give this message next, unless a newer one has come."""
        with self._guard:
            if self._waiting is None:
                self._waiting = job
            self._ring()
