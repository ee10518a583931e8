"""Deadlines: a moment on the monotonic clock, or None for never."""

from __future__ import annotations

from time import monotonic

from pgwire import errors

Deadline = float | None


def deadline_after(timeout: float | None) -> Deadline:
    """The moment `timeout` seconds from now; None if `timeout` is None."""
    return None if timeout is None else monotonic() + timeout


def remaining(deadline: Deadline, what: str = "") -> float | None:
    """Seconds left until `deadline`, more than 0; None if there is none.

    Raises TimeoutExpired naming `what` if none are left.
    """
    if deadline is None:
        return None
    left = deadline - monotonic()
    if left <= 0:
        raise errors.TimeoutExpired(f"{what}: timeout expired" if what else "timeout expired")
    return left


class Stopwatch:
    """How much is left of `timeout` seconds (None: there is no end), for callers that wait in
    several steps."""

    __slots__ = ("_deadline",)

    def __init__(self, timeout: float | None) -> None:
        self._deadline = deadline_after(timeout)

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0; None if there is no end."""
        return None if self._deadline is None else max(0.0, self._deadline - monotonic())

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self.remaining == 0
