"""Each place in SQL at which a function of dblink can stand, as statements for psql.

`<query>` is a remote query without quotes, which gives the columns n (integer) and s (text): a few
short rows, or more than a mebibyte. c1 and c2 are open connections; on c1 there is a temporary
table seen(n int).
"""

from __future__ import annotations

from dataclasses import dataclass

SIZES = {
    "small": "select n, repeat(md5(n::text), 1) as s from generate_series(1, 3) as n",
    "large": "select n, repeat(md5(n::text), 30) as s from generate_series(1, 1300) as n",
}

SETUP = (
    "SELECT dblink_connect('c1', '<remote>'), dblink_connect('c2', '<remote>');",
    "SELECT dblink_exec('c1', 'create temp table seen(n int)');",
    "CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'bad');",
    "CREATE TYPE pair AS (a int, b text);",
    "CREATE TABLE numbers AS SELECT n FROM generate_series(1, 4) AS n;",
    "CREATE TABLE here(n int PRIMARY KEY, s text);",
    "CREATE TABLE noted(n int,"
    " told text DEFAULT dblink_exec('c1', 'insert into seen values (1)'));",
    "CREATE VIEW seen_from_here AS SELECT * FROM dblink('c1', '<query>') AS t(n int, s text);",
    "CREATE MATERIALIZED VIEW kept AS"
    " SELECT * FROM dblink('c1', '<query>') AS t(n int, s text) WITH NO DATA;",
    "CREATE FUNCTION in_plpgsql(first int) RETURNS TABLE (n int, s text) LANGUAGE plpgsql AS $$"
    " BEGIN RETURN QUERY SELECT t.n, t.s FROM dblink('c1', '<query>') AS t(n int, s text)"
    " WHERE t.n >= first; END $$;",
    "CREATE FUNCTION in_sql(first int) RETURNS TABLE (n int, s text) LANGUAGE sql AS $$"
    " SELECT t.n, t.s FROM dblink('c1', '<query>') AS t(n int, s text) WHERE t.n >= first $$;",
    "CREATE FUNCTION in_sql_scalar() RETURNS bigint LANGUAGE sql STABLE AS $$"
    " SELECT sum(length(s)) FROM dblink('c1', '<query>') AS t(n int, s text) $$;",
    "CREATE FUNCTION as_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ''"
    " AS $$ SELECT count(*) FROM ext.dblink('c1', '<query>') AS t(n int, s text) $$;",
    "CREATE FUNCTION in_loop() RETURNS bigint LANGUAGE plpgsql AS $$"
    " DECLARE r record; sum bigint := 0; BEGIN"
    " FOR r IN SELECT * FROM dblink('c1', '<query>') AS t(n int, s text) LOOP"
    " sum := sum + r.n; EXIT WHEN r.n > 1000; END LOOP; RETURN sum; END $$;",
    "CREATE FUNCTION with_cursor() RETURNS text LANGUAGE plpgsql AS $$"
    " DECLARE c CURSOR FOR SELECT * FROM dblink('c1', '<query>') AS t(n int, s text);"
    " n int; s text; BEGIN OPEN c; MOVE 1 IN c; FETCH c INTO n, s; CLOSE c;"
    " RETURN n || md5(s); END $$;",
    "CREATE FUNCTION caught() RETURNS SETOF text LANGUAGE plpgsql AS $$"
    " DECLARE state text; message text; detail text; hint text; BEGIN"
    " FOR i IN 0..2 LOOP BEGIN"
    " RETURN QUERY SELECT md5(t.s)"
    " FROM dblink('c1', 'select 1/(1-' || i || '), 7') AS t(n int, s text);"
    " PERFORM dblink_exec('c2', 'selec ' || i);"
    " EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,"
    " message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;"
    " RETURN NEXT concat_ws('|', i, state, message, detail, hint); END; END LOOP; END $$;",
    "CREATE FUNCTION failing(sql text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
    " RETURN dblink_exec('c1', sql); END $$;",
    "CREATE FUNCTION failing_rows(sql text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN"
    " RETURN (SELECT count(*) FROM dblink('c1', sql) AS t(n int, s short)); END $$;",
    "CREATE FUNCTION failing_sql(sql text) RETURNS bigint LANGUAGE sql AS"
    " $$ SELECT count(*) + failing_rows(sql) FROM dblink_get_pkey(sql) AS t $$;",
    "CREATE FUNCTION again(sql text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
    " RETURN failing(sql); EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'seen %', SQLERRM; RAISE;"
    " END $$;",
    "CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " NEW.s := dblink_exec('c1', format('insert into seen values (%s)', NEW.n));"
    " RETURN NEW; END $$;",
    "CREATE TABLE watched(n int, s text);",
    "CREATE TRIGGER on_change BEFORE INSERT OR UPDATE ON watched FOR EACH ROW"
    " EXECUTE FUNCTION on_change();",
    "CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM dblink_exec('c1', 'insert into seen values (5)'); COMMIT;"
    " INSERT INTO numbers SELECT n FROM dblink('c1', 'select 5') AS t(n int); ROLLBACK; END $$;",
)

_ROWS = "dblink('c1', '<query>') AS t(n int, s text)"
_SUM = "count(*), sum(n), sum(length(s)), md5(string_agg(s, ',' ORDER BY n))"
_SEEN = (
    "SELECT * FROM dblink('c1', 'select count(*), sum(n) from seen') AS t(rows bigint, sum bigint)"
)


@dataclass(frozen=True)
class Place:
    """Statements that belong together; `once` if the size of the answer is nothing to them, `fails`
    if one of them is refused in a transaction block, with C dblink too."""

    name: str
    statements: tuple[str, ...]
    once: bool = False
    fails: bool = False


def _place(name: str, *statements: str, once: bool = False, fails: bool = False) -> Place:
    return Place(name, statements, once, fails)


PLACES = (
    _place("FROM", f"SELECT n, length(s), md5(s) FROM {_ROWS}"),
    _place(
        "FROM, with conditions", f"SELECT n, md5(s) FROM {_ROWS} WHERE n % 2 = 1 ORDER BY n DESC"
    ),
    _place("FROM, with a limit", f"SELECT n, md5(s) FROM {_ROWS} LIMIT 2 OFFSET 1"),
    _place("FROM, with nothing taken", f"SELECT n, md5(s) FROM {_ROWS} LIMIT 0"),
    _place(
        "ROWS FROM",
        "SELECT n, length(s), g FROM ROWS FROM"
        " (dblink('c1', '<query>') AS (n int, s text), generate_series(1, 5)) AS r(n, s, g)",
        "SELECT n, length(s), m FROM ROWS FROM (dblink('c1', '<query>') AS (n int, s text),"
        " dblink('c2', 'select 7') AS (m int)) AS r(n, s, m) WHERE n < 5",
    ),
    _place(
        "WITH ORDINALITY",
        "SELECT n, length(s), o FROM ROWS FROM"
        " (dblink('c1', '<query>') AS (n int, s text)) WITH ORDINALITY AS r(n, s, o)",
        "SELECT * FROM dblink_get_pkey('here') WITH ORDINALITY",
    ),
    _place(
        "LATERAL",
        "SELECT numbers.n, t.n, md5(t.s) FROM numbers,"
        " LATERAL dblink('c1', format('select * from (<query>) q where n = %s', numbers.n))"
        " AS t(n int, s text)",
        "SELECT numbers.n, x.sum FROM numbers LEFT JOIN LATERAL"
        " (SELECT sum(length(s)) FROM dblink('c1', format('<query> limit %s', numbers.n - 1))"
        " AS t(n int, s text)) AS x ON true",
    ),
    _place(
        "CASE",
        "SELECT n, CASE WHEN n % 2 = 0"
        " THEN dblink_exec('c1', format('insert into seen values (%s)', n)) ELSE 'not called' END"
        " FROM numbers",
        "SELECT CASE WHEN n > 100 THEN (SELECT a FROM dblink('c1', 'select 1/0') AS t(a int))"
        " ELSE n END"
        " FROM numbers",
        _SEEN,
        once=True,
    ),
    _place(
        "view", f"SELECT {_SUM} FROM seen_from_here", "SELECT n FROM seen_from_here WHERE n = 2"
    ),
    _place(
        "view, joined with itself",
        "SELECT count(*), sum(a.n * b.n) FROM seen_from_here a JOIN seen_from_here b USING (s)",
    ),
    _place(
        "materialized view",
        "REFRESH MATERIALIZED VIEW kept",
        f"SELECT {_SUM} FROM kept",
        f"CREATE MATERIALIZED VIEW kept_too AS SELECT n, length(s) AS l FROM {_ROWS}",
        "SELECT count(*), sum(l) FROM kept_too",
    ),
    _place("PL/pgSQL function", f"SELECT {_SUM} FROM in_plpgsql(2)"),
    _place(
        "PL/pgSQL function, in a target list",
        "SELECT n, (in_plpgsql(n)).n AS m FROM numbers WHERE n < 3",
    ),
    _place("PL/pgSQL loop", "SELECT in_loop()", "SELECT n, in_loop() FROM numbers WHERE n < 3"),
    _place("PL/pgSQL cursor", "SELECT with_cursor()"),
    _place("PL/pgSQL exception blocks", "SELECT * FROM caught()", once=True),
    _place("SQL function", f"SELECT {_SUM} FROM in_sql(2)", "SELECT in_sql_scalar()"),
    _place("SECURITY DEFINER function", "SELECT as_owner()"),
    _place(
        "DO",
        "DO $$ DECLARE n bigint; BEGIN"
        f" SELECT sum(length(s)) INTO n FROM {_ROWS}; RAISE NOTICE 'sum %', n;"
        " FOR i IN 1..3 LOOP PERFORM dblink_exec('c1', 'insert into seen values (' || i || ')');"
        " END LOOP; END $$",
        _SEEN,
    ),
    _place(
        "procedure", "CALL steps()", "SELECT count(*) FROM numbers", _SEEN, once=True, fails=True
    ),
    _place(
        "trigger",
        "INSERT INTO watched SELECT n FROM numbers RETURNING *",
        "UPDATE watched SET n = n + 1 RETURNING *",
        _SEEN,
        once=True,
    ),
    _place(
        "default",
        "INSERT INTO noted(n) SELECT n FROM numbers RETURNING *",
        "INSERT INTO noted VALUES (1, DEFAULT)",
        _SEEN,
        once=True,
    ),
    _place(
        "INSERT … SELECT",
        f"INSERT INTO here SELECT * FROM {_ROWS}",
        f"SELECT {_SUM} FROM here",
        f"INSERT INTO here SELECT n, s FROM {_ROWS} ON CONFLICT (n) DO UPDATE SET s = 'again'",
        "SELECT count(*) FROM here WHERE s = 'again'",
    ),
    _place(
        "UPDATE, DELETE",
        "DELETE FROM here",
        "INSERT INTO here VALUES (1, 'a'), (2, 'b'), (90, 'c')",
        f"UPDATE here SET s = md5(t.s) FROM {_ROWS} WHERE here.n = t.n AND t.n < 3",
        "SELECT * FROM here WHERE n < 3 OR n = 90 ORDER BY n",
        f"DELETE FROM here USING {_ROWS} WHERE here.n = t.n AND t.n = 2 RETURNING here.n",
        "UPDATE here SET s = dblink_exec('c1', 'insert into seen values (3)') WHERE n = 90"
        " RETURNING *",
    ),
    _place(
        "CREATE TABLE AS",
        f"CREATE TABLE made AS SELECT * FROM {_ROWS}",
        f"SELECT {_SUM} FROM made",
        f"SELECT n, s INTO made_too FROM {_ROWS}",
        "CREATE TABLE made_empty AS TABLE seen_from_here WITH NO DATA",
        "SELECT count(*) FROM made_empty",
    ),
    _place(
        "temporary tables",
        f"CREATE TEMP TABLE brief AS SELECT * FROM {_ROWS}",
        f"SELECT {_SUM} FROM brief",
    ),
    _place(
        "cursor",
        f"DECLARE c SCROLL CURSOR FOR SELECT n, md5(s) FROM {_ROWS}",
        "FETCH 2 FROM c",
        "FETCH BACKWARD 1 FROM c",
        "MOVE LAST FROM c",
        "FETCH BACKWARD 2 FROM c",
        "FETCH ABSOLUTE 1 FROM c",
        "CLOSE c",
    ),
    _place(
        "cursor WITH HOLD",
        f"DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT n, md5(s) FROM {_ROWS}",
        "FETCH 2 FROM h",
        "COMMIT",
        "FETCH 1 FROM h",
        "FETCH PRIOR FROM h",
        "CLOSE h",
    ),
    _place(
        "cursor left open while others are called",
        f"DECLARE c CURSOR FOR SELECT n, md5(s) FROM {_ROWS}",
        "FETCH 1 FROM c",
        f"SELECT {_SUM} FROM dblink('c2', '<query>') AS t(n int, s text)",
        "SELECT dblink_exec('c1', 'insert into seen values (4)')",
        "FETCH 1 FROM c",
    ),
    _place(
        "COPY",
        f"COPY (SELECT n, length(s), md5(s) FROM {_ROWS}) TO STDOUT",
        f"COPY (SELECT n, md5(s) FROM {_ROWS} WHERE n < 3) TO STDOUT (FORMAT csv, HEADER)",
        "COPY (SELECT n FROM seen_from_here WHERE n < 3) TO STDOUT",
    ),
    _place(
        "fetched by psql",
        "\\set FETCH_COUNT 2",
        f"SELECT n, md5(s) FROM {_ROWS}",
        "\\unset FETCH_COUNT",
    ),
    _place(
        "several statements in one message",
        f"SELECT 1\\; SELECT {_SUM} FROM {_ROWS}\\; SELECT n FROM {_ROWS} WHERE n = 1\\; SELECT 2",
        "SELECT dblink_exec('c1', 'insert into seen values (1)')\\; SELECT 1/0\\;"
        " SELECT dblink_exec('c1', 'insert into seen values (2)')",
        fails=True,
    ),
    _place(
        "prepared statements",
        "PREPARE p(int) AS SELECT n, md5(s) FROM"
        " dblink('c1', format('select * from (<query>) q where n <= %s', $1)) AS t(n int, s text)",
        *(f"EXECUTE p({number})" for number in (1, 2, 3, 1, 2, 3, 0)),
        f"PREPARE q AS SELECT {_SUM} FROM {_ROWS}",
        "EXECUTE q",
        "EXECUTE q",
        "DEALLOCATE ALL",
    ),
    _place(
        "parallel plans",
        "SET debug_parallel = on",
        f"SELECT count(*), sum(t.n), sum(length(s)) FROM numbers JOIN {_ROWS} USING (n)",
        f"SELECT {_SUM} FROM {_ROWS}",
        "SELECT n, dblink_is_busy('c1') FROM numbers",
        "RESET debug_parallel",
    ),
    _place(
        "target list",
        "SELECT dblink_is_busy('c1'), dblink_error_message('c1'), dblink_exec('c1', 'listen a')",
        "SELECT dblink_exec('c1', 'insert into seen values (1), (2)') AS status, 1 AS one",
        "SELECT dblink_get_pkey('here')",
        "SELECT (dblink_get_pkey('here')).*, dblink_exec('c1', 'insert into seen values (4)')",
        "SELECT dblink_get_notify('c1')",
        "SELECT dblink_get_connections() @> ARRAY['c1', 'c2']",
        _SEEN,
        "SELECT dblink('c1', 'select 1')",
        once=True,
        fails=True,
    ),
    _place(
        "subqueries",
        f"SELECT (SELECT sum(length(s)) FROM {_ROWS}), ARRAY(SELECT n FROM {_ROWS} WHERE n < 4)",
        f"SELECT n FROM numbers WHERE n IN (SELECT n FROM {_ROWS})",
        f"SELECT n FROM numbers WHERE NOT EXISTS (SELECT FROM {_ROWS} WHERE t.n = numbers.n + 1)",
        f"SELECT n FROM numbers WHERE n = ANY (ARRAY(SELECT n FROM {_ROWS} WHERE n > 2))",
    ),
    _place(
        "CTE",
        f"WITH q AS (SELECT * FROM {_ROWS}) SELECT {_SUM} FROM q",
        f"WITH q AS MATERIALIZED (SELECT * FROM {_ROWS})"
        " SELECT count(*) FROM q a JOIN q b ON a.n = b.n + 1",
        "WITH RECURSIVE q(n) AS (SELECT 1 UNION ALL"
        " SELECT t.m FROM q, LATERAL dblink('c1', format('select %s + 1', q.n)) AS t(m int)"
        " WHERE q.n < 4) SELECT * FROM q",
        "DELETE FROM here",
        f"WITH i AS (INSERT INTO here SELECT * FROM {_ROWS} RETURNING n) SELECT count(*) FROM i",
    ),
    _place(
        "aggregates and windows",
        f"SELECT {_SUM} FROM {_ROWS}",
        f"SELECT n % 2, count(*), max(md5(s)) FROM {_ROWS} GROUP BY 1 HAVING count(*) > 0"
        " ORDER BY 1",
        f"SELECT n, lag(n) OVER w, count(*) OVER () FROM {_ROWS} WINDOW w AS (ORDER BY n)"
        " ORDER BY n LIMIT 3",
        "SELECT string_agg(dblink_exec('c1', format('insert into seen values (%s)', n)), ','"
        " ORDER BY n) FILTER (WHERE n > 2) FROM numbers",
        f"SELECT DISTINCT length(s) FROM {_ROWS}",
    ),
    _place(
        "set operations",
        f"(SELECT n FROM {_ROWS}) EXCEPT (SELECT n FROM {_ROWS}) UNION ALL VALUES (0)",
        "SELECT dblink_send_query('c1', '<query>') + dblink_send_query('c2', '<query>')",
        "SELECT count(*), sum(n) FROM (SELECT * FROM dblink_get_result('c1') AS a(n int, s text)"
        " UNION ALL SELECT * FROM dblink_get_result('c2') AS b(n int, s text)) AS u",
        "SELECT count(*) FROM (SELECT * FROM dblink_get_result('c1') AS a(n int, s text)"
        " UNION ALL SELECT * FROM dblink_get_result('c2') AS b(n int, s text)) AS u",
    ),
    _place(
        "joins of two remote tables",
        "SELECT count(*), min(length(s)) FROM"
        " dblink('c1', '<query>') AS b(n int, s text)"
        " JOIN dblink('c2', '<query>') AS c(n int, s text) USING (n, s)",
        "SELECT count(*) FROM dblink('c1', '<query>') AS b(n int, s text)"
        " FULL JOIN dblink('c1', 'select 2') AS c(n int) USING (n)",
        "SELECT * FROM numbers LEFT JOIN"
        " dblink('c1', 'select 2, null') AS c(n int, s text) USING (n) ORDER BY n",
    ),
    _place(
        "EXPLAIN ANALYZE",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
        f" SELECT n, md5(s) FROM {_ROWS} WHERE n < 2",
        f"EXPLAIN (VERBOSE) SELECT n FROM {_ROWS}",
    ),
    _place(
        "remote cursors",
        "SELECT dblink_open('c1', 'cur', '<query>')",
        "SELECT n, md5(s) FROM dblink_fetch('c1', 'cur', 2) AS t(n int, s text)",
        f"SELECT {_SUM} FROM dblink_fetch('c1', 'cur', 5000) AS t(n int, s text)",
        "SELECT * FROM dblink_fetch('c1', 'cur', 1) AS t(n int, s text)",
        "SELECT dblink_close('c1', 'cur')",
        "SELECT dblink_exec('c1', 'ABORT')",
    ),
    _place(
        "transient connections",
        f"SELECT {_SUM} FROM dblink('<remote>', '<query>') AS t(n int, s text)",
        "SELECT dblink_exec('<remote>', 'set work_mem = 64')",
    ),
    _place(
        "conversions",
        "SELECT * FROM dblink('c1', 'select 1.257, $$abc$$, $$(1,x)$$, $${1,NULL}$$, null')"
        " AS t(a numeric(3,1), b short, c pair, d int[], e jsonb)",
        "SELECT count(*), max(s) FROM dblink('c1', 'select n, n from (<query>) q')"
        " AS t(n varchar(4), s numeric(6,1))",
    ),
    _place(
        "a value too long",
        "SELECT * FROM dblink('c1', 'select $$abcd$$') AS t(a short)",
        once=True,
        fails=True,
    ),
    _place(
        "a value refused",
        "SELECT * FROM dblink('c1', 'select $$bad$$') AS t(a short)",
        once=True,
        fails=True,
    ),
    _place(
        "a value that is no number",
        "SELECT * FROM dblink('c1', '<query>') AS t(n int, s int)",
        fails=True,
    ),
    _place(
        "a value too long for a column",
        "SELECT * FROM dblink('c1', '<query>') AS t(n varchar(2), s varchar(10)) ORDER BY 1 DESC",
        fails=True,
    ),
    _place(
        "an error of the remote server",
        "SELECT count(*) FROM dblink('c1', '<query> where 1/(3-n) < 9', false) AS t(n int, s text)",
        "SELECT dblink_exec('c1', 'raise', false), dblink_error_message('c1')",
        "SELECT * FROM dblink('c1', '<query> where 1/(3-n) < 9') AS t(n int, s text)",
        f"SELECT {_SUM} FROM {_ROWS}",
        fails=True,
    ),
    *(
        _place(
            f"an error within functions: {call}",
            f"SELECT {call} FROM numbers",
            once=True,
            fails=call not in ("again('insert into seen values (1)')", "again(null)"),
        )
        for call in (
            "failing('raise')",
            "failing('select 1')",
            "failing_rows('select 1/0, 2')",
            "failing_rows('select 1')",
            "failing_rows('select 1, $$long$$')",
            "failing_rows('select 1, $$bad$$')",
            "failing_sql('here')",
            "failing_sql('nothing')",
            "again('raise')",
            "again('insert into seen values (1)')",
            "again(null)",
        )
    ),
    _place(
        "an error in a DO block",
        "DO $$ DECLARE n int; BEGIN"
        " SELECT t.n INTO n FROM dblink('c1', 'select 1/0') AS t(n int); END $$",
        once=True,
        fails=True,
    ),
    _place(
        "an error in the query of a loop",
        "DO $$ DECLARE r record; BEGIN"
        " FOR r IN SELECT * FROM dblink('c1', 'selec') AS t(n int) LOOP END LOOP; END $$",
        once=True,
        fails=True,
    ),
    _place(
        "a notice within functions",
        "DO $$ BEGIN PERFORM dblink_exec('c1', 'selec', false);"
        " PERFORM * FROM dblink('c1', 'selec', false) AS t(a int); END $$",
        once=True,
    ),
    _place(
        "an error of a command",
        "SELECT dblink_exec('c1', 'raise') FROM numbers",
        once=True,
        fails=True,
    ),
    _place(
        "columns that do not fit", "SELECT * FROM dblink('c1', '<query>') AS t(n int)", fails=True
    ),
    _place(
        "no connection", "SELECT * FROM dblink('nobody', '<query>') AS t(n int, s text)", fails=True
    ),
    _place(
        "no rows",
        "SELECT * FROM dblink('c1', '<query> where false') AS t(n int, s text)",
        "SELECT * FROM dblink('c1', null) AS t(n int, s text)",
        "SELECT dblink_exec(null), dblink_exec('c1', null)",
    ),
    _place(
        "statements about functions",
        f"CREATE VIEW mine AS SELECT * FROM {_ROWS}",
        "SELECT pg_get_viewdef('mine', true)",
        f"SELECT {_SUM} FROM mine",
        "DROP VIEW mine",
        once=True,
    ),
)
