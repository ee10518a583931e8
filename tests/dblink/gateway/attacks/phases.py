"""Where a session can be when something happens to it: a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import pgwire
from tests.dblink.gateway.attacks.arena import Arena, Victim
from tests.dblink.gateway.attacks.rawclient import PATIENCE
from tests.dblink.kit import eventually, listener

LARGE: Final = 30_000
"""Rows of 100 bytes: more than what is read ahead, so that they stream into a table."""


@dataclass(frozen=True)
class Phase:
    """A statement, and how to see that it has come to the place that is meant.

    In `sql` and `prepare`, {marker} is the victim's own word, and the name under which it connects;
    {silent} a connection string of somebody who never answers.
    """

    name: str
    sql: str
    reached: Callable[[Arena, Victim], bool]
    prepare: tuple[str, ...] = ()
    remote_dies: bool = True
    """Whether it waits for the remote server."""
    silent: bool = False
    locked: bool = False


def _remote_sleeps(arena: Arena, victim: Victim) -> bool:
    return arena.waits("application_name", victim.marker, "PgSleep")


def _sleeps(arena: Arena, victim: Victim) -> bool:
    return arena.waits("pid", victim.pid, "PgSleep")


def _waits_for_a_lock(arena: Arena, victim: Victim) -> bool:
    return arena.waits("pid", victim.pid, "relation")


def _waits(arena: Arena, victim: Victim) -> bool:
    return arena.waits("pid", victim.pid, "advisory", "PgSleep")


def _row_streams(arena: Arena, victim: Victim) -> bool:
    # The table of the reply is not there for others before it is complete; the lock on it is.
    ((copying,),) = arena.watch.query(
        "SELECT count(*) > 0 FROM pg_catalog.pg_stat_progress_copy AS p"
        " JOIN pg_catalog.pg_stat_activity AS a USING (pid)"
        " WHERE a.application_name = 'dblink_gateway' AND p.tuples_processed > 0"
    )
    return bool(copying) and _remote_sleeps(arena, victim)


_ASLEEP = "'SELECT pg_sleep(60)::text /* {marker} */'"
_STREAM = (
    f"'SELECT repeat(''x'', 100) FROM generate_series(1, {LARGE})"
    " UNION ALL SELECT pg_sleep(60)::text'"
)
_STREAM_ON = _STREAM.replace(str(LARGE), str(2 * LARGE))  # beyond what one table takes at first
_STREAMED = f"'SELECT repeat(''x'', 100) FROM generate_series(1, {LARGE})'"

PHASES: Final = (
    Phase("waiting", f"SELECT * FROM dblink('c', {_ASLEEP}) AS t(a text)", _remote_sleeps),
    Phase(
        "executing",
        "SELECT dblink_exec('c', $s$DO 'BEGIN PERFORM pg_sleep(60); END'$s$)",
        _remote_sleeps,
    ),
    Phase(
        "waiting in a transaction",
        f"SELECT * FROM dblink('c', {_ASLEEP}) AS t(a text)",
        _remote_sleeps,
        prepare=("BEGIN", "SELECT dblink_exec('c', 'SET application_name = ''{marker}''')"),
    ),
    Phase(
        "waiting in a snapshot",
        f"SELECT * FROM dblink('c', {_ASLEEP}) AS t(a text)",
        _remote_sleeps,
        prepare=("BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT dblink_is_busy('c')"),
    ),
    Phase(
        "waiting in an exception block",
        "DO $do$ BEGIN PERFORM dblink_exec('c', 'SET search_path TO pg_catalog');"
        f" PERFORM * FROM dblink('c', {_ASLEEP}) AS t(a text);"
        " EXCEPTION WHEN division_by_zero THEN NULL; END $do$",
        _remote_sleeps,
    ),
    Phase("streaming", f"SELECT count(*) FROM dblink('c', {_STREAM}) AS t(a text)", _row_streams),
    Phase(
        "streaming a later part",
        f"SELECT count(*) FROM dblink('c', {_STREAM_ON}) AS t(a text)",
        _row_streams,
        prepare=("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT dblink_is_busy('c')"),
    ),
    Phase(
        "reading",
        f"SELECT count(*) FROM dblink('c', {_STREAMED}) AS t(a slow)",
        _sleeps,
        remote_dies=False,
    ),
    Phase(
        "asking",
        "SELECT dblink_build_sql_insert('locked', '1', 1, ARRAY['1'], ARRAY['2'])",
        _waits_for_a_lock,
        remote_dies=False,
        locked=True,
    ),
    Phase(
        "copying",
        f"COPY (SELECT * FROM dblink('c', {_ASLEEP}) AS t(a text)) TO STDOUT",
        _remote_sleeps,
    ),
    Phase(
        "connecting",
        "SELECT dblink_connect('d', $c${silent}$c$)",
        _waits,
        remote_dies=False,
        silent=True,
    ),
    Phase("not in a call", "SELECT pg_sleep(60)", _sleeps, remote_dies=False),
)

BY_NAME: Final = {phase.name: phase for phase in PHASES}


@contextmanager
def reached(arena: Arena, victim: Victim, phase: Phase, *, wait: bool = True) -> Iterator[None]:
    """Bring a session to a phase; what makes it wait there is taken away at the end. Without
    `wait` it is on its way there."""
    with (
        listener() as silent,
        ExitStack() as dialled,
        pgwire.connect(arena.cluster.conninfo("here")) as locker,
    ):
        place = silent.getsockname()
        words = {"marker": victim.marker, "silent": victim.remote(host=place[0], port=place[1])}
        for sql in phase.prepare:
            answer = victim.client.query(sql.replace("{marker}", victim.marker))
            assert not answer.errors, answer
        if phase.locked:
            locker.execute("BEGIN")
            locker.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        sql = phase.sql
        for word, meant in words.items():
            sql = sql.replace(f"{{{word}}}", meant)
        victim.client.send_query(sql)
        if wait:
            eventually(lambda: phase.reached(arena, victim), f'the phase "{phase.name}"')
            if phase.silent:
                silent.settimeout(PATIENCE)
                dialled.enter_context(silent.accept()[0])
        yield


@contextmanager
def all_reached(
    arena: Arena,
    address: tuple[str, int],
    phases: Sequence[Phase] = PHASES,
    *,
    wait: bool = True,
    **options: str,
) -> Iterator[dict[str, Victim]]:
    """A session in each phase, at the same time."""
    with ExitStack() as stack:
        victims = {}
        for phase in phases:
            victim = victims[phase.name] = Victim(arena, address, **options)
            stack.callback(victim.client.close)
            stack.enter_context(reached(arena, victim, phase, wait=wait))
        yield victims
