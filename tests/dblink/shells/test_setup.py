"""`dblink setup`: what it creates, refuses and removes, and who may do what with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import pgwire
from dblink import shells
from dblink.cli import main
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.kit import raises
from tests.dblink.shells.scripted import ScriptedGateway, echo
from tests.programs import run

CATALOGUE = """
SELECT p.oid::regprocedure::text, p.prosrc, p.proacl::text, p.proconfig::text, p.prosecdef,
       p.provolatile::text, p.proparallel::text, p.proisstrict
FROM pg_proc AS p WHERE p.prosrc LIKE '%dblink_gateway%' OR p.proname ~ '^dblink'
   OR p.pronamespace = to_regnamespace('dblink_gateway')
UNION ALL
SELECT c.oid::regclass::text, pg_get_viewdef(c.oid), c.relacl::text, c.reloptions::text, NULL,
       c.relkind::text, c.relpersistence::text, NULL
FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('dblink_gateway')
UNION ALL
SELECT n.nspname, NULL, n.nspacl::text, NULL, NULL, NULL, NULL, NULL
FROM pg_namespace AS n WHERE n.nspname = 'dblink_gateway'
UNION ALL
SELECT w.fdwname, NULL, w.fdwacl::text, NULL, NULL, NULL, NULL, NULL
FROM pg_foreign_data_wrapper AS w
UNION ALL
SELECT t.typname, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_type AS t WHERE t.typname = 'dblink_pkey_results'
ORDER BY 1
"""


def catalogue(connection: pgwire.Connection) -> list[tuple[str | None, ...]]:
    return connection.query_text(CATALOGUE)


def test_set_up_again_changes_nothing_and_removal_leaves_nothing(empty: str) -> None:
    with pgwire.connect(empty) as connection:
        before = catalogue(connection)
        report = shells.setup(connection)
        assert report.schema == "public"
        assert report.wrapper
        assert str(report) == (
            f'dblink is set up: version {shells.VERSION}, functions in schema "public".'
        )
        created = catalogue(connection)
        assert len(created) > 60
        assert "was set up before" in str(shells.setup(connection))
        assert catalogue(connection) == created
        assert connection.query("SHOW search_path").rows == [('"$user", public',)]
        assert str(shells.remove(connection)) == "dblink is removed."
        assert catalogue(connection) == before == []
        with raises("42704", "dblink is not set up in this database"):
            shells.remove(connection)


@pytest.mark.parametrize("strings", ["on", "off"])
def test_the_printed_script_does_the_same(
    empty: str, strings: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    schema = "We ird\"$do$ x'\\ "
    with pgwire.connect(empty) as connection:
        connection.execute('CREATE SCHEMA "We ird""$do$ x\'\\ "')
        shells.setup(connection, schema=schema, role="postgres")
        created = catalogue(connection)
        shells.remove(connection)
        for options, expected in (
            (["--schema", schema, "--role", "postgres"], created),
            (["--remove"], []),
        ):
            assert main(["setup", *options, "--print-sql"]) == 0
            file = tmp_path / "script.sql"
            file.write_text(f"SET standard_conforming_strings = {strings};\n")
            with file.open("a") as out:
                out.write(capsys.readouterr().out)
            arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", empty, "-f", str(file)]
            done = run("psql", *arguments)
            assert "ERROR" not in done.stderr
            assert catalogue(connection) == expected


def test_the_command(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "--local", empty]) == 0
    assert "dblink is set up" in capsys.readouterr().out
    with pgwire.connect(empty) as connection:
        connection.execute("CREATE VIEW leaning AS SELECT * FROM dblink('x') AS t(a int)")
        assert main(["setup", "--local", empty, "--remove"]) == 1
        assert "view public.leaning depends on" in capsys.readouterr().err
        assert main(["setup", "--local", empty]) == 0  # the view goes on working
        assert main(["setup", "--local", empty, "--remove", "--cascade"]) == 0
        assert catalogue(connection) == []
        assert connection.query("SELECT to_regclass('leaning')").rows == [(None,)]
    assert main(["setup"]) == 1
    assert "--local CONNINFO" in capsys.readouterr().err
    assert main(["setup", "--local", empty, "--cascade"]) == 1


def test_what_stands_in_the_way_is_named(empty: str) -> None:
    with pgwire.connect(empty) as connection:
        with raises("3F000", 'schema "no such" does not exist'):
            shells.setup(connection, schema="no such")
        connection.query_all("CREATE SCHEMA other; CREATE EXTENSION dblink SCHEMA other")
        with raises("42710", 'the extension dblink is in this database, in schema "other"'):
            shells.setup(connection)
        connection.execute("DROP EXTENSION dblink")
        connection.execute(
            "CREATE FUNCTION other.dblink_exec(text) RETURNS text LANGUAGE sql AS 'SELECT $1'"
        )
        with raises("42723", "function other.dblink_exec(text) exists already"):
            shells.setup(connection, schema="other")
        assert [row[0] for row in catalogue(connection)] == ["other.dblink_exec(text)"]
        connection.execute("CREATE SCHEMA dblink_gateway")
        with raises("42P06"):
            shells.setup(connection)
        connection.execute("DROP SCHEMA dblink_gateway; DROP FUNCTION other.dblink_exec(text)")
        shells.setup(connection)
        with raises("42710", 'dblink is set up in schema "public" already'):
            shells.setup(connection, schema="other")
        connection.execute(
            "CREATE OR REPLACE FUNCTION dblink_gateway.version() RETURNS int LANGUAGE sql"
            " IMMUTABLE PARALLEL SAFE AS 'SELECT 1000000'"
        )
        with raises("55000") as caught:
            shells.setup(connection)
        assert "version 1000000 of the functions is set up here" in caught.error.message


def test_what_somebody_else_has_prepared_is_neither_run_nor_left_to_him(empty: str) -> None:
    """Or he becomes whoever sets dblink up, or calls it."""
    with pgwire.connect(empty) as admin:
        admin.query_all("CREATE ROLE shells_mallory; CREATE SCHEMA other")
        try:
            admin.query_all(
                "CREATE SCHEMA dblink_gateway AUTHORIZATION shells_mallory;"
                "CREATE FUNCTION dblink_gateway.version() RETURNS int LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'trapped 1'; END $$;"
                "ALTER FUNCTION dblink_gateway.version() OWNER TO shells_mallory"
            )
            for sql in ("SELECT 1", "ALTER SCHEMA dblink_gateway OWNER TO postgres"):
                admin.execute(sql)
                with raises("42501") as caught:
                    shells.setup(admin)
                assert 'belongs to role "shells_mallory"' in caught.error.message
            admin.query_all(
                "DROP SCHEMA dblink_gateway CASCADE;"
                "CREATE FUNCTION dblink_connect_u(text) RETURNS text LANGUAGE sql SECURITY DEFINER"
                " AS $$ SELECT 'dblink_gateway' $$;"
                "ALTER FUNCTION dblink_connect_u(text) OWNER TO shells_mallory"
            )
            with raises("42501"):
                shells.setup(admin)
            admin.execute("DROP FUNCTION dblink_connect_u")
            shells.setup(admin, schema="other")
            assert admin.query_text(shells.FOUND) == [(str(shells.VERSION), "postgres", "t")]
            admin.execute("ALTER SCHEMA dblink_gateway OWNER TO shells_mallory")
            assert admin.query_text(shells.FOUND) == [(str(shells.VERSION), "shells_mallory", "f")]
        finally:
            admin.query_all("DROP OWNED BY shells_mallory CASCADE; DROP ROLE shells_mallory")


def test_databases_of_every_encoding_can_read_it() -> None:
    assert shells.script().isascii()
    assert shells.removal_script().isascii()


def test_within_a_transaction_it_is_part_of_it(empty: str) -> None:
    with pgwire.connect(empty) as connection:
        connection.execute("BEGIN; SET LOCAL search_path = pg_catalog")
        shells.setup(connection)
        assert connection.query("SHOW search_path").rows == [("pg_catalog",)]
        connection.execute("ROLLBACK")
        assert catalogue(connection) == []


def test_who_is_no_superuser_gets_all_but_the_wrapper(empty: str) -> None:
    """And the gateway's own role gets what it needs, and no more."""
    with pgwire.connect(empty) as admin:
        admin.query_all(
            "CREATE ROLE shells_owner LOGIN; CREATE ROLE shells_side LOGIN;"
            "CREATE ROLE shells_user LOGIN; CREATE ROLE shells_reader;"
            "GRANT CREATE ON DATABASE shells_empty TO shells_owner;"
            "GRANT CREATE, USAGE ON SCHEMA public TO shells_owner;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE shells_owner GRANT SELECT ON TABLES TO shells_reader"
        )
    side, user = (empty.replace("user=postgres", f"user=shells_{n}") for n in ("side", "user"))
    try:
        with pgwire.connect(empty.replace("user=postgres", "user=shells_owner")) as connection:
            report = shells.setup(connection, role="shells_side")
            assert not report.wrapper
            assert "only a superuser" in str(report)
            assert 'dblink_connect_u is refused to everybody, since its owner "sh' in str(report)
            assert not shells.setup(connection, role="shells_side").wrapper
        with ScriptedGateway(user, side=side) as gateway:
            for isolation in ("READ COMMITTED", "SERIALIZABLE"):
                gateway.answer = echo
                gateway.client.execute(f"BEGIN ISOLATION LEVEL {isolation}")
                assert gateway.value("SELECT dblink_exec('x')") == '["dblink_exec", "x"]'
                large = gateway.large([["1"], ["2"]])
                assert gateway.query(large.format("a int")) == [(1,), (2,)]
                gateway.client.execute("COMMIT")
            assert "proof" in gateway.messages[-1]
            assert gateway.messages[-1]["proof"] is None
            for sql in REFUSED_TO_USERS:
                with raises("42501"):
                    gateway.query(sql)
            with pgwire.connect(side) as other:
                for sql in REFUSED_TO_THE_SIDE:
                    with raises("42501"):
                        other.query(sql)
            name = gateway.query(
                "SELECT relname FROM pg_class WHERE relname ~ '^reply_' AND relkind = 'r'"
            )[0][0]
            with pgwire.connect(empty) as admin:
                admin.execute("SET ROLE shells_reader")
                with raises("42501"):  # whatever the owner's default privileges are
                    admin.query(f"TABLE dblink_gateway.{name}")
    finally:
        with pgwire.connect(empty) as admin:
            for role in ("shells_owner", "shells_side", "shells_user", "shells_reader"):
                admin.query_all(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


REFUSED_TO_USERS = [
    "TABLE dblink_gateway.session",
    "TABLE dblink_gateway.answer",
    "TABLE dblink_gateway.wait",
    "DELETE FROM dblink_gateway.session",
    "SELECT dblink_gateway.make('reply_1_1', 1, 'shells_user')",
    "SELECT dblink_gateway.keep('reply_1_s1', '', '')",
    "SELECT dblink_gateway.drop('{}')",
    "CALL dblink_gateway.put(1, '', '', '', 1, 1)",
    "CREATE TABLE dblink_gateway.mine ()",
    "SELECT dblink_connect_u('x')",
]
REFUSED_TO_THE_SIDE = [
    "CREATE TABLE dblink_gateway.mine ()",
    "CREATE FUNCTION dblink_gateway.reply_1_s1() RETURNS text LANGUAGE sql AS 'SELECT 1'",
    "SELECT dblink_connect_u('x')",
]


def test_the_side_makes_nothing_but_replies(database: str) -> None:
    with pgwire.connect(database) as side:
        for sql in (
            "SELECT dblink_gateway.make('mine', 1, 'postgres')",
            "SELECT dblink_gateway.make('reply_1_1', 1, 'public')",
            "SELECT dblink_gateway.keep('mine', '', '')",
        ):
            with raises("22023"):
                side.query(sql)
        side.query("SELECT dblink_gateway.drop('{session,reply_0_0,call,reply_0_s0}')")
        assert side.query("SELECT to_regclass('dblink_gateway.session') IS NULL").rows == [(False,)]


def test_each_sees_his_own_sessions_in_the_activity_view(database: str) -> None:
    with pgwire.connect(database) as admin, pgwire.connect(database) as other:
        admin.query_all("CREATE ROLE shells_watcher; CREATE ROLE shells_waiter LOGIN")
        waiter = pgwire.connect(database.replace("user=postgres", "user=shells_waiter"))
        try:
            pids = [c.query("SELECT pg_backend_pid()").rows[0][0] for c in (waiter, other)]
            for pid in pids:
                admin.query(
                    "INSERT INTO dblink_gateway.wait VALUES"
                    " ($1, 'c', 'DblinkGetResult', now(), 'SELECT 1')",
                    (pid,),
                )
            seen = "SELECT session FROM dblink_gateway.activity ORDER BY session"
            assert admin.query(seen).rows == sorted((pid,) for pid in pids)
            assert waiter.query(seen).rows == [(pids[0],)]
            admin.execute("SET ROLE shells_watcher")
            assert admin.query(seen).rows == []
            admin.execute("RESET ROLE; GRANT pg_read_all_stats TO shells_watcher")
            admin.execute("SET ROLE shells_watcher")
            assert len(admin.query(seen).rows) == 2
        finally:
            waiter.close()
            admin.query_all(
                "RESET ROLE; DELETE FROM dblink_gateway.wait;"
                "DROP ROLE shells_watcher; DROP ROLE shells_waiter"
            )


def test_a_hot_standby_is_refused_with_the_reason(contrib_binaries: Binaries) -> None:
    with Cluster(contrib_binaries) as primary:
        with pgwire.connect(primary.conninfo()) as connection:
            shells.setup(connection)
        with primary.standby() as standby, pgwire.connect(standby.conninfo()) as there:
            with raises("55000", "dblink does not work on a hot standby"):
                there.query("SELECT dblink_exec('x')")
            with raises("25006"):
                shells.setup(there)
