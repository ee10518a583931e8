"""A process that does what it is told on a catalogue, and dies at a step.

Reads a line of JSON for each task: what to `do`, on the catalogue `where`, and the step `at` which
to die; answers with a line: `killed`, or what the task came to. The steps are the moments before
anything is asked of the store, the source or the target. Each task has a process of its own, forked
from one that has everything imported.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from typing import Any

import pgwire
from dblink.links import LinkCatalogue, LinkError, Target, sqlite

steps = 0
last = -1


def step() -> None:
    global steps
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
    steps += 1


class Counted(sqlite3.Connection):
    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        step()
        return super().execute(*arguments)


def counted(function: Any) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        step()
        return function(*arguments, **options)

    return call


def work(task: dict[str, Any]) -> str:
    catalogue = LinkCatalogue(task["where"])
    connect = sqlite3.connect
    sqlite.sqlite3.connect = lambda *a, **k: connect(*a, factory=Counted, **k)  # type: ignore
    pgwire.Connection._do = counted(pgwire.Connection._do)  # type: ignore[method-assign]
    pgwire.connect = counted(pgwire.connect)
    if task["do"] == "create":
        catalogue.create_link(
            "pc-a",
            "dblink_test",
            database="shop",
            target=Target("stock", "clerk", cluster="pc-b"),
            password=task["password"],
            roles=["app"],
            client_token="t1",
        )
    else:
        getattr(catalogue, task["do"])("pc-a", "dblink_test")
    return "done"


def main() -> None:
    global last
    for line in sys.stdin:
        task = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            last = task["at"]
            try:
                said = work(task)
            except LinkError as error:
                said = str(error)
            os.write(write, said.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read().decode()
        os.waitpid(child, 0)
        print(said or "killed", flush=True)


if __name__ == "__main__":
    main()
