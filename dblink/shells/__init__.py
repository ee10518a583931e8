"""dblink in a database, without an extension: what `dblink setup` creates, and how it goes.

The documented functions are PL/pgSQL, "shells": each sends its call to the gateway in front of the
server (`dblink.gateway`), waits, and returns the answer. All that is ours is in the schema
`dblink_gateway`. Only the foreign-data wrapper needs a superuser.

```python
with pgwire.connect("dbname=sales") as connection:
    print(dblink.shells.setup(connection))
```
"""

from __future__ import annotations

import pgwire
from dblink.shells.plan import (
    FOUND,
    VERSION,
    as_script,
    removal_statements,
    setup_statements,
)
from dblink.shells.wrapper import WRAPPER, creation

__all__ = ["FOUND", "VERSION", "Report", "removal_script", "remove", "script", "setup"]


class Report:
    """What `setup` or `remove` did: `str()` of it tells people.

    `schema`: where the functions are; `wrapper`: whether there is the wrapper `dblink_fdw` now.
    """

    __slots__ = ("lines", "schema", "wrapper")

    def __init__(self, schema: str, wrapper: bool, lines: list[str]) -> None:
        self.schema = schema
        self.wrapper = wrapper
        self.lines = lines

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __repr__(self) -> str:
        return f"<Report schema={self.schema!r} wrapper={self.wrapper}>"


def setup(
    connection: pgwire.Connection, *, schema: str = "public", role: str | None = None
) -> Report:
    """Create the documented functions in the connection's database, or bring them up to date.

    Arguments:
        connection: of a role that may create objects in `schema`, and schemas in the database.
            All is done in one transaction, within an open one in a savepoint of it.
        schema: where the documented functions, their type and the validator are to be.
        role: the role that the gateway's side connection logs in as, unless it is that of
            `connection` or a superuser: gets what it needs.

    Returns what was done. Raises `pgwire.DatabaseError`: 42710 if the extension dblink is in the
    database, or dblink is set up in another schema; 42723 if a function of another origin would
    be replaced; 55000 if a later version is set up; 42501 without the rights, or if what is
    there belongs to another role that is no superuser. Manual: F.12.
    """
    before = _version(connection)
    _run(connection, setup_statements(schema, role))
    wrapped = connection.query_text(
        "SELECT FROM pg_catalog.pg_foreign_data_wrapper WHERE fdwname OPERATOR(pg_catalog.=) $1",
        (WRAPPER,),
    )
    told = {None: "is set up", VERSION: "was set up before, and is as new"}.get(
        before, f"was of version {before}, and is brought up to date"
    )
    lines = [f'dblink {told}: version {VERSION}, functions in schema "{schema}".']
    if not wrapped:
        lines += [
            f"The foreign-data wrapper {WRAPPER} was not created: only a superuser can do that.",
            "Connection strings work without it, and so do foreign servers of other wrappers.",
            f"A superuser can create it later: {creation(schema)};",
        ]
    owner, is_superuser = connection.query_text(
        "SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles"
        " AS r ON r.oid OPERATOR(pg_catalog.=) n.nspowner"
        " WHERE n.nspname OPERATOR(pg_catalog.=) 'dblink_gateway'"
    )[0]
    if is_superuser != "t":
        lines.append(
            f'dblink_connect_u is refused to everybody, since its owner "{owner}" is no superuser:'
            " it would let them connect without a password."
        )
    return Report(schema, bool(wrapped), lines)


def remove(connection: pgwire.Connection, *, cascade: bool = False) -> Report:
    """Drop all that `setup` has created in the connection's database.

    Arguments:
        connection: of the role that set it up, or a superuser.
        cascade: whether what depends on it goes, too.

    Returns what was done. Raises `pgwire.DatabaseError`: 42704 if dblink is not set up; 2BP01 if
    something depends on it, which the detail names. Nothing is dropped then.
    """
    _run(connection, removal_statements(cascade=cascade))
    return Report("", False, ["dblink is removed."])


def script(schema: str = "public", role: str | None = None) -> str:
    """What `setup` does, as a script for psql."""
    return as_script(setup_statements(schema, role))


def removal_script(*, cascade: bool = False) -> str:
    """What `remove` does, as a script for psql."""
    return as_script(removal_statements(cascade=cascade))


def _run(connection: pgwire.Connection, statements: list[str]) -> None:
    with connection.transaction():
        settings = connection.query_text(
            "SELECT pg_catalog.current_setting('search_path'),"
            " pg_catalog.current_setting('client_min_messages')"
        )[0]
        for statement in statements:
            connection.query_all(statement)
        # Within somebody's transaction, his settings are to be what they were.
        connection.query_text(
            "SELECT pg_catalog.set_config('search_path', $1, true),"
            " pg_catalog.set_config('client_min_messages', $2, true)",
            settings,
        )


def _version(connection: pgwire.Connection) -> int | None:
    found = connection.query_text(FOUND)
    return int(found[0][0] or 0) if found else None
