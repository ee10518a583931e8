"""Plain queries, for what a relay between client and server costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import dblink
from bench.address import Server
from bench.drivers import Clock, NotAvailableError


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._server = server

    def pgbench(self, clock: Clock, clients: int, transactions: int) -> None:
        """Runs pgbench's script select-only, and takes the time that it tells itself.

        Its `latency average` is the time of a transaction as a client sees it, without connecting.
        """
        program = shutil.which("pgbench")
        if program is None:
            raise NotAvailableError("pgbench is not installed")
        server = self._server
        command = [program, "--no-vacuum", "--builtin=select-only", "--protocol=prepared"]
        command += [f"--client={clients}", f"--transactions={transactions}"]
        command += [f"--host={server.host}", f"--port={server.port}", f"--username={server.user}"]
        environment = {**os.environ, "PGPASSWORD": server.password, "LC_ALL": "C"}
        done = subprocess.run(
            [*command, server.dbname], env=environment, capture_output=True, text=True, check=False
        )
        told = re.search(r"^latency average = ([\d.]+) ms$", done.stdout, re.MULTILINE)
        if done.returncode or told is None:
            raise AssertionError((done.stderr.strip().splitlines() or ["no latency is told"])[-1])
        clock.seconds += float(told[1]) / 1000

    def large_select(self, clock: Clock, sql: str) -> int:
        """Asks for rows, and counts them undecoded: as little as a client can do with them."""
        with dblink.Session(privileged=True) as session:
            session.dblink_connect("source", self._server.conninfo())
            with clock:
                return session.dblink("source", sql).count()
