"""A place to attack the gateway in, and to break things: a server with a local and a remote
database, roles that trust each other as little as they should, and what must be left: nothing.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

import pgwire
from dblink import shells
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.attacks.forging import FORGE
from tests.dblink.gateway.attacks.rawclient import PATIENCE, Answer, RawClient
from tests.dblink.kit import eventually

BOUND: Final = 3.0
"""Seconds within which what waits must have ended: the promise is one, this machine is busy."""

SECRET: Final = "hush"
BELLS: Final = 1684827755

HBA: Final = (
    "local all app scram-sha-256",
    "host all app 127.0.0.1/32 scram-sha-256",
    "local all all trust",
    "host all all 127.0.0.1/32 trust",
)

_ROLES = f"""
CREATE ROLE mallory LOGIN;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
GRANT alice TO bob;
CREATE ROLE service LOGIN;
CREATE ROLE app LOGIN PASSWORD '{SECRET}';
"""

_LOCAL = f"""
CREATE SCHEMA mallory AUTHORIZATION mallory;
CREATE SCHEMA alice AUTHORIZATION alice;
GRANT USAGE ON SCHEMA mallory, alice TO PUBLIC;
CREATE TABLE locked (id int PRIMARY KEY, b text);
INSERT INTO locked VALUES (1, 'one');
GRANT SELECT ON locked TO PUBLIC;
CREATE FUNCTION sleep_at_first(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('arena.slept', true), '') = '' THEN
    PERFORM set_config('arena.slept', 'yes', false);
    PERFORM pg_sleep(60);
  END IF;
  RETURN true;
END $$;
CREATE DOMAIN slow AS text CHECK (sleep_at_first(VALUE));
{FORGE}
CREATE FOREIGN DATA WRAPPER plain;
CREATE SERVER alices FOREIGN DATA WRAPPER plain OPTIONS (host '127.0.0.1');
GRANT USAGE ON FOREIGN SERVER alices TO alice;
CREATE USER MAPPING FOR mallory SERVER alices OPTIONS (user 'app', password 'guessed');
CREATE USER MAPPING FOR alice SERVER alices OPTIONS (user 'app', password '{SECRET}');
"""

LEFT: Final = """
SELECT 'session row' AS what FROM dblink_gateway.session WHERE pid = $1
UNION ALL SELECT 'activity of '||event FROM dblink_gateway.wait WHERE pid = $1
UNION ALL SELECT relkind::text||' '||relname FROM pg_catalog.pg_class
  WHERE relnamespace = 'dblink_gateway'::regnamespace AND relname ~ ('^reply_'||$1||'(_|$)')
UNION ALL SELECT 'function '||proname FROM pg_catalog.pg_proc
  WHERE pronamespace = 'dblink_gateway'::regnamespace AND proname ~ ('^reply_'||$1||'(_|$)')
UNION ALL SELECT 'bell '||(objid::int8 - $1::int8 * 2)||' of '||pid FROM pg_catalog.pg_locks
  WHERE locktype = 'advisory' AND classid = 1684827755 AND objsubid = 2
    AND objid::int8 / 2 = $1::int8
UNION ALL SELECT 'backend '||coalesce(state,'')||' '||query FROM pg_catalog.pg_stat_activity
  WHERE pid = $1
"""


class Arena:
    """The server with its two databases. `watch` and `remote_watch` look at them as superuser."""

    def __init__(self, binaries: Binaries | None) -> None:
        self.cluster = Cluster(binaries, hba=HBA, settings={"max_connections": 60})
        self._markers = itertools.count(1)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.cluster.start()
        with pgwire.connect(self.cluster.conninfo()) as admin:
            admin.execute("CREATE DATABASE here")
            admin.execute("CREATE DATABASE there")
            admin.execute(_ROLES)
        with pgwire.connect(self.cluster.conninfo("here")) as admin:
            shells.setup(admin, role="service")
            admin.execute(_LOCAL)
        self.look()
        return self

    def look(self) -> None:
        """Connect the two that watch, again if the server was restarted."""
        self.watch = pgwire.connect(self.cluster.conninfo("here", application_name="watch"))
        self.remote_watch = pgwire.connect(self.cluster.conninfo("there", application_name="watch"))

    def __exit__(self, *raised: object) -> None:
        self.watch.close()
        self.remote_watch.close()
        self.cluster.close()

    def stop(self) -> None:
        """Stop the server as a crash would."""
        self.watch.close()
        self.remote_watch.close()
        self.cluster.stop("immediate")

    def start_again(self) -> None:
        """Start it after `stop`."""
        self.cluster.start()
        self.look()

    @property
    def local(self) -> str:
        """What the gateway is told of the local server."""
        return self.cluster.conninfo("here", tcp=True)

    @property
    def side(self) -> str:
        """What it is told of its own connection."""
        return self.cluster.conninfo("here", user="service", tcp=True)

    def remote(self, marker: str, **options: str | int) -> str:
        """A connection string for the remote database, as a role with a password."""
        given = {"user": "app", "password": SECRET, "application_name": marker} | options
        return self.cluster.conninfo("there", tcp=True, **given)  # type: ignore[arg-type]

    def passwordless(self, marker: str, **options: str | int) -> str:
        """One with which a superuser would be let in: the server asks for no password."""
        return self.cluster.conninfo("there", tcp=True, application_name=marker, **options)

    def marker(self) -> str:
        """A word that has not been used."""
        with self._lock:
            return f"marked{next(self._markers)}x"

    def left(self, pid: int, marker: str) -> list[str]:
        """What is left of a session of this process id, whose remote connections have this
        application_name."""
        found = [str(row[0]) for row in self.watch.query(LEFT, (pid,))]
        return found + [f"remote {state} {query}" for state, query in self.backends(marker)]

    def backends(self, marker: str) -> list[tuple[str, str]]:
        """State and query of the remote backends whose application_name this is."""
        return [
            (str(row[0]), str(row[1]))
            for row in self.remote_watch.query(
                "SELECT state, query FROM pg_catalog.pg_stat_activity WHERE application_name = $1",
                (marker,),
            )
        ]

    def waits(self, column: str, value: str | int, *events: str) -> bool:
        """Whether a backend with this `value` in pg_stat_activity waits for one of `events`."""
        rows = self.watch.query(
            f"SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE {column}::text = $1",
            (str(value),),
        )
        return any(row[0] in events for row in rows)

    def nothing_left(self, pid: int, marker: str) -> None:
        """Wait until nothing is left of a session that has ended."""
        found: list[str] = []

        def none() -> bool:
            found[:] = self.left(pid, marker)
            return not found

        try:
            eventually(none)
        except AssertionError:
            raise AssertionError(f"left behind: {found}") from None


class Victim:
    """A session with the remote connection "c", to which something will happen."""

    def __init__(
        self, arena: Arena, address: tuple[str, int], user: str = "mallory", **options: str
    ) -> None:
        self.arena, self.marker = arena, arena.marker()
        self.client = RawClient(address)
        begun = self.client.start(user, "here", application_name="victim", **options)
        assert begun.status == "I", begun
        self.pid = self.client.pid
        self.connect()

    def connect(self) -> None:
        """Open the connection "c"."""
        answer = self.client.query(f"SELECT dblink_connect('c', $c${self.remote()}$c$)")
        assert answer.rows == [("OK",)], answer

    def remote(self, **options: str | int) -> str:
        """The connection string of its remote database."""
        return self.arena.remote(self.marker, **options)

    def still_works(self) -> None:
        """The session answers, calls work, and each answer belongs to its own query."""
        self.client.query("ROLLBACK")
        for number in ("1", "2"):
            answer = self.client.query(f"SELECT {number}")
            assert answer.rows == [(number,)], answer
        names = self.client.query("SELECT unnest(dblink_get_connections())").rows
        if ("c",) in names:
            again = self.client.query("SELECT * FROM dblink('c', 'SELECT 41') AS t(a int)")
            if again.rows == [("41",)]:
                return
            self.client.query("SELECT dblink_disconnect('c')")
        self.connect()
        again = self.client.query("SELECT * FROM dblink('c', 'SELECT 42') AS t(a int)")
        assert again.rows == [("42",)], again

    def end(self) -> None:
        """Close the session; nothing of it may be left."""
        self.client.close()
        self.arena.nothing_left(self.pid, self.marker)


class Served:
    """`dblink serve` in a process of its own, which can be killed."""

    def __init__(self, arena: Arena, *options: str) -> None:
        command = ["serve", "--listen", "127.0.0.1:0", "--local", arena.local, "--side", arena.side]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "dblink", *command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PGPASSWORD": SECRET, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (.+):(\d+)\n", line)
        assert found is not None, (line, self.kill())
        self.address = (found[1], int(found[2]))

    def kill(self) -> tuple[str, str]:
        """End it as a crash would; what it wrote to stdout and stderr."""
        self.process.kill()
        return self.process.communicate(timeout=PATIENCE)

    def stop(self, timeout: float = PATIENCE) -> int:
        """Ask it to end. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=timeout)
        return self.process.returncode


@contextmanager
def served(arena: Arena, *options: str) -> Iterator[Served]:
    """A gateway in a process of its own, which is gone at the end."""
    gateway = Served(arena, *options)
    try:
        yield gateway
    finally:
        gateway.kill()


def ended_in_time(answer: Answer) -> None:
    """An answer that came, or a connection that ended, within the bound."""
    assert answer.seconds < BOUND, answer
