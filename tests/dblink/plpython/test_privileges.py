"""Who may do what: the effective user of the calling function decides, as in C dblink."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pgwire
from pgwire.testing.cluster import Cluster
from tests.dblink.kit import raises

# Past the documented function; tells the SQLSTATE of the answer.
DIRECTLY = "SELECT dblink_python.run('{}', jsonb_build_array($1::text))->'error'->>'sqlstate'"
PASSWORD_RULE = "password or GSSAPI delegated credentials required"


@pytest.fixture(scope="module")
def roles(near: str, far: str) -> Iterator[None]:
    with pgwire.connect(near) as owner:
        owner.execute("CREATE ROLE nobody LOGIN; CREATE ROLE trusted LOGIN")
        owner.execute("GRANT CREATE, USAGE ON SCHEMA public TO nobody")
        owner.execute(
            "GRANT EXECUTE ON FUNCTION ext.dblink_connect_u(text) TO trusted;"
            "GRANT EXECUTE ON FUNCTION ext.dblink_connect_u(text, text) TO trusted"
        )
        yield
        owner.execute("DROP OWNED BY nobody, trusted; DROP ROLE nobody, trusted")


@pytest.fixture
def unprivileged(near: str, roles: None) -> Iterator[pgwire.Connection]:
    with pgwire.connect(near, user="nobody") as connection:
        yield connection


@pytest.fixture
def trusted(near: str, roles: None) -> Iterator[pgwire.Connection]:
    with pgwire.connect(near, user="trusted") as connection:
        yield connection


@pytest.mark.parametrize(
    "call",
    [
        "SELECT dblink_connect($1)",
        "SELECT * FROM dblink($1, 'SELECT 1') AS t(a int)",
        "SELECT dblink_exec($1, 'SET a.b = 1')",
        DIRECTLY.format("dblink_connect"),
    ],
)
def test_without_a_password_nobody_connects_as_the_server(
    unprivileged: pgwire.Connection, far: str, call: str
) -> None:
    if "dblink_python" in call:
        assert unprivileged.query(call, (far,)).rows == [("2F003",)]
        return
    with raises("2F003", PASSWORD_RULE):
        unprivileged.query(call, (far,))
    with raises("2F003", PASSWORD_RULE):  # the server does not ask for it
        unprivileged.query(call, (f"{far} password=unused",))


def test_only_who_was_granted_it_calls_connect_u(
    unprivileged: pgwire.Connection, trusted: pgwire.Connection, far: str
) -> None:
    with raises("42501", "permission denied for function dblink_connect_u"):
        unprivileged.query("SELECT dblink_connect_u($1)", (far,))
    assert unprivileged.query(DIRECTLY.format("dblink_connect_u"), (far,)).rows == [("42501",)]
    # Whoever makes a function of that name does not become privileged by it.
    unprivileged.execute(
        "CREATE FUNCTION public.dblink_connect_u(text) RETURNS text LANGUAGE sql SECURITY DEFINER"
        " AS $$ SELECT dblink_python.call('dblink_connect_u', jsonb_build_array($1), NULL)::text $$"
    )
    with raises("42501", "permission denied for function dblink_connect_u"):
        unprivileged.query("SELECT public.dblink_connect_u($1)", (far,))
    unprivileged.execute("DROP FUNCTION public.dblink_connect_u")
    assert trusted.query("SELECT dblink_connect_u('u', $1)", (far,)).rows == [("OK",)]
    assert trusted.query("SELECT * FROM dblink('u', 'SELECT 1') AS t(a int)").rows == [(1,)]


def test_a_superusers_function_counts_as_the_superuser(
    sql: pgwire.Connection, unprivileged: pgwire.Connection, far: str
) -> None:
    sql.execute(
        "CREATE FUNCTION public.lent(text) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN RETURN (SELECT a FROM ext.dblink($1, 'SELECT 1') AS t(a int)); END $$"
    )
    try:
        assert unprivileged.query("SELECT lent($1)", (far,)).rows == [(1,)]
        with raises("2F003", PASSWORD_RULE):
            unprivileged.query("SELECT * FROM dblink($1, 'SELECT 1') AS t(a int)", (far,))
    finally:
        sql.execute("DROP FUNCTION public.lent")


def test_foreign_servers(
    sql: pgwire.Connection, unprivileged: pgwire.Connection, python_cluster: Cluster
) -> None:
    sql.execute(
        "CREATE FOREIGN DATA WRAPPER some_wrapper;"
        'CREATE SERVER "the far one" FOREIGN DATA WRAPPER some_wrapper'
        f" OPTIONS (host '127.0.0.1', port '{python_cluster.port}', dbname 'far');"
        "CREATE USER MAPPING FOR postgres SERVER \"the far one\" OPTIONS (user 'postgres');"
        'CREATE USER MAPPING FOR nobody SERVER "the far one"'
        " OPTIONS (user 'postgres', password 'unused')"
    )
    call = "SELECT count(*) FROM dblink('the far one', 'SELECT * FROM foo') AS t(a int, b text)"
    try:
        assert sql.query(call).rows == [(10,)]
        with raises("42501", "permission denied for foreign server the far one"):
            unprivileged.query(call)
        sql.execute('GRANT USAGE ON FOREIGN SERVER "the far one" TO nobody')
        with raises("2F003", PASSWORD_RULE):  # which the server does not ask for
            unprivileged.query(call)
    finally:
        sql.execute("DROP FOREIGN DATA WRAPPER some_wrapper CASCADE")


def test_types_that_somebody_else_remembers_are_checked(
    sql: pgwire.Connection, unprivileged: pgwire.Connection, far: str
) -> None:
    for setting in ["row_type", *(f"row_type_{n}" for n in range(16))]:
        unprivileged.query(
            "SELECT set_config($1, $2, false)",
            (f"dblink_python.{setting}", '0{"int); DROP TABLE nosuch; --"}'),
        )
    with raises("2F003"):
        unprivileged.query("SELECT * FROM dblink($1, 'SELECT 1') AS t(a int)", (far,))


def test_who_may_not_use_the_schema_has_no_way_around(
    sql: pgwire.Connection, unprivileged: pgwire.Connection
) -> None:
    sql.execute("REVOKE USAGE ON SCHEMA dblink_python FROM PUBLIC")
    try:
        for call in "dblink_get_connections()", "dblink_python.run('dblink_get_connections', '[]')":
            with raises("42501", "permission denied for schema dblink_python"):
                unprivileged.query(f"SELECT {call}")
    finally:
        sql.execute("GRANT USAGE ON SCHEMA dblink_python TO PUBLIC")
