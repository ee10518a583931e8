"""dblink_connect and dblink_disconnect: names, connection strings, failures to connect."""

from __future__ import annotations

from tests.dblink.differential.steps import Expected, call, scenario

A = "a int"
LONG = "a" * 70
EURO = "€" * 22  # 66 bytes

_WRONG = (
    "myconn",
    "no_such_option=1 host=127.0.0.1",
    "host=127.0.0.1 dbname='open",
    "<remote> port=abc",
    "<remote> port=0",
    "<remote> port=70000",
    "<remote> sslmode=bogus",
    "<remote> target_session_attrs=bogus",
    "<remote> sslmode=require",
    "<remote> target_session_attrs=standby",
    "service=nosuch",
    "host=127.0.0.1 port=<closed>",
    "host=127.0.0.1,127.0.0.1 port=<closed>,<closed>",
    "host=127.0.0.1,127.0.0.1 port=1,2,3",
    "host=/nonexistent port=5432",
    "<address> user=postgres dbname=no_such_database",
    "<address> user=no_such_role",
    "<address> user=nobody password=secret",
    "<address> user=scram_user",
    "<address> user=scram_user password=wrong",
    "<address> user=md5_user password=wrong",
    "<address> user=clear_user password=wrong",
    "<remote> options='-c no_such_setting=1'",
    "postgresql://127.0.0.1:<closed>/remote",
    "postgresql://127.0.0.1:abc/remote",
    "postgresql://[::1/remote",
    "postgres://user@127.0.0.1:<port>/remote?nosuch=1",
)

SCENARIOS = (
    *(
        scenario(
            f"failure: {text}",
            call("connect", "c1", text),
            call("dblink", text, "select 1", columns=A),
            call("exec", text, "select 1", False),
            call("get_connections"),
        )
        for text in _WRONG
    ),
    scenario(
        "a timeout that is no number",
        call(
            "connect",
            "<remote> connect_timeout=soon",
            differs="connect-timeout",
            ours=Expected(sqlstate="08001", message="could not establish connection"),
        ),
    ),
    scenario(
        "an option that 15 does not have",
        call("connect", "c1", "<remote> sslnegotiation=bogus"),
        servers=(18,),
    ),
    scenario(
        "ways to connect",
        call("connect", "c1", "<uri>"),
        call("connect", "c2", "<address> user=scram_user password=secret"),
        call("connect", "c3", "<address> user=md5_user password=secret"),
        call("connect", "c4", "<address> user=clear_user password=secret"),
        call("connect", "c5", "host=<socket> port=<port> dbname=remote user=postgres"),
        call(
            "connect",
            "c6",
            "host=127.0.0.1,127.0.0.1 port=<closed>,<port> dbname=remote user=postgres",
        ),
        call("connect", "c7", "<remote> application_name=mine"),
        call("connect", "c8", "<remote> client_encoding=LATIN1"),
        call("connect", "c9", "<remote> options='-c search_path=pg_catalog -c work_mem=64kB'"),
        *[
            call(
                "dblink",
                f"c{n}",
                "select current_user, current_setting('application_name'),"
                " current_setting('client_encoding'), current_setting('work_mem')",
                columns="a text, b text, c text, d text",
            )
            for n in range(1, 10)
        ],
        call("get_connections", ordered=False),
    ),
    scenario(
        "names",
        call("connect", "", "<remote>"),
        call("connect", "a=b", "<remote>"),
        call("connect", "Case", "<remote>"),
        call("connect", "case", "<remote>"),
        call("connect", 'with "quotes"', "<remote>"),
        call("exec", "", "select 1/0", False),
        call("exec", "a=b", "select 1/0", False),
        call("exec", 'with "quotes"', "select 1/0", False),
        call("get_connections", ordered=False),
        call("disconnect", ""),
        call("disconnect", ""),
        call("disconnect"),
        call("connect", "Case", "<remote>"),
        call("connect", "case", "host=127.0.0.1 port=<closed>"),
        call("disconnect", "CASE"),
    ),
    scenario(
        "long names",
        call("connect", LONG, "<remote>"),
        call("connect", LONG, "<remote>"),
        call("get_connections"),
        call("dblink", LONG, "select 1", columns=A),
        call("exec", LONG, "select 1/0", False),
        call("error_message", LONG),
        call("exec", LONG[:63], "select 1/0", False),
        call("disconnect", LONG),
        call("connect", EURO, "<remote>"),
        call("get_connections"),
        call("disconnect", EURO[:21]),
    ),
    scenario(
        "a connection string that begins like a name",
        call("connect", LONG[:63], "<remote>"),
        call(
            "dblink",
            LONG + "=1",
            "select 1",
            columns=A,
            differs="long-names",
            ours=Expected(sqlstate="08001", message="could not establish connection"),
        ),
        call(
            "disconnect",
            LONG,
            differs="long-names",
            ours=Expected(sqlstate="08003", message=f'connection "{LONG}" not available'),
        ),
    ),
    scenario(
        "the unnamed connection is replaced",
        call("connect", "<remote>"),
        call("exec", "create temp table here(a int)"),
        call("connect", "host=127.0.0.1 port=<closed>"),
        call("dblink", "select count(*) from here", columns="n bigint"),
        call("connect", "<remote>"),
        call("dblink", "select count(*) from here", columns="n bigint"),
        call("get_connections"),
        call("disconnect"),
        call("disconnect"),
    ),
    scenario(
        "a failed name stays free",
        call("connect", "c1", "host=127.0.0.1 port=<closed>"),
        call("connect", "c1", "<remote>"),
        call("connect", "c1", "host=127.0.0.1 port=<closed>"),
        call("connect_u", "c1", "<remote>"),
        call("connect_u", "c2", "<remote>"),
        call("connect_u", "<remote>"),
        call("disconnect", "c2"),
    ),
    scenario(
        "unknown names, everywhere",
        call("disconnect", "c1"),
        call("open", "c1", "cur", "select 1", False),
        call("fetch", "c1", "cur", 1, False, columns=A),
        call("close", "c1", "cur", False),
        call("send_query", "c1", "select 1"),
        call("is_busy", "c1"),
        call("get_result", "c1", False, columns=A),
        call("cancel_query", "c1"),
        call("error_message", "c1"),
        call("get_notify", "c1"),
        call("get_notify"),
        call("exec", "select 1", False),
        call("open", "cur", "select 1", False),
        call("fetch", "cur", 1, False, columns=A),
        call("close", "cur", False),
        call("dblink", "select 1", False, columns=A),
        call("dblink", "c1", "select 1", False, columns=A),
        call("exec", "c1", "select 1", False),
    ),
)
