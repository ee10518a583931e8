"""Something happens to a session, in every phase that it can be in: it ends within a moment, it is
in step or closed, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import pgwire
from dblink.gateway import running
from pgwire.protocol.backend import (
    CommandComplete,
    DataRow,
    FieldDescription,
    ReadyForQuery,
    RowDescription,
)
from pgwire.protocol.frontend import Query, StartupMessage
from pgwire.testing import logins
from pgwire.testing.script import Script, ScriptedServer, expect, reset, send, stall
from pgwire.testing.script import close as hang_up
from tests.dblink.gateway.attacks.arena import BOUND, SECRET, Arena, Victim, served
from tests.dblink.gateway.attacks.phases import BY_NAME, PHASES, Phase, all_reached, reached
from tests.dblink.gateway.attacks.rawclient import Answer, RawClient
from tests.dblink.kit import eventually

Address = tuple[str, int]
Fault = Callable[[Arena, Victim], object]

CALLS = [phase for phase in PHASES if phase.name != "not in a call"]


def cancel_request(arena: Arena, victim: Victim) -> None:
    victim.client.cancel()


def cancel_backend(arena: Arena, victim: Victim) -> None:
    assert arena.watch.query("SELECT pg_cancel_backend($1)", (victim.pid,)).rows == [(True,)]


def terminate_backend(arena: Arena, victim: Victim) -> None:
    assert arena.watch.query("SELECT pg_terminate_backend($1)", (victim.pid,)).rows == [(True,)]


def client_hangs_up(arena: Arena, victim: Victim) -> None:
    victim.client.close()


def client_resets(arena: Arena, victim: Victim) -> None:
    victim.client.reset()


def kill_remote(arena: Arena, victim: Victim) -> None:
    arena.remote_watch.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        (victim.marker,),
    )


def kill_sides(arena: Arena) -> int:
    return len(
        arena.watch.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dblink_gateway'"
        ).rows
    )


def remote_idle(arena: Arena, victim: Victim) -> None:
    """Nothing runs for the victim on the remote server any more."""
    eventually(
        lambda: all(state != "active" for state, _ in arena.backends(victim.marker)),
        "the end of the remote query",
    )


def in_time(answer: Answer, start: float) -> None:
    assert time.monotonic() - start < BOUND, answer


# What one session suffers.


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
@pytest.mark.parametrize("fault", [cancel_request, cancel_backend])
def test_cancelled(arena: Arena, gate: Address, fault: Fault, phase: Phase) -> None:
    victim = Victim(arena, gate)
    with reached(arena, victim, phase):
        fault(arena, victim)
        answer = victim.client.answer()
        assert answer.seconds < BOUND, answer
        assert answer.sqlstate == "57014", answer
        assert answer.message == "canceling statement due to user request"
        remote_idle(arena, victim)
    victim.still_works()
    victim.end()


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_terminated(arena: Arena, gate: Address, phase: Phase) -> None:
    victim = Victim(arena, gate)
    with reached(arena, victim, phase):
        terminate_backend(arena, victim)
        answer = victim.client.answer()
        assert answer.seconds < BOUND, answer
        assert (answer.sqlstate, answer.status) == ("57P01", ""), answer
        victim.end()


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
@pytest.mark.parametrize("fault", [client_hangs_up, client_resets])
def test_the_client_dies(arena: Arena, gate: Address, fault: Fault, phase: Phase) -> None:
    victim = Victim(arena, gate)
    with reached(arena, victim, phase):
        start = time.monotonic()
        fault(arena, victim)
        arena.nothing_left(victim.pid, victim.marker)
        assert time.monotonic() - start < BOUND


@pytest.mark.parametrize(
    "phase", [phase for phase in PHASES if phase.remote_dies], ids=lambda phase: phase.name
)
def test_the_remote_session_dies(arena: Arena, gate: Address, phase: Phase) -> None:
    victim = Victim(arena, gate)
    with reached(arena, victim, phase):
        kill_remote(arena, victim)
        answer = victim.client.answer()
        assert answer.seconds < BOUND, answer
        assert answer.status in ("I", "E"), answer
        assert answer.sqlstate in ("57P01", "08000", "08003", "08006"), answer
    victim.still_works()
    victim.end()


def test_a_dead_idle_connection_is_told_by_the_next_call(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    kill_remote(arena, victim)
    answer = victim.client.query("SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)")
    assert answer.status == "I"
    assert answer.errors, answer
    victim.still_works()
    victim.end()


# What all suffer at once.


def test_statement_timeout(arena: Arena, gate: Address) -> None:
    timeout = 1.0
    with all_reached(
        arena, gate, wait=False, options=f"-c statement_timeout={timeout * 1000:.0f}"
    ) as victims:
        start = time.monotonic()
        for name, victim in victims.items():
            answer = victim.client.answer()
            assert (answer.sqlstate, name) == ("57014", name), answer
            assert time.monotonic() - start < timeout + BOUND
            remote_idle(arena, victim)
            victim.client.query("SET statement_timeout = 0")
    with all_reached(arena, gate, [BY_NAME["not in a call"]]):
        pass


def test_transaction_timeout(arena: Arena, gate: Address) -> None:
    if arena.cluster.binaries.major < 17:
        pytest.skip("transaction_timeout is of PostgreSQL 17")
    timeout = 1.0
    with all_reached(
        arena, gate, wait=False, options=f"-c transaction_timeout={timeout * 1000:.0f}"
    ) as victims:
        start = time.monotonic()
        for name, victim in victims.items():
            answer = victim.client.answer()
            assert (answer.sqlstate, answer.status, name) == ("25P04", "", name), answer
            assert time.monotonic() - start < timeout + BOUND
        for victim in victims.values():
            victim.end()


def test_idle_in_transaction_session_timeout(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    victim.client.query("SET idle_in_transaction_session_timeout = 100")
    assert victim.client.query("BEGIN").status == "T"
    assert victim.client.query("SELECT dblink_is_busy('c')").rows == [("0",)]
    answer = victim.client.answer()
    assert (answer.sqlstate, answer.status) == ("25P03", ""), answer
    victim.end()


@pytest.mark.parametrize("setting", ["lock_timeout = '1ms'", "lock_timeout = 0"])
def test_lock_timeout_is_not_the_users(arena: Arena, gate: Address, setting: str) -> None:
    victim = Victim(arena, gate)
    victim.client.query(f"SET {setting}")
    answer = victim.client.query(
        "SELECT * FROM dblink('c', 'SELECT pg_sleep(0.5), 1') AS t(z text, a int)"
    )
    assert answer.rows == [("", "1")], answer
    assert victim.client.query("SHOW lock_timeout").rows == [(setting.split()[-1].strip("'"),)]
    victim.end()


def test_the_side_connections_die(arena: Arena, gate: Address) -> None:
    """Calls under way end by an error, or do not notice; sessions live, and further calls work."""
    with all_reached(arena, gate) as victims:
        assert kill_sides(arena)
        start = time.monotonic()
        for name, victim in victims.items():
            if name == "not in a call":
                continue
            if name in ("reading", "asking"):
                # It need not have noticed yet.
                victim.client.cancel()
            answer = victim.client.answer()
            assert answer.status in ("I", "E"), (name, answer)
            assert answer.errors, (name, answer)
            remote_idle(arena, victim)
            in_time(answer, start)
        for victim in victims.values():
            victim.client.cancel()
    with all_reached(arena, gate, [BY_NAME["waiting"]]) as victims:
        victims["waiting"].client.cancel()
        assert victims["waiting"].client.answer().sqlstate == "57014"
        victims["waiting"].still_works()


def test_the_gateway_is_killed(arena: Arena) -> None:
    with served(arena) as gateway, all_reached(arena, gateway.address, CALLS) as victims:
        gateway.kill()
        start = time.monotonic()
        for victim in victims.values():
            assert victim.client.answer().status == ""
        # The sessions on the server see that nobody answers any more, except one that sleeps.
        waiting = [v.pid for name, v in victims.items() if name not in ("reading", "asking")]
        eventually(
            lambda: (
                not arena.watch.query(
                    "SELECT pid FROM pg_stat_activity WHERE pid = ANY ($1) AND state = 'active'",
                    (waiting,),
                ).rows
            ),
            "the end of the sessions that waited for an answer",
        )
        assert time.monotonic() - start < BOUND
        # A remote server notices as little as with any client that is killed.
        for victim in victims.values():
            kill_remote(arena, victim)
    kill_backends(arena, [victim.pid for victim in victims.values()])
    with served(arena) as gateway:  # the next one sweeps
        Victim(arena, gateway.address).end()
        for victim in victims.values():
            arena.nothing_left(victim.pid, victim.marker)
        assert gateway.stop() == 0


def kill_backends(arena: Arena, pids: list[int]) -> None:
    arena.watch.query("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", (pids,))


def test_the_gateway_is_stopped(arena: Arena) -> None:
    with served(arena, "--grace", "0.5") as gateway:
        idle = Victim(arena, gateway.address)
        with all_reached(arena, gateway.address) as victims:
            assert gateway.stop(timeout=30) == 0
            last = idle.client.answer()
            assert (last.sqlstate, last.status) == ("57P01", ""), last
            for victim in victims.values():
                assert victim.client.answer().status == ""
            for victim in (idle, *victims.values()):
                arena.nothing_left(victim.pid, victim.marker)


def test_the_local_server_dies(crash: Arena) -> None:
    """An immediate stop: the sessions end, the gateway lives, and goes on when the server does."""
    with served(crash) as gateway:
        with all_reached(crash, gateway.address) as victims:
            crash.stop()
            start = time.monotonic()
            for name, victim in victims.items():
                answer = victim.client.answer()
                assert answer.status == "", (name, answer)
                in_time(answer, start)
            refused = RawClient(gateway.address).start("mallory", "here")
            assert refused.errors, refused
            assert refused.status == ""
            assert refused.errors[0]["S"] == "FATAL"
            crash.start_again()
        victim = Victim(crash, gateway.address)
        victim.still_works()
        victim.end()
        assert gateway.stop() == 0


# Before the session has begun.


def test_in_the_middle_of_a_login(crash: Arena) -> None:
    """Everything else dies while a client is asked for its password."""
    with served(crash) as gateway:
        for fault in ("side", "backend", "stop", "SIGTERM"):
            Victim(crash, gateway.address).end()  # so that there is a side connection
            client = RawClient(gateway.address)
            client.send(StartupMessage({b"user": b"app", b"database": b"here"}))
            assert client.socket.recv(1) == b"R"
            if fault == "side":
                assert kill_sides(crash)
                client.send(b"")
            elif fault == "backend":
                crash.watch.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename IS NULL AND backend_type = 'client backend'"
                )
            elif fault == "stop":
                crash.stop()
            else:
                assert gateway.stop() == 0
            if fault in ("stop", "SIGTERM"):
                client.ended(BOUND)
            client.close()
            if fault == "stop":
                crash.start_again()


# What no real remote server does.

ROWS = [
    RowDescription([FieldDescription(b"a", type_oid=25)]),
    *(DataRow([b"x" * 1000]) for _ in range(2000)),
]
IN = [
    logins.cleartext(SECRET),
    expect(Query),  # the digits of floating-point numbers
    send(CommandComplete(b"SELECT 0"), ReadyForQuery(b"I")),
    expect(Query),
]
ENDS = {
    "resets": [send(*ROWS), reset()],
    "hangs up": [send(*ROWS), hang_up()],
    "talks nonsense": [send(*ROWS, b"D\0\0\0\3nonsense"), stall()],
    "is out of order": [send(*ROWS, ReadyForQuery(b"I"))],
    "says nothing at all": [reset()],
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_remote_server_breaks_off(arena: Arena, gate: Address, end: Script) -> None:
    victim = Victim(arena, gate)
    with ScriptedServer([IN, end]) as server:
        place = server.conninfo(password=SECRET)
        assert victim.client.query(f"SELECT dblink_connect('d', '{place}')").rows == [("OK",)]
        answer = victim.client.query("SELECT count(*) FROM dblink('d', 'SELECT') AS t(a text)")
        assert answer.errors, answer
        assert answer.seconds < BOUND
        victim.still_works()
        victim.client.query("SELECT dblink_disconnect('d')")
        victim.end()


def test_the_remote_server_hears_nothing(arena: Arena, gate: Address) -> None:
    """It does not even answer the cancel request: that keeps nobody but itself."""
    victim = Victim(arena, gate)
    with ScriptedServer([IN, send(*ROWS), stall()], stall()) as server:
        place = server.conninfo(password=SECRET)
        assert victim.client.query(f"SELECT dblink_connect('d', '{place}')").rows == [("OK",)]
        victim.client.query("SET statement_timeout = '300ms'")
        answer = victim.client.query("SELECT count(*) FROM dblink('d', 'SELECT') AS t(a text)")
        assert (answer.sqlstate, answer.status) == ("57014", "I"), answer
        assert answer.seconds < BOUND
        victim.client.query("SET statement_timeout = 0")
        # What the session does elsewhere goes on once the remote server has been given up.
        assert victim.client.query("SELECT 1").seconds < 1.0
        victim.client.close()
        arena.nothing_left(victim.pid, victim.marker)


def test_no_place_for_the_side(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that could not be registered when it began is, once the side can connect."""
    monkeypatch.setattr("dblink.gateway.engine.RETRY", 0.2)
    monkeypatch.setattr("dblink.gateway.caller.RETRY", 0.2)
    arena.watch.execute("ALTER ROLE service CONNECTION LIMIT 0")
    with running(arena.local, arena.side) as gateway:
        client = RawClient(gateway.addresses[0])
        try:
            assert client.start("mallory", "here").status == "I"
            answer = client.query("SELECT dblink_get_connections()")
            assert answer.sqlstate == "55000", answer
        finally:
            arena.watch.execute("ALTER ROLE service CONNECTION LIMIT -1")
        eventually(
            lambda: client.query("SELECT dblink_get_connections()").rows == [(None,)],
            "dblink for a session that had none",
        )
        client.close()
        arena.nothing_left(client.pid, "none")


# Without a gateway.


def test_without_a_gateway(arena: Arena) -> None:
    with pgwire.connect(arena.cluster.conninfo("here", user="mallory")) as direct:
        for sql in (
            "SELECT dblink_connect('c', 'host=nowhere')",
            "SELECT * FROM dblink('c', 'SELECT 1') AS t(a int)",
            "SELECT dblink_get_connections()",
        ):
            start = time.monotonic()
            with pytest.raises(pgwire.DatabaseError) as told:
                direct.query(sql)
            assert time.monotonic() - start < 1.0
            assert told.value.hint is not None
            assert "dblink serve" in told.value.hint


def test_without_a_gateway_after_one_that_crashed(arena: Arena) -> None:
    """A row of a session that was never swept, and whose process id is somebody else's now."""
    with pgwire.connect(arena.cluster.conninfo("here", user="mallory")) as direct:
        pid = direct.info.process_id
        for side in (1, pid, arena.watch.info.process_id):
            arena.watch.query(
                "INSERT INTO dblink_gateway.session (pid, side_pid) VALUES ($1, $2)"
                " ON CONFLICT (pid) DO UPDATE SET side_pid = excluded.side_pid",
                (pid, side),
            )
            start = time.monotonic()
            with pytest.raises(pgwire.DatabaseError):
                direct.query("SELECT dblink_get_connections()")
            assert time.monotonic() - start < 1.5
        arena.watch.query("DELETE FROM dblink_gateway.session WHERE pid = $1", (pid,))


def test_two_gateways_in_front_of_one_server(arena: Arena, gate: Address) -> None:
    with served(arena) as other:
        here, there = Victim(arena, gate), Victim(arena, other.address)
        for victim in (here, there, here, there):
            victim.still_works()
        other.kill()
        here.still_works()
        with served(arena) as third:  # sweeps what the second left, and nothing of the first's
            Victim(arena, third.address).end()
            here.still_works()
            kill_backends(arena, [there.pid])
            arena.nothing_left(there.pid, there.marker)
            here.still_works()
            third.stop()
        here.still_works()
        here.end()
        there.client.close()
