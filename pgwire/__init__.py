"""pgwire: a PostgreSQL client written from the wire up, without C code and without libpq.

>>> with pgwire.connect("dbname=app") as connection:
...     for name, born in connection.query("SELECT name, born FROM people WHERE id < $1", [100]):
...         print(name, born)
"""

from typing import TYPE_CHECKING

from pgwire.connection import Connection, connect, wait_any
from pgwire.errors import (
    ConnectionLost,
    ConninfoError,
    DatabaseError,
    DataError,
    Diagnostics,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    ProtocolError,
    TimeoutExpired,
    Warning,
)
from pgwire.flows.channel import Notification
from pgwire.flows.oauth import TokenRequest
from pgwire.flows.query import Completed, CopyRefused, EmptyQuery, Failed, RowSet
from pgwire.info import ConnectionInfo
from pgwire.net.clock import Stopwatch
from pgwire.reply import Reply
from pgwire.results import Result
from pgwire.rows.column import Column

if TYPE_CHECKING:
    from pgwire.aio import AsyncConnection, AsyncReply, connect_async

__version__ = "0.1.0"

__all__ = [
    "AsyncConnection",
    "AsyncReply",
    "Column",
    "Completed",
    "Connection",
    "ConnectionInfo",
    "ConnectionLost",
    "ConninfoError",
    "CopyRefused",
    "DataError",
    "DatabaseError",
    "Diagnostics",
    "EmptyQuery",
    "Error",
    "Failed",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "Notification",
    "OperationalError",
    "ProgrammingError",
    "ProtocolError",
    "Reply",
    "Result",
    "RowSet",
    "Stopwatch",
    "TimeoutExpired",
    "TokenRequest",
    "Warning",
    "connect",
    "connect_async",
    "wait_any",
]


def __getattr__(name: str) -> object:
    # Importing asyncio costs more than all of pgwire: only who uses it pays.
    if name in ("AsyncConnection", "AsyncReply", "connect_async"):
        from pgwire import aio

        return getattr(aio, name)
    raise AttributeError(f"module 'pgwire' has no attribute {name!r}")
