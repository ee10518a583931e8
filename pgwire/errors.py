"""The errors of pgwire: PEP 249's tree, and a class per SQLSTATE below it.

The tree and what a server says with an error are in `pgwire.exceptions`; the classes by SQLSTATE,
generated from PostgreSQL's own list, in `pgwire.sqlstates`.
"""

from __future__ import annotations

from pgwire.exceptions import (
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

__all__ = [
    "ConnectionLost",
    "ConninfoError",
    "DataError",
    "DatabaseError",
    "Diagnostics",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PipelineAborted",
    "ProgrammingError",
    "ProtocolError",
    "TimeoutExpired",
    "Warning",
    "error_class",
    "from_diagnostics",
]


def error_class(sqlstate: str) -> type[DatabaseError]:
    """The exception class of a SQLSTATE.

    An unknown code gives the PEP 249 class of its SQLSTATE class (first two characters), else
    `DatabaseError`.
    """
    # Imported when the first error comes: most programs see few, and the list is long.
    from pgwire.sqlstates import SQLSTATE_CLASSES, SQLSTATES

    found = SQLSTATES.get(sqlstate)
    return found if found is not None else SQLSTATE_CLASSES.get(sqlstate[:2], DatabaseError)


def from_diagnostics(diagnostics: Diagnostics) -> DatabaseError:
    """The exception for what the server said; a missing SQLSTATE gives `DatabaseError`."""
    found = error_class(diagnostics.sqlstate) if diagnostics.sqlstate is not None else DatabaseError
    return found(diagnostics.message, diagnostics=diagnostics)
