"""What one session or one answer leaves behind does not get in the way of the next."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import pgwire
from dblink.gateway.replies import AT_ONCE, Replies
from dblink.gateway.side import Registered, Side
from pgwire import errors
from pgwire.copying.datarows import HEADER, TRAILER
from pgwire.testing.cluster import Cluster
from tests.dblink.gateway.engine.conftest import NEAR
from tests.dblink.gateway.engine.test_side import held


@pytest.fixture
def replies(side: Side) -> Iterator[Replies]:
    made = Replies(side)
    yield made
    made.close()


class Nothing:
    """Rows of which there are none."""

    def next_part(self) -> Iterator[bytes]:
        yield HEADER
        yield TRAILER


def filled(replies: Replies, side: Side, client: pgwire.Connection) -> str:
    registered = side.register(client.info.process_id)
    name = replies.fill(registered, client.info.user, 1, Nothing(), lambda: None)  # type: ignore[arg-type]
    replies.given(registered, name)
    replies.read(registered)
    return name


def test_a_role_without_rights_holds_no_bells(cluster: Cluster, near: str) -> None:
    """Else the functions wait for a gateway, and the next session of that process is not woken."""
    with pgwire.connect(near) as admin:
        admin.execute("CREATE ROLE engine_service LOGIN")
        service = Side(cluster.conninfo(NEAR, user="engine_service"), NEAR, lambda c: None)
        try:
            with pytest.raises(errors.Error) as caught:
                service.register(admin.info.process_id)
            assert caught.value.sqlstate == "42501"
            assert service.connected
            assert service.sessions == 0
            assert held(admin, admin.info.process_id) == 0
        finally:
            service.close()
            admin.execute("DROP ROLE engine_service")


def test_the_end_of_a_session_leaves_the_next_of_its_process_alone(
    side: Side, admin: pgwire.Connection
) -> None:
    pid = admin.info.process_id
    old = side.register(pid)
    new = side.register(pid)
    side.unregister(old)
    assert side.sessions == 1
    rows = admin.query("SELECT secret FROM dblink_gateway.session WHERE pid = $1", (pid,)).rows
    assert rows == [(new.secret,)]
    # Each is held once: it rings when it is let go.
    side.answer(new, "0" * 32, 0, "{}", snapshots=True)
    assert admin.query("SELECT pg_try_advisory_lock_shared(1684827755, $1)", (pid * 2,)).scalar()
    admin.execute("SELECT pg_advisory_unlock_all()")
    side.unregister(new)
    assert side.sessions == 0
    assert held(admin, pid) == 0


def test_tables_are_dropped_while_large_answers_are_on_their_way(
    side: Side, replies: Replies, admin: pgwire.Connection
) -> None:
    name = filled(replies, side, admin)
    with ExitStack() as turns:
        for _ in range(AT_ONCE):
            turns.enter_context(replies.turn(lambda: None))
        began = time.monotonic()
        replies.drop()
        assert time.monotonic() - began < 5.0
        assert not replies.pending
    assert not admin.query("SELECT 1 FROM pg_class WHERE relname = $1", (name,)).rows


def test_a_connection_that_has_died_meanwhile_is_not_used_again(
    side: Side, replies: Replies, admin: pgwire.Connection
) -> None:
    filled(replies, side, admin)
    replies.drop()
    ended = admin.query(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE application_name = 'dblink_gateway' AND datname = current_database()"
        " AND query LIKE '%dblink_gateway.drop%'"
    )
    assert ended.scalar()
    filled(replies, side, admin)
    replies.drop()
    assert not replies.pending


def test_a_connection_is_closed_if_the_look_at_it_is_interrupted(
    side: Side, replies: Replies, admin: pgwire.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def interrupted(self: pgwire.Connection, *arguments: Any, **options: Any) -> object:
        looked_at.append(self)
        raise KeyboardInterrupt

    filled(replies, side, admin)
    replies.drop()
    with monkeypatch.context() as patched:
        patched.setattr(pgwire.Connection, "query", interrupted)
        with pytest.raises(KeyboardInterrupt):
            replies.fill(Registered(1), "nobody", 1, Nothing(), lambda: None)  # type: ignore[arg-type]
    assert [connection.closed for connection in looked_at] == [True]


def left_behind(conninfo: str, database: str) -> Replies:
    """With a table that has been read."""
    replies = Replies(Side(conninfo, database, lambda connection: None))
    session = Registered(1)
    replies.given(session, "reply_1_0")
    replies.read(session)
    return replies


def test_tables_go_with_their_database(near: str, caplog: pytest.LogCaptureFixture) -> None:
    replies = left_behind(near, "engine_dropped")
    assert replies.pending
    replies.drop()
    assert not replies.left
    assert not caplog.records


def test_that_tables_could_not_be_dropped_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # and never listening
        taken.bind(("127.0.0.1", 0))
        replies = left_behind(f"host=127.0.0.1 port={taken.getsockname()[1]} user=nobody", NEAR)
        for _ in range(3):
            replies.drop()
            replies.abandoned(())
    assert replies.pending
    (said,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "reply tables could not be dropped: " in said
    assert "Connection refused" in said


def test_a_table_whose_commit_was_interrupted_is_dropped(
    side: Side, replies: Replies, admin: pgwire.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = pgwire.Connection.query

    def interrupted(self: pgwire.Connection, sql: str, *arguments: Any, **options: Any) -> object:
        result = query(self, sql, *arguments, **options)
        if sql == "COMMIT":
            raise KeyboardInterrupt
        return result

    there = "SELECT 1 FROM pg_class WHERE relname ~ ('^reply_'||$1||'_') AND relkind = 'r'"
    with monkeypatch.context() as patched:
        patched.setattr(pgwire.Connection, "query", interrupted)
        with pytest.raises(KeyboardInterrupt):
            filled(replies, side, admin)
    assert admin.query(there, (admin.info.process_id,)).rows
    replies.drop()
    assert not admin.query(there, (admin.info.process_id,)).rows
