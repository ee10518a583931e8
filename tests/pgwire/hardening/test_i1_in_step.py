"""I1: whatever raises between the first byte of a query and its ReadyForQuery, the next answer
belongs to the next query, or the connection is closed. Against a real server."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import pgwire
from pgwire import errors
from pgwire.testing import Cluster
from pgwire.types.codec import Codec, always

# Rows, an error, notices, a notification, a parameter: all that can call back.
EVENTFUL = """
    LISTEN i1;
    SELECT 'stale', n, n::text FROM generate_series(1, 3000) n;
    DO $$BEGIN RAISE NOTICE 'one'; RAISE NOTICE 'two'; END$$;
    SET DateStyle = 'German'; NOTIFY i1, 'x';
    SELECT 'stale', repeat('x', 300000);
    SELECT 'stale', 1 / (n - 2000) FROM generate_series(1, 3000) n
"""
EXTENDED = "SELECT 'stale', n, n::text, repeat('x', 500) FROM generate_series(1, $1) n"

fresh = (f"fresh {n}" for n in itertools.count())


class Boom(Exception):
    """What a user's code raises."""


class Stop(BaseException):
    """An exception that is none of ours, as KeyboardInterrupt or asyncio's CancelledError."""


RAISED = [Boom, Stop, KeyboardInterrupt, MemoryError, errors.DataError, errors.OperationalError]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    opened = pgwire.connect(cluster.conninfo())
    opened.registry = opened.registry.copy()
    yield opened
    opened.close()


def assert_in_step(connection: pgwire.Connection) -> bool:
    """The invariant itself; returns whether the connection is still open."""
    if connection.closed:
        with pytest.raises(errors.InterfaceError, match="closed"):
            connection.query("SELECT 1")
        return False
    for params in (None, []):
        mark = next(fresh)
        assert connection.query(f"SELECT '{mark}', pg_backend_pid()", params)[0] == (
            mark,
            connection.info.process_id,
        )
    return True


def run(connection: pgwire.Connection, extended: bool) -> None:
    if extended:
        connection.query(EXTENDED, [4000])
    else:
        with suppress(errors.error_class("22012")):
            connection.query(EVENTFUL)


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("always_raises", [False, True], ids=["once", "always"])
def test_a_notice_handler_raises(
    cluster: Cluster, raised: type[BaseException], always_raises: bool
) -> None:
    calls = []

    def handler(notice: errors.Diagnostics) -> None:
        calls.append(notice.message)
        if always_raises or len(calls) == 1:
            raise raised("from the handler")

    with pgwire.connect(cluster.conninfo(), on_notice=handler) as connection:
        with pytest.raises(raised, match="from the handler"):
            connection.query(EVENTFUL)
        assert calls[0] == "one"
        assert assert_in_step(connection) or not issubclass(raised, Exception)


@pytest.mark.parametrize("raised", RAISED)
def test_a_notice_handler_raises_in_describe(cluster: Cluster, raised: type[BaseException]) -> None:
    armed = False

    def handler(notice: errors.Diagnostics) -> None:
        # Not in the SET already: interrupted, it is cancelled, and if that is in time there will be
        # no notices.
        if armed:
            raise raised("from the handler")

    with pgwire.connect(cluster.conninfo(), on_notice=handler) as connection:
        connection.execute("SET client_min_messages = debug5")
        armed = True
        with pytest.raises(raised, match="from the handler"):
            connection.describe("SELECT 'stale'")
        if not connection.closed:
            connection._channel.on_notice = None
        assert_in_step(connection)


def test_a_notice_handler_uses_the_connection(cluster: Cluster) -> None:
    told: list[BaseException] = []

    def handler(notice: errors.Diagnostics) -> None:
        for use in (
            lambda: connection.query("SELECT 'intruder'"),
            lambda: connection.query("SELECT 'intruder'", []),
            lambda: connection.describe("SELECT 'intruder'"),
            lambda: connection.take_notifications(),
        ):
            with pytest.raises(errors.InterfaceError) as caught:
                use()
            told.append(caught.value)

    with pgwire.connect(cluster.conninfo(), on_notice=handler) as connection:
        run(connection, extended=False)
        assert len(told) == 8
        assert assert_in_step(connection)


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("at", [1, 2, 2999])
def test_a_codec_raises_in_a_row(
    connection: pgwire.Connection, raised: type[BaseException], extended: bool, at: int
) -> None:
    seen = itertools.count(1)

    def decode(data: bytes) -> object:
        if next(seen) == at:
            raise raised("from the codec")
        return int(data)

    connection.registry.register(
        Codec("int4", 23, 1007, text_decoder=always(decode), text_encoder=always(str))
    )
    with pytest.raises(raised, match="from the codec"):
        connection.query(
            "SELECT 'stale', n FROM generate_series(1, 3000) n", [] if extended else None
        )
    assert assert_in_step(connection)


@pytest.mark.parametrize("raised", RAISED)
def test_an_encoder_raises(connection: pgwire.Connection, raised: type[BaseException]) -> None:
    def encode(value: object) -> bytes:
        raise raised("from the codec")

    connection.registry.register(
        Codec("int4", 23, 1007, text_decoder=always(int), text_encoder=always(encode))
    )
    with pytest.raises(raised, match="from the codec"):
        connection.query("SELECT $1", [1])
    assert assert_in_step(connection)


class FlakySocket:
    """A socket that raises at its call number `at`, before or after it has done its work."""

    def __init__(self, sock: socket.socket, at: int, raised: BaseException, late: bool) -> None:
        self._sock, self._at, self._raised, self._late = sock, at, raised, late
        self._calls = 0

    def recv_into(self, room: memoryview) -> int:
        return self._do(lambda: self._sock.recv_into(room[:8192]))

    def send(self, data: memoryview) -> int:
        return self._do(lambda: self._sock.send(data))

    def _do(self, function: Callable[[], int]) -> int:
        self._calls += 1
        if self._calls != self._at:
            return function()
        if self._late:
            self._at += 1  # for when there is nothing to do yet
            function()
            self._at -= 1
        raise self._raised

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


@pytest.mark.parametrize("raised", [Stop, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_an_interrupt_in_the_middle_of_input_and_output(
    cluster: Cluster, raised: type[BaseException], late: bool, extended: bool
) -> None:
    for at in (1, 2, 3, 7, 40):
        connection = pgwire.connect(cluster.conninfo())
        real = connection._transport.sock
        flaky = FlakySocket(real, at, raised("now"), late)
        connection._transport.sock = flaky  # type: ignore[assignment]
        try:
            with pytest.raises(raised):
                run(connection, extended)
            open_still = assert_in_step(connection)
            # Bytes whose number nobody knows must not be guessed.
            assert not (late and open_still)
        finally:
            connection.close()


@pytest.mark.parametrize("raised", [Stop, KeyboardInterrupt, MemoryError, Boom])
@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_an_interrupt_while_waiting(
    connection: pgwire.Connection,
    monkeypatch: pytest.MonkeyPatch,
    raised: type[BaseException],
    extended: bool,
) -> None:
    transport = connection._transport
    wait = transport._readable
    for at in range(1, 4):
        calls = itertools.count(1)

        def interrupted(*arguments: object, at: int = at, calls: Iterator[int] = calls) -> object:
            if next(calls) == at:
                raise raised("while waiting")
            return wait(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(transport, "_readable", interrupted)
            with suppress(raised):  # the server may have been too quick to be waited for
                sleep = "SELECT 'stale', pg_sleep(0.01) FROM generate_series(1, 5)"
                connection.query(sleep, [] if extended else None)
        assert assert_in_step(connection)


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("timeout", [0, 0.001, 0.005, 0.02])
def test_a_timeout_at_any_moment(
    connection: pgwire.Connection, extended: bool, timeout: float
) -> None:
    for _ in range(5):
        with suppress(errors.TimeoutExpired, errors.error_class("22012")):
            sql = EXTENDED if extended else EVENTFUL
            connection.query(sql, [20000] if extended else None, timeout=timeout)
        assert assert_in_step(connection)


def test_a_timeout_while_much_is_sent(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.TimeoutExpired, match="has been cancelled"):
        connection.query("SELECT octet_length($1)", ["x" * (30 << 20)], timeout=0.001)
    assert assert_in_step(connection)


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_a_reply_given_up_at_any_point(connection: pgwire.Connection, extended: bool) -> None:
    for batches in range(4):
        for cancel in (True, False):
            reply = connection.send(EXTENDED, [4000]) if extended else connection.send(EVENTFUL)
            for _ in range(batches):
                reply.next_result()
                reply.next_rows()
            connection.resynchronise(cancel=cancel)
            assert assert_in_step(connection)
            assert reply.done
            assert reply.next_result() is None


def test_notifications_interrupted(connection: pgwire.Connection) -> None:
    connection.execute("LISTEN i1")
    listening = connection.notifies(timeout=0)
    assert next(listening, None) is None
    connection.execute("NOTIFY i1")
    assert next(connection.notifies(timeout=5)).channel == "i1"
    assert assert_in_step(connection)
