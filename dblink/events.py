"""Wait events: what the session is waiting for, as C dblink shows it in pg_stat_activity."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

logger = logging.getLogger("dblink")

DBLINK_CONNECT = "DblinkConnect"  # dblink_connect, dblink_connect_u
DBLINK_GET_CONNECT = "DblinkGetConnect"  # a connection that one call makes for itself
DBLINK_GET_RESULT = "DblinkGetResult"  # waiting for results


class WaitEvent:
    """One wait: `name` (manual: Table 27.9, Extension), `connection` (None: the unnamed one) and
    `duration` in seconds; None while the wait goes on."""

    __slots__ = ("connection", "duration", "name")

    def __init__(self, name: str, connection: str | None) -> None:
        self.name = name
        self.connection = connection
        self.duration: float | None = None

    def __repr__(self) -> str:
        took = "waiting" if self.duration is None else f"{self.duration:.6f} s"
        return f"<WaitEvent {self.name} on {self.connection!r}: {took}>"


WaitHandler = Callable[[WaitEvent], None]


@contextmanager
def waiting(handler: WaitHandler | None, name: str, connection: str | None) -> Iterator[None]:
    """Tell `handler` that a wait begins, and once more, with its duration, when it ends."""
    event = WaitEvent(name, connection)
    if handler is not None:
        handler(event)
    start = monotonic()
    try:
        yield
    finally:
        event.duration = monotonic() - start
        logger.debug("%s on connection %r took %.6f s", name, connection, event.duration)
        if handler is not None:
            handler(event)
