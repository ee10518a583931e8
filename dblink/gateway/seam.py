"""What the relay and the engine behind it know of each other."""

from __future__ import annotations

from typing import Protocol


class Caller(Protocol):
    """Runs the calls of one client's session. All methods are called on the event loop, and none
    of them blocks."""

    async def open(self) -> None:
        """Register the session; the client's first ReadyForQuery waits for it."""
        ...

    def call(self, payload: bytes) -> None:
        """A call: the message field of the INFO message."""
        ...

    def call_too_large(self, beginning: bytes, size: int) -> None:
        """A call of `size` bytes, which is more than is taken, and how it begins."""
        ...

    def error_passed(self) -> None:
        """An ErrorResponse is on its way to the client: no call runs any more."""
        ...

    def ready(self, status: int) -> None:
        """A ReadyForQuery is on its way to the client, with this status byte."""
        ...

    def cancel(self) -> None:
        """The client wants to cancel what its session is doing."""
        ...

    def context_of(
        self, sqlstate: str, message: str, detail: str | None, hint: str | None
    ) -> str | None:
        """The context that C dblink gives to the error or notice with these fields, if the session
        has answered a call with it; "" if it gives none. None: it has not."""
        ...

    @property
    def active(self) -> bool:
        """Whether a call runs."""
        ...

    async def close(self) -> None:
        """The session is over. Called once, whatever became of `open`."""
        ...


class Engine(Protocol):
    """Makes the callers of a gateway."""

    def caller(self, database: str, process_id: int, user: str) -> Caller:
        """The caller of a session of `user`, who has just been let into `database`; `process_id` is
        that of its server process."""
        ...

    async def close(self) -> None:
        """The gateway has ended, and all of its callers are closed."""
        ...
