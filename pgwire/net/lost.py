"""How a lost connection is told, in libpq's words."""

from __future__ import annotations

CLOSED_UNEXPECTEDLY = (
    "server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request."
)


def lost_reason(what: str, error: OSError) -> str:
    """What to say of `error` when trying to `what` ("receive data from") the server."""
    # To libpq, too, a reset is an unexpected end, on whichever way it is noticed.
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return CLOSED_UNEXPECTEDLY
    return f"could not {what} server: {error.strerror}"
