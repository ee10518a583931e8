"""The end of a script that is nobody's fault."""


class Hangup(Exception):
    """The client has closed the connection, or the whole server is being closed."""
