"""The side connection: sessions are registered, answered and forgotten."""

from __future__ import annotations

import pytest

import pgwire
from dblink.gateway.side import BELLS, NotSetUp, Side
from dblink.gateway.sweep import sweep
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.engine.conftest import NEAR
from tests.dblink.kit import eventually

N = "0123456789abcdef0123456789abcdef"


def held(connection: pgwire.Connection, pid: int) -> int:
    """How many bells of a session somebody holds."""
    return int(
        connection.query_text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = $1 AND objid IN ($2, $3)",
            (BELLS, pid * 2, pid * 2 + 1),
        )[0][0]
        or 0
    )


def take(client: pgwire.Connection, snapshot: bool) -> object:
    return client.query("SELECT dblink_gateway.take($1, $2)", (N, snapshot)).scalar()


@pytest.mark.parametrize("snapshots", [True, False])
def test_an_answer_is_found_by_the_one_who_knows_its_number(
    side: Side, near: str, admin: pgwire.Connection, snapshots: bool
) -> None:
    with pgwire.connect(near) as client, pgwire.connect(near) as other:
        registered = side.register(client.info.process_id, client.info.user)
        assert registered.role == client.info.user
        assert held(admin, registered.pid) == 2
        if not snapshots:
            client.execute("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
        assert take(client, not snapshots) is None
        for bell in (0, 1, 0, None):
            text = f'{{"value":"it\'s \\\\ € {bell}"}}'
            side.answer(registered, N, bell, text, snapshots=snapshots)
            assert take(client, not snapshots) == text
            assert take(other, not snapshots) is None
            # The bell has rung, and another one is held for the next call.
            assert held(admin, registered.pid) >= 1
            assert bell not in registered.bells
        side.unregister(registered)
    assert held(admin, registered.pid) == 0
    for table in ("session", "answer"):
        assert not admin.query(
            f"SELECT 1 FROM dblink_gateway.{table} WHERE pid = $1", (registered.pid,)
        ).rows
    assert not admin.query(
        "SELECT 1 FROM pg_proc WHERE proname ~ ('^reply_'||$1||'_')", (registered.pid,)
    ).rows


def test_bells_that_somebody_else_holds_are_not_waited_for(
    side: Side, near: str, admin: pgwire.Connection
) -> None:
    with pgwire.connect(near) as client:
        pid = client.info.process_id
        admin.query("SELECT pg_advisory_lock($1, $2)", (BELLS, pid * 2))
        registered = side.register(pid)
        assert registered.bells == {1}
        side.answer(registered, N, 1, "{}", snapshots=True)
        assert registered.bells == set()
        admin.query("SELECT pg_advisory_unlock_all()")
        for _ in range(2):
            side.answer(registered, N, None, "{}", snapshots=True)
        assert registered.bells == {0, 1}
        side.unregister(registered)


def test_a_connection_that_is_lost_is_opened_again_for_those_who_live(
    side: Side, near: str, admin: pgwire.Connection
) -> None:
    with pgwire.connect(near) as client:
        registered = side.register(client.info.process_id)
        secret = registered.secret
        lost = side.pid
        admin.query("SELECT pg_terminate_backend($1, 5000)", (lost,))
        assert not side.lost  # it does not know yet
        side.answer(registered, N, 0, '{"value":"again"}', snapshots=True)
        assert side.pid != lost
        assert take(client, False) == '{"value":"again"}'
        assert registered.bells == {1}
        assert admin.query(
            "SELECT side_pid, secret FROM dblink_gateway.session WHERE pid = $1", (registered.pid,)
        ).rows == [(side.pid, secret)]
        side.unregister(registered)


def test_a_database_without_the_functions_has_no_gateway(cluster: Cluster) -> None:
    side = Side(cluster.conninfo(), cluster.superuser, sweep)
    with pgwire.connect(cluster.conninfo()) as client, pytest.raises(NotSetUp):
        side.register(client.info.process_id)
    assert side.sessions == 0
    side.close()


def test_functions_of_another_version_are_left_alone(
    side: Side, admin: pgwire.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dblink.gateway.side.VERSION", 999)
    with pytest.raises(NotSetUp, match="999"):
        side.register(admin.info.process_id)


@pytest.mark.parametrize("who", ["a pid that there is not", "another user", "another database"])
def test_a_process_id_that_is_not_the_sessions_is_refused(
    side: Side, cluster: Cluster, admin: pgwire.Connection, who: str
) -> None:
    """As a pooler makes them up."""
    with pgwire.connect(cluster.conninfo()) as elsewhere, pytest.raises(NotSetUp, match="pooler"):
        match who:
            case "another user":
                side.register(admin.info.process_id, "engine_plain")
            case "another database":
                side.register(elsewhere.info.process_id, cluster.superuser)
            case _:
                side.register(2**30 - 1, cluster.superuser)
    assert side.sessions == 0


def test_it_is_closed_when_nobody_needs_it(side: Side, admin: pgwire.Connection) -> None:
    registered = side.register(admin.info.process_id)
    assert not side.close_if_idle(0)
    side.unregister(registered)
    assert not side.close_if_idle(60)
    assert side.close_if_idle(0)
    process = "SELECT 1 FROM pg_stat_get_activity($1) WHERE application_name = 'dblink_gateway'"
    eventually(lambda: not admin.query(process, (side.pid,)).rows)


def test_what_a_gateway_that_died_has_left_is_swept_and_the_rest_is_not(
    side: Side, near: str, admin: pgwire.Connection
) -> None:
    with pgwire.connect(near) as client, pgwire.connect(near) as dead:
        living = side.register(client.info.process_id)
        side.answer(living, N, None, "{}", snapshots=False)
        gone = dead.info.process_id
        admin.execute(
            f"INSERT INTO dblink_gateway.session (pid, side_pid) VALUES ({gone}, pg_backend_pid());"
            f"INSERT INTO dblink_gateway.answer VALUES ('{N[::-1]}', {gone}, 'x');"
            f"INSERT INTO dblink_gateway.wait (pid) VALUES ({gone});"
            f"SELECT dblink_gateway.keep('reply_{gone}_s00', 'x', '');"
            f"SELECT dblink_gateway.make('reply_{gone}_00', 1, '{living.role}');"
            f"SELECT dblink_gateway.make('reply_{living.pid}_00', 1, '{living.role}');"
        )
        with pgwire.connect(near) as sweeper:
            sweep(sweeper)
        kept = "SELECT pid FROM dblink_gateway.{} WHERE pid IN ($1, $2)"
        for table, expected in (("session", [(living.pid,)]), ("answer", []), ("wait", [])):
            assert admin.query(kept.format(table), (living.pid, gone)).rows == expected
        assert admin.query(
            "SELECT relname FROM pg_class WHERE relname ~ '^reply_' AND relkind = 'r'"
        ).rows == [(f"reply_{living.pid}_00",)]
        assert admin.query("SELECT proname FROM pg_proc WHERE proname ~ '^reply_'").rows == [
            (living.function,)
        ]
        admin.execute(f"SELECT dblink_gateway.drop('{{reply_{living.pid}_00}}')")
        side.unregister(living)


def test_the_settings_of_the_database_do_not_reach_it(near: str, admin: pgwire.Connection) -> None:
    settings = {
        "search_path": "hostile",
        "statement_timeout": "1",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "standard_conforming_strings": "off",
    }
    for name, value in settings.items():
        admin.execute(f"ALTER DATABASE {NEAR} SET {name} = '{value}'")
    side = Side(near, NEAR, sweep)
    try:
        registered = side.register(admin.info.process_id)
        side.answer(registered, N, 0, '{"value":"\\\\\'"}', snapshots=True)
        assert take(admin, False) == '{"value":"\\\\\'"}'
        side.unregister(registered)
    finally:
        side.close()
        for name in settings:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER DATABASE {NEAR} RESET {name}")
