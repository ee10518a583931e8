"""Every overload of every documented function: with success, with failure, with NULLs; and each of
these without the flag, with true and with false."""

from __future__ import annotations

from collections.abc import Iterator

from dblink.functions import FUNCTIONS, RECORD, Overload
from tests.dblink.differential.steps import Argument, Scenario, Step, call, scenario

_GOOD: dict[str, Argument] = {
    "connstr": "<remote>",
    "connname": "myconn",
    "sql": "select 1 as a",
    "cursorname": "cur",
    "howmany": 2,
    "relname": "foo",
    "primary_key_attnums": "1 2",
    "num_primary_key_atts": 2,
    "src_pk_att_vals_array": ["3", "d"],
    "tgt_pk_att_vals_array": ["4", "x"],
}
# What makes the remote side fail, or the local one.
_BAD: dict[str, Argument] = {
    "connstr": "host=127.0.0.1 port=<closed>",
    "sql": "select 1/0 as a",
    "cursorname": "no_such_cursor",
    "relname": "no_such_relation",
    "tgt_pk_att_vals_array": ["4"],
}
_COMMANDS = {
    "dblink_exec": ("create temp table made(a int)", "insert into no_such_table values (1)"),
    "dblink_open": ("select * from foo", "select * from no_such_table"),
}
_NEEDS_NO_CONNECTION = (
    "dblink_connect",
    "dblink_connect_u",
    "dblink_get_connections",
    "dblink_get_pkey",
)


def _call(name: str, overload: Overload, values: dict[str, Argument], flag: bool | None) -> Step:
    args: list[Argument] = [
        flag if argument == "fail_on_error" else values[argument] for argument in overload.arguments
    ]
    function = FUNCTIONS[name]
    columns = None
    if function.returns == RECORD and not function.columns:
        columns = "f1 int, f2 text, f3 text[]" if name == "dblink_fetch" else "a int"
    return call(name, *args, columns=columns, ordered=name != "dblink_get_connections")


def _values(name: str, *, good: bool) -> dict[str, Argument]:
    values = _GOOD if good else {**_GOOD, **_BAD}
    if name in _COMMANDS:
        values = {**values, "sql": _COMMANDS[name][0 if good else 1]}
        if name == "dblink_open":
            values["cursorname"] = "cur"
    return values


def _prepared(name: str) -> list[Step]:
    """What has to be there before the function can succeed."""
    if name.startswith("dblink_build") or name in _NEEDS_NO_CONNECTION:
        return []
    steps = [call("connect", "<remote>"), call("connect", "myconn", "<remote>")]
    if name in ("dblink_fetch", "dblink_close"):
        steps += [
            call("open", "cur", "select * from foo"),
            call("open", "myconn", "cur", "select * from foo"),
        ]
    return steps


def _scenarios() -> Iterator[Scenario]:
    for name, function in FUNCTIONS.items():
        for overload in function.overloads:
            flags = (True, False) if "fail_on_error" in overload.arguments else (None,)
            for flag in flags:
                shown = f"{name}({overload!r})" + ("" if flag is None else f" fail={flag}")
                good = _call(name, overload, _values(name, good=True), flag)
                bad = _call(name, overload, _values(name, good=False), flag)
                yield scenario(
                    f"{shown} succeeds",
                    *([good] if _prepared(name) else []),  # without a connection it does not
                    *_prepared(name),
                    *_sent(name, "select 1"),
                    good,
                    good,
                    call("get_connections", ordered=False),
                )
                told = [call("error_message", "myconn")] if _prepared(name) else []
                yield scenario(
                    f"{shown} fails", *_prepared(name), *_sent(name, "select 1/0"), bad, *told, bad
                )
            if function.strict:
                nulls = [_null(name, overload, missing) for missing in overload.arguments]
                yield scenario(f"{name}({overload!r}) with NULLs", *_prepared(name), *nulls)


def _sent(name: str, sql: str) -> list[Step]:
    return [call("send_query", "myconn", sql)] if name == "dblink_get_result" else []


def _null(name: str, overload: Overload, missing: str) -> Step:
    values: dict[str, Argument] = {**_GOOD, "fail_on_error": True, missing: None}
    function = FUNCTIONS[name]
    columns = "a int" if function.returns == RECORD and not function.columns else None
    return call(name, *[values[a] for a in overload.arguments], columns=columns)


SCENARIOS = tuple(_scenarios())
