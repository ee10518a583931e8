"""A hostile search path, settings and types: nothing of mallory's runs as anybody but herself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dblink.gateway.attacks.arena import Arena, Victim
from tests.dblink.gateway.attacks.rawclient import Answer

Address = tuple[str, int]

# What is stolen: the name of whoever runs mallory's code.
_LOOT = """
CREATE TABLE mallory.loot (who text, what text);
GRANT ALL ON mallory.loot TO PUBLIC;
CREATE FUNCTION mallory.steal(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mallory.loot VALUES (current_user, what);
  RETURN true;
END $$;
CREATE DOMAIN mallory.evil AS text CHECK (mallory.steal('domain'));
CREATE DOMAIN mallory."), mallory.steal('name" AS int CHECK (mallory.steal('quoted domain'));
CREATE DOMAIN mallory.evil_int AS int CHECK (mallory.steal('domain of int'));
GRANT USAGE ON ALL FUNCTIONS IN SCHEMA mallory TO PUBLIC;
"""

# alice's functions, which run as her with the search path of whoever calls them.
_REPORTS = """
CREATE FUNCTION alice.report() RETURNS TABLE (a int, b text) LANGUAGE sql SECURITY DEFINER AS
$$ SELECT * FROM public.dblink('c', 'SELECT 1, ''x''')
  AS t(a pg_catalog.int4, b pg_catalog.text) $$;
CREATE FUNCTION alice.report_array() RETURNS TABLE (a varchar(3), b numeric(5, 2)[]) LANGUAGE sql
SECURITY DEFINER AS $$ SELECT * FROM public.dblink('c', 'SELECT ''abc'', ''{1.5}''')
  AS t(a pg_catalog.varchar(3), b pg_catalog.numeric(5, 2)[]) $$;
CREATE FUNCTION alice.report_one() RETURNS pg_catalog.text LANGUAGE sql SECURITY DEFINER AS
$$ SELECT public.dblink_exec('c', 'SET application_name TO ''{marker}''') $$;
CREATE FUNCTION alice.report_key() RETURNS pg_catalog.text LANGUAGE sql SECURITY DEFINER AS
$$ SELECT public.dblink_build_sql_insert('public.locked', '1', 1, '{1}', '{2}') $$;
CREATE FUNCTION alice.report_pkey() RETURNS pg_catalog.text LANGUAGE sql SECURITY DEFINER AS
$$ SELECT colname FROM public.dblink_get_pkey('public.locked') $$;
CREATE FUNCTION alice.report_error() RETURNS pg_catalog.text LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN RETURN public.dblink_exec('c', 'SELECT 1/0', false); END $$;
"""

REPORTS = {
    "report": [("1", "x")],
    "report_array": [("abc", "{1.50}")],
    "report_one": [("SET",)],
    "report_key": [("INSERT INTO locked(id,b) VALUES('2','one')",)],
    "report_pkey": [("id",)],
    "report_error": [("ERROR",)],
}


@pytest.fixture(autouse=True)
def nothing_stolen_yet(arena: Arena, loot: None) -> None:
    stolen(arena)


@pytest.fixture(scope="module")
def loot(arena: Arena) -> Iterator[None]:
    arena.watch.execute(_LOOT.replace("GRANT USAGE ON ALL", "GRANT EXECUTE ON ALL"))
    arena.watch.execute("GRANT SELECT ON locked TO alice")
    for statement in _REPORTS.split(";\n"):
        if statement.strip():
            arena.watch.execute(statement)
    arena.watch.execute(
        "DO $$ DECLARE f text; BEGIN FOR f IN SELECT oid::regprocedure FROM pg_proc"
        " WHERE pronamespace = 'alice'::regnamespace LOOP"
        " EXECUTE 'ALTER FUNCTION '||f||' OWNER TO alice'; END LOOP; END $$"
    )
    yield
    arena.watch.execute("DROP SCHEMA mallory_ops CASCADE" if _hostile(arena) else "SELECT 1")


def _hostile(arena: Arena) -> bool:
    return bool(arena.watch.query("SELECT 1 FROM pg_namespace WHERE nspname = 'mallory_ops'").rows)


def stolen(arena: Arena) -> list[tuple[object, ...]]:
    rows = arena.watch.query("SELECT DISTINCT who, what FROM mallory.loot").rows
    arena.watch.execute("TRUNCATE mallory.loot")
    return [tuple(row) for row in rows]


def all_reports(victim: Victim) -> dict[str, Answer]:
    return {name: victim.client.query(f"SELECT * FROM alice.{name}()") for name in REPORTS}


def as_ever(answers: dict[str, Answer]) -> None:
    assert {name: answer.rows for name, answer in answers.items()} == REPORTS, answers


def test_mallorys_code_is_noticed(arena: Arena, gate: Address) -> None:
    """Without this the others could not fail."""
    victim = Victim(arena, gate, "alice")
    assert victim.client.query("SELECT 'x'::mallory.evil").rows
    assert stolen(arena) == [("alice", "domain")]
    victim.end()


HOSTILE = [
    "{mallory.evil,mallory.evil}",
    "{mallory.evil_int,mallory.evil}",
    "{\"int4 WHERE mallory.steal('where') --\",text}",
    "{\"int4); SELECT mallory.steal('more'); --\",text}",
    "{\"int4, mallory.steal('column')\",text}",
    "{\"int4 = ANY (ARRAY[mallory.steal('any')::int])\",text}",
    "{\"numeric(mallory.steal('typmod')::int)\",text}",
    '{"mallory.\\"), mallory.steal(\'name\\"",text}',
    "{NULL,NULL}",
    "{{int4,text},{int4,text}}",
    "{}",
    "nonsense",
    "{int4",
    "'; SELECT mallory.steal('quote'); --",
    "{" + ",".join(["int4"] * 5000) + "}",
    "{" + "x" * 100_000 + "}",
]


@pytest.mark.parametrize("value", HOSTILE, ids=[value[:30] for value in HOSTILE])
def test_settings(arena: Arena, gate: Address, value: str) -> None:
    victim = Victim(arena, gate)
    as_ever(all_reports(victim))
    keys = victim.client.query(
        "SELECT current_setting('dblink_gateway.row_type_'||n, true) FROM generate_series(0, 15) n"
        " UNION ALL SELECT current_setting('dblink_gateway.row_type', true)"
    ).rows
    known = {text[0].partition("{")[0] for text in keys if text[0]}
    stolen(arena)
    for key in sorted(known) or [""]:
        for slot in ("", *(f"_{n}" for n in range(16))):
            kept = f"{key}{value}".replace("'", "''")
            victim.client.query(
                f"SELECT set_config('dblink_gateway.row_type{slot}', '{kept}', false)"
            )
        answers = all_reports(victim)
        for name, answer in answers.items():
            # It is mallory's own loss if she makes it fail; but it gives no other rows.
            assert answer.errors or answer.rows == REPORTS[name], (name, answer)
            assert answer.errors == [] or value in HOSTILE[8:], answer
    assert stolen(arena) == []
    victim.client.query("DISCARD ALL")
    victim.end()


def test_a_hostile_search_path(arena: Arena, gate: Address) -> None:
    """Operators and functions like all that the shells use, in a schema that comes first."""
    arena.watch.execute(_HOSTILE_SCHEMA)
    victim = Victim(arena, gate)
    victim.client.query("SET search_path = mallory_ops, pg_catalog, public")
    assert victim.client.query("SELECT 'a'::text = 'b'::text, 1 + 1, format('x')").rows
    assert {what for _, what in stolen(arena)} >= {"= text", "+ integer", "format"}
    for isolation in ("READ COMMITTED", "SERIALIZABLE"):
        victim.client.query(f"BEGIN ISOLATION LEVEL {isolation}")
        as_ever(all_reports(victim))
        victim.client.query("COMMIT")
        # C dblink, too, seeks the row of a key by the operator = of the caller's search path.
        assert {row for row in stolen(arena) if row[0] != "mallory"} <= {("alice", "= integer")}
    victim.client.query("RESET search_path")
    victim.end()


def test_domains_run_as_the_caller(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    for rows in (1, 30_000):
        sql = f"SELECT repeat(''x'', 50) FROM generate_series(1, {rows})"
        answer = victim.client.query(
            f"SELECT count(*) FROM dblink('c', '{sql}') AS t(a mallory.evil)"
        )
        assert answer.rows == [(str(rows),)], answer
        assert {who for who, _ in stolen(arena)} == {"mallory"}
    victim.end()


# Each of them notes who runs it, and then does what the real one does.
_HOSTILE_SCHEMA = """
CREATE SCHEMA mallory_ops;
GRANT USAGE ON SCHEMA mallory_ops TO PUBLIC;
DO $do$
DECLARE
  o record;
  f record;
BEGIN
  FOR o IN SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS t
           FROM pg_operator WHERE oprkind = 'b' AND oprnamespace = 'pg_catalog'::regnamespace
           AND oprleft IN ('text'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype,
               'bool'::regtype, 'jsonb'::regtype, 'float8'::regtype, 'name'::regtype)
           AND oprright IN ('text'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype,
               'bool'::regtype, 'float8'::regtype, 'numeric'::regtype, 'name'::regtype)
  LOOP
    EXECUTE format('CREATE FUNCTION mallory_ops.%I(a %s, b %s) RETURNS %s LANGUAGE plpgsql AS $f$'
      ' BEGIN INSERT INTO mallory.loot VALUES (current_user, %L);'
      ' RETURN a OPERATOR(pg_catalog.%s) b; END $f$',
      'op_'||o.oprname, o.l, o.r, o.t, o.oprname||' '||o.l, o.oprname);
    EXECUTE format('CREATE OPERATOR mallory_ops.%s (LEFTARG = %s, RIGHTARG = %s,'
      ' FUNCTION = mallory_ops.%I)', o.oprname, o.l, o.r, 'op_'||o.oprname);
  END LOOP;
  FOR f IN SELECT DISTINCT ON (proname, args) proname, args, names, returned FROM (
             SELECT proname, pg_get_function_identity_arguments(oid) AS args,
                    prorettype::regtype AS returned, proretset,
                    (SELECT string_agg('$'||n, ', ')
                     FROM generate_series(1, pronargs) AS n) AS names
             FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
             AND NOT proretset AND provariadic = 0 AND proargmodes IS NULL
             AND proname IN ('pg_backend_pid', 'to_regtype', 'format_type', 'array_to_string',
               'current_setting', 'set_config', 'encode', 'convert_to', 'getdatabaseencoding',
               'pg_try_advisory_lock_shared', 'pg_advisory_unlock_shared', 'pg_sleep', 'hashtext',
               'pg_advisory_lock_shared', 'replace', 'starts_with', 'strpos', 'substr', 'format',
               'quote_literal', 'quote_ident', 'textcat', 'sha256', 'gen_random_uuid',
               'cardinality', 'split_part', 'pg_get_object_address', 'has_table_privilege',
               'jsonb_object_field', 'jsonb_object_field_text', 'jsonb_exists', 'length')
           ) AS p
  LOOP
    BEGIN
      EXECUTE format('CREATE FUNCTION mallory_ops.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$'
        ' BEGIN INSERT INTO mallory.loot VALUES (current_user, %L);'
        ' RETURN pg_catalog.%I(%s); END $f$',
        f.proname, f.args, f.returned, f.proname, f.proname, f.names);
    EXCEPTION WHEN OTHERS THEN NULL;  -- a pseudo-type
    END;
  END LOOP;
END $do$
"""
