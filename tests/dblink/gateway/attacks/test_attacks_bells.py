"""Anybody may take advisory locks: those that callers wait on cost a moment, and no more."""

from __future__ import annotations

import threading

import pytest

import pgwire
from tests.dblink.gateway.attacks.arena import BELLS, Arena, Victim, served
from tests.dblink.kit import eventually

Address = tuple[str, int]

QUERY = "SELECT * FROM dblink('c', 'SELECT 3') AS t(a int)"
SLOW = 1.5
"""Seconds that a call may take with a bell that somebody holds: it looks after 0.2 s by itself."""


def works(victim: Victim) -> None:
    for isolation in ("READ COMMITTED", "REPEATABLE READ"):
        assert not victim.client.query(f"BEGIN ISOLATION LEVEL {isolation}").errors
        for _ in range(2):
            answer = victim.client.query(QUERY)
            assert answer.rows == [("3",)], answer
            assert answer.seconds < SLOW
        assert not victim.client.query("COMMIT").errors


def mallory(arena: Arena) -> pgwire.Connection:
    return pgwire.connect(arena.cluster.conninfo("here", user="mallory"))


@pytest.mark.parametrize("how", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_held_before_the_session_begins(arena: Arena, gate: Address, how: str) -> None:
    with mallory(arena) as holder:
        ((here,),) = holder.query("SELECT pg_backend_pid()")
        holder.query(f"SELECT {how}({BELLS}, n) FROM generate_series($1, $2) n",
                     (2 * here, 2 * here + 400))  # fmt: skip
        victim = Victim(arena, gate)
        works(victim)
    works(victim)  # and when they are free again
    victim.end()


@pytest.mark.parametrize("how", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_queued_for(arena: Arena, gate: Address, how: str) -> None:
    """Whoever waits for a bell gets it when it rings."""
    victim = Victim(arena, gate)
    with mallory(arena) as one, mallory(arena) as two:
        waiters = [
            threading.Thread(
                target=connection.query,
                args=(f"SELECT {how}({BELLS}, {victim.pid * 2 + bell})",),
            )
            for bell, connection in enumerate((one, two))
        ]
        for waiter in waiters:
            waiter.start()
        # The side holds at least the one that the next call waits for.
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND objid::int8 / 2 = $1"
        eventually(lambda: arena.watch.query(waiting, (victim.pid,)).rows)
        works(victim)
        for waiter in waiters:
            waiter.join()
        works(victim)
    works(victim)
    victim.end()


def test_a_session_holds_its_own_bells(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    for lock in ("pg_try_advisory_lock", "pg_try_advisory_lock_shared"):
        for bell in (0, 1):
            victim.client.query(f"SELECT {lock}({BELLS}, {victim.pid * 2 + bell})")
        works(victim)
    victim.client.query("SELECT pg_advisory_unlock_all()")
    works(victim)
    victim.end()


def test_a_gateway_starts_whatever_locks_are_held(arena: Arena) -> None:
    """Locks by which a gateway tells that it lives, of all process ids to come."""
    with mallory(arena) as holder:
        ((here,),) = holder.query("SELECT pg_backend_pid()")
        for how in ("pg_advisory_lock", "pg_advisory_lock_shared"):
            for space in (BELLS, BELLS + 1):
                for sign in (1, -1):
                    holder.query(
                        f"SELECT {how}({space}, {sign} * n) FROM generate_series($1, $2) n",
                        (here, here + 100),
                    )
            with served(arena) as gateway:
                victim = Victim(arena, gateway.address)
                works(victim)
                victim.end()
            holder.query("SELECT pg_advisory_unlock_all()")
            ((here,),) = arena.watch.query("SELECT max(pid) FROM pg_stat_activity")
