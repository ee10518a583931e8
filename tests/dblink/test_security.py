"""An unprivileged caller brings a password, and the server asks for it. Nothing else lets him in.

CVE-2007-3278, CVE-2007-6601, CVE-2018-10915: dblink over trust, peer or a certificate of the
process would lend out the process's identity.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import dblink
import pgwire
from dblink import security
from pgwire.conninfo import OPTIONS
from pgwire.protocol.backend import CommandComplete, ReadyForQuery
from pgwire.protocol.frontend import Query, Terminate
from pgwire.testing import logins
from pgwire.testing.cluster import Cluster
from pgwire.testing.peer import Peer
from pgwire.testing.script import ScriptedServer, expect, login
from tests.dblink.kit import listener, raises, was_dialled

REQUIRED = "password or GSSAPI delegated credentials required"
NOT_GIVEN = (
    "Non-superusers must provide a password in the connection string "
    "or send delegated GSSAPI credentials."
)
NOT_ASKED_FOR = (
    "Non-superusers may only connect using credentials they provide, "
    "eg: password in connection string or delegated GSSAPI credentials"
)
HINT = "Ensure provided credentials match target server's authentication method."

ROLES = ("dblink_tests_plain", "dblink_tests_super")


@pytest.fixture(scope="module")
def roles(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A plain role and a superuser; both may log in."""
    plain, superuser = ROLES
    with pgwire.connect(cluster.conninfo()) as admin:
        admin.execute(f"CREATE ROLE {plain} LOGIN; CREATE ROLE {superuser} LOGIN SUPERUSER")
        yield ROLES
        admin.execute(f"DROP ROLE {plain}, {superuser}")


@pytest.fixture
def local_of(cluster: Cluster, local_conninfo: str, roles: tuple[str, str]) -> Iterator[dict]:
    """Connections to the local database as each of the roles."""
    connections = {
        role: pgwire.connect(cluster.conninfo("dblink_tests_local", role)) for role in roles
    }
    yield connections
    for connection in connections.values():
        connection.close()


@pytest.fixture
def nobody() -> Iterator[dblink.Session]:
    """A session of a caller who is not privileged."""
    with dblink.Session() as session:
        yield session


def answering(peer: Peer) -> None:
    """Answer every query with a command tag, until the client says goodbye."""
    while isinstance(peer.expect((Query, Terminate)), Query):
        peer.send(CommandComplete(b"DONE"), ReadyForQuery(b"I"))


# Rule 1, before anything is dialled.


@pytest.mark.parametrize(
    "credentials", ["", "password=", "password=''", "passfile=/x", "service=x"]
)
def test_without_a_password_nothing_is_dialled(nobody: dblink.Session, credentials: str) -> None:
    with listener() as server:
        host, port = server.getsockname()
        place = f"host={host} port={port} connect_timeout=2 {credentials}"
        for call in (
            lambda: nobody.dblink_connect(place),
            lambda: nobody.dblink_connect("c", place),
            lambda: nobody.dblink(place, "SELECT 1"),
            lambda: nobody.dblink_exec(place, "SELECT 1", False),
            lambda: nobody.columns_of(place, "SELECT 1"),
            lambda: nobody.dblink_connect(f"postgresql://{host}:{port}/db?connect_timeout=2"),
        ):
            with raises("2F003", REQUIRED, detail=NOT_GIVEN, hint=None, context=None):
                call()
        assert not was_dialled(server)
    assert nobody.dblink_get_connections() is None


def test_the_listener_would_have_seen_it() -> None:
    with listener() as server, socket.create_connection(server.getsockname()):
        assert was_dialled(server)


def test_a_string_that_cannot_be_read_counts_as_one_without_a_password(
    nobody: dblink.Session, session: dblink.Session
) -> None:
    for broken in ("nonsense", "password=x bogus=1", "password='x", "host"):
        with raises("2F003", REQUIRED):
            nobody.dblink_connect(broken)
        with raises("08001", "could not establish connection"):
            session.dblink_connect(broken)


def test_the_secrets_of_the_process_are_out_of_reach(
    nobody: dblink.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:*:secret\n")
    passfile.chmod(0o600)
    services = tmp_path / "services"
    services.write_text("[secret]\npassword=secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pgpass").write_text("*:*:*:*:secret\n")
    (tmp_path / ".pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSWORD", "secret")
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with listener() as server:
        host, port = server.getsockname()
        for more in ("", f"passfile={passfile}", "service=secret"):
            with raises("2F003", REQUIRED):
                nobody.dblink_connect(f"host={host} port={port} connect_timeout=2 {more}")
        assert not was_dialled(server)


def test_the_password_of_the_string_is_the_one_that_is_sent(
    nobody: dblink.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "of the process")
    monkeypatch.setenv("PGSERVICE", "nosuch")
    with ScriptedServer([logins.cleartext("of the caller"), answering]) as server:
        place = server.conninfo(password="'of the caller'")
        assert nobody.dblink_connect(place) == "OK"
        nobody.close()
        assert b"of the process" not in server.peers[0].input


def test_the_environment_of_an_unprivileged_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLKEY", "KRB5CCNAME"]
    for name in (*secrets, "PGHOST"):
        monkeypatch.setenv(name, "x")
    assert not set(secrets) & set(security.environment(privileged=False))
    assert security.environment(privileged=False)["PGHOST"] == "x"
    assert set(secrets) <= set(security.environment(privileged=True))


# Rule 2, after connecting.


@pytest.mark.parametrize("way", [logins.cleartext, logins.md5, logins.scram])
def test_a_server_that_asks_for_the_password(nobody: dblink.Session, way) -> None:
    with ScriptedServer([way("secret"), answering], [way("secret"), answering]) as server:
        place = server.conninfo(password="secret")
        assert nobody.dblink_connect("c", place) == "OK"
        assert nobody.dblink_exec("c", "ANYTHING") == "DONE"
        assert nobody.dblink_disconnect("c") == "OK"
        assert nobody.dblink_exec(place, "ANYTHING") == "DONE"
        server.join()


@pytest.mark.parametrize("way", [logins.cleartext, logins.md5, logins.scram])
def test_a_wrong_password(nobody: dblink.Session, way) -> None:
    with ScriptedServer([way("secret")]) as server:
        with raises("08001", "could not establish connection") as caught:
            nobody.dblink_connect(server.conninfo(password="wrong"))
        assert "password authentication failed" in (caught.error.detail or "")
        assert "wrong" not in str(caught.error)


def test_a_server_that_does_not_ask_is_left_at_once(nobody: dblink.Session) -> None:
    script = [login(), expect(Terminate)]
    with ScriptedServer(script, script) as server:
        place = server.conninfo(password="unused")
        with raises("2F003", REQUIRED, detail=NOT_ASKED_FOR, hint=HINT, context=None):
            nobody.dblink_connect("c", place)
        with raises("2F003", REQUIRED, detail=NOT_ASKED_FOR):
            nobody.dblink(place, "SELECT 1")
        server.join()
        for peer in server.peers:
            assert not [m for m in peer.received if isinstance(m, Query)]
    assert nobody.dblink_get_connections() is None


def test_a_real_server_that_trusts_everybody(nobody: dblink.Session, remote: str) -> None:
    with raises("2F003", REQUIRED, detail=NOT_ASKED_FOR):
        nobody.dblink_connect(f"{remote} password=unused")


def test_the_password_counts_where_we_are_in_the_end(nobody: dblink.Session) -> None:
    # CVE-2018-10915: the first host asks for the password, the second lets everybody in.
    def ask_and_turn_away(peer: Peer) -> None:
        peer.send(logins.fatal("the database system is starting up", "57P03"))
        peer.close()

    with (
        ScriptedServer([logins.cleartext("secret", welcome=ask_and_turn_away)]) as first,
        ScriptedServer([login(), expect(Terminate)]) as second,
    ):
        hosts = f"host={first.host},{second.host} port={first.port},{second.port}"
        with raises("2F003", REQUIRED, detail=NOT_ASKED_FOR):
            nobody.dblink_connect(f"{hosts} user=alice dbname=db password=secret")
        assert len(first.peers) == len(second.peers) == 1


# Who is privileged?


def test_the_local_database_says_who_is(local_of: dict, remote: str) -> None:
    plain, superuser = ROLES
    with dblink.Session(local_of[superuser]) as session:
        assert session.dblink_connect("c", remote) == "OK"
        local_of[superuser].execute(f"SET ROLE {plain}")
        with raises("2F003", REQUIRED):
            session.dblink_connect("d", remote)
        # What is open may be used, as in C dblink.
        assert session.dblink("c", "SELECT 1").scalar() == 1
        local_of[superuser].execute("RESET ROLE")
        assert session.dblink_connect("d", remote) == "OK"
    with dblink.Session(local_of[plain]) as session, raises("2F003", REQUIRED):
        session.dblink_connect(remote)


def test_the_callers_word_counts_more(local_of: dict, remote: str) -> None:
    plain, superuser = ROLES
    with dblink.Session(local_of[superuser], privileged=False) as session:
        with raises("2F003", REQUIRED):
            session.dblink_connect(remote)
        with raises("42501"):
            session.dblink_connect_u(remote)
    with dblink.Session(local_of[plain], privileged=True) as session:
        assert session.dblink_connect(remote) == "OK"


def test_dblink_connect_u(nobody: dblink.Session, local_of: dict, remote: str) -> None:
    plain, superuser = ROLES
    forbidden = "permission denied for function dblink_connect_u"
    with raises("42501", forbidden):
        nobody.dblink_connect_u(remote)
    with dblink.Session(privileged=True) as session:
        assert session.dblink_connect_u("c", remote) == "OK"
    with dblink.Session(local_of[superuser]) as session:
        assert session.dblink_connect_u("c", remote) == "OK"
    with dblink.Session(local_of[plain]) as session, raises("42501", forbidden):
        session.dblink_connect_u("c", remote)


def test_dblink_connect_u_granted(local: pgwire.Connection, local_of: dict, remote: str) -> None:
    plain, _ = ROLES
    # Any function of its name and arguments that is a superuser's stands for the C extension's.
    local.execute(
        "CREATE FUNCTION dblink_connect_u(text) RETURNS text LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT $1';"
        "REVOKE ALL ON FUNCTION dblink_connect_u(text) FROM PUBLIC"
    )
    try:
        with dblink.Session(local_of[plain]) as session:
            with raises("42501"):
                session.dblink_connect_u(remote)
            local.execute(f"GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO {plain}")
            assert session.dblink_connect_u(remote) == "OK"
            with raises("42501"):  # it is the other one that has been granted
                session.dblink_connect_u("c", remote)
    finally:
        local.execute("DROP FUNCTION dblink_connect_u(text)")


def test_a_function_of_his_own_helps_nobody(
    local: pgwire.Connection, local_of: dict, remote: str
) -> None:
    plain, _ = ROLES
    local.execute(f"CREATE SCHEMA planted AUTHORIZATION {plain}")
    try:
        local_of[plain].execute(
            "CREATE FUNCTION planted.dblink_connect_u(text) RETURNS text LANGUAGE sql"
            " SECURITY DEFINER AS 'SELECT $1';"
            "CREATE FUNCTION planted.dblink_connect_u(text, text) RETURNS text LANGUAGE sql"
            " SECURITY DEFINER AS 'SELECT $1'"
        )
        with dblink.Session(local_of[plain]) as session:
            with raises("42501"):
                session.dblink_connect_u(remote)
            with raises("42501"):
                session.dblink_connect_u("c", remote)
            assert session.dblink_get_connections() is None
    finally:
        local.execute("DROP SCHEMA planted CASCADE")


# Options.


def test_options_that_nobody_may_set(session: dblink.Session, nobody: dblink.Session) -> None:
    forbidden = [k for k in OPTIONS if k not in security.ALLOWED_OPTIONS]
    assert "sslkeylogfile" in forbidden and "oauth_issuer" in forbidden
    with listener() as server:
        host, port = server.getsockname()
        for keyword in forbidden:
            place = f"host={host} port={port} connect_timeout=2 password=x {keyword}=1"
            for who in (session, nobody):
                message = f'permission denied to set connection option "{keyword}"'
                with raises("42501", message):
                    who.dblink_connect("d", place)
        assert not was_dialled(server)


def test_every_allowed_option_is_one() -> None:
    assert set(OPTIONS) >= security.ALLOWED_OPTIONS
