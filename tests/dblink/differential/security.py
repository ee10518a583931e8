"""The password rule, dblink_connect_u, foreign servers and user mappings."""

from __future__ import annotations

from tests.dblink.differential.steps import Expected, Step, call, local, scenario

A = "a int"
WHO = call("dblink", "c1", "select current_user", columns="a text")
LOGIN = "<address> user=scram_user password=secret"
_SERVER = (
    "CREATE SERVER fs FOREIGN DATA WRAPPER dblink_fdw"
    " OPTIONS (host '127.0.0.1', port '<port>', dbname 'remote')"
)


def _as(role: str, *steps: Step) -> list[Step]:
    return [local(f"SET ROLE {role}"), *steps, local("RESET ROLE")]


def _attempts(text: str) -> list[Step]:
    return [
        call("connect", "c1", text),
        call("dblink", text, "select 1", columns=A),
        call("exec", text, "create temp table q(a int)", False),
        call("disconnect", "c1"),
    ]


SCENARIOS = (
    *(
        scenario(f"unprivileged: {text}", *_attempts(text), role="plain")
        for text in (
            LOGIN,
            "<address> user=md5_user password=secret",
            "<address> user=clear_user password=secret",
            "<address> user=scram_user password=wrong",
            "<address> user=scram_user",
            "<address> user=scram_user password=''",
            "<address> user=plain password=secret",
            "<uri>",
            "postgresql://scram_user:secret@127.0.0.1:<port>/remote",
            "not a connection string",
            "<remote> nonsense=1",
            "<remote> password=x passfile=/etc/passwd",
            "host=127.0.0.1 port=<closed> user=x password=y",
        )
    ),
    scenario(
        "options that nobody may set",
        *[
            call("connect", f"<remote> {option}")
            for option in ("oauth_issuer=https://x", "sslkeylogfile=/tmp/x", "servicefile=/tmp/x")
        ],
        role="plain",
    ),
    scenario(
        "connect_u needs a grant",
        call("connect_u", "<remote>"),
        call("connect_u", "c1", "<remote>"),
        call("connect_u", None),
        role="plain",
    ),
    scenario(
        "connect_u with a grant",
        local("GRANT EXECUTE ON FUNCTION dblink_connect_u(text, text) TO plain"),
        local("GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO plain"),
        *_as(
            "plain",
            call("connect_u", "c1", "<remote>"),
            WHO,
            call("connect_u", "<remote>"),
            call("connect", "c2", "<remote>"),
            call("connect_u", "c3", "nonsense"),
        ),
    ),
    scenario(
        "an open connection is open to all of the session",
        call("connect", "c1", "<remote>"),
        *_as("plain", WHO, call("connect", "c2", "<remote>"), call("disconnect", "c1")),
    ),
    scenario(
        "foreign server",
        local(_SERVER),
        local(
            "CREATE USER MAPPING FOR plain SERVER fs OPTIONS (user 'scram_user', password 'secret')"
        ),
        call("connect", "c1", "fs"),
        *_as("plain", call("connect", "c1", "fs")),
        local("GRANT USAGE ON FOREIGN SERVER fs TO plain"),
        *_as(
            "plain",
            call("connect", "c1", "fs"),
            WHO,
            call("dblink", "fs", "select 1", columns=A),
            call("exec", "fs", "select 1/0", False),
            call("connect", "c2", "FS"),
            call("connect", "c2", '"fs"'),
            call("connect", "fs", "fs"),
            call("dblink", "fs", "select 2", columns=A),
        ),
        local("ALTER USER MAPPING FOR plain SERVER fs OPTIONS (DROP password)"),
        *_as("plain", call("connect", "c3", "fs")),
        local("GRANT EXECUTE ON FUNCTION dblink_connect_u(text, text) TO plain"),
        *_as("plain", call("connect_u", "c3", "fs")),
        local("CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'postgres')"),
        *_as(
            "plain",
            call(
                "connect_u",
                "c3",
                "fs",
                differs="hidden-mapping",
                ours=Expected(sqlstate="42501"),
            ),
        ),
        call("connect", "c4", "fs"),
        call("dblink", "c4", "select current_user", columns="a text"),
    ),
    scenario(
        "no mapping",
        local(_SERVER),
        call("connect", "fs"),
        *_as("plain", call("connect", "fs"), call("dblink", "fs", "select 1", columns=A)),
        local(
            "CREATE USER MAPPING FOR PUBLIC SERVER fs OPTIONS (user 'scram_user',"
            " password 'secret')"
        ),
        call("connect", "c1", "fs"),
        WHO,
        *_as("plain", call("connect", "c2", "fs")),
        local("GRANT USAGE ON FOREIGN SERVER fs TO plain"),
        local(
            "CREATE USER MAPPING FOR plain SERVER fs OPTIONS (user 'md5_user', password 'secret')"
        ),
        *_as(
            "plain",
            call("connect", "c2", "fs"),
            call("dblink", "c2", "select current_user", columns="a text"),
        ),
    ),
    scenario(
        "a mapping of PUBLIC, used by an ordinary role",
        local(_SERVER),
        local(
            "CREATE USER MAPPING FOR PUBLIC SERVER fs OPTIONS (user 'scram_user',"
            " password 'secret')"
        ),
        local("GRANT USAGE ON FOREIGN SERVER fs TO plain"),
        local("SET ROLE plain"),
        call(
            "connect",
            "fs",
            differs="hidden-mapping",
            ours=Expected(sqlstate="42501"),
        ),
    ),
    scenario(
        "an empty mapping",
        local(_SERVER),
        local("CREATE USER MAPPING FOR plain SERVER fs"),
        local("GRANT USAGE ON FOREIGN SERVER fs TO plain"),
        *_as("plain", call("connect", "c2", "fs")),
    ),
    scenario(
        "options with special characters",
        local(
            "CREATE SERVER \"odd 'server'\" FOREIGN DATA WRAPPER dblink_fdw OPTIONS"
            " (host '127.0.0.1', port '<port>', dbname 'remote',"
            " application_name 'it''s \\ \"odd\" = 1', options '-c work_mem=64kB')"
        ),
        local(
            "CREATE USER MAPPING FOR postgres SERVER \"odd 'server'\" OPTIONS"
            " (user 'postgres', password ' sp''ace\\')"
        ),
        call("connect", "c1", "odd 'server'"),
        call(
            "dblink",
            "c1",
            "select current_setting('application_name'), current_setting('work_mem')",
            columns="a text, b text",
        ),
    ),
    scenario(
        "servers of other wrappers",
        local(
            "CREATE SERVER pf FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1',"
            " port '<port>', dbname 'remote', fetch_size '7', use_remote_estimate 'on')"
        ),
        local(
            "CREATE USER MAPPING FOR postgres SERVER pf OPTIONS (user 'postgres',"
            " password_required 'false')"
        ),
        call("connect", "c1", "pf"),
        WHO,
        local("CREATE FOREIGN DATA WRAPPER bare"),
        local(
            "CREATE SERVER bs FOREIGN DATA WRAPPER bare OPTIONS (host '127.0.0.1',"
            " port '<port>', dbname 'remote', user 'nobody', colour 'blue')"
        ),
        local(
            "CREATE USER MAPPING FOR postgres SERVER bs OPTIONS (user 'md5_user',"
            " password 'secret', host '/nowhere')"
        ),
        call("connect", "c2", "bs"),
        call("dblink", "c2", "select current_user", columns="a text"),
        local("DROP FOREIGN DATA WRAPPER bare CASCADE"),
    ),
    scenario(
        "a server that is named like a connection",
        local(_SERVER),
        local(
            "CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'scram_user',"
            " password 'secret')"
        ),
        call("dblink", "fs", "select current_user", columns="a text"),
        call("connect", "fs", "<remote>"),
        call("dblink", "fs", "select current_user", columns="a text"),
        call("connect", "c1", "fs"),
        WHO,
    ),
    scenario(
        "a server that cannot be reached",
        local(
            "CREATE SERVER fs FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '127.0.0.1',"
            " port '<closed>')"
        ),
        local("CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'x', password 'y')"),
        call("connect", "fs"),
        call("dblink", "fs", "select 1", False, columns=A),
        local("ALTER SERVER fs OPTIONS (SET port 'abc')"),
        call("connect", "fs"),
    ),
    scenario(
        "pass-through without a login by SCRAM",
        local(_SERVER.replace(")", ", use_scram_passthrough 'true')")),
        local(
            "CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'scram_user',"
            " password 'secret')"
        ),
        call("connect", "c1", "fs"),
        WHO,
        servers=(18,),
    ),
    scenario(
        "pass-through that is no Boolean",
        local(_SERVER.replace(")", ", use_scram_passthrough 'maybe')")),
        local(
            "CREATE USER MAPPING FOR postgres SERVER fs OPTIONS (user 'scram_user',"
            " password 'secret')"
        ),
        call("connect", "c1", "fs"),
        servers=(18,),
    ),
)
