"""dblink() and dblink_exec(): results, commands, errors. Manual: dblink, dblink_exec."""

from __future__ import annotations

from tests.dblink.differential.steps import Step, call, local, remote, scenario, terminate

A = "a int"
_MAKES_TROUBLE = """
CREATE FUNCTION trouble() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'no luck' USING ERRCODE = 'ZZ123', DETAIL = 'first
second', HINT = 'try again', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'k';
END $$;
CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; RETURN 1; END $$;
CREATE FUNCTION nested() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN trouble(); END $$;
"""


def _query(sql: str, columns: str = A) -> list[Step]:
    """As a query with and without the flag, on a named, an unnamed and a transient connection."""
    return [
        call("dblink", sql, columns=columns),
        call("dblink", "myconn", sql, False, columns=columns),
        call("error_message", "myconn"),
        call("dblink", "<remote>", sql, False, columns=columns),
    ]


def _connected(name: str, *steps: Step) -> tuple[Step, ...]:
    return (call("connect", "<remote>"), call("connect", "myconn", "<remote>"), *steps)


SCENARIOS = tuple(
    scenario(name, *_connected(name, *steps))
    for name, steps in {
        "several results": [
            *_query("select 1; select 2; select 3"),
            *_query("select 3; create temp table q(a int)", "a text"),
            *_query("create temp table r(a int); select 5"),
            *_query("select 1; ; ;"),
            *_query("select 1;; select 2"),
        ],
        "columns that do not fit": [
            *_query("select 1,2; select 3"),
            *_query("select 1, 2 where false"),
            *_query("select"),
            *_query("select 1", "a int, b int"),
            *_query("create temp table q1(a int)", "a text, b int"),
            *_query("create temp table q2(a int)", "a int"),
            *_query("create temp table q3(a int)", "a varchar"),
            *_query("create temp table q4(a int)", "a varchar(3)"),
            *_query("create temp table q5(a int)", "a name"),
            *_query("create temp table q6(a int)", "a char(20)"),
            *_query("create temp table q7(a int)", "a numeric(5,2)"),
            *_query("create temp table q8(a int)", "a timestamp(3) with time zone"),
            *_query("create temp table q9(a int)", "a text[]"),
            *_query("select 1, 2", "a int, a int"),
            *_query("select 1, 2", "first int"),
        ],
        "no statement": [
            *_query(""),
            *_query("-- only a comment"),
            *_query(";"),
            call("exec", ""),
            call("exec", "", False),
            call("exec", "myconn", "/* nothing */", False),
            call("exec", "create temp table q(a int);"),
        ],
        "statements that return rows": [
            *_query("values (1), (2)"),
            *_query("show max_identifier_length", "a text"),
            *_query("explain (costs off) select 1", "plan text"),
            *_query("insert into foo values (50, 'x') returning f1"),
            call("exec", "prepare p(int) as select $1"),
            call("dblink", "execute p(7)", columns=A),
            call("exec", "execute p(8)"),
        ],
        "errors, with rows before them": [
            *_query("select 1/(2-g) from generate_series(1,3) g"),
            *_query("select 5; select 1/0; select 7"),
            *_query("select 1; create temp table q(a int); select 1/0"),
            *_query("select 1/0; select 7"),
            *_query("create temp table q(a int); select 1/0"),
        ],
        "fields of errors": [
            remote(_MAKES_TROUBLE),
            *_query("select trouble()"),
            *_query("select nested()"),
            *_query("selec 1"),
            *_query("select\n  nothing_there\nfrom foo"),
            *_query("select 'é', nothing_there"),
            *_query("select * from foo where f1 = 'x'"),
            *_query("insert into foo values (1, 'b')"),
            *_query("do $$ begin perform trouble(); end $$", "a text"),
            call("exec", "select trouble()"),
            call("exec", "select nested()", False),
            call("exec", "myconn", "selec 1", False),
            call("error_message", "myconn"),
            call("exec", "myconn", "create temp table q(a int)", False),
            call("error_message", "myconn"),
        ],
        "notices of the remote server are not the caller's": [
            remote(_MAKES_TROUBLE),
            *_query("select noisy()"),
            call("exec", "drop table if exists no_such_table"),
        ],
        "tags": [
            call("exec", "select 1 as a into temp made"),
            call("exec", "update foo set f2 = f2 where f1 < 4"),
            call("exec", "do $$ begin end $$"),
            call("exec", "listen x"),
            call("exec", "begin"),
            call("exec", "declare c cursor for select 1"),
            call("exec", "move forward 1 from c"),
            call("exec", "savepoint s"),
            call("exec", "selec 1", False),
            call("exec", "rollback to s"),
            call("exec", "commit"),
            call("exec", "set work_mem = '1MB'; reset work_mem"),
            call("exec", "myconn", "delete from foo where f1 > 5"),
            call("exec", "myconn", "truncate foo"),
            call("exec", "<remote>", "create table kept(a int)"),
            call("exec", "<remote>", "begin; insert into kept values (1)"),
            call("exec", "<remote>", "select 1/0", False),
            call("dblink", "select count(*) from kept", columns="n bigint"),
        ],
        "rows are not for exec": [
            call("exec", "select 1"),
            call("exec", "select 1", False),
            call("exec", "myconn", "select 1", False),
            call("exec", "insert into foo values (99, 'x') returning f1"),
            call("dblink", "select f1 from foo where f1 = 99", columns=A),
            call("exec", "select 1; create temp table q(a int)"),
            call("exec", "create temp table r(a int); select 1"),
            call("exec", "<remote>", "select 1", False),
        ],
        "a transaction that has failed": [
            call("exec", "begin"),
            call("exec", "select 1/0", False),
            *_query("select 1")[:1],
            call("exec", "commit"),
            *_query("select 1")[:1],
        ],
        "a lost connection, used by dblink": [
            terminate(),
            *_query("select 1")[:3],
            *_query("select 1")[:3],
            call("get_connections"),
            call("disconnect", "myconn"),
            call("disconnect"),
            call("get_connections"),
        ],
        "a lost connection, used by exec": [
            terminate(),
            call("exec", "select 1", False),
            call("exec", "myconn", "create temp table q(a int)"),
            call("exec", "myconn", "create temp table q(a int)", False),
            call("error_message", "myconn"),
            call("is_busy", "myconn"),
            call("cancel_query", "myconn"),
            call("send_query", "myconn", "select 1"),
            call("get_result", "myconn", columns=A),
            call("get_notify", "myconn"),
        ],
        "a connection that ends itself": [
            call("dblink", "select pg_terminate_backend(pg_backend_pid())", columns="a bool"),
            call(
                "exec",
                "myconn",
                "do $$ begin perform pg_terminate_backend(pg_backend_pid()); end $$",
                False,
            ),
            call("exec", "myconn", "select 1", False),
        ],
        "the session's own error": [
            local("SELECT 1/0"),
            call("dblink", "select 1", columns="a no_such_type"),
            call("dblink", "select 1", columns=A),
        ],
    }.items()
)
