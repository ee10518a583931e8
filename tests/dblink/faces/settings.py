"""Settings of a session that change what SQL means or shows, and calls that could suffer."""

from __future__ import annotations

BEFORE_THE_CATALOGUE = "SET search_path = pg_temp, hostile, pg_catalog, ext"

SETTINGS = (
    "SET search_path = ''",
    "SET search_path = hostile, public, ext",
    BEFORE_THE_CATALOGUE,
    "SET lock_timeout = '1ms'",
    "SET default_transaction_read_only = on",
    "SET default_transaction_isolation = 'repeatable read'",
    "SET default_transaction_deferrable = on",
    "SET standard_conforming_strings = off",
    "SET backslash_quote = off",
    "SET bytea_output = escape",
    "SET datestyle = 'German, DMY'",
    "SET intervalstyle = iso_8601",
    "SET timezone = 'Asia/Kolkata'",
    "SET extra_float_digits = -10",
    "SET xmloption = document",
    "SET array_nulls = off",
    "SET transform_null_equals = on",
    "SET quote_all_identifiers = on",
    "SET row_security = off",
    "SET session_replication_role = replica",
    "SET check_function_bodies = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET plan_cache_mode = force_custom_plan",
    "SET work_mem = '64kB'",
    "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off",
    "SET from_collapse_limit = 1; SET join_collapse_limit = 1; SET geqo_threshold = 2",
    "SET jit = on; SET jit_above_cost = 0",
    "SET plpgsql.variable_conflict = 'use_column'",
    "SET plpgsql.extra_errors = 'all'; SET plpgsql.extra_warnings = 'all'",
    "SET plpgsql.print_strict_params = on",
    "SET client_min_messages = error",
    "SET client_min_messages = debug1",
    "SET track_functions = 'all'",
    "SET log_statement = 'all'; SET log_min_messages = debug1; SET log_min_duration_statement = 0",
    "SET default_tablespace = ''; SET temp_buffers = 100; SET default_toast_compression = pglz",
    "SET commit_delay = 1000; SET synchronous_commit = off",
    "SET exit_on_error = off; SET statement_timeout = '15s'",
    "SET idle_in_transaction_session_timeout = '15s'; SET idle_session_timeout = '15s'",
    "SET debug_print_plan = on; SET debug_pretty_print = off",
    "SET application_name = 'dblink_gateway'",
    "SET SESSION AUTHORIZATION plain",
    "SET ROLE plain; RESET ROLE",
    "DISCARD ALL; SET search_path = public, ext; SHOW search_path",
    "SELECT pg_advisory_unlock_all()",
    "BEGIN; DECLARE c CURSOR FOR SELECT 1; SAVEPOINT a; SAVEPOINT b",
)

HOSTILE = """
CREATE SCHEMA hostile; GRANT ALL ON SCHEMA hostile TO PUBLIC;
CREATE FUNCTION hostile.fail() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'hostile'; END $$;
CREATE FUNCTION hostile.equal(text, text) RETURNS bool LANGUAGE sql AS
  $$ SELECT hostile.fail() = 1 $$;
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.equal);
CREATE OPERATOR hostile.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.equal);
CREATE OPERATOR hostile.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.equal);
CREATE FUNCTION hostile.int_equal(int, int) RETURNS bool LANGUAGE sql AS
  $$ SELECT hostile.fail() OPERATOR(pg_catalog.=) 1 $$;
CREATE OPERATOR hostile.= (LEFTARG = int, RIGHTARG = int, FUNCTION = hostile.int_equal);
CREATE OPERATOR hostile.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = hostile.int_equal);
CREATE FUNCTION hostile.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS
  $$ SELECT hostile.fail()::pg_catalog.text $$;
CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE sql AS
  $$ SELECT hostile.fail()::pg_catalog.text $$;
CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE sql AS
  $$ SELECT NULL::pg_catalog.timestamptz FROM hostile.fail() $$;
CREATE DOMAIN hostile.text AS pg_catalog.int4;
CREATE DOMAIN hostile.int4 AS pg_catalog.date;
CREATE DOMAIN hostile.jsonb AS pg_catalog.date;
CREATE VIEW hostile.pg_class AS SELECT hostile.fail() AS oid;
CREATE VIEW hostile.pg_type AS SELECT hostile.fail() AS oid;
CREATE VIEW hostile.pg_index AS SELECT hostile.fail() AS oid;
CREATE VIEW hostile.pg_foreign_server AS SELECT hostile.fail() AS oid;
GRANT ALL ON ALL TABLES IN SCHEMA hostile TO PUBLIC;
"""
"""What a user may put before the catalogues."""

CALLS = (
    "SELECT ext.dblink_exec('c1', 'listen x')",
    "SELECT ext.dblink_exec('c1', 'selec', false)",
    "SELECT * FROM ext.dblink('c1', 'select 1, $$a\\b$$, null') AS t(a int, b varchar(5), c date)",
    "SELECT * FROM ext.dblink('c1', $q$select 1.5, 0.1::float8, '\\xde00'::bytea, '1 day 2:03'"
    "::interval, timestamptz '2020-02-03 04:05:06+00', date '2020-02-03', '{1,NULL}', '{\"a\": 1}',"
    " '{\"b\": null}', '<a/>', true$q$) AS t(a pg_catalog.numeric(5,1),"
    " b double precision, c bytea, d interval, e timestamptz, f date, g pg_catalog.int4[],"
    " h json, i pg_catalog.jsonb, j xml, k boolean)",
    "SELECT pg_catalog.count(*), pg_catalog.max(s) FROM"
    " ext.dblink('c1', 'select n, repeat(md5(n::text), 30) from generate_series(1, 1300) as n')"
    " AS t(n bigint, s varchar(2000))",
    "SELECT * FROM ext.dblink('c1', 'select $$abcdef$$') AS t(a varchar(3))",
    "SELECT * FROM ext.dblink('c1', 'select 1, 2') AS t(a boolean)",
    "SELECT * FROM ext.dblink_get_pkey('public.keyed')",
    "SELECT ext.dblink_build_sql_insert('public.keyed', '1', 1, '{1}', '{2}')",
    "SELECT ext.dblink_build_sql_update('public.keyed', '1', 1, ARRAY['1'],"
    " ARRAY[NULL]::pg_catalog.text[])",
    "SELECT ext.dblink_build_sql_delete('public.keyed', '1', 1, '{x}')",
    "SELECT pg_catalog.cardinality(ext.dblink_get_connections())",
    "SELECT * FROM ext.dblink('fs', 'select current_user') AS t(a name)",
    "SELECT ext.dblink_disconnect('c2')",
    "SELECT ext.dblink_disconnect('c2')",
)
