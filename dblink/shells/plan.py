"""What is run in a database to set dblink up, or to remove it: SQL, the same for a program and for
people who hand a script to somebody else."""

from __future__ import annotations

from dblink.functions import FUNCTIONS, UNDOCUMENTED
from dblink.shells.functions import GATEWAY, Face, do_block, documented, quoted, resource
from dblink.shells.wrapper import validator, wrapper

VERSION = 2
"""Version of what is set up: `SELECT dblink_gateway.version()`."""

FOUND = """
SELECT pg_catalog.substring(p.prosrc, '[0-9]+'), o.rolname,
       o.rolsuper OR o.rolname OPERATOR(pg_catalog.=) CURRENT_USER
       OR NOT me.rolsuper AND d.datdba OPERATOR(pg_catalog.=) o.oid
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_proc AS p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid
JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) n.nspowner
JOIN pg_catalog.pg_roles AS me ON me.rolname OPERATOR(pg_catalog.=) CURRENT_USER
JOIN pg_catalog.pg_database AS d
  ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
WHERE n.nspname OPERATOR(pg_catalog.=) 'dblink_gateway'
  AND p.proname OPERATOR(pg_catalog.=) 'version' AND p.pronargs OPERATOR(pg_catalog.=) 0
"""
"""What is set up in a database, no row if nothing is: version, owner, and whether the current role
may call it. Anybody who may create a schema can make one of that name, with functions that would
run as whoever calls them: it is to be a superuser's, the caller's own, or, for a caller who is no
superuser, the database owner's. Nothing of it is called to find out."""

# Names are qualified in what stays; in what is run now nobody else's objects are to be found.
BEGINNING = [
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "SET LOCAL client_min_messages = warning",
    do_block("BEGIN\n  PERFORM pg_catalog.pg_advisory_xact_lock(1684827755);\nEND "),
]

# What every session may call, by name: the rest is called by nobody but them and the side.
_SIDE = (
    "keep(text, text, text)",
    "make(text, int4, text)",
    "drop(text[])",
    "put(int4, text, text, text, int4, int4)",
)
_TABLES = "dblink_gateway.session, dblink_gateway.answer, dblink_gateway.wait"


def setup_statements(schema: str, role: str | None) -> list[str]:
    """The statements, for one transaction."""
    statements = [
        *BEGINNING,
        checks(GATEWAY, schema, VERSION),
        "REVOKE ALL ON SCHEMA dblink_gateway FROM PUBLIC",
        "GRANT USAGE ON SCHEMA dblink_gateway TO PUBLIC",
        resource("rows.sql", GATEWAY),
        resource("gateway.sql", GATEWAY),
        *documented(GATEWAY, schema),
        *validator(GATEWAY, schema),
        "CREATE OR REPLACE FUNCTION dblink_gateway.version() RETURNS pg_catalog.int4\n"
        f"LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT {VERSION}'",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dblink_gateway TO PUBLIC",
        *(f"REVOKE ALL ON ROUTINE dblink_gateway.{name} FROM PUBLIC" for name in _SIDE),
        f"REVOKE ALL ON {_TABLES} FROM PUBLIC",
        "GRANT SELECT ON dblink_gateway.activity TO PUBLIC",
    ]
    if role is not None:
        to = quoted(role)
        statements += [
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {_TABLES} TO {to}",
            *(f"GRANT EXECUTE ON ROUTINE dblink_gateway.{name} TO {to}" for name in _SIDE),
        ]
    return [*statements, wrapper(schema)]


def removal_statements(*, cascade: bool) -> list[str]:
    """The statements, for one transaction. `cascade`: with what depends on it."""
    return [
        *BEGINNING,
        removal(GATEWAY, cascade=cascade),
    ]


def as_script(statements: list[str]) -> str:
    """`statements` as a script for psql, which does all of it or nothing."""
    return "".join(f"{s.rstrip().removesuffix(';')};\n\n" for s in ["BEGIN", *statements, "COMMIT"])


def checks(face: Face, schema: str, version: int) -> str:
    """The statement that raises an error if something stands in the way of setting `face` up in
    `schema`, and else creates the schema of what is ours."""
    return do_block(_filled("checks.sql", face, schema=_literal(schema), version=str(version)))


def removal(face: Face, *, cascade: bool) -> str:
    """The statement that drops what was set up for `face`, with the wrapper."""
    return do_block(_filled("removal.sql", face, cascade="CASCADE" if cascade else "RESTRICT"))


def _filled(name: str, face: Face, **values: str) -> str:
    text = resource(name, face)
    names = ", ".join(map(_literal, (*FUNCTIONS, *sorted(UNDOCUMENTED))))
    for placeholder, value in {**values, "names": f"ARRAY[{names}]"}.items():
        text = text.replace(f"{{{placeholder}}}", value)
    return text


def _literal(text: str) -> str:
    """`text` as a literal, with standard_conforming_strings on or off."""
    doubled = text.replace("'", "''")
    if "\\" not in text:
        return f"'{doubled}'"
    return "E'" + doubled.replace("\\", "\\\\") + "'"
