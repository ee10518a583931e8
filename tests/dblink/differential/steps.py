"""What a scenario is made of: data that both runners read.

`<remote>` in an argument or a statement is the connection string of the remote database; the other
names in angle brackets are listed in world.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Argument = str | int | bool | list[str | None] | None
Kind = Literal["call", "local", "remote", "terminate", "settle", "sleeping"]


@dataclass(frozen=True)
class Expected:
    """Our own outcome where it differs on purpose: fields that are not None are compared."""

    value: object = None
    rows: list[tuple[object, ...]] | None = None
    sqlstate: str | None = None
    message: str | None = None
    notices: int | None = None


@dataclass(frozen=True)
class Step:
    """One call of a function, or something done around it.

    kind: `call`, or SQL run on the `local` session, by an administrator in the `remote` database,
        `terminate` all sessions of the remote database, or `settle`: wait until the query on the
        connection has a complete result, or until a remote session is `sleeping`.
    text: compare the rows as the server's text instead of as Python values.
    pids: columns that hold process ids: compared by the order in which they first appear.
    ordered: False if the order of what is returned is left open.
    differs: the key in docs/differences.md of a deliberate difference; then `ours` is what counts.
    unsafe: C dblink must not run it (it would hang or crash); only with `differs`.
    fixed_later: C dblink's later minor releases may not differ any more.
    """

    kind: Kind
    function: str = ""
    args: tuple[Argument, ...] = ()
    fail: bool | None = None
    columns: str | None = None
    text: bool = False
    pids: tuple[int, ...] = ()
    ordered: bool = True
    differs: str | None = None
    ours: Expected | None = None
    unsafe: bool = False
    fixed_later: bool = False

    def __str__(self) -> str:
        if self.kind != "call":
            return f"{self.kind}: {self.function}"
        shown = ", ".join(map(repr, self.args))
        flag = "" if self.fail is None else f", fail={self.fail}"
        columns = f" AS t({self.columns})" if self.columns else ""
        return f"{self.function}({shown}{flag}){columns}"


def call(
    function: str,
    *args: Argument,
    fail: bool | None = None,
    columns: str | None = None,
    text: bool = False,
    pids: tuple[int, ...] = (),
    ordered: bool = True,
    differs: str | None = None,
    ours: Expected | None = None,
    unsafe: bool = False,
    fixed_later: bool = False,
) -> Step:
    """Call `function`; its name may lack the prefix `dblink_`."""
    name = function if function.startswith("dblink") else f"dblink_{function}"
    return Step(
        "call",
        name,
        args,
        fail,
        columns,
        text,
        pids,
        ordered,
        differs,
        ours,
        unsafe,
        fixed_later,
    )


def local(sql: str) -> Step:
    """SQL in the local session: what it answers is compared too."""
    return Step("local", sql)


def remote(sql: str) -> Step:
    """SQL that an administrator runs in the remote database."""
    return Step("remote", sql)


def terminate() -> Step:
    """End every session of the remote database, and wait until they have ended."""
    return Step("terminate")


def settle(name: str) -> Step:
    """Wait until the query on the connection `name` has a complete result."""
    return Step("settle", name)


def sleeping() -> Step:
    """Wait until a session of the remote database is in pg_sleep: only then can it be cancelled."""
    return Step("sleeping")


@dataclass(frozen=True)
class Scenario:
    """Steps of one session. `role` is who is logged in to the local database; `servers` are the
    major versions to run on, empty for all."""

    name: str
    steps: tuple[Step, ...]
    role: str = "postgres"
    servers: tuple[int, ...] = ()


def scenario(
    name: str, *steps: Step, role: str = "postgres", servers: tuple[int, ...] = ()
) -> Scenario:
    return Scenario(name, steps, role, servers)
