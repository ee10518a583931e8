"""Rounds: every contestant once, one after the other, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pgwire
from bench.address import Server
from bench.drivers import NotAvailableError
from bench.environments import BUILD, TOP, Interpreter
from bench.importing import program
from bench.relays import RELAYS
from bench.results import Measurement
from bench.sizes import Sizes
from bench.workloads import CONTESTANTS, WORKLOADS, Workload
from pgwire.testing.binaries import BinariesNotFoundError, find_program

#: Seconds after which a contestant is given up in a round.
TIMEOUT = 300.0


class Runner:
    """Measures workloads on one server.

    Args:
        server: with the tables of setup.sql.
        sizes: of those tables.
        interpreters: `cpython` and, if it is to take part, `pypy`.
        say: gets what is going on, in a few words.
    """

    def __init__(
        self,
        server: Server,
        sizes: Sizes,
        interpreters: Mapping[str, Interpreter],
        say: Callable[[str], None],
    ) -> None:
        self._server = server
        self._sizes = sizes
        self._interpreters = interpreters
        self._say = say

    def measure(
        self, name: str, rounds: int, only: Sequence[str] | None = None
    ) -> list[Measurement]:
        """One workload, `rounds` times; who was unavailable or failed is not asked again.

        Args:
            name: of the workload.
            only: the contestants that take part, of those of the workload.
        """
        measured = [
            Measurement(name, contestant, CONTESTANTS[contestant].kind)
            for contestant in WORKLOADS[name].contestants
            if CONTESTANTS[contestant].interpreter in self._interpreters
            and (only is None or contestant in only)
        ]
        if WORKLOADS[name].task == "import":
            for measurement in measured:  # everybody's modules are compiled, as installed ones are
                self._say(f"{name}, once before the rounds: {measurement.contestant}")
                self._child(WORKLOADS[name], measurement, self._server)
        for number in range(rounds):
            # Nobody is always the one after the server's longest rest.
            first = number % max(len(measured), 1)
            for measurement in measured[first:] + measured[:first]:
                if measurement.missing is None and measurement.failure is None:
                    self._say(f"{name} {number + 1}/{rounds}: {measurement.contestant}")
                    self._once(measurement)
        return measured

    def _once(self, measurement: Measurement) -> None:
        workload = WORKLOADS[measurement.workload]
        contestant = CONTESTANTS[measurement.contestant]
        server = self._server
        if contestant.dbname is not None:
            server = server._replace(dbname=contestant.dbname)
        with pgwire.connect(server.conninfo()) as connection:
            if workload.before:
                connection.execute(workload.before)
            told = self._relayed(workload, measurement, server)
            if "seconds" in told and workload.after is not None:
                question, answer = workload.after
                found, wanted = connection.query(question, ()).scalar(), answer(self._sizes)
                if found != wanted:
                    told = {"failure": f"{question}: {found}, not {wanted}"}
        measurement.missing = told.get("unavailable")
        measurement.failure = told.get("failure")
        if "seconds" in told:
            measurement.seconds.append(told["seconds"])
            if told["peak"] is not None:
                measurement.peaks.append(told["peak"])

    def _relayed(
        self, workload: Workload, measurement: Measurement, server: Server
    ) -> dict[str, Any]:
        """With the contestant's relay in front of the server, whose memory is then what counts."""
        relay = CONTESTANTS[measurement.contestant].relay
        if relay is None:
            return self._child(workload, measurement, server)
        try:
            with RELAYS[relay](server) as running:
                told = self._child(workload, measurement, running.server)
                if "seconds" in told:
                    told["peak"] = running.peak_memory()
                return told
        except NotAvailableError as missing:
            return {"unavailable": str(missing)}
        except AssertionError as failure:
            return {"failure": str(failure)}

    def _child(
        self, workload: Workload, measurement: Measurement, server: Server
    ) -> dict[str, Any]:
        contestant = CONTESTANTS[measurement.contestant]
        python = str(self._interpreters[contestant.interpreter].python)
        job = None
        if workload.task == "import":
            text = program(contestant.driver, server, *workload.arguments(self._sizes))
            command = [python, "-c", text]
        else:
            command = [python, "-m", "bench.child"]
            job = {
                "workload": measurement.workload,
                "contestant": measurement.contestant,
                "server": server.as_dict(),
                "sizes": self._sizes._asdict(),
            }
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(BUILD / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with contextlib.suppress(BinariesNotFoundError):
            folder = find_program("pgbench").parent
            environment["PATH"] = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
        try:
            done = subprocess.run(
                command,
                env=environment,
                input=json.dumps(job),
                cwd=TOP,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"failure": f"took longer than {TIMEOUT:g} s"}
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            return {"failure": last}
        told: dict[str, Any] = json.loads(done.stdout)
        return told
