"""Foreign servers as connection names. Any server will do: no extension is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dblink
import pgwire
from dblink.foreign import foreign_server_conninfo
from dblink.keys import quote_literal
from dblink.local import PgwireLocal
from pgwire import conninfo
from pgwire.testing.cluster import Cluster
from tests.dblink.kit import raises

OWNER, ALICE, BOB = "dblink_tests_owner", "dblink_tests_alice", "dblink_tests_bob"


@pytest.fixture(scope="module")
def wrapper(cluster: Cluster, local_conninfo: str) -> Iterator[pgwire.Connection]:
    """The superuser's connection to a local database with the wrapper and three roles."""
    with pgwire.connect(local_conninfo) as admin:
        admin.execute(
            f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {ALICE} LOGIN; CREATE ROLE {BOB} LOGIN;"
            "CREATE FOREIGN DATA WRAPPER dblink_fdw VALIDATOR postgresql_fdw_validator;"
            f"GRANT USAGE ON FOREIGN DATA WRAPPER dblink_fdw TO {OWNER}"
        )
        yield admin
        admin.execute(
            f"DROP FOREIGN DATA WRAPPER dblink_fdw CASCADE; DROP ROLE {ALICE}, {BOB}, {OWNER}"
        )


@pytest.fixture
def admin(wrapper: pgwire.Connection) -> Iterator[pgwire.Connection]:
    """The same; its servers are gone after the test."""
    yield wrapper
    wrapper.execute("RESET ROLE")
    for (name,) in wrapper.query("SELECT quote_ident(srvname) FROM pg_foreign_server"):
        wrapper.execute(f"DROP SERVER {name} CASCADE")


@pytest.fixture
def server(admin: pgwire.Connection, cluster: Cluster) -> str:
    """A foreign server that leads to the remote database."""
    admin.execute(
        "CREATE SERVER there FOREIGN DATA WRAPPER dblink_fdw OPTIONS"
        f" (host '{cluster.tcp_host}', port '{cluster.port}', dbname 'dblink_tests_remote')"
    )
    return "there"


def options_of(connection: pgwire.Connection, name: str, user: str | None = None) -> dict:
    text = foreign_server_conninfo(PgwireLocal(connection, owned=False), name, user)
    assert text is not None
    return dict(conninfo.parse(text))


@pytest.mark.usefixtures("remote")
def test_a_server_is_a_connection_name(admin: pgwire.Connection, server: str) -> None:
    admin.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS (user 'postgres')")
    with dblink.Session(admin) as session:
        assert session.dblink_connect(server) == "OK"
        assert session.dblink_connect("c", server) == "OK"
        for call in (
            session.dblink("SELECT current_database()"),
            session.dblink("c", "SELECT current_database()"),
            session.dblink(server, "SELECT current_database()"),
        ):
            assert call.scalar() == "dblink_tests_remote"
        assert session.dblink_exec(server, "SET work_mem = '1MB'") == "SET"
        assert session.columns_of(server, "SELECT f2 FROM foo") == "AS t(f2 text)"
        with raises("08003", f'connection "{server}" not available'):
            session.dblink_open(server, "cur", "SELECT 1")


@pytest.mark.usefixtures("remote")
def test_an_open_connection_of_that_name_comes_first(
    admin: pgwire.Connection, server: str, local_conninfo: str
) -> None:
    with dblink.Session(admin) as session:
        session.dblink_connect(server, local_conninfo)
        assert session.dblink(server, "SELECT current_database()").scalar() == "dblink_tests_local"


def test_names_are_exact(admin: pgwire.Connection, server: str) -> None:
    admin.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server}")
    local = PgwireLocal(admin, owned=False)
    assert foreign_server_conninfo(local, server, None) is not None
    for other in ("THERE", '"there"', " there", "nosuch", "", "the\0re"):
        assert foreign_server_conninfo(local, other, None) is None
    assert foreign_server_conninfo(None, server, None) is None
    with dblink.Session(admin) as session, raises("08001", "could not establish connection"):
        session.dblink_connect("THERE")


# User mappings.


def test_own_mapping_then_publics(admin: pgwire.Connection, server: str) -> None:
    admin.execute(
        f"CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS (user 'everybody', password 'p');"
        f"CREATE USER MAPPING FOR {ALICE} SERVER {server} OPTIONS (user 'hers');"
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {ALICE}, {BOB}"
    )
    assert options_of(admin, server, ALICE)["user"] == "hers"
    # A mapping of one's own is the whole mapping: nothing is added from PUBLIC's.
    assert "password" not in options_of(admin, server, ALICE)
    bobs = options_of(admin, server, BOB)
    assert (bobs["user"], bobs["password"]) == ("everybody", "p")


def test_no_mapping_is_told_before_missing_usage(admin: pgwire.Connection, server: str) -> None:
    admin.execute(f"SET ROLE {ALICE}")
    with dblink.Session(admin) as session:
        message = f'user mapping not found for user "{ALICE}", server "{server}"'
        with raises("42704", message):
            session.dblink_connect(server)
        admin.execute("RESET ROLE")
        admin.execute(f"CREATE USER MAPPING FOR {ALICE} SERVER {server}; SET ROLE {ALICE}")
        with raises("42501", f"permission denied for foreign server {server}"):
            session.dblink_connect(server)
        admin.execute("RESET ROLE")
        admin.execute(f"GRANT USAGE ON FOREIGN SERVER {server} TO {ALICE}; SET ROLE {ALICE}")
        with raises("2F003"):  # an empty mapping of her own: no password
            session.dblink_connect(server)


@pytest.mark.usefixtures("remote")
def test_the_mappings_password_counts_as_the_callers(admin: pgwire.Connection, server: str) -> None:
    admin.execute(
        f"CREATE USER MAPPING FOR {ALICE} SERVER {server}"
        " OPTIONS (user 'postgres', password 'unused');"
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {ALICE}; SET ROLE {ALICE}"
    )
    with dblink.Session(admin) as session:
        # Rule 1 is satisfied; the server does not ask for the password, which is rule 2.
        with raises("2F003") as caught:
            session.dblink_connect(server)
        assert (caught.error.detail or "").startswith("Non-superusers may only connect")


def test_hidden_options_are_an_error_and_not_a_login_without_them(
    admin: pgwire.Connection, server: str
) -> None:
    admin.execute(
        f"CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS (password 'secret');"
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {ALICE}, {OWNER};"
        f"ALTER SERVER {server} OWNER TO {OWNER}; SET ROLE {ALICE}"
    )
    with dblink.Session(admin) as session:
        message = (
            f'the options of the user mapping for server "{server}" are hidden from the '
            "current user"
        )
        with raises("42501", message) as caught:
            session.dblink_connect(server)
        assert "secret" not in str(caught.error)
    admin.execute(f"SET ROLE {OWNER}")
    assert options_of(admin, server)["password"] == "secret"


def test_an_empty_mapping_of_publics(admin: pgwire.Connection, server: str) -> None:
    admin.execute(
        f"CREATE USER MAPPING FOR PUBLIC SERVER {server};"
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {OWNER};"
        f"ALTER SERVER {server} OWNER TO {OWNER}; SET ROLE {OWNER}"
    )
    assert "password" not in options_of(admin, server)


@pytest.mark.usefixtures("remote")
def test_dblink_connect_u_uses_the_mapping_of_its_owner(
    admin: pgwire.Connection, server: str
) -> None:
    admin.execute(
        "CREATE FUNCTION dblink_connect_u(text) RETURNS text LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT $1';"
        f"CREATE USER MAPPING FOR {ALICE} SERVER {server} OPTIONS (user 'nosuch');"
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {ALICE}; SET ROLE {ALICE}"
    )
    try:
        with dblink.Session(admin) as session:
            message = f'user mapping not found for user "postgres", server "{server}"'
            with raises("42704", message):
                session.dblink_connect_u(server)
    finally:
        admin.execute("RESET ROLE")
        admin.execute("DROP FUNCTION dblink_connect_u(text)")


# Options.


def test_options_count_at_their_level_only(admin: pgwire.Connection) -> None:
    # A wrapper without a validator takes anything, as postgres_fdw takes fetch_size.
    admin.execute(
        "CREATE FOREIGN DATA WRAPPER lax;"
        "CREATE SERVER lax FOREIGN DATA WRAPPER lax OPTIONS (host 'h', fetch_size '5',"
        " user 'no', password 'no', client_encoding 'LATIN1', \"HOST\" 'no',"
        " replication 'on', scram_client_key 'no', oauth_issuer 'no', sslkeylogfile '/no',"
        " options '-c x=1', port '1');"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER lax OPTIONS"
        " (host 'elsewhere', password 'pw', user 'u', sslpassword 's', fetch_size '5')"
    )
    try:
        text = foreign_server_conninfo(PgwireLocal(admin, owned=False), "lax", None)
        assert text == (
            "host='h' options='-c x=1' port='1' password='pw' user='u' sslpassword='s' "
        )
    finally:
        admin.execute("DROP FOREIGN DATA WRAPPER lax CASCADE")


values = st.text(
    st.one_of(
        st.sampled_from("'\\=\" ,{}\n"), st.characters(codec="utf-8", exclude_characters="\0")
    ),
    max_size=12,
)


@given(values, values)
def test_any_value_arrives_as_it_is(wrapper: pgwire.Connection, value: str, password: str) -> None:
    wrapper.execute(
        "DROP SERVER IF EXISTS quoted CASCADE;"
        "CREATE SERVER quoted FOREIGN DATA WRAPPER dblink_fdw"
        f" OPTIONS (options {quote_literal(value)});"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER quoted"
        f" OPTIONS (password {quote_literal(password)})"
    )
    options = options_of(wrapper, "quoted")
    assert options.get("options", "") == value
    assert options.get("password", "") == password


@pytest.mark.usefixtures("remote")
def test_a_server_may_be_called_anything(admin: pgwire.Connection, cluster: Cluster) -> None:
    for name in ("a b'c", "host=nowhere", "Ü" * 31, 'q"q'):
        quoted = '"' + name.replace('"', '""') + '"'
        admin.execute(
            f"CREATE SERVER {quoted} FOREIGN DATA WRAPPER dblink_fdw OPTIONS"
            f" (host '{cluster.tcp_host}', port '{cluster.port}', dbname 'dblink_tests_remote');"
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER {quoted} OPTIONS (user 'postgres')"
        )
        with dblink.Session(admin) as session:
            assert session.dblink(name, "SELECT 1").scalar() == 1
