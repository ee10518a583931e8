"""What the tests of targets share: outcomes of ours and of the real libpq, told alike."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pgwire
from pgwire import errors
from tests.pgwire.libpq import LibPQ


def ours(conninfo: str) -> str:
    """The message of the error, or "" if a connection came about."""
    try:
        pgwire.connect(conninfo, environ={}).close()
    except errors.Error as error:
        return error.message
    return ""


def theirs(libpq: LibPQ, conninfo: str) -> str:
    """The same of libpq."""
    return libpq.connect(conninfo).error


def conninfo(*places: tuple[str, int | str], **options: object) -> str:
    """A connection string for these hosts and ports."""
    values = {
        "host": ",".join(host for host, _ in places),
        "port": ",".join(str(port) for _, port in places),
        "user": "alice",
        "dbname": "db",
        **options,
    }
    return " ".join(f"{keyword}='{value}'" for keyword, value in values.items())


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        yield listener.getsockname()[1]
