"""Values: each goes as text through the input function of the declared type."""

from __future__ import annotations

from tests.dblink.differential.steps import Expected, Step, call, local, remote, scenario

CONNECTED = call("connect", "<remote>")

# (expression, declared type): the same types, conversions, overflows, failures.
_VALUES = (
    ("1", "int"),
    ("1", "bigint"),
    ("1", "text"),
    ("1", "bool"),
    ("1", "numeric"),
    ("'1.5'", "int"),
    ("1.5", "int"),
    ("99999", "smallint"),
    ("99999999999", "int"),
    ("' 7 '", "int"),
    ("''", "int"),
    ("NULL", "int"),
    ("NULL::text", "text"),
    ("'abcdef'", "varchar(3)"),
    ("'abc   '", "varchar(3)"),
    ("'abcdef'", "char(3)"),
    ("'a'", "char(3)"),
    ("'a'::char(5)", "char(3)"),
    ("'abcdef'", "name"),
    (f"'{'x' * 80}'", "name"),
    ("'abc'", '"char"'),
    ("1.257", "numeric(3,1)"),
    ("12345.678", "numeric(3,1)"),
    ("'NaN'::numeric", "numeric"),
    ("'Infinity'::float8", "float8"),
    ("'1e400'", "float8"),
    ("0.1::float4", "float8"),
    ("0.1::float8", "float4"),
    ("true", "bool"),
    ("'yes'", "bool"),
    ("'maybe'", "bool"),
    ("true", "text"),
    ("true", "int"),
    ("'\\xdead'::bytea", "bytea"),
    ("'\\xdead'::bytea", "text"),
    ("'\\xzz'", "bytea"),
    ("date '2020-02-03'", "date"),
    ("date '2020-02-03'", "timestamp"),
    ("date '2020-02-03'", "text"),
    ("timestamptz '2020-02-03 04:05:06.123456+00'", "timestamptz"),
    ("timestamptz '2020-02-03 04:05:06.123456+00'", "timestamptz(0)"),
    ("timestamptz '2020-02-03 04:05:06+00'", "date"),
    ("timestamp '2020-02-03 04:05:06'", "time"),
    ("'13/13/2020'", "date"),
    ("'nonsense'", "timestamptz"),
    ("'now'::text", "interval"),
    ("interval '1 day 02:03:04'", "interval"),
    ("interval '1 day 02:03:04'", "interval hour"),
    ("ARRAY[1,NULL,3]", "int[]"),
    ("ARRAY[1,NULL,3]", "text[]"),
    ("ARRAY['a','b c']", "text[]"),
    ("'{1,x}'", "int[]"),
    ("'[0:1]={1,2}'::int[]", "int[]"),
    ("'{\"a\": 1}'::json", "json"),
    ("'{\"a\": 1}'", "jsonb"),
    ("'\"text\"'", "jsonb"),
    ("'{'", "jsonb"),
    ("'null'", "json"),
    ("int4range(1, 5)", "int4range"),
    ("'[1,5]'", "int4range"),
    ("'[5,1]'", "int4range"),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "uuid"),
    ("'zzz'", "uuid"),
    ("'127.0.0.1'::inet", "inet"),
    ("point '(1,2)'", "point"),
    ("B'101'", "bit(3)"),
    ("B'101'", "bit(5)"),
    ("B'101'", "bit varying(2)"),
    ("'foo'", "regclass"),
    ("'no_such_table'", "regclass"),
    ("1::oid", "oid"),
    ("pg_typeof(1)", "regtype"),
    ("'1 2'::int2vector", "int2vector"),
    ("'é€😀'", "text"),
    ("money '1.50'", "money"),
    ("row(1, 'a b')", "text"),
    ("row(1, 'a b')", "pair"),
    ("'(1,x,y)'", "pair"),
    ("'red'", "colour"),
    ("'mauve'", "colour"),
    ("5", "positive"),
    ("-5", "positive"),
    ("NULL", "never_null"),
    ("'abc'", "short_text"),
    ("'abcdef'", "short_text"),
    ("'{red,blue}'", "colour[]"),
)

_TYPES = """
CREATE TYPE pair AS (a int, b text);
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN never_null AS int NOT NULL;
CREATE DOMAIN short_text AS varchar(3);
"""

# The server's text of these is the same before and after their conversion.
_AS_TEXT = (
    "select 1, 2.50, 'x', true, '\\xdead'::bytea, '{1,NULL}'::int[], '{\"a\": 1}'::jsonb,"
    " NULL::int, date '2020-02-03', interval '1 day', 0.1::float8, '[1,5)'::int4range"
)
_TEXT_COLUMNS = (
    "a int, b numeric, c text, d bool, e bytea, f int[], g jsonb, h int, i date, j interval,"
    " k float8, l int4range"
)


def _value(expression: str, sql_type: str) -> Step:
    return call("dblink", f"select {expression} as v", columns=f"v {sql_type}")


SCENARIOS = (
    scenario(
        "declared types",
        CONNECTED,
        local(_TYPES),
        local("SET timezone = UTC"),
        *[_value(expression, sql_type) for expression, sql_type in _VALUES],
    ),
    scenario(
        "declared types, by a cursor and asynchronously",
        call("connect", "c", "<remote>"),
        call("open", "c", "cur", "select '1' as v union all select 'x' union all select '3'"),
        *[call("fetch", "c", "cur", 1, columns="v int") for _ in range(3)],
        call("close", "c", "cur"),
        call("send_query", "c", "select '1' as v union all select 'x'"),
        call("get_result", "c", columns="v int"),
        call("get_result", "c", columns="v int"),
    ),
    scenario(
        "the server's text",
        CONNECTED,
        call("dblink", _AS_TEXT, columns=_TEXT_COLUMNS, text=True),
        call(
            "dblink", "select * from foo order by f1", columns="a int, b text, c text[]", text=True
        ),
    ),
    scenario(
        "column definition lists",
        CONNECTED,
        call("dblink", "select 1, 2", columns='"A b" int, "c,d" numeric(5,2)'),
        call("dblink", "select 1, 2", columns="a int,\n b\tdouble precision"),
        call("dblink", "select 1", columns="a timestamp with time zone"),
        call("dblink", "select '{1}'", columns="a int array"),
        call("dblink", "select '{1}'", columns="a int[3][]"),
        call("dblink", "select 1", columns="a no_such_type"),
        call("dblink", "select 1", columns="a pg_catalog.int4"),
        call("dblink", "select 1", columns="a nothing.int4"),
        call("dblink", "select 'x'", columns='a text COLLATE "C"'),
        call("dblink", "select 1", columns="a varchar(0)"),
    ),
    scenario(
        "an error rolls nothing back there",
        CONNECTED,
        call("dblink", "insert into foo values (30, 'x') returning f2", columns="a int"),
        call("dblink", "select f1 from foo where f1 = 30", columns="a int"),
        call("dblink", "insert into foo values (31, 'x') returning f1, f2", columns="a int"),
        call("dblink", "select f1 from foo where f1 = 31", columns="a int"),
    ),
    scenario(
        "styles of dates",
        local("SET timezone = UTC"),
        *[
            step
            for style in (
                "ISO, YMD",
                "ISO, DMY",
                "SQL, DMY",
                "SQL, MDY",
                "German, DMY",
                "Postgres, DMY",
                "Postgres, MDY",
            )
            for step in (
                call(
                    "connect",
                    f"<remote> options='-c datestyle={style.replace(' ', '')} -c timezone=UTC'",
                ),
                call(
                    "dblink",
                    "select date '2020-02-03', timestamp '2020-02-03 04:05:06',"
                    " timestamptz '2020-02-03 04:05:06.5+00', date '2020-02-03'",
                    columns="a date, b timestamp, c timestamptz, d text",
                ),
                call(
                    "dblink",
                    "select '03/02/2020', ARRAY[date '2020-02-03']",
                    columns="a date, b date[]",
                ),
                local("SHOW datestyle"),
            )
        ],
    ),
    scenario(
        "styles of intervals",
        *[
            step
            for style in ("postgres", "postgres_verbose", "sql_standard", "iso_8601")
            for step in (
                call("connect", f"<remote> options='-c intervalstyle={style}'"),
                call(
                    "dblink",
                    "select interval '1 year -2 mons 3 days -04:05:06',"
                    " interval '-1 2:03:04', interval '0'",
                    columns="a interval, b interval, c interval",
                ),
                call("dblink", "select '-1 2:03:04'", columns="a interval"),
                local("SHOW intervalstyle"),
            )
        ],
    ),
    scenario(
        "a style that changes in the middle",
        CONNECTED,
        call(
            "dblink",
            "set datestyle = 'German'; select date '2020-02-03'",
            columns="a date",
            differs="date-style",
            ours=Expected(
                sqlstate="22007",
                message=None,
            ),
        ),
    ),
    scenario(
        "floats lose nothing",
        call("connect", "<remote> options='-c extra_float_digits=-15'"),
        call(
            "dblink",
            "select 0.123456789::float8",
            columns="a float8",
            differs="float-digits",
            ours=Expected(rows=[(0.123456789,)]),
        ),
    ),
    scenario(
        "domains of the local database",
        CONNECTED,
        remote("CREATE DOMAIN d AS int; CREATE TABLE dt(a d); INSERT INTO dt VALUES (1)"),
        call("dblink", "select a from dt", columns="a int"),
        local("CREATE DOMAIN d AS int CHECK (VALUE > 5)"),
        call("dblink", "select a from dt", columns="a d"),
        call("dblink", "select 7", columns="a d"),
    ),
)
