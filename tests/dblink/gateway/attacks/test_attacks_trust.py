"""Who may what: judged by the server, whatever runs in the session as whomever it likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dblink.gateway.attacks.arena import Arena
from tests.dblink.gateway.attacks.forging import call, encoded, read
from tests.dblink.gateway.attacks.rawclient import Answer, RawClient
from tests.dblink.kit import eventually

Address = tuple[str, int]


def started(gate: Address, user: str) -> RawClient:
    client = RawClient(gate)
    begun = client.start(user, "here")
    assert begun.status == "I", begun
    return client


def connect(client: RawClient, place: str, function: str = "dblink_connect") -> Answer:
    return client.query(f"SELECT {function}('d', $c${place}$c$)")


# What the classic hole of dblink was: the gateway's machine is let in without a password.


@pytest.mark.parametrize("user", ["mallory", "alice", "service"])
def test_without_a_password(arena: Arena, gate: Address, user: str) -> None:
    marker, client = arena.marker(), started(gate, user)
    for sql in (
        "SELECT dblink_connect('d', $c${}$c$)",
        "SELECT dblink_connect($c${}$c$)",
        "SELECT dblink_exec($c${}$c$, 'SELECT 1')",
        "SELECT * FROM dblink($c${}$c$, 'SELECT 1') AS t(a int)",
        "SELECT * FROM dblink($c${}$c$, 'SELECT 1', false) AS t(a int)",
    ):
        for place in (
            arena.passwordless(marker),
            arena.passwordless(marker, password="ignored"),
            arena.passwordless(marker, host=arena.cluster.host, password="ignored"),
            arena.passwordless(marker, password=" "),
        ):
            answer = client.query(sql.format(place))
            assert answer.sqlstate == "2F003", (place, answer)
    # Where it was given a password, it has been there, and was not asked for it.
    eventually(lambda: not arena.backends(marker))
    client.close()


def test_a_superuser_needs_none(arena: Arena, gate: Address) -> None:
    """The tests around this one could not fail if nobody were let in."""
    marker, client = arena.marker(), started(gate, "postgres")
    assert connect(client, arena.passwordless(marker)).rows == [("OK",)]
    assert client.query("SET ROLE mallory").tags == ["SET"]
    assert client.query("SELECT dblink_disconnect('d')").rows == [("OK",)]
    assert connect(client, arena.passwordless(marker)).sqlstate == "2F003"
    assert client.query("RESET ROLE; SET SESSION AUTHORIZATION mallory").tags
    assert connect(client, arena.passwordless(marker)).sqlstate == "2F003"
    client.close()


# dblink_connect_u.


@pytest.fixture(scope="module")
def granted(arena: Arena) -> Iterator[None]:
    """dblink_connect_u is alice's to call."""
    functions = "FUNCTION dblink_connect_u(text), dblink_connect_u(text, text)"
    arena.watch.execute(f"GRANT EXECUTE ON {functions} TO alice")
    yield
    arena.watch.execute(f"REVOKE EXECUTE ON {functions} FROM alice")


@pytest.mark.usefixtures("granted")
def test_dblink_connect_u(arena: Arena, gate: Address) -> None:
    marker = arena.marker()
    for user, allowed in (("alice", True), ("bob", True), ("mallory", False), ("service", False)):
        client = started(gate, user)
        answer = connect(client, arena.passwordless(marker), "dblink_connect_u")
        assert (answer.sqlstate == "") == allowed, answer
        if not allowed:
            assert answer.sqlstate == "42501"
            # The same by the way that the functions go.
            arguments = f"""$c$["d", "{arena.passwordless(marker)}"]$c$"""
            answer = client.query(
                f"SELECT dblink_gateway.call('dblink_connect_u', {arguments}, NULL)"
            )
            assert answer.sqlstate == "42501", answer
        client.close()


# Mallory's code in somebody else's session, where PostgreSQL has it run as mallory.


@pytest.fixture(scope="module")
def traps(arena: Arena) -> Iterator[None]:
    """Functions of mallory's that others come to call."""
    arena.watch.execute(
        "CREATE FUNCTION mallory.trap(number text, message text) RETURNS text"
        " LANGUAGE plpgsql SECURITY DEFINER AS $$"
        " BEGIN RETURN mallory.forge(number, message); END $$;"
        "ALTER FUNCTION mallory.trap OWNER TO mallory"
    )
    yield
    arena.watch.execute("DROP FUNCTION mallory.trap")


def trapped(client: RawClient, document: dict[str, object]) -> dict[str, dict[str, str]]:
    answer = client.query(f"SELECT mallory.trap('{document['n']}', '{encoded(document)}')")
    assert not answer.errors, answer
    told = read(answer)
    assert told is not None
    return told


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("claimed", ["postgres", "mallory"])
def test_a_superuser_calls_mallorys_function(arena: Arena, gate: Address, claimed: str) -> None:
    marker, client = arena.marker(), started(gate, "postgres")
    # A call of the superuser's own before it lends it nothing.
    assert connect(client, arena.passwordless(marker)).rows == [("OK",)]
    assert client.query("SELECT dblink_disconnect('d')").rows == [("OK",)]
    eventually(lambda: not arena.backends(marker))
    for function in ("dblink_connect", "dblink_connect_u"):
        told = trapped(client, call(function, "d", arena.passwordless(marker), role=claimed))
        assert "error" in told, told
        assert told["error"]["sqlstate"] in ("2F003", "42501")
    assert arena.backends(marker) == []
    client.close()


@pytest.mark.usefixtures("traps")
def test_a_superuser_maintains_mallorys_table(arena: Arena, gate: Address) -> None:
    """REINDEX runs the functions of an index as the table's owner."""
    marker, client = arena.marker(), started(gate, "postgres")
    document = call("dblink_connect", "d", arena.passwordless(marker))
    function = (
        "CREATE OR REPLACE FUNCTION mallory.key(a text) RETURNS text IMMUTABLE LANGUAGE plpgsql"
        " AS $f$ BEGIN {} RETURN a; END $f$;"
    )
    attack = f"PERFORM mallory.forge('{document['n']}', '{encoded(document)}');"
    arena.watch.execute(
        "CREATE TABLE mallory.bait AS SELECT 'x'::text AS a;"
        f"ALTER TABLE mallory.bait OWNER TO mallory; {function.format('')}"
        f"CREATE INDEX ON mallory.bait (mallory.key(a)); {function.format(attack)}"
    )
    assert client.query("REINDEX TABLE mallory.bait").tags == ["REINDEX"]
    assert client.query("SELECT dblink_get_connections()").rows == [(None,)]
    assert arena.backends(marker) == []
    arena.watch.execute("DROP TABLE mallory.bait; DROP FUNCTION mallory.key")
    client.close()


@pytest.mark.usefixtures("traps", "granted")
def test_alice_calls_mallorys_function(arena: Arena, gate: Address) -> None:
    marker, client = arena.marker(), started(gate, "alice")
    for role in ("alice", "postgres", "mallory"):
        told = trapped(client, call("dblink_connect_u", "d", arena.passwordless(marker), role=role))
        assert "error" in told, told
        assert told["error"]["sqlstate"] == "42501"
    assert arena.backends(marker) == []
    client.close()


# Foreign servers and user mappings.


def test_a_foreign_server_of_somebody_else(arena: Arena, gate: Address) -> None:
    client = started(gate, "mallory")
    answer = connect(client, "alices")
    assert answer.sqlstate == "42501", answer
    assert "alices" in answer.message
    for user in ("alice", "bob"):
        other = started(gate, user)
        assert connect(other, "alices").sqlstate != "42501"
        other.close()
    client.close()
