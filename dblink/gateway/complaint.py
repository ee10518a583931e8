"""What is tried again and again, and complained of once."""

from __future__ import annotations

import logging

logger = logging.getLogger("dblink.gateway")


class Complaint:
    """A warning in the log; for as long as it stays the same, a line for debugging."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = ""

    def make(self, what: str) -> None:
        """Say `what` is wrong."""
        level = logging.DEBUG if what == self._last else logging.WARNING
        self._last = what
        logger.log(level, "%s", what)

    def withdraw(self) -> None:
        """All is well: should it go wrong again, that is news."""
        self._last = ""
