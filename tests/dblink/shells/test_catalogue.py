"""What `dblink setup` creates is what CREATE EXTENSION dblink creates, field by field."""

from __future__ import annotations

from typing import Any

import pgwire

FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.proargnames::text, p.proargmodes::text,
       p.proallargtypes::regtype[]::text, p.prorettype::regtype::text, p.proretset, p.proisstrict,
       p.provolatile::text, p.prosecdef, p.proleakproof, p.procost, p.prorows, p.pronargdefaults,
       p.proacl::text, p.proconfig::text, obj_description(p.oid, 'pg_proc'), p.proparallel::text
FROM pg_proc AS p WHERE p.pronamespace = 'ext'::regnamespace ORDER BY 1
"""
TYPES = """
SELECT t.typname, t.typacl::text, obj_description(t.oid, 'pg_type'),
       array_agg(a.attname || ' ' || a.atttypid::regtype ORDER BY a.attnum)::text
FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid
WHERE t.typnamespace = 'ext'::regnamespace GROUP BY t.oid
"""
WRAPPERS = """
SELECT fdwname, fdwhandler, fdwvalidator::regprocedure::text, fdwacl::text, fdwoptions
FROM pg_foreign_data_wrapper
"""


def rows(conninfo: str, sql: str) -> list[tuple[Any, ...]]:
    with pgwire.connect(conninfo) as connection:
        return connection.query(sql).rows


def test_the_functions_are_those_of_the_extension(c_database: str, database: str) -> None:
    expected, created = rows(c_database, FUNCTIONS), rows(database, FUNCTIONS)
    assert [row[:-1] for row in created] == [row[:-1] for row in expected]
    assert len(created) == 41
    with pgwire.connect(database) as connection:
        before_17 = int(connection.info.parameters["server_version"].split(".")[0]) < 17
    for function, *_, parallel in expected:
        # docs/differences.md: exceptions cannot be handled during a parallel plan before 17.
        wanted = "u" if before_17 and parallel == "r" else parallel
        assert next(row[-1] for row in created if row[0] == function) == wanted, function


def test_the_type_is_that_of_the_extension(c_database: str, database: str) -> None:
    assert rows(database, TYPES) == rows(c_database, TYPES) != []


def test_the_wrapper_is_that_of_the_extension(c_database: str, database: str) -> None:
    assert rows(database, WRAPPERS) == rows(c_database, WRAPPERS) != []


def test_psql_lists_them_alike(c_database: str, database: str) -> None:
    from tests.programs import run

    listed = [
        run("psql", "-X", "-d", conninfo, "-c", r"\df ext.*", "-c", r"\dT ext.*").stdout
        for conninfo in (c_database, database)
    ]
    assert listed[0] == listed[1]
    assert "dblink_get_notify" in listed[0]
