"""`dblink install` and `dblink uninstall`: what they create, refuse and leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pgwire
from dblink.cli import main
from dblink.plpython import InstallError, install, installed, uninstall
from pgwire.testing.cluster import Cluster
from tests.dblink.kit import raises
from tests.dblink.plpython.conftest import make_database

OBJECTS = """
SELECT pg_describe_object(classid, objid, 0)
FROM (SELECT 'pg_proc'::regclass, oid FROM pg_proc
      UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type
      UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
      UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper)
  AS o(classid, objid)
WHERE objid >= 16384 ORDER BY 1
"""


@pytest.fixture
def database(python_cluster: Cluster) -> Iterator[str]:
    """The connection string of a database of the test's own."""
    yield make_database(python_cluster, "fresh")
    with pgwire.connect(python_cluster.conninfo()) as admin:
        admin.execute("DROP DATABASE fresh WITH (FORCE)")


@pytest.fixture
def owner(database: str) -> Iterator[pgwire.Connection]:
    with pgwire.connect(database) as connection:
        yield connection


def objects(connection: pgwire.Connection) -> list[str]:
    return [name for (name,) in connection.query_text(OBJECTS) if name and "temp" not in name]


def test_the_commands(
    database: str, owner: pgwire.Connection, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    owner.execute("CREATE EXTENSION plpython3u")
    before = objects(owner)
    arguments = ["install", "--into", database, "--path", package]
    assert main(arguments) == 0
    assert "The functions were created in the schema public" in capsys.readouterr().out
    assert owner.query("SELECT dblink_get_connections()").rows == [(None,)]
    created = objects(owner)
    assert main(arguments) == 0
    assert "brought up to date, from version" in capsys.readouterr().out
    assert objects(owner) == created
    assert main(["uninstall", "--from", database]) == 0
    assert "removed from the schema public" in capsys.readouterr().out
    assert objects(owner) == before
    assert main(["uninstall", "--from", database]) == 1
    assert "nothing to remove" in capsys.readouterr().err


def test_what_cannot_be_a_folder_of_the_server_is_refused(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "--into", database, "--path", "here"]) == 1
    assert "--path here: the server needs the folder's whole path" in capsys.readouterr().err
    with (
        pgwire.connect(database) as connection,
        pytest.raises(InstallError, match="cannot read /nonexistent/dblink"),
    ):
        install(connection, folders=["/nonexistent/dblink"])


def test_it_says_what_to_do_if_the_package_is_not_there(owner: pgwire.Connection) -> None:
    with pytest.raises(InstallError) as told:
        install(owner)
    for said in ("cannot import pgwire-dblink", "pip install --target", "--path"):
        assert said in str(told.value)
    assert installed(owner) is None
    assert owner.query("SELECT count(*) FROM pg_extension WHERE extname = 'plpython3u'").rows == [
        (0,)
    ]


def test_another_version_of_the_package_is_refused(
    owner: pgwire.Connection, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgwire, "__version__", "99.0")
    with pytest.raises(InstallError, match="not the same version"):
        install(owner, folders=[package])


def test_a_session_of_an_older_package_says_so(
    owner: pgwire.Connection, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dblink.plpython.functions import statements

    install(owner, folders=[package])
    monkeypatch.setattr(pgwire, "__version__", "99.0")
    for statement in statements("public", [package]):
        owner.execute(statement)
    with raises("38000") as caught:
        owner.query("SELECT dblink_get_connections()")
    assert "were made by version 99.0" in caught.error.message
    assert "then open a new session" in caught.error.message


def test_others_are_refused(
    owner: pgwire.Connection, package: str, python_cluster: Cluster
) -> None:
    owner.execute("CREATE ROLE plain LOGIN")
    try:
        with (
            pgwire.connect(python_cluster.conninfo("fresh", user="plain")) as plain,
            pytest.raises(InstallError, match="plain is no superuser"),
        ):
            install(plain, folders=[package])
        owner.execute(
            "CREATE SCHEMA theirs AUTHORIZATION plain; SET ROLE plain;"
            "CREATE FUNCTION theirs.dblink_connect_u(text) RETURNS text LANGUAGE sql"
            " AS 'SELECT $1'; RESET ROLE"
        )
        with pytest.raises(InstallError, match=r"theirs\.dblink_connect_u.*belongs to plain"):
            install(owner, schema="theirs", folders=[package])
        owner.execute("CREATE SCHEMA dblink_python AUTHORIZATION plain")
        with pytest.raises(InstallError, match="the schema dblink_python belongs to a role"):
            install(owner, folders=[package])
    finally:
        owner.execute("DROP OWNED BY plain CASCADE; DROP ROLE plain")


def test_the_extension_is_left_alone(owner: pgwire.Connection, package: str) -> None:
    if not owner.query("SELECT 1 FROM pg_available_extensions WHERE name = 'dblink'").rows:
        pytest.skip("the server has no contrib/dblink")
    owner.execute("CREATE SCHEMA other; CREATE EXTENSION dblink SCHEMA other")
    before = objects(owner)
    with pytest.raises(InstallError, match="has the extension dblink, in the schema other"):
        install(owner, folders=[package])
    assert objects(owner) == before


def test_a_gateways_functions_are_left_alone(owner: pgwire.Connection, package: str) -> None:
    from dblink.shells.functions import GATEWAY, documented

    for statement in documented(GATEWAY, "public"):
        owner.execute(statement)
    with pytest.raises(InstallError, match="has the functions for a gateway"):
        install(owner, folders=[package])


def test_one_schema_at_a_time(owner: pgwire.Connection, package: str) -> None:
    owner.execute('CREATE SCHEMA "We ird"')
    install(owner, schema="We ird", folders=[package])
    assert owner.query('SELECT "We ird".dblink_get_connections()').rows == [(None,)]
    with pytest.raises(InstallError, match="installed in the schema We ird already"):
        install(owner, folders=[package])
    with raises("3F000"):
        uninstall(owner)
        install(owner, schema="nosuch", folders=[package])


def test_what_users_made_of_it_goes_only_with_cascade(
    owner: pgwire.Connection, package: str
) -> None:
    install(owner, folders=[package])
    owner.execute("CREATE VIEW far_away AS SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)")
    with raises("2BP01") as caught:
        uninstall(owner)
    assert "view public.far_away depends on function public.dblink" in (caught.error.detail or "")
    assert installed(owner) is not None
    uninstall(owner, cascade=True)
    assert installed(owner) is None
    assert "view far_away" not in objects(owner)


def test_the_runtime_needs_nothing_but_its_folder(package: str) -> None:
    assert sorted(path.name for path in Path(package).iterdir()) == ["dblink", "pgwire"]
