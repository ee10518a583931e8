"""Where we go past C dblink on purpose, beside the steps marked `differs` in other files."""

from __future__ import annotations

from tests.dblink.differential.steps import Expected, call, local, remote, scenario

A = "a int"
_REFUSED = Expected(sqlstate="0A000")
_ALIVE = call("dblink", "c1", "select 1", columns=A)


SCENARIOS = (
    scenario(
        "COPY is refused and leaves the connection usable",
        call("connect", "c1", "<remote>"),
        *[
            step
            for sql in (
                "copy foo to stdout",
                "copy foo from stdin",
                "select 1; copy foo to stdout; select 2",
            )
            for step in (
                call("dblink", "c1", sql, columns=A, differs="copy", ours=_REFUSED, unsafe=True),
                _ALIVE,
                call("exec", "c1", sql, differs="copy", ours=_REFUSED, unsafe=True),
                _ALIVE,
                call(
                    "exec",
                    "c1",
                    sql,
                    False,
                    differs="copy",
                    ours=Expected(value="ERROR", notices=1),
                    unsafe=True,
                ),
                _ALIVE,
            )
        ],
    ),
    scenario(
        "options that nobody may set",
        *[
            call(
                "connect",
                f"<remote> {option}",
                differs="option-allow-list",
                ours=Expected(
                    sqlstate="42501",
                    message=f'permission denied to set connection option "{option.split("=")[0]}"',
                ),
                fixed_later=True,
            )
            for option in ("oauth_issuer=https://x", "sslkeylogfile=/nowhere/x")
        ],
    ),
    scenario(
        "COPY asynchronously",
        call("connect", "c1", "<remote>"),
        call(
            "send_query",
            "c1",
            "copy foo to stdout",
            differs="copy",
            ours=Expected(value=1),
            unsafe=True,
        ),
        call("get_result", "c1", columns=A, differs="copy", ours=_REFUSED, unsafe=True),
        call("get_result", "c1", columns=A),
        _ALIVE,
    ),
    scenario(
        "NULL arguments do nothing, whatever else is wrong",
        call("dblink", None, "select 1", columns=A),
        call("exec", "nobody", None),
        call("fetch", "nobody", "c", None, columns=A),
        call("disconnect", None),
        call("get_result", None, columns=A),
        call("get_notify", None),
        call("build_sql_insert", "nothing", None, 1, ["1"], ["2"]),
        call("build_sql_delete", "nothing", "1", 1, None),
    ),
    scenario(
        "DateStyle with ranges of dates",
        local("SET timezone = UTC"),
        call("connect", "c1", "<remote> options='-c datestyle=german'"),
        call("dblink", "c1", "select daterange('2020-02-03', '2020-05-06')", columns="a text"),
        call("dblink", "c1", "select int4range(1, 3)", columns="a int4range"),
    ),
    scenario(
        "time zones by abbreviation",
        local("SET timezone = UTC"),
        remote("SELECT 1"),
        call(
            "connect",
            "<remote> options='-c datestyle=postgres,dmy -c timezone=Asia/Kolkata'",
        ),
        call(
            "dblink",
            "select timestamptz '2020-02-03 01:02:03+00' = $$2020-02-03 01:02:03+00$$",
            columns="a bool",
        ),
        call(
            "dblink",
            "select timestamptz '2020-02-03 01:02:03+00'",
            columns="a text",
        ),
    ),
)
