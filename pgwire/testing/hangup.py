"""The end of a script that is nobody's fault."""


class Hangup(Exception):
    """The client has closed the connection, or the whole server is being closed. `expected` tells
    whether a message was being waited for."""

    def __init__(self, message: str, *, expected: bool = False) -> None:
        super().__init__(message)
        self.expected = expected
