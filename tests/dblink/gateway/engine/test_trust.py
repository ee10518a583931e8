"""What a caller may do is what the server says of its login role, and what it proves."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

import pgwire
from dblink.functions import FUNCTIONS
from dblink.gateway.calls import Call
from dblink.gateway.side import Registered, Side
from dblink.gateway.trust import CallersPrivileges
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.engine.conftest import NEAR
from tests.dblink.kit import raises

N = "0123456789abcdef0123456789abcdef"


class Caller:
    """A session, and its privileges."""

    def __init__(self, side: Side, registered: Registered) -> None:
        self.registered = registered
        self.privileges = CallersPrivileges(side, registered)

    def claims(self, role: str, *, proves: bool = False) -> CallersPrivileges:
        """Its privileges in a call that claims to run as `role`."""
        proof = sha256((self.registered.secret + N).encode()).hexdigest() if proves else ""
        function = FUNCTIONS["dblink_connect"]
        call = Call(N, 0, function, ["x"], None, role=role, proof=proof, snapshots=True)
        self.privileges.begin(call)
        return self.privileges


@pytest.fixture
def login(
    side: Side, cluster: Cluster, request: pytest.FixtureRequest, near: str
) -> Iterator[Caller]:
    with pgwire.connect(cluster.conninfo(NEAR, user=request.param)) as client:
        registered = side.register(client.info.process_id)
        yield Caller(side, registered)
        side.unregister(registered)


plain = pytest.mark.parametrize("login", ["engine_plain"], indirect=True)
member = pytest.mark.parametrize("login", ["engine_member"], indirect=True)
superuser = pytest.mark.parametrize("login", ["engine_super"], indirect=True)


@superuser
def test_a_superuser_is_one_with_a_proof_only(login: Caller) -> None:
    assert login.claims("engine_super", proves=True).superuser()
    assert not login.claims("engine_super").superuser()
    login.registered.secret = "another"
    proved = login.claims("engine_super", proves=True)
    login.registered.secret = "a new one"
    assert proved.superuser()  # what counts is when the call began
    assert not login.claims("engine_plain", proves=True).superuser()


@plain
def test_nobody_becomes_a_superuser_by_claiming(login: Caller, cluster: Cluster) -> None:
    for claimed in ("engine_super", cluster.superuser, "engine_group", "nobody", "public", '"'):
        privileges = login.claims(claimed, proves=True)
        assert not privileges.superuser()
        assert privileges.effective() == "engine_plain"


@member
def test_a_role_that_the_login_role_may_become_counts(login: Caller) -> None:
    assert login.claims("engine_group").effective() == "engine_group"
    assert login.claims("engine_plain").effective() == "engine_member"


@plain
def test_dblink_connect_u_needs_the_privilege_and_a_proof(
    login: Caller, admin: pgwire.Connection
) -> None:
    for function in ("dblink_connect_u(text)", "dblink_connect_u(text, text)"):
        arguments = function.count(",") + 1
        with raises("42501", "permission denied for function dblink_connect_u"):
            login.claims(admin.info.user, proves=True).connect_u_owner(arguments)
        admin.execute(f"GRANT EXECUTE ON FUNCTION {function} TO engine_plain")
        privileges = login.claims(admin.info.user, proves=True)
        assert privileges.connect_u_owner(arguments) == admin.info.user
        with raises("42501"):
            privileges.connect_u_owner(3 - arguments)
        with raises("42501"):
            login.claims(admin.info.user).connect_u_owner(arguments)
        admin.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM engine_plain")


@plain
def test_dblink_connect_u_of_an_owner_who_is_no_superuser_lifts_no_rule(
    login: Caller, side: Side, admin: pgwire.Connection
) -> None:
    admin.execute("BEGIN; ALTER SCHEMA dblink_gateway OWNER TO engine_group")
    admin.execute("ALTER FUNCTION dblink_connect_u(text) OWNER TO engine_group")
    admin.execute("GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO engine_plain; COMMIT")
    try:
        with raises("42501") as caught:
            login.claims("engine_group", proves=True).connect_u_owner(1)
        assert "engine_group" in str(caught.error.detail)
    finally:
        owner = admin.info.user
        admin.execute("REVOKE EXECUTE ON FUNCTION dblink_connect_u(text) FROM engine_plain")
        admin.execute(f"ALTER FUNCTION dblink_connect_u(text) OWNER TO {owner}")
        admin.execute(f"ALTER SCHEMA dblink_gateway OWNER TO {owner}")


@member
def test_dblink_connect_u_of_a_group(login: Caller, admin: pgwire.Connection) -> None:
    admin.execute("GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO engine_group")
    try:
        assert login.claims("engine_member", proves=True).connect_u_owner(1) == admin.info.user
    finally:
        admin.execute("REVOKE EXECUTE ON FUNCTION dblink_connect_u(text) FROM engine_group")


@plain
def test_a_function_of_that_name_that_somebody_made_does_not_count(
    login: Caller, admin: pgwire.Connection
) -> None:
    admin.execute(
        "CREATE SCHEMA theirs AUTHORIZATION engine_plain; SET ROLE engine_plain;"
        "CREATE FUNCTION theirs.dblink_connect_u(text) RETURNS text LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT 1::text'; RESET ROLE"
    )
    try:
        with raises("42501"):
            login.claims("engine_plain", proves=True).connect_u_owner(1)
    finally:
        admin.execute("DROP SCHEMA theirs CASCADE")


@plain
def test_foreign_servers_are_used_by_those_who_may(login: Caller, admin: pgwire.Connection) -> None:
    admin.execute("CREATE SERVER engine_server FOREIGN DATA WRAPPER dblink_fdw")
    try:
        assert not login.claims("engine_plain").may_use("engine_server")
        admin.execute("GRANT USAGE ON FOREIGN SERVER engine_server TO engine_plain")
        assert login.claims("engine_plain").may_use("engine_server")
        # It may be of the caller's own transaction; then the caller has told what is to be known.
        assert login.claims("engine_plain").may_use("never heard of")
    finally:
        admin.execute("DROP SERVER engine_server")
