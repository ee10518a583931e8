"""One psql process, fed piece by piece, and what it printed for each piece."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Self

from tests.dblink.differential.outcome import Report
from tests.programs import plain_environment

PATIENCE = 60.0
"""Seconds that psql may take for one piece: longer than the statement_timeout of its session."""

_OPTIONS = "-c statement_timeout=20s"
_END = "-- end of this piece --"
_HEAD = re.compile(r"(?:psql:\S* )?(\w+):  ([0-9A-Z]{5}): (.*)", re.DOTALL)
_PART = re.compile(r"(DETAIL|HINT|CONTEXT|QUERY|LOCATION|STATEMENT|LINE \d+|[A-Z ]+ NAME):(.*)")


@dataclass
class Printed:
    """What psql printed for a piece: `output` line by line, and the reports (errors, notices) with
    the fields that VERBOSITY=verbose shows, LOCATION excepted: it names a line of C code."""

    output: list[str]
    reports: list[Report]


class Psql:
    """A running psql, connected to `conninfo`; `settings` are more of its own options.

    Of a user's psql it differs in what it prints of null values only, and in being told nothing by
    the user's own files.
    """

    def __init__(self, program: Path, conninfo: str, *settings: str) -> None:
        self._process = subprocess.Popen(
            [
                *(program, "-X", "-w", "-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=always"),
                *("-P", "null=(null)", "-P", "pager=off", *settings, "-d", conninfo),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**plain_environment(), "PGCLIENTENCODING": "UTF8", "PGOPTIONS": _OPTIONS},
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._input = self._process.stdin
        self._pipes = (self._process.stdout.fileno(), self._process.stderr.fileno())

    def run(self, sql: str) -> Printed:
        """Feed one piece: statements, each with its semicolon, and psql's own commands.

        Raises:
            AssertionError: psql ended, or is not done in time.
        """
        self._input.write(f"{sql}\n\\echo '{_END}'\n\\warn '{_END}'\n".encode())
        self._input.flush()
        output, errors = self._read()
        return Printed(output, list(_reports(errors)))

    def close(self) -> None:
        """End psql, and see that it ends well."""
        if self._process.poll() is None:
            self._input.close()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in self._process.stdin, self._process.stdout, self._process.stderr:
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> tuple[list[str], list[str]]:
        taken = dict.fromkeys(self._pipes, b"")
        end = f"{_END}\n".encode()
        deadline = monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while not all(data.endswith(end) for data in taken.values()):
                ready = selector.select(max(0.0, deadline - monotonic()))
                chunks = {key.fd: os.read(key.fd, 1 << 16) for key, _ in ready}
                if not ready or b"" in chunks.values():
                    self._process.kill()
                    shown = b"".join(taken.values()).decode(errors="replace")
                    raise AssertionError(
                        f"psql {'ended' if ready else 'is stuck'} after printing:\n{shown}"
                    )
                for pipe, chunk in chunks.items():
                    taken[pipe] += chunk
        output, errors = (
            taken[pipe].removesuffix(end).decode().removesuffix("\n").split("\n")
            for pipe in self._pipes
        )
        return output, errors


def _reports(lines: list[str]) -> Iterator[Report]:
    """The reports in what psql wrote to its error stream; anything else is one of its own."""
    report: Report = {}
    part = ""
    for line in lines:
        if head := _HEAD.fullmatch(line):
            if report:
                yield report
            report = dict.fromkeys(("detail", "hint", "context", "query", "line"))
            report |= {"severity": head[1], "sqlstate": head[2], "message": head[3]}
            part = "message"
        elif not report:
            if line:
                report = {"severity": "psql", "sqlstate": None, "message": line, "detail": None}
                part = "message"
        elif found := _PART.fullmatch(line):
            part = found[1].lower()
            if part.startswith("line "):
                report["line"], part = line, "line"
            elif part == "location":
                yield report
                report = {}
            else:
                report[part] = found[2].removeprefix("  ")
        else:
            report[part] = f"{report[part]}\n{line}"
    if report:
        yield report
