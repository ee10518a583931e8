"""dblink_copy, an addition: rows of one remote server into a table of another, by COPY."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pgwire
from dblink import messages
from dblink.failure import RemoteFailure, as_seen_by_caller
from dblink.relations import split_name
from dblink.remote import Remote
from pgwire import errors
from pgwire.rows.column import Column
from pgwire.types.registry import default_registry

Progress = Callable[[int, int | None], object]


class Side:
    """One side of a copy: the connection, the name that it was given by, and what it does."""

    __slots__ = ("action", "given", "remote")

    def __init__(self, remote: Remote, given: str | None, action: str) -> None:
        self.remote = remote
        self.given = given
        self.action = action

    def seen(self, error: errors.DatabaseError) -> errors.DatabaseError:
        """An error of this side, as the caller is to see it."""
        return as_seen_by_caller(error, self.action, self.remote.label(self.given))

    def check(self) -> None:
        """Raise if the connection cannot run anything now."""
        if self.remote.pending is not None:
            raise messages.could_not_send(messages.COMMAND_IN_PROGRESS)
        if self.remote.connection.closed:
            raise messages.could_not_send(messages.NO_CONNECTION)

    def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns of the statement `sql`."""
        try:
            with self.remote.guarded():
                return self.remote.connection.describe(sql)
        except RemoteFailure as failure:
            raise self.seen(failure.error) from failure.error
        except errors.DatabaseError as error:
            raise self.seen(error) from error


def copy(
    source: Side,
    query: str,
    target: Side,
    table: str,
    *,
    columns: Sequence[str] | None,
    binary: bool | None,
    progress: Progress | None,
    timeout: float | None,
) -> int:
    """See `Session.dblink_copy`."""
    source.check()
    target.check()
    query = query.rstrip("; \t\r\n\f\v")
    relation = ".".join([_quoted(name) for name in split_name(table)])
    chosen = ", ".join([_quoted(name) for name in columns or ()])
    if binary is None:
        taken = target.describe(f"SELECT {chosen or '*'} FROM {relation}")
        binary = _same(source.describe(query), taken)
    options = f"(FORMAT {'binary' if binary else 'text'})"
    listed = f" ({chosen})" if columns is not None else ""
    try:
        with source.remote.guarded(), target.remote.guarded():
            return pgwire.copy_between(
                source.remote.connection,
                f"COPY ({query}\n) TO STDOUT {options}",
                target.remote.connection,
                f"COPY {relation}{listed} FROM STDIN {options}",
                progress=progress,
                timeout=timeout,
            )
    except RemoteFailure as failure:
        lost = source if source.remote.connection.closed else target
        raise lost.seen(failure.error) from failure.error
    except errors.DatabaseError as error:
        raise _by_side(error, source, target) from error
    finally:
        for remote in (source.remote, target.remote):
            remote.cursors.after_query(remote.connection.info.transaction_status, ())


def _by_side(error: errors.DatabaseError, source: Side, target: Side) -> errors.DatabaseError:
    """The error with the connection it came from in its context, in the place of the side."""
    context, _, where = (error.diagnostics.context or "").rpartition("\n")
    side = {"source of copy_between": source, "target of copy_between": target}.get(where)
    if side is None:
        return error
    fields = {name: getattr(error.diagnostics, name) for name in error.diagnostics.__slots__}
    plain = errors.Diagnostics(**{**fields, "context": context or None})
    return side.seen(errors.DatabaseError(plain.message, diagnostics=plain))


def _same(given: Sequence[Column], taken: Sequence[Column]) -> bool:
    """Whether the columns go over in binary: their types have the same OIDs on both sides, are
    built in, so that an OID means the same there, and both can send and receive them."""
    if len(given) != len(taken):
        return False
    by_oid = default_registry.by_oid
    for one, other in zip(given, taken, strict=True):
        if one.type_oid != other.type_oid or one.type_oid >= _FIRST_OWN_OID:
            return False
        codec = by_oid(one.type_oid)
        # The binary form of regclass and its like is an OID, which is another on another server.
        if codec.oid != one.type_oid or codec.binary_encoder is None or _is_alias(codec.name):
            return False
    return True


def _is_alias(name: str) -> bool:
    return name.startswith("reg")


_FIRST_OWN_OID = 16384
"""OIDs from here on are given to what users create (FirstNormalObjectId)."""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
