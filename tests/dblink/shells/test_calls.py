"""A call's way to the gateway and back, in every kind of transaction, and when nobody answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import pgwire
from tests.dblink.kit import raises
from tests.dblink.shells.scripted import BELLS, Answer, Message, Row, ScriptedGateway, echo

MODES = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE READ ONLY", "READ UNCOMMITTED"]


@pytest.fixture(params=MODES)
def transaction(request: pytest.FixtureRequest, gateway: ScriptedGateway) -> Iterator[str]:
    """The gateway's client is in a transaction of each mode."""
    gateway.client.execute(f"BEGIN ISOLATION LEVEL {request.param}")
    gateway.query("SELECT 1 FROM pg_class")  # the snapshot is taken
    yield request.param
    gateway.client.execute("ROLLBACK")


def test_what_is_sent(gateway: ScriptedGateway, transaction: str) -> None:
    gateway.value("SELECT dblink_open('c''', 'ö€', true)")
    sent = gateway.messages[-1]
    assert len(sent.pop("n")) == 32
    assert len(sent.pop("proof")) == 64
    assert sent == {
        "v": 1,
        "f": "dblink_open",
        "a": ["c'", "ö€", True],
        "types": None,
        "bell": 0,
        "role": "postgres",
        "iso": transaction.removesuffix(" READ ONLY").lower(),
    }
    gateway.value("SELECT dblink_build_sql_insert('t', '1 2', 2, '{{a,b},{c,NULL}}', '{}')")
    assert gateway.messages[-1]["a"] == ["t", "1 2", 2, [["a", "b"], ["c", None]], []]


def test_what_comes_back(gateway: ScriptedGateway, transaction: str) -> None:
    answers: list[Answer] = [{"value": "x"}, {"value": None}, {"value": '{a,"b c",NULL}'}]
    answers += [{"value": "1"}, {"value": 0}]
    queue = iter(answers)
    gateway.answer = lambda message: next(queue)
    assert gateway.value("SELECT dblink_exec('x')") == "x"
    assert gateway.value("SELECT dblink_error_message('x')") is None
    assert gateway.value("SELECT dblink_get_connections()") == ["a", "b c", None]
    assert gateway.query("SELECT dblink_is_busy('x'), dblink_send_query('x', 'y')") == [(1, 0)]
    rows: list[Row] = [["ch", "12", ""], ["ch", "13", "ö"]]
    gateway.answer = lambda message: rows
    found = gateway.client.query("SELECT * FROM dblink_get_notify('c')")
    assert [column.name for column in found.columns] == ["notify_name", "be_pid", "extra"]
    assert found.rows == [("ch", 12, ""), ("ch", 13, "ö")]
    gateway.answer = lambda message: [["1", "id"]]
    assert gateway.query("SELECT * FROM dblink_get_pkey('t')") == [(1, "id")]
    gateway.answer = lambda message: []
    assert gateway.query("SELECT * FROM dblink_get_result('c') AS t(a int, b text)") == []


def test_null_arguments_call_nothing(gateway: ScriptedGateway) -> None:
    assert gateway.value("SELECT dblink_exec(NULL)") is None
    assert gateway.query("SELECT * FROM dblink(NULL, 'x') AS t(a int)") == []
    assert gateway.messages == []
    assert gateway.value("SELECT dblink_current_query()") == "SELECT dblink_current_query()"


def test_large_answers(gateway: ScriptedGateway, transaction: str) -> None:
    """Long values are whole when their table has gone; locks do not gather."""
    long = "abcdefgh" * 20_000
    rows: list[Row] = [[str(n), long if n % 100 == 0 else f"t{n}", None] for n in range(1_000)]
    query = gateway.large(rows).format("n int, t text, v varchar")
    gateway.client.execute(f"DECLARE c CURSOR FOR {query}")
    gateway.query("FETCH 1 FROM c")
    locks = "SELECT count(*) FROM pg_locks WHERE relation::regclass::text ~ 'reply_'"
    assert gateway.value(locks) == 0
    for (name,) in gateway.side.query(
        "SELECT relname FROM pg_class WHERE relname ~ '^reply_' AND relkind = 'r'"
    ).rows:
        gateway.side.query("SELECT dblink_gateway.drop(ARRAY[$1::text])", (name,))
    assert gateway.tables() == 0
    found = gateway.query("FETCH ALL FROM c")
    assert found == [(int(row[0] or 0), row[1], row[2]) for row in rows[1:]]


def test_large_answers_keep_their_order(gateway: ScriptedGateway) -> None:
    gateway.client.execute(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
        "SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 4"
    )
    rows: list[Row] = [[str(n), "x" * (n * 7919 % 2_000)] for n in range(20_000)]
    found = gateway.query(gateway.large(rows).format("n int, t text"))
    assert [n for n, _ in found] == list(range(20_000))


def test_errors_and_notices(gateway: ScriptedGateway, transaction: str) -> None:
    gateway.answer = lambda message: {
        "notices": [
            {"sqlstate": "00000", "message": "one", "detail": "d", "hint": None},
            {"sqlstate": "01000", "message": "two", "detail": None, "hint": ""},
        ],
        "error": {"sqlstate": "22012", "message": "m %", "detail": "", "hint": None},
    }
    gateway.client.execute("SAVEPOINT s")
    with raises("22012", "m %", detail="", hint=None):
        gateway.query("SELECT dblink_exec('x')")
    assert [(n.severity, n.sqlstate, n.message, n.detail, n.hint) for n in gateway.notices] == [
        ("NOTICE", "00000", "one", "d", None),
        ("NOTICE", "01000", "two", None, ""),
    ]
    gateway.client.execute("ROLLBACK TO s")
    # A handler sees what C dblink would have raised, and the session goes on.
    gateway.client.execute(
        """DO $$ DECLARE d text; BEGIN
             PERFORM dblink_exec('x');
           EXCEPTION WHEN division_by_zero THEN
             GET STACKED DIAGNOSTICS d = MESSAGE_TEXT;
             RAISE NOTICE 'caught %', d;
           END $$"""
    )
    assert gateway.notices[-1].message == "caught m %"
    gateway.answer = lambda message: {"error": {"sqlstate": "nonsense", "message": "m"}}
    with raises("XX000", "m", detail=None):
        gateway.query("SELECT dblink_exec('x')")


def test_a_question_is_asked_in_the_caller_s_transaction(
    gateway: ScriptedGateway, transaction: str
) -> None:
    asked = iter(["e" * 32, "f" * 32])

    def answer(message: Message) -> Answer:
        number = next(asked, None)
        if number is None:
            return {"value": str(message["rows"])}
        if "rows" in message:
            assert message["rows"] == ['(postgres,"a""b",)']
        sql = "SELECT CURRENT_USER, $1, $2::int UNION ALL SELECT 'x', NULL, 3 WHERE $3 = 'two'"
        return {"ask": {"sql": sql, "params": ['a"b', None, None]}, "n": number}

    gateway.answer = answer
    assert gateway.value("SELECT dblink_exec('x')") == """['(postgres,"a""b",)']"""
    assert [message["n"] for message in gateway.messages[1:]] == ["e" * 32, "f" * 32]
    asked = iter(["a" * 32])
    gateway.answer = lambda message: {"ask": {"sql": "SELECT 1/0", "params": []}, "n": "a" * 32}
    with raises("22012", "division by zero"):
        gateway.query("SELECT dblink_exec('x')")


def test_many_calls_in_one_statement(gateway: ScriptedGateway, transaction: str) -> None:
    assert gateway.query(
        "SELECT x, a FROM generate_series(1, 40) x,"
        " LATERAL dblink(format('[[\"%s\"]]', x * 2)) AS t(a int)"
    ) == [(x, 2 * x) for x in range(1, 41)]
    began = time.monotonic()
    assert gateway.value("SELECT count(dblink_exec('x')) FROM generate_series(1, 40)") == 40
    assert time.monotonic() - began < 40 * 0.2  # no call has waited for a bell in vain


def test_in_the_target_list_the_error_is_that_of_c_dblink(gateway: ScriptedGateway) -> None:
    with raises(
        "0A000", "function returning record called in context that cannot accept type record"
    ):
        gateway.query("SELECT dblink('[]')")


def test_beside_a_parallel_plan(gateway: ScriptedGateway) -> None:
    client = gateway.client
    client.query_all(
        "CREATE TABLE IF NOT EXISTS big AS SELECT g AS a, 'x' || g AS b"
        " FROM generate_series(1, 20000) AS g; ANALYZE big; SET parallel_setup_cost = 0;"
        "SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
    )
    join = (
        'SELECT count(*), sum(a) FROM big JOIN dblink(\'[["1"],["2"]]\') AS t(a int) USING (a)'
        " WHERE b LIKE 'x%'"
    )
    plan = "\n".join(line for (line,) in client.query(f"EXPLAIN (COSTS OFF) {join}").rows)
    for query in (join, join):
        assert gateway.query(query) == [(2, 3)]
    gateway.large([[str(n)] for n in range(1_000)])
    assert gateway.query(join) == [(999, 499_500)]
    gateway.answer = echo
    with raises("22P02"):
        gateway.query(join.replace('"1"', '"x"'))
    assert gateway.query(join) == [(2, 3)]
    major = int(client.info.parameters["server_version"].split(".")[0])
    assert ("Parallel Seq Scan" in plan) == (major >= 17)
    client.execute("DROP TABLE big")


@pytest.mark.parametrize("kept", ["{", "x", "{int4,nosuch}", "7{}", "{NULL}", "{int4 -- x}", "{{}"])
def test_what_a_user_writes_into_the_settings_is_not_believed(
    gateway: ScriptedGateway, kept: str
) -> None:
    for name in ("row_type", *(f"row_type_{n}" for n in range(16))):
        gateway.client.query("SELECT set_config($1, $2, false)", (f"dblink_gateway.{name}", kept))
    call = """SELECT * FROM dblink('[["1","x"]]') AS t(a int, b text)"""
    assert gateway.query(call) == [(1, "x")] == gateway.query(call)


def test_without_a_gateway_it_fails_at_once(database: str) -> None:
    with pgwire.connect(database) as connection:
        for sql in ("SELECT dblink_exec('x')", "SELECT * FROM dblink('x') AS t(a int)"):
            began = time.monotonic()
            with raises("55000", "this session has no dblink gateway") as caught:
                connection.query(sql)
            assert "dblink serve" in (caught.error.hint or "")
            assert time.monotonic() - began < 1


def test_a_gateway_that_goes_is_noticed(database: str) -> None:
    for mode in ("READ COMMITTED", "REPEATABLE READ"):
        with ScriptedGateway(database) as gateway:
            gateway.client.execute(f"BEGIN ISOLATION LEVEL {mode}")
            gateway.answer = lambda message, side=gateway.side: side.close()  # type: ignore[misc]
            began = time.monotonic()
            with raises("08006", "the dblink gateway has gone"):
                gateway.query("SELECT dblink_exec('x')")
            assert time.monotonic() - began < 2
            gateway.client.execute("ROLLBACK")
            with raises("55000", "this session has no dblink gateway"):
                gateway.query("SELECT dblink_exec('x')")


def test_bells_that_others_have_taken(database: str) -> None:
    """Who holds a session's bells, or lets them go, costs it some time at most."""
    with ScriptedGateway(database, bells=False) as gateway:
        assert gateway.value("SELECT dblink_exec('x')") is not None
        assert gateway.messages[-1]["bell"] is None
        with pgwire.connect(database) as mallory:
            for bell in (0, 1):
                gateway.side.query("SELECT pg_advisory_unlock_all()")
                mallory.query("SELECT pg_advisory_lock($1, $2)", (BELLS, gateway.pid * 2 + bell))
                gateway.held[:] = [False, False]
                gateway.answer = lambda message: {"value": "answered"}
                began = time.monotonic()
                assert gateway.value("SELECT dblink_exec('x')") == "answered"
                assert time.monotonic() - began < 1
