"""The errors that dblink itself raises, in the words of PostgreSQL 18's C dblink."""

from __future__ import annotations

from pgwire import errors

NO_ERROR_TEXT = "could not obtain message string for remote error"
COMMAND_IN_PROGRESS = "another command is already in progress"
NO_CONNECTION = "no connection to the server"
LOST = "invalid socket"
"""What libpq adds when the connection was lost while dblink waited for a result."""


def make(
    sqlstate: str, message: str, *, detail: str | None = None, hint: str | None = None
) -> errors.DatabaseError:
    """An error of the class of `sqlstate`."""
    return errors.error_class(sqlstate)(message, sqlstate=sqlstate, detail=detail, hint=hint)


def connection_not_available(name: str | None) -> errors.DatabaseError:
    """No open connection of that name; None for the unnamed one."""
    called = "connection" if name is None else f'connection "{name}"'
    return make("08003", f"{called} not available")


def connection_in_use(name: str | None) -> errors.DatabaseError:
    """A nested use of a connection in the middle of a call."""
    called = "connection" if name is None else f'connection "{name}"'
    return make("55006", f"{called} is already in use")


def duplicate_connection_name() -> errors.DatabaseError:
    """dblink_connect with a name that is open."""
    return make("42710", "duplicate connection name")


def could_not_connect(detail: str) -> errors.DatabaseError:
    """Every failure to connect; the server's own SQLSTATE is not told, as in C dblink."""
    return make("08001", "could not establish connection", detail=detail)


def could_not_send(reason: str) -> errors.DatabaseError:
    """dblink() could not even send its query."""
    return make("XX000", f"could not send query: {reason}")


def rowtype_mismatch() -> errors.DatabaseError:
    """The rows have another number of columns than the caller declared."""
    return make(
        "42804",
        "remote query result rowtype does not match the specified FROM clause rowtype",
    )


def status_count_mismatch(expected: int) -> errors.DatabaseError:
    """A command's one status column against several declared ones."""
    return make(
        "42804",
        "function return row and query-specified return row do not match",
        detail=f"Returned row contains 1 attribute, but query expects {expected}.",
    )


def status_type_mismatch(type_name: str) -> errors.DatabaseError:
    """A command's status column declared with a type that is not text's."""
    return make(
        "42804",
        "function return row and query-specified return row do not match",
        detail=f"Returned type text at ordinal position 1, but query expects {type_name}.",
    )


def results_not_allowed() -> errors.DatabaseError:
    """dblink_exec got rows."""
    return make("2F003", "statement returning results not allowed")


def no_such_cursor(cursor: str) -> errors.DatabaseError:
    """What was fetched from turned out not to be a cursor."""
    return make("34000", f'cursor "{cursor}" does not exist')


def password_required() -> errors.DatabaseError:
    """An unprivileged caller gave no password."""
    return make(
        "2F003",
        "password or GSSAPI delegated credentials required",
        detail="Non-superusers must provide a password in the connection string "
        "or send delegated GSSAPI credentials.",
    )


def password_not_used() -> errors.DatabaseError:
    """An unprivileged caller gave a password that the server did not ask for."""
    return make(
        "2F003",
        "password or GSSAPI delegated credentials required",
        detail="Non-superusers may only connect using credentials they provide, "
        "eg: password in connection string or delegated GSSAPI credentials",
        hint="Ensure provided credentials match target server's authentication method.",
    )


def option_forbidden(keyword: str) -> errors.DatabaseError:
    """A connection option that dblink's callers may not set."""
    return make("42501", f'permission denied to set connection option "{keyword}"')


def file_forbidden(keyword: str) -> errors.DatabaseError:
    """A connection option that names a file, in a process whose files are not the caller's."""
    hint = "Connections are made without files of the process that makes them."
    if keyword == "sslrootcert":
        hint += " sslrootcert=system takes the authorities that its machine trusts."
    return make("42501", f'permission denied to set connection option "{keyword}"', hint=hint)


def function_forbidden(name: str) -> errors.DatabaseError:
    """No EXECUTE privilege."""
    return make("42501", f"permission denied for function {name}")


def interrupted() -> errors.DatabaseError:
    """The rest of a result whose reading has been interrupted."""
    return make("57014", "the rows that were left of this result have been given up")


def needs_local(what: str) -> errors.DatabaseError:
    """Without a local database some functions have nothing to look at."""
    return make(
        "0A000",
        f"{what} needs a local database",
        hint="Give one to the session: Session(local=...) takes a connection string or a "
        "pgwire.Connection.",
    )
