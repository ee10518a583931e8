"""pgwire: a PostgreSQL client written from the wire up, without C code and without libpq.

>>> with pgwire.connect("dbname=app") as connection:
...     for name, born in connection.query("SELECT name, born FROM people WHERE id < $1", [100]):
...         print(name, born)
"""

# Not the one of `typing`, which costs more to import than all that this module does.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from pgwire import conninfo as conninfo
    from pgwire import errors as errors
    from pgwire import sqlstates as sqlstates
    from pgwire.aio import AsyncConnection, AsyncReply, connect_async
    from pgwire.aio.copies import AsyncCopyChunks, AsyncCopyRows, copy_between_async
    from pgwire.aio.cursor import AsyncCursor
    from pgwire.aio.pipeline import AsyncPipeline, AsyncPromise
    from pgwire.aio.stream import AsyncStream
    from pgwire.connection import Connection, connect, wait_any
    from pgwire.copies import CopyChunks, CopyRows, copy_between
    from pgwire.cursor import Cursor
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
        PipelineAborted,
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
    from pgwire.net.interrupts import Interruption, interruptible
    from pgwire.pipeline import Pipeline, Promise
    from pgwire.protocol.scram import forget_scram_keys
    from pgwire.reply import Reply
    from pgwire.results import CopyResult, Result
    from pgwire.rows.column import Column
    from pgwire.rows.factories import callable_row, dataclass_row, dict_row, namedtuple_row
    from pgwire.stream import Stream
    from pgwire.types.array import Array
    from pgwire.types.codec import Codec
    from pgwire.types.interval import Interval
    from pgwire.types.lsn import LSN
    from pgwire.types.range import Multirange, Range
    from pgwire.types.snapshots import Snapshot

__version__ = "0.1.0"

__all__ = [
    "LSN",
    "Array",
    "AsyncConnection",
    "AsyncCopyChunks",
    "AsyncCopyRows",
    "AsyncCursor",
    "AsyncPipeline",
    "AsyncPromise",
    "AsyncReply",
    "AsyncStream",
    "Codec",
    "Column",
    "Completed",
    "Connection",
    "ConnectionInfo",
    "ConnectionLost",
    "ConninfoError",
    "CopyChunks",
    "CopyRefused",
    "CopyResult",
    "CopyRows",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Diagnostics",
    "EmptyQuery",
    "Error",
    "Failed",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Interruption",
    "Interval",
    "Multirange",
    "NotSupportedError",
    "Notification",
    "OperationalError",
    "Pipeline",
    "PipelineAborted",
    "ProgrammingError",
    "Promise",
    "ProtocolError",
    "Range",
    "Reply",
    "Result",
    "RowSet",
    "Snapshot",
    "Stopwatch",
    "Stream",
    "TimeoutExpired",
    "TokenRequest",
    "Warning",
    "callable_row",
    "connect",
    "connect_async",
    "copy_between",
    "copy_between_async",
    "dataclass_row",
    "dict_row",
    "forget_scram_keys",
    "interruptible",
    "namedtuple_row",
    "wait_any",
]

# Where the public names live: what is not used is not imported. A name is added here, in __all__
# and in the imports above, which are for type checkers; a test compares the three.
_NAMES = {
    "pgwire.aio": "AsyncConnection AsyncReply connect_async",
    "pgwire.aio.pipeline": "AsyncPipeline AsyncPromise",
    "pgwire.aio.cursor": "AsyncCursor",
    "pgwire.aio.stream": "AsyncStream",
    "pgwire.aio.copies": "AsyncCopyChunks AsyncCopyRows copy_between_async",
    "pgwire.connection": "Connection connect wait_any",
    "pgwire.copies": "CopyChunks CopyRows copy_between",
    "pgwire.cursor": "Cursor",
    "pgwire.errors": (
        "ConnectionLost ConninfoError DatabaseError DataError Diagnostics Error IntegrityError"
        " InterfaceError InternalError NotSupportedError OperationalError PipelineAborted"
        " ProgrammingError ProtocolError TimeoutExpired Warning"
    ),
    "pgwire.flows.channel": "Notification",
    "pgwire.flows.oauth": "TokenRequest",
    "pgwire.flows.query": "Completed CopyRefused EmptyQuery Failed RowSet",
    "pgwire.info": "ConnectionInfo",
    "pgwire.net.clock": "Stopwatch",
    "pgwire.net.interrupts": "Interruption interruptible",
    "pgwire.pipeline": "Pipeline Promise",
    "pgwire.protocol.scram": "forget_scram_keys",
    "pgwire.reply": "Reply",
    "pgwire.results": "CopyResult Result",
    "pgwire.rows.column": "Column",
    "pgwire.types.array": "Array",
    "pgwire.types.codec": "Codec",
    "pgwire.types.interval": "Interval",
    "pgwire.types.lsn": "LSN",
    "pgwire.types.range": "Multirange Range",
    "pgwire.types.snapshots": "Snapshot",
    "pgwire.rows.factories": "callable_row dataclass_row dict_row namedtuple_row",
    "pgwire.stream": "Stream",
}
_HOMES = {name: room for room, names in _NAMES.items() for name in names.split()}
_ROOMS = ("conninfo", "errors", "sqlstates")  # may be used as attributes, without an import

if not TYPE_CHECKING:  # or every misspelt name would pass for an object

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _ROOMS:
            return import_module(f"pgwire.{name}")
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'pgwire' has no attribute {name!r}")
        found: object = getattr(import_module(home), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
