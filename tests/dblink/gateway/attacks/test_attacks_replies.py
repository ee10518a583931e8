"""Answers are for the one who asked: not for other roles, other sessions, or the catalogue."""

from __future__ import annotations

import time

import pytest

import pgwire
from tests.dblink.gateway.attacks.arena import Arena, Victim
from tests.dblink.gateway.attacks.rawclient import RawClient
from tests.dblink.kit import eventually, raises

Address = tuple[str, int]

LARGE = "SELECT * FROM dblink('c', 'SELECT repeat(''hush'', 300) FROM generate_series(1, 2000)')"


def tables(arena: Arena, pid: int) -> list[str]:
    return [
        str(row[0])
        for row in arena.watch.query(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace = 'dblink_gateway'::regnamespace AND relname ~ ('^reply_'||$1||'_')",
            (pid,),
        )
    ]


def session_rows(arena: Arena, pid: int) -> list[object]:
    return list(arena.watch.query("SELECT 1 FROM dblink_gateway.session WHERE pid = $1", (pid,)))


def direct(arena: Arena, user: str) -> pgwire.Connection:
    return pgwire.connect(arena.cluster.conninfo("here", user=user))


def test_a_reply_table_is_read_by_the_calling_role_only(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate, "alice")
    victim.client.query("BEGIN")
    answer = victim.client.query(f"{LARGE} AS t(a text) LIMIT 1")
    assert answer.rows == [("hush" * 300,)], answer
    ((acl, owner),) = arena.watch.query(
        "SELECT relacl::text, relowner::regrole::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'dblink_gateway'::regnamespace AND relname ~ ('^reply_'||$1||'_')"
        " UNION ALL SELECT '{}', '' LIMIT 1",
        (victim.pid,),
    )
    readers = {item.partition("=")[0] for item in str(acl).strip("{}").split(",")}
    assert readers <= {"alice", owner, "service", ""}, acl
    assert "=" not in [item[:1] for item in str(acl).strip("{}").split(",")]  # PUBLIC
    with direct(arena, "mallory") as mallory:
        for table in tables(arena, victim.pid):
            for sql in (f"TABLE {table}", f"DROP TABLE {table}", f"DELETE FROM {table}"):
                with raises("42501"):
                    mallory.query(sql)
    victim.client.query("COMMIT")
    eventually(lambda: not tables(arena, victim.pid))
    victim.end()


def test_a_reader_of_a_reply_table_does_no_harm(arena: Arena, gate: Address) -> None:
    """Another session of the same role may hold a lock on it: nobody waits, and it goes at last."""
    victim = Victim(arena, gate, "alice")
    victim.client.query("BEGIN")
    victim.client.query("CREATE DOMAIN pg_temp.mine AS text CHECK (VALUE <> '')")
    assert victim.client.query(f"{LARGE} AS t(a pg_temp.mine) LIMIT 1").rows
    found = tables(arena, victim.pid)
    with direct(arena, "alice") as other:
        other.execute("BEGIN")
        for table in found:
            other.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        assert victim.client.query("COMMIT").seconds < 1.0
        for _ in range(3):
            victim.still_works()
        victim.client.close()
        eventually(lambda: not session_rows(arena, victim.pid))
        time.sleep(0.3)  # in vain it is tried now
        other.execute("ROLLBACK")
    arena.nothing_left(victim.pid, victim.marker)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_small_answers_are_nowhere_to_be_read(arena: Arena, gate: Address, isolation: str) -> None:
    victim = Victim(arena, gate, "alice")
    victim.client.query(f"BEGIN ISOLATION LEVEL {isolation}")
    answer = victim.client.query("SELECT * FROM dblink('c', 'SELECT ''hushhush''') AS t(a text)")
    assert answer.rows == [("hushhush",)]
    with direct(arena, "mallory") as mallory:
        for relation in ("session", "answer", "wait"):
            with raises("42501"):
                mallory.query(f"TABLE dblink_gateway.{relation}")
        rows = mallory.query(
            "SELECT prosrc FROM pg_proc WHERE pronamespace = 'dblink_gateway'::regnamespace"
        ).rows
        assert rows
        assert not [source for (source,) in rows if "hushhush" in str(source)]
        for sql in (
            f"CREATE OR REPLACE FUNCTION dblink_gateway.reply_{victim.pid}_s00() RETURNS text"
            " LANGUAGE sql AS 'SELECT 1'",
            f"UPDATE dblink_gateway.answer SET answer = '{{}}' WHERE pid = {victim.pid}",
            "CREATE FUNCTION dblink_gateway.reply_1() RETURNS text LANGUAGE sql AS 'SELECT 1'",
            "CREATE TABLE dblink_gateway.reply_1_1 (a int)",
            "TRUNCATE dblink_gateway.answer",
            "DROP SCHEMA dblink_gateway CASCADE",
        ):
            with pytest.raises(pgwire.DatabaseError) as told:
                mallory.query(sql)
            assert told.value.sqlstate in ("42501", "42883"), sql
        # Another session's number, even if it were known, opens nothing here.
        ((call,),) = arena.watch.query(
            "SELECT coalesce(min(call), 'none') FROM dblink_gateway.answer WHERE pid = $1",
            (victim.pid,),
        )
        for late in (False, True):
            answered = mallory.query("SELECT dblink_gateway.take($1, $2)", (call, late))
            assert answered.rows == [(None,)]
    victim.client.query("COMMIT")
    victim.end()


def test_the_activity_of_others(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate, "alice")
    victim.client.send_query("SELECT dblink_exec('c', 'SELECT pg_sleep(60) /* hush */')")
    seen = "SELECT query FROM dblink_gateway.activity WHERE session = $1"
    eventually(lambda: arena.watch.query(seen, (victim.pid,)).rows)
    with direct(arena, "mallory") as mallory, direct(arena, "bob") as bob:
        assert mallory.query(seen, (victim.pid,)).rows == []
        assert bob.query(seen, (victim.pid,)).rows
    victim.client.cancel()
    assert victim.client.answer().sqlstate == "57014"
    victim.end()


def test_what_is_created_is_not_open_to_all(arena: Arena) -> None:
    """Of what setup has made, only what callers need is theirs, and what runs as the owner has a
    search path of its own."""
    functions = arena.watch.query(
        "SELECT proname, prosecdef, proconfig::text FROM pg_proc"
        " WHERE pronamespace = 'dblink_gateway'::regnamespace"
        " AND has_function_privilege('mallory', oid, 'EXECUTE')"
    ).rows
    definers = {name: config for name, definer, config in functions if definer}
    assert set(definers) <= {"take", "alive"}, definers
    every = arena.watch.query(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND"
        " (pronamespace = 'dblink_gateway'::regnamespace OR proname = 'dblink_connect_u')"
        " AND NOT coalesce(proconfig::text, '') ~ 'search_path=pg_catalog, ?pg_temp'"
    ).rows
    assert not [name for (name,) in every if "connect_u" not in name], every
    open_to_all = arena.watch.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'dblink_gateway'::regnamespace"
        " AND relkind IN ('r', 'v', 'S') AND (has_table_privilege('mallory', oid,"
        " 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
        " OR relkind <> 'v' AND has_table_privilege('mallory', oid, 'SELECT'))"
    ).rows
    assert open_to_all == []
    assert arena.watch.query(
        "SELECT has_schema_privilege('mallory', 'dblink_gateway', 'CREATE')"
    ).rows == [(False,)]


def test_pg_temp_does_not_shadow(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    for name in ("session", "answer", "wait", "pg_stat_activity"):
        victim.client.query(f"CREATE TEMP TABLE {name} (pid int, call text, answer text)")
    victim.client.query("CREATE TYPE pg_temp.text AS ENUM ('x')")
    victim.client.query("CREATE TYPE pg_temp.int4 AS ENUM ('x')")
    for isolation in ("READ COMMITTED", "SERIALIZABLE"):
        victim.client.query(f"BEGIN ISOLATION LEVEL {isolation}")
        answer = victim.client.query(
            "SELECT * FROM dblink('c', 'SELECT 1, ''a''') AS t(a int, b pg_catalog.text)"
        )
        assert answer.rows == [("1", "a")], answer
        victim.client.query("COMMIT")
    victim.end()


def test_numbers_are_not_guessed_from_the_outside(arena: Arena, gate: Address) -> None:
    """Nothing that others may see shows the number of a call while it waits."""
    victim = Victim(arena, gate, "alice")
    victim.client.send_query("SELECT dblink_exec('c', 'SELECT pg_sleep(60)')")
    eventually(lambda: arena.waits("application_name", victim.marker, "PgSleep"))
    other = RawClient(gate)
    other.start("mallory", "here")
    rows = other.query(
        "SELECT query FROM pg_stat_activity UNION ALL SELECT prosrc FROM pg_proc"
        " WHERE pronamespace = 'dblink_gateway'::regnamespace"
        " UNION ALL SELECT relname FROM pg_class UNION ALL SELECT name||setting FROM pg_settings"
        " UNION ALL SELECT application_name FROM pg_stat_activity"
    ).rows
    assert not [row for row in rows if "DBL01 " in str(row[0]) or '"bell"' in str(row[0])]
    victim.client.cancel()
    victim.client.answer()
    other.close()
    victim.end()
