"""Messages that no function of ours has sent: they gain nothing, and harm nobody else."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from tests.dblink.gateway.attacks import forging
from tests.dblink.gateway.attacks.arena import Arena, Served, Victim, served
from tests.dblink.gateway.attacks.forging import call, encoded, forge, say
from tests.dblink.gateway.attacks.rawclient import RawClient
from tests.dblink.kit import eventually

Address = tuple[str, int]


def test_a_forged_call_with_a_password_is_what_anybody_may_do(arena: Arena, gate: Address) -> None:
    """The others can fail."""
    victim = Victim(arena, gate)
    told = forge(victim.client, call("dblink_connect", "d", victim.remote(), role="mallory"))
    assert told == {"value": "OK"}
    victim.end()


@pytest.mark.parametrize("role", ["postgres", "service", "alice", "nosuch", 'x"; DROP ROLE', ""])
@pytest.mark.parametrize("function", ["dblink_connect", "dblink_exec", "dblink_connect_u"])
def test_claiming_to_be_somebody_else(
    arena: Arena, gate: Address, function: str, role: str
) -> None:
    victim, marker = Victim(arena, gate), arena.marker()
    first = ["stolen"] if function.startswith("dblink_connect") else []
    last = [] if first else ["SELECT 1"]
    place = arena.passwordless(marker)
    told = forge(victim.client, call(function, *first, place, *last, role=role))
    assert told is not None
    assert told["error"]["sqlstate"] == ("42501" if function.endswith("_u") else "2F003"), told
    assert victim.client.query("SELECT dblink_get_connections()").rows == [("{c}",)]
    assert arena.backends(marker) == []
    victim.still_works()
    victim.end()


MALFORMED = {
    "not base64": "!!!",
    "empty": "",
    "base64 of nothing in particular": encoded(b"\xff\xfe\x00"),
    "not an object": encoded(["dblink"]),
    "deep": encoded(b"[" * 100_000),
    "deep objects": encoded(b'{"n":' * 50_000),
    "a number of many digits": encoded(b'{"n": ' + b"9" * 100_000 + b"}"),
    "no number": encoded({"v": 1, "f": "dblink_exec", "a": ["c", "SELECT 1"]}),
    "a number that is SQL": encoded(call("dblink_get_connections", n="'; DROP TABLE locked; --")),
    "another version": encoded(call("dblink_get_connections", v=2)),
    "an unknown function": encoded(call("dblink_build")),
    "a method of the engine": encoded(call("close")),
    "a dunder": encoded(call("__init__")),
    "a function that is no text": encoded(call("x", f=["dblink"])),
    "too few arguments": encoded(call("dblink_connect")),
    "too many": encoded(call("dblink_get_connections", 1)),
    "of other types": encoded(call("dblink_exec", 1, {"a": []})),
    "null for a strict one": encoded(call("dblink_exec", None, None)),
    "true for a number": encoded(call("dblink_fetch", "c", "x", True, types=[["int", 23]])),
    "an endless number": encoded(b'{"n":"' + b"0" * 32 + b'","v":1e999}'),
    "half a character": encoded(call("dblink_exec", "c", "\ud800")),
    "a zero byte": encoded(call("dblink_exec", "c", "SELECT 1\0")),
    "no columns": encoded(call("dblink", "c", "SELECT 1")),
    "columns that are none": encoded(call("dblink", "c", "SELECT 1", types=[[["int"], "x"]])),
    "ten thousand columns": encoded(call("dblink", "c", "SELECT 1", types=[["int", 23]] * 10_000)),
    "another bell": encoded(call("dblink_get_connections", bell=2**70)),
    "an answer that nobody asked for": encoded({"v": 1, "n": forging.number(), "rows": [["x"]]}),
    "rows that are none": encoded({"v": 1, "n": forging.number(), "rows": [[{}], "(", 5]}),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_malformed(arena: Arena, gate: Address, message: str) -> None:
    victim = Victim(arena, gate)
    answer = victim.client.query(f"SELECT mallory.say('{message}')")
    assert not answer.errors, answer
    assert not answer.notices, answer
    victim.still_works()
    victim.end()


@pytest.mark.parametrize(
    "document",
    [call("dblink_exec", 1), call("drop_everything"), call("dblink_exec", "c", "SELECT 1", v=7)],
    ids=["arguments", "function", "version"],
)
def test_who_asks_is_told(arena: Arena, gate: Address, document: dict[str, object]) -> None:
    victim = Victim(arena, gate)
    answer = victim.client.query(
        "CREATE TEMP TABLE told AS SELECT ''::text AS what; DO $$ BEGIN"
        f" PERFORM mallory.say('{encoded(document)}');"
        # Where it is whatever the isolation level: nothing is known of that.
        f" UPDATE told SET what = mallory.listen('{document['n']}', true); END $$; TABLE told"
    )
    ((told,),) = answer.rows
    assert told is not None, answer
    assert json.loads(told)["error"]["sqlstate"] == "08P01"
    victim.still_works()
    victim.end()


def test_a_forged_call_before_a_real_one(arena: Arena, gate: Address) -> None:
    """The real one is answered, by its own answer; what the forged one runs is cancelled."""
    victim = Victim(arena, gate)
    sleeping = call("dblink_exec", "c", "SELECT pg_sleep(60)", role="mallory")
    for isolation in ("READ COMMITTED", "SERIALIZABLE"):
        victim.client.query(f"BEGIN ISOLATION LEVEL {isolation}")
        answer = victim.client.query(
            f"DO $$ BEGIN PERFORM mallory.say('{encoded(sleeping)}'); PERFORM pg_sleep(0.2);"
            " CREATE TEMP TABLE got ON COMMIT DROP AS"
            " SELECT * FROM dblink('c', 'SELECT 7') AS t(a int); END $$;"
            " SELECT * FROM got"
        )
        assert answer.rows == [("7",)], answer
        assert victim.client.query("COMMIT").status == "I"
    eventually(lambda: all(state != "active" for state, _ in arena.backends(victim.marker)))
    victim.end()


def test_a_forged_call_is_over_with_its_statement(arena: Arena, gate: Address) -> None:
    victim = Victim(arena, gate)
    assert not victim.client.query(
        say(call("dblink_exec", "c", "SELECT pg_sleep(60)", role="mallory"))
    ).errors
    eventually(lambda: all(state != "active" for state, _ in arena.backends(victim.marker)))
    victim.still_works()
    victim.end()


# In place of what PostgreSQL says of a server and a user mapping.
FORGED_ROWS: list[object] = [
    [],
    [[]],
    "x",
    [["t"]],
    ["(16384,alices,true,,,)"],
    [["1", "alices", "true", "{host=127.0.0.1}", "{user=postgres}", "1", "1", "1"]],
    [["1", "alices", "true", "true", "{host=127.0.0.1}", "{user=postgres}", None]] * 3,
    [None],
    [["1"] * 2000],
]


@pytest.mark.parametrize("rows", FORGED_ROWS, ids=[str(rows)[:20] for rows in FORGED_ROWS])
def test_forged_answers_to_what_the_gateway_asks(arena: Arena, gate: Address, rows: object) -> None:
    """A foreign server that mallory may not use: what she tells of it is not believed."""
    victim, document = Victim(arena, gate), call("dblink_connect", "stolen", "alices")
    victim.client.query("BEGIN")
    answer = victim.client.query(
        "DO $$ DECLARE answer jsonb; BEGIN"
        f" PERFORM mallory.say('{encoded(document)}');"
        f" answer := mallory.listen('{document['n']}');"
        " PERFORM mallory.say(encode(convert_to(jsonb_build_object('v', 1, 'n', answer->>'n',"
        f" 'rows', '{json.dumps(rows)}'::jsonb, 'bell', NULL)::text, 'UTF8'), 'base64'));"
        " PERFORM set_config('mallory.told', coalesce(mallory.listen(answer->>'n'), ''), false);"
        " END $$; SELECT current_setting('mallory.told')"
    )
    assert not answer.errors, answer
    ((told,),) = answer.rows
    assert not told or "error" in json.loads(told), told
    victim.client.query("COMMIT")
    assert victim.client.query("SELECT dblink_get_connections()").rows == [("{c}",)]
    victim.still_works()
    victim.end()


def test_too_large(arena: Arena, gate: Address) -> None:
    with served(arena) as gateway:
        victim = Victim(arena, gateway.address)
        before = memory(gateway)
        # 90 MiB of base64: more than a call may have.
        answer = victim.client.query(
            "SELECT mallory.say(repeat('QUJD', 90 * 1024 * 256))", timeout=60
        )
        assert not answer.errors, answer
        assert memory(gateway) - before < 160 * 2**20
        victim.still_works()
        victim.end()


def memory(gateway: Served) -> int:
    """Bytes that the process has in memory."""
    status = Path(f"/proc/{gateway.process.pid}/status")
    if not status.exists():
        pytest.skip("there is no /proc to look at memory")
    (line,) = [ln for ln in status.read_text().splitlines() if ln.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    "message",
    [
        encoded(b"x" * 1000),
        encoded(call("dblink_get_connections", role="mallory")),
        encoded(call("dblink_connect", "d", "host=127.0.0.1 port=1 password=x user=x")),
    ],
    ids=["garbage", "quick calls", "calls that connect"],
)
def test_endless(arena: Arena, message: str) -> None:
    """Thousands of messages from several sessions: other clients are served, memory is bounded."""
    with served(arena) as gateway:
        victim = Victim(arena, gateway.address)
        victim.still_works()
        before, over = memory(gateway), threading.Event()
        threads = [
            threading.Thread(target=keep_saying, args=(gateway.address, message, over))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        slowest, end = 0.0, time.monotonic() + 1.0
        try:
            while time.monotonic() < end:
                start = time.monotonic()
                again = victim.client.query("SELECT * FROM dblink('c', 'SELECT 5') AS t(a int)")
                assert again.rows == [("5",)], again
                slowest = max(slowest, time.monotonic() - start)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert slowest < 1.0
        assert memory(gateway) - before < 64 * 2**20
        victim.end()


def keep_saying(address: Address, message: str, over: threading.Event) -> None:
    client = RawClient(address)
    client.start("mallory", "here")
    while not over.is_set():
        client.query(
            "DO $$ BEGIN FOR i IN 1 .. 2000 LOOP"
            f" PERFORM mallory.say('{message}'); END LOOP; END $$"
        )
    client.close()


def test_what_is_no_call_passes(arena: Arena, gate: Address) -> None:
    """Other severities and codes are the client's, whatever they look like."""
    client = RawClient(gate)
    client.start("mallory", "here")
    text = encoded(call("dblink_get_connections"))
    for level, code in (("NOTICE", "DBL01"), ("WARNING", "DBL01"), ("INFO", "DBL02")):
        answer = client.query(
            f"DO $$ BEGIN RAISE {level} USING ERRCODE = '{code}', MESSAGE = '{text}'; END $$"
        )
        assert [(n["V"], n["C"], n["M"]) for n in answer.notices] == [(level, code, text)]
    error = client.query(f"DO $$ BEGIN RAISE USING ERRCODE = 'DBL01', MESSAGE = '{text}'; END $$")
    assert (error.sqlstate, error.message) == ("DBL01", text)
    client.close()
