"""The source database of a link, where the link is: a foreign server, user mappings and grants.

It is the only place that holds a link's password. The way there is a parameter of a query, never a
statement, so that neither logs of statements nor the views of what runs show it; a maintenance role
that is a superuser has nothing of it logged at all. Manual: CREATE SERVER, CREATE USER MAPPING.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from typing import Any, Final

import pgwire
from dblink.foreign import foreign_server_conninfo
from dblink.links.errors import LinkError
from dblink.links.model import Cluster, Link
from dblink.local import PgwireLocal
from dblink.names import truncate
from pgwire import conninfo, errors

_TIMEOUT: Final = 10
"""Seconds to wait for the request before, on the same link, and to connect."""

_STATEMENT_TIMEOUT: Final = 30
"""Seconds for any statement in a source database."""

_SETTINGS: Final = (
    "SET search_path = pg_catalog, pg_temp",
    f"SET lock_timeout = '{_TIMEOUT}s'",
    f"SET statement_timeout = '{_STATEMENT_TIMEOUT}s'",
    "SET client_min_messages = warning",
)

_UNLOGGED: Final = (
    "SET LOCAL log_statement = none",
    "SET LOCAL log_min_duration_statement = -1",
    "SET LOCAL log_min_duration_sample = -1",
    "SET LOCAL log_transaction_sample_rate = 0",
    "SET LOCAL log_duration = off",
    "SET LOCAL log_min_error_statement = panic",
    "SET LOCAL log_min_messages = panic",
)

_WRAPPER_LOCK: Final = 0x646266647700  # "dbfdw"
_WRAPPER_MARK: Final = "made for links of dblink"

_NO_DATABASE: Final = "3D000"
_DUPLICATE: Final = "42710"
_DEPENDENT: Final = "2BP01"
_BUSY: Final = "55P03"


def mark(link: Link) -> str:
    """The comment by which the foreign server of `link` is known from any other."""
    return f"dblink link {link.id}"


class Source:
    """A connection of the maintenance role to the source database of a link, which nobody else
    who goes by this class changes meanwhile."""

    def __init__(self, connection: pgwire.Connection, link: Link) -> None:
        """Call `held`."""
        self._connection = connection
        self._link = link
        self._server = truncate(link.name)

    def of(self, link: Link) -> Source:
        """The same connection, for the same link when it has got its ID."""
        return Source(self._connection, link)

    def quoted_roles(self, names: Sequence[str], *, missing: bool = True) -> list[str]:
        """The maintenance role and the roles `names`, as SQL writes them. Raises
        InvalidRole.NotFound for a `missing` one, or leaves it out."""
        (maintenance,) = self._query("SELECT quote_ident(current_user), current_user::text")
        quoted = {maintenance[1]: maintenance[0], "PUBLIC": "PUBLIC"}
        quoted |= dict(
            self._query(
                "SELECT rolname::text, quote_ident(rolname) FROM pg_roles"
                " WHERE rolname = ANY ($1::text[])",
                (list(names),),
            )
        )
        known = [name for name in names if name in quoted]
        if missing and len(known) < len(names):
            unknown = next(name for name in names if name not in quoted)
            raise LinkError("InvalidRole.NotFound", role=unknown)
        return list(dict.fromkeys(quoted[name] for name in (maintenance[1], *known)))

    def lock(self, *, wait: bool) -> None:
        """See `held`."""
        key = f"dblink link {self._link.name}"
        if wait:
            self._query("SELECT pg_advisory_lock(hashtextextended($1, 0)) IS NULL", (key,))
            return
        (free,) = self._query("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", (key,))
        if not free[0]:
            raise busy(self._link)

    def is_there(self) -> bool:
        """Whether the link's foreign server is there."""
        return self._comment() == (mark(self._link),)

    def check_free(self) -> None:
        """Raises InvalidDBLinkName.ServerExists if there is a server of the link's name."""
        if self._comment() is not None:
            raise self._taken()

    def create(self, options: Mapping[str, str], roles: Sequence[str], password: str) -> None:
        """Make the link, in one transaction, if `check_free` was content.

        Args:
            options: of the foreign server.
            roles: whom it gets user mappings for, quoted.
            password: of the target's account.
        """
        self._run("create.sql", options=options, roles=roles, password=password)

    def change(self, options: Mapping[str, str], roles: Sequence[str], password: str) -> None:
        """Give the link these options, and whichever roles have no user mapping one."""
        self._run("change.sql", options=options, roles=roles, password=password)

    def drop(self) -> None:
        """Undo the link, in one transaction, if it is there. Raises
        OperationDenied.DBLinkInUse."""
        self._run("drop.sql")

    def conninfo(self) -> str:
        """The connection string by which dblink reaches the target, as the maintenance role. Raises
        OperationDenied.DBLinkBroken."""
        if not self.is_there():
            raise self.broken("the foreign server is gone, or is not the one that was made.")
        with self._told():
            try:
                found = foreign_server_conninfo(
                    PgwireLocal(self._connection, owned=False), self._server, None
                )
            except errors.ProgrammingError as error:
                raise self.broken(f"{error.message}.") from error
        assert found is not None
        return found

    def broken(self, reason: str) -> LinkError:
        """The link cannot be used any more, for a `reason`."""
        return LinkError("OperationDenied.DBLinkBroken", link=self._link.name, reason=reason)

    def _taken(self) -> LinkError:
        return LinkError(
            "InvalidDBLinkName.ServerExists", database=self._link.database, server=self._server
        )

    def _comment(self) -> tuple[str | None] | None:
        found = self._query(
            "SELECT obj_description(oid, 'pg_foreign_server') FROM pg_foreign_server"
            " WHERE srvname = $1::text",
            (self._server,),
        )
        return found[0] if found else None

    def _query(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        with self._told():
            return self._connection.query(sql, params).rows

    def _run(self, name: str, **wish: object) -> None:
        wish |= {
            "server": self._server,
            "mark": mark(self._link),
            "user": self._link.target.account,
            "wrapper_lock": _WRAPPER_LOCK,
            "wrapper_mark": _WRAPPER_MARK,
        }
        sql = files("dblink.links").joinpath(name).read_text("utf-8")
        connection = self._connection
        with self._told(), connection.transaction():
            if connection.info.parameters.get("is_superuser") == "on":
                connection.query_all("; ".join(_UNLOGGED))
            connection.query(
                "SELECT set_config('dblink_links.wish', $1, true) IS NULL", [json.dumps(wish)]
            )
            connection.execute(sql)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the source database says, in the catalogue's words."""
        link = self._link
        where = {"cluster": link.cluster, "database": link.database}
        try:
            yield
        except errors.DatabaseError as error:
            if error.sqlstate == _DUPLICATE:
                raise self._taken() from error
            if error.sqlstate == _BUSY:
                raise busy(link) from error
            if error.sqlstate == _DEPENDENT:
                reason = error.detail or error.message
                raise LinkError(
                    "OperationDenied.DBLinkInUse", link=link.name, reason=reason
                ) from error
            code = "Refused" if error.severity in ("ERROR", None) else "Unreachable"
            if isinstance(error, errors.ConnectionLost):
                code = "Unreachable"
            raise LinkError(f"InvalidSource.{code}", **where, reason=_reason(error)) from error


def busy(link: Link) -> LinkError:
    """Somebody else is at work on `link`."""
    return LinkError("OperationDenied.DBLinkStatus", link=link.name, cluster=link.cluster)


@contextmanager
def held(cluster: Cluster, link: Link, *, wait: bool = True) -> Iterator[Source]:
    """The source database of `link`, locked against everybody else who is at work on the link.

    The lock is an advisory one of the source database, and goes with the connection: whoever finds
    it free knows that no request is at work on the link, whatever the store says. `wait`: for the
    request before, for some seconds. Manual: 13.3.5.

    Raises what `opened` raises, and OperationDenied.DBLinkStatus if somebody else holds it.
    """
    with opened(cluster, link) as source:
        source.lock(wait=wait)
        yield source


@contextmanager
def opened(cluster: Cluster, link: Link) -> Iterator[Source]:
    """The source database of `link`, to look at. Raises InvalidSource.Unreachable or
    InvalidSourceDBName.NotFound."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(_connected(cluster.conninfo, link.database))
        except errors.Error as error:
            where = {"cluster": cluster.id, "database": link.database}
            if error.sqlstate == _NO_DATABASE:
                raise LinkError("InvalidSourceDBName.NotFound", **where) from error
            reason = _reason(error)
            raise LinkError("InvalidSource.Unreachable", **where, reason=reason) from error
        yield Source(connection, link)


def _connected(where: str, database: str) -> pgwire.Connection:
    given = conninfo.parse(where)
    connection = pgwire.connect(
        where,
        dbname=database,
        connect_timeout=given.get("connect_timeout", _TIMEOUT),
        fallback_application_name="dblink links",
        client_encoding="UTF8",
    )
    try:
        connection.query_all("; ".join(_SETTINGS))
    except BaseException:
        connection.close()
        raise
    return connection


def _reason(error: errors.Error) -> str:
    """What a server said, without what could quote a statement."""
    hint = getattr(error, "hint", None)
    return f"{error.message} {hint}" if hint else error.message
