"""Deadlines: a moment on the monotonic clock, or None for never."""

from __future__ import annotations

from time import monotonic

Deadline = float | None

SLACK = 0.05
"""Seconds past its deadline that a flow may go on taking in what is there already. A peer that
always has something to say does not get more."""


def deadline_after(timeout: float | None) -> Deadline:
    """The moment `timeout` seconds from now; None if `timeout` is None."""
    return None if timeout is None else monotonic() + timeout


def seconds_until(deadline: Deadline) -> float | None:
    """Seconds left until `deadline`, at least 0; None if there is none."""
    return None if deadline is None else max(0.0, deadline - monotonic())


def passed(deadline: Deadline) -> bool:
    """Whether `deadline` is over."""
    return deadline is not None and monotonic() > deadline


class Stopwatch:
    """How much is left of `timeout` seconds (None: there is no end), for callers that wait in
    several steps."""

    __slots__ = ("_deadline",)

    def __init__(self, timeout: float | None) -> None:
        self._deadline = deadline_after(timeout)

    @property
    def remaining(self) -> float | None:
        """Seconds left, at least 0; None if there is no end."""
        return seconds_until(self._deadline)

    @property
    def expired(self) -> bool:
        """Whether the time is over."""
        return self.remaining == 0
