"""dblink_get_pkey and the statement builders: relations, names, values, the order of the checks."""

from __future__ import annotations

from tests.dblink.differential.steps import Step, call, local, scenario

_RELATIONS = (
    "CREATE TABLE plain_table(a int, b text)",
    "CREATE TABLE ordered(a int, b int, c int, PRIMARY KEY (c, a) INCLUDE (b))",
    "CREATE TABLE parts(a int, b int, PRIMARY KEY (b)) PARTITION BY RANGE (b)",
    "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9)",
    'CREATE TABLE "Odd ""name"""("Key Col" int PRIMARY KEY, "select" text, table_ int)',
    'INSERT INTO "Odd ""name""" VALUES (1, $$x$$, 2)',
    "CREATE VIEW seen AS SELECT f1, f2 FROM foo",
    "CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a",
    "CREATE SEQUENCE numbers",
    "CREATE INDEX ix ON plain_table(a)",
    "CREATE INDEX parts_ix ON parts(a)",
    "CREATE TYPE pair AS (a int, b int)",
    'CREATE SCHEMA "Other"',
    'CREATE TABLE "Other".t(id int PRIMARY KEY, v text)',
    """INSERT INTO "Other".t VALUES (1, 'one')""",
    "CREATE TEMP TABLE mine(id int PRIMARY KEY, v text)",
    "INSERT INTO mine VALUES (1, 'temporary')",
)

_NAMES = (
    "plain_table",
    "ordered",
    "parts",
    "part",
    '"Odd ""name"""',
    "seen",
    "kept",
    "numbers",
    "ix",
    "parts_ix",
    "pair",
    "FOO",
    ' "foo" ',
    '"FOO"',
    '"Other".t',
    ' "Other" . t ',
    "other.t",
    "public.foo",
    "public.nothing",
    "local.public.foo",
    "elsewhere.public.foo",
    "a.b.c.d",
    "mine",
    "pg_temp.mine",
    "pg_catalog.pg_class",
    "information_schema.tables",
    "pg_toast.nothing",
    "nothing",
    "no_schema.t",
    "",
    " ",
    ".",
    "foo.",
    ".foo",
    "a..b",
    '"open',
    '""',
    "foo bar",
    "n" * 70,
)

_KEYS: tuple[tuple[str, int, list[str | None], list[str | None]], ...] = (
    ("1 2", 2, ["3", "d"], ["4", "x"]),
    ("2 1", 2, ["d", "3"], ["x", "4"]),
    ("1", 1, ["3"], ["4"]),
    ("1 2", 1, ["3"], ["4"]),
    ("1", 5, ["3"], ["4"]),
    ("1 2", 1, ["3", "d"], ["4"]),
    ("1 1", 2, ["3", "3"], ["4", "5"]),
    ("1 2", 0, ["3", "d"], ["4", "x"]),
    ("1 2", -1, ["3", "d"], ["4", "x"]),
    ("", 1, ["3"], ["4"]),
    ("0", 1, ["3"], ["4"]),
    ("-1", 1, ["3"], ["4"]),
    ("4", 1, ["3"], ["4"]),
    ("1 x", 2, ["3", "d"], ["4", "x"]),
    ("1 99999", 2, ["3", "d"], ["4", "x"]),
    ("  1   2 ", 2, ["3", "d"], ["4", "x"]),
    ("1 2", 2, ["3"], ["4", "x"]),
    ("1 2", 2, ["3", "d"], ["4"]),
    ("1 2", 2, ["3"], ["4"]),
    ("1 2", 2, [], []),
    ("1 2", 2, [None, "d"], ["4", "x"]),
    ("1 2", 2, ["3", "d"], [None, None]),
    ("1 2", 2, ["3", "nothing"], ["4", "x"]),
    ("3", 1, ["{a1,b1,c1}"], [None]),
    ("1", 1, ["not a number"], ["4"]),
    ("1", 1, ["99999999999"], ["4"]),
    ("3", 1, ["{open"], ["4"]),
    ("1 2", 2, ["3", "d"], ["O'Reilly \\ back", "é"]),
)

_VALUES = (
    "CREATE TABLE v(id int PRIMARY KEY, b bool, t text, ts timestamptz, d date, n numeric,"
    " ba bytea, j jsonb, a int[], f float8, e text, g int GENERATED ALWAYS AS (id * 2) STORED,"
    ' x xml, "Group" interval, r int4range)',
    "INSERT INTO v VALUES (1, true, 'O''Reilly \\ back', '2020-02-03 04:05:06+00', '2020-02-03',"
    " 1.50, '\\xdead', '{\"a\": \"\\\\\"}', '{1,NULL}', 0.1, '', DEFAULT, NULL, '1 day 02:00',"
    " '[1,5)'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, DEFAULT, NULL,"
    " NULL, NULL)",
)


def _built(relname: str, attnums: str, num: int, src: str, tgt: str) -> list[Step]:
    return [
        call("build_sql_insert", relname, attnums, num, [src], [tgt]),
        call("build_sql_update", relname, attnums, num, [src], [tgt]),
        call("build_sql_delete", relname, attnums, num, [tgt]),
    ]


SCENARIOS = (
    scenario(
        "kinds and names of relations",
        *map(local, _RELATIONS),
        *[call("get_pkey", name) for name in _NAMES],
        *[call("build_sql_delete", name, "1", 1, ["x"]) for name in _NAMES],
        *[call("build_sql_insert", name, "1", 1, ["1"], ["x"]) for name in _NAMES[:20]],
    ),
    scenario(
        "keys and the order of the checks",
        *[
            step
            for attnums, num, src, tgt in _KEYS
            for step in (
                call("build_sql_insert", "foo", attnums, num, src, tgt),
                call("build_sql_update", "foo", attnums, num, src, tgt),
                call("build_sql_delete", "foo", attnums, num, tgt),
                call("build_sql_insert", "nothing", attnums, num, src, tgt),
            )
        ],
    ),
    scenario(
        "several source rows",
        local("CREATE TABLE twice(a int, b int)"),
        local("INSERT INTO twice VALUES (1, 1), (1, 2), (NULL, 3)"),
        *_built("twice", "1", 1, "1", "2"),
        call("build_sql_insert", "twice", "1", 1, [None], ["2"]),
        call("build_sql_update", "twice", "1", 1, [None], [None]),
    ),
    scenario(
        "values as literals",
        *map(local, _VALUES),
        *_built("v", "1", 1, "1", "7"),
        *_built("v", "1", 1, "2", "7"),
        local("SET datestyle = German"),
        local("SET intervalstyle = iso_8601"),
        local("SET bytea_output = escape"),
        local("SET standard_conforming_strings = off"),
        local("SET quote_all_identifiers = on"),
        local("SET timezone = 'Asia/Tokyo'"),
        *_built("v", "1", 1, "1", "7\\"),
    ),
    scenario(
        "search path",
        *map(local, _RELATIONS[12:15]),
        *_built('"Other".t', "1", 1, "1", "2"),
        local('SET search_path = "Other", public, ext'),
        *_built("t", "1", 1, "1", "2"),
        *_built("public.foo", "1", 1, "1", "2"),
        local('CREATE TABLE "Other".foo(id int PRIMARY KEY)'),
        *_built("public.foo", "1", 1, "1", "2"),
    ),
    scenario(
        "privileges",
        local("CREATE TABLE secret(id int PRIMARY KEY)"),
        local("CREATE VIEW secret_view AS SELECT * FROM secret"),
        local("CREATE SEQUENCE secret_numbers"),
        local("CREATE SCHEMA closed; CREATE TABLE closed.t(id int PRIMARY KEY)"),
        local("CREATE TABLE some(id int PRIMARY KEY, v int); GRANT SELECT (id) ON some TO plain"),
        local("SET ROLE plain"),
        *[
            step
            for name in (
                "secret",
                "secret_view",
                "secret_numbers",
                "closed.t",
                "closed.u",
                "some",
                "foo",
            )
            for step in (
                call("get_pkey", name),
                call("build_sql_delete", name, "1", 1, ["1"]),
                call("build_sql_insert", name, "1", 1, ["1"], ["2"]),
            )
        ],
    ),
    scenario(
        "a transaction that has failed",
        local("BEGIN"),
        local("SELECT 1/0"),
        call("get_pkey", "foo"),
        local("ROLLBACK"),
        call("get_pkey", "foo"),
    ),
)
