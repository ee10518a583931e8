"""What `dblink install` and `dblink uninstall` do in a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pgwire
from dblink.functions import FUNCTIONS, UNDOCUMENTED
from dblink.plpython.functions import FACE, SCHEMA, statements
from dblink.plpython.probe import InstallError, probe
from dblink.shells.plan import BEGINNING, removal

OLDEST_SERVER: Final = 140000

_FACTS = """
SELECT r.rolsuper, r.rolname, pg_catalog.current_setting('server_version_num'),
       pg_catalog.current_setting('server_version'), pg_catalog.current_database(),
       (SELECT n.nspname FROM pg_catalog.pg_extension AS e
        JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
        WHERE e.extname OPERATOR(pg_catalog.=) 'dblink'),
       (SELECT e.extversion FROM pg_catalog.pg_extension AS e
        WHERE e.extname OPERATOR(pg_catalog.=) 'plpython3u'),
       EXISTS (SELECT FROM pg_catalog.pg_available_extensions AS e
               WHERE e.name OPERATOR(pg_catalog.=) 'plpython3u'),
       (SELECT o.rolsuper FROM pg_catalog.pg_namespace AS n
        JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
        WHERE n.nspname OPERATOR(pg_catalog.=) $1)
FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
"""

# Functions that are called like the documented ones, and whose they are.
_NAMESAKES = """
SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text, r.rolname, r.rolsuper,
       pg_catalog.strpos(p.prosrc, 'dblink_gateway') OPERATOR(pg_catalog.>) 0,
       pg_catalog.strpos(p.prosrc, 'dblink_python') OPERATOR(pg_catalog.>) 0
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) p.proowner
WHERE n.nspname OPERATOR(pg_catalog.=) $1
  AND p.proname OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[])
ORDER BY 1
"""

# What a function says counts only if nobody else can have made it.
_INSTALLED = f"""
SELECT pg_catalog.to_regprocedure('{SCHEMA}.release()') IS NOT NULL
   AND pg_catalog.to_regprocedure('{SCHEMA}.schema()') IS NOT NULL
   AND EXISTS (SELECT FROM pg_catalog.pg_namespace AS n
               JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
               WHERE n.nspname OPERATOR(pg_catalog.=) '{SCHEMA}' AND o.rolsuper)
"""


def install(
    connection: pgwire.Connection, *, schema: str = "public", folders: Sequence[str] = ()
) -> list[str]:
    """Create the functions, or bring those that are there up to date; all of it or nothing.

    Args:
        connection: a superuser's, to the database, in a session of its own and outside of a
            transaction: what its Python has imported already is not imported again.
        schema: for the documented functions; it must exist.
        folders: on the server's machine, added to the module search path of the server's Python.

    Returns what was done, a line each. Raises InstallError if it cannot be done, and the server's
    errors. Manual: "PL/Python".
    """
    with connection.transaction():
        _begin(connection)
        done = _prepare(connection)
        found = probe(connection, folders)
        before = installed(connection)
        if before is not None and before[1] != schema:
            raise InstallError(
                f"the functions are installed in the schema {before[1]} already: remove them by "
                "`dblink uninstall` first, or name that schema"
            )
        _refuse_namesakes(connection, schema)
        for statement in statements(schema, folders):
            connection.execute(statement)
        connection.query(f"SELECT {SCHEMA}.call('dblink_get_connections', '[]', NULL)")
    what = "created" if before is None else f"brought up to date, from version {before[0]},"
    return [
        *done,
        f"The functions were {what} in the schema {schema}; what they use is in {SCHEMA}.",
        f"The server runs them with {found}.",
    ]


def uninstall(connection: pgwire.Connection, *, cascade: bool = False) -> list[str]:
    """Remove what `install` has created.

    Args:
        connection: a superuser's, to the database.
        cascade: also remove what depends on it, views for instance.

    Returns what was done, a line each. Raises InstallError if nothing is installed, and the
    server's errors: DependentObjectsStillExist (2BP01) names what depends on it.
    """
    with connection.transaction():
        _begin(connection)
        before = installed(connection)
        if before is None:
            raise InstallError("there is nothing to remove: this database has no PL/Python dblink")
        connection.execute(removal(FACE, cascade=cascade))
    version, schema = before
    return [
        f"The functions of version {version} were removed from the schema {schema}.",
        "The language plpython3u is still there: others may use it.",
    ]


def installed(connection: pgwire.Connection) -> tuple[str, str] | None:
    """The version that is installed in the database, and the schema of the documented functions;
    None if none is."""
    if connection.query(_INSTALLED).rows != [(True,)]:
        return None
    ((version, schema),) = connection.query_text(f"SELECT {SCHEMA}.release(), {SCHEMA}.schema()")
    return version or "", schema or ""


def _begin(connection: pgwire.Connection) -> None:
    for statement in BEGINNING:
        connection.execute(statement)


def _prepare(connection: pgwire.Connection) -> list[str]:
    """Check that the functions may be created here, and bring in their language; what was done."""
    facts: Sequence[Any] = connection.query(_FACTS, (SCHEMA,)).rows[0]
    superuser, role, number, version, database, extension, language, available, owned = facts
    if int(number) < OLDEST_SERVER:
        raise InstallError(f"the server is PostgreSQL {version}; 14 or newer is needed")
    if not superuser:
        raise InstallError(
            f"{role} is no superuser, and only superusers can create functions in PL/Python: the "
            "language is not a trusted one"
        )
    if extension is not None:
        raise InstallError(
            f"the database {database} has the extension dblink, in the schema {extension}; these "
            "functions would be called like its own"
        )
    if owned is False:
        raise InstallError(
            f"the schema {SCHEMA} belongs to a role that is no superuser, and could change what "
            "is in it: remove it first"
        )
    if language is not None:
        return []
    if not available:
        raise InstallError(
            f"the server has no PL/Python: install it, for PostgreSQL {int(number) // 10000} "
            f"(on Debian: postgresql-plpython3-{int(number) // 10000})"
        )
    connection.execute("CREATE EXTENSION plpython3u")
    return ["The extension plpython3u was created."]


def _refuse_namesakes(connection: pgwire.Connection, schema: str) -> None:
    names = [*FUNCTIONS, *UNDOCUMENTED]
    for name, owner, superuser, gateway, ours in connection.query(_NAMESAKES, (schema, names)):
        if gateway:
            raise InstallError(
                f"the schema {schema} has the functions for a gateway: remove them by `dblink "
                "setup --remove`, or install into another schema"
            )
        # Replacing a function leaves it to its owner, who may change it again.
        if not (superuser and ours):
            raise InstallError(
                f"the function {name} exists already, and belongs to {owner}: remove it, or "
                "install into another schema"
            )
