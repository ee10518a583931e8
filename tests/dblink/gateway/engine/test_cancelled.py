"""A call that is given up: nobody waits for its answer, and nobody is told of what is ours."""

from __future__ import annotations

import base64
import json

import pytest

import pgwire
from dblink.gateway.sealing import digest
from tests.dblink.kit import PATIENCE, raises

N = "f" * 32


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_timeout_says_nothing_of_how_it_was_waited(
    client: pgwire.Connection, far: str, level: str
) -> None:
    client.execute(f"SET default_transaction_isolation = '{level}'")
    client.execute("SET statement_timeout = 200")
    with raises("57014", "canceling statement due to statement timeout") as caught:
        client.query("SELECT * FROM dblink($1, 'SELECT pg_sleep(60)') AS t(a text)", (far,))
    assert caught.error.context is None
    with raises("57014") as caught:
        asleep = "DO ''BEGIN PERFORM pg_sleep(60); END''"
        client.query(f"DO $$BEGIN PERFORM dblink_exec('{far}', '{asleep}'); END$$")
    assert "dblink_gateway" not in (caught.error.context or "")
    assert "inline_code_block" in (caught.error.context or "")


def test_what_nobody_has_asked_for_is_answered(client: pgwire.Connection) -> None:
    """Its sender waits, if the call that asked was cancelled, and the sender was not."""
    message = {"n": N, "v": 1, "rows": [], "bell": None}
    text = base64.b64encode(json.dumps(message).encode()).decode()
    client.query("SELECT dblink_get_connections()")
    name = f"reply_{client.info.process_id}_s{digest(N)}"
    # When its statement is over, nobody waits any more.
    client.execute(
        f"DO $$BEGIN RAISE INFO USING ERRCODE = 'DBL01', MESSAGE = '{text}';"
        f" WHILE NOT EXISTS (SELECT FROM pg_proc WHERE proname = '{name}') LOOP"
        " PERFORM pg_sleep(0.01); END LOOP; END$$",
        timeout=PATIENCE,
    )
    answer = client.query("SELECT dblink_gateway.take($1, true)", (N,)).scalar()
    assert json.loads(str(answer))["error"]["sqlstate"] == "57014"
