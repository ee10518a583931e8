"""Blocks that can be interrupted: where a wait ends, what comes out, and what state is left."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import pgwire
from pgwire.net.interrupts import here
from pgwire.protocol.frontend import Query
from pgwire.testing import Cluster
from pgwire.testing.script import ScriptedServer, expect, login, stall

EVERY = 0.01
BOUND = 2.0
"""Seconds in which a block must have ended after its check has raised."""


class Enough(Exception):
    """What the checks here raise: an Exception, which much code would take for an error."""


class Check:
    """Raises when `when` holds, and remembers when and how often it was called."""

    def __init__(self, when: Callable[[], object] = lambda: True) -> None:
        self.when = when
        self.calls = 0
        self.raised = 0.0
        self.error = Enough("enough")

    def __call__(self) -> None:
        self.calls += 1
        if self.when():
            self.raised = time.monotonic()
            raise self.error


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        yield connection


@pytest.fixture
def other(cluster: Cluster) -> Iterator[pgwire.Connection]:
    with pgwire.connect(cluster.conninfo()) as connection:
        yield connection


def stopped(check: Check, call: Callable[[], object], every: float = EVERY) -> None:
    """Expect that `check` ends the `call`, once, and soon."""
    with pytest.raises(Enough) as caught, pgwire.interruptible(check, every=every):
        call()
    assert caught.value is check.error
    assert time.monotonic() - check.raised < BOUND
    calls = check.calls
    assert here.block is None
    assert check.calls == calls


def busy(other: pgwire.Connection, connection: pgwire.Connection) -> bool:
    (row,) = other.query(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'",
        (connection.info.process_id,),
    )
    return bool(row[0])


def in_step(connection: pgwire.Connection) -> None:
    assert not connection.closed
    assert connection.query("SELECT 1").rows == [(1,)]


def long_pipeline(connection: pgwire.Connection) -> None:
    with connection.pipeline() as pipeline:
        pipeline.query("SELECT 1")
        pipeline.query("SELECT pg_sleep(60)")


def long_copy(connection: pgwire.Connection) -> None:
    connection.copy_out("COPY (SELECT pg_sleep(60)) TO STDOUT", bytearray())


def long_copy_in(connection: pgwire.Connection) -> None:
    connection.execute("CREATE TEMP TABLE taken(a text)")
    connection.execute(
        "CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'"
    )
    connection.execute(
        "CREATE TRIGGER slow BEFORE INSERT ON taken FOR EACH ROW EXECUTE FUNCTION pg_temp.slow()"
    )
    # More than the buffers on the way hold: it waits for a server that does not read.
    connection.copy_in("COPY taken FROM STDIN", (b"x" * 100_000 + b"\n" for _ in range(1000)))


def stream(connection: pgwire.Connection) -> None:
    with connection.stream("SELECT 1 UNION ALL SELECT 2 FROM pg_sleep(60)") as rows:
        for _ in rows:
            pass


CALLS: dict[str, Callable[[pgwire.Connection], object]] = {
    "query": lambda c: c.query("SELECT pg_sleep(60)"),
    "with parameters": lambda c: c.query("SELECT pg_sleep($1)", (60,)),
    "pipeline": long_pipeline,
    "copy out": long_copy,
    "copy in": long_copy_in,
    "stream": stream,
    "notifications": lambda c: list(c.notifies()),
    "wait_any": lambda c: pgwire.wait_any([c]),
    "with a timeout": lambda c: c.query("SELECT pg_sleep(60)", timeout=60),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wait_is_interrupted(
    connection: pgwire.Connection, other: pgwire.Connection, name: str
) -> None:
    idle = name in ("notifications", "wait_any")
    check = Check(lambda: idle or busy(other, connection))
    stopped(check, lambda: CALLS[name](connection))
    in_step(connection)
    assert not busy(other, connection)


def test_what_never_waits_is_interrupted(connection: pgwire.Connection) -> None:
    check = Check(lambda: check.calls > 2)
    many = "SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"
    stopped(check, lambda: connection.copy_out(f"COPY ({many}) TO STDOUT", lambda piece: None))
    in_step(connection)


def test_quick_queries_are_interrupted(connection: pgwire.Connection) -> None:
    def run() -> None:
        while True:
            connection.query("SELECT 1")

    stopped(Check(), run)
    in_step(connection)


def test_it_is_called_as_often_as_was_said(connection: pgwire.Connection) -> None:
    times: list[float] = []
    with pgwire.interruptible(lambda: times.append(time.monotonic()), every=0.02):
        begun = time.monotonic()
        connection.query("SELECT pg_sleep(0.3)")
    assert len(times) <= (time.monotonic() - begun) / 0.02
    assert len(times) >= 5
    in_step(connection)


def test_timeouts_and_results_are_what_they_are_outside(connection: pgwire.Connection) -> None:
    with pgwire.interruptible(lambda: None, every=EVERY):
        assert connection.query("SELECT pg_sleep(0.05), 1").rows[0][1] == 1
        begun = time.monotonic()
        with pytest.raises(pgwire.TimeoutExpired):
            connection.query("SELECT pg_sleep(60)", timeout=0.1)
        assert 0.1 <= time.monotonic() - begun < BOUND
        begun = time.monotonic()
        assert pgwire.wait_any([connection], timeout=0.05) == []
        assert 0.05 <= time.monotonic() - begun < BOUND
    in_step(connection)


def test_connecting_to_who_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        check = Check()
        stopped(check, lambda: pgwire.connect(host="127.0.0.1", port=port, user="u"))
        accepted, _ = silent.accept()
        with accepted:
            accepted.settimeout(BOUND)
            while accepted.recv(1000):
                pass  # … and to its end: nothing is left open


def test_dialling_who_does_not_accept() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        try:
            for _ in range(8):  # the queue is full then, and Linux answers nobody
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                with suppress(BlockingIOError):
                    waiting[-1].connect(address)
            stopped(Check(), lambda: pgwire.connect(host="127.0.0.1", port=address[1], user="u"))
        finally:
            for sock in waiting:
                sock.close()


def test_looking_a_name_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = threading.Event(), threading.Event()
    masks: list[set[int]] = []
    asked = socket.getaddrinfo

    def slow(host: str, *args: object, **options: object) -> object:
        if host != "slow.example":
            return asked(host, *args, **options)  # type: ignore[arg-type]
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
        begun.set()
        over.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        stopped(Check(begun.is_set), lambda: pgwire.connect(host="slow.example", user="u"))
    finally:
        over.set()
    # Signals are for the program's own threads.
    assert signal.SIGINT in masks[0] and signal.SIGUSR1 in masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_name_is_looked_up_in_a_block(cluster: Cluster) -> None:
    port = cluster.port
    with (
        pgwire.interruptible(lambda: None),
        pgwire.connect(cluster.conninfo(), host="localhost", port=port) as connection,
    ):
        in_step(connection)


@pytest.mark.parametrize("swallow", [BaseException, pgwire.Interruption])
def test_a_swallowed_interruption_comes_out(
    connection: pgwire.Connection, swallow: type[BaseException]
) -> None:
    def run() -> None:
        with suppress(swallow):
            connection.query("SELECT pg_sleep(60)")

    stopped(Check(), run)
    in_step(connection)


def test_what_the_check_raises_wins(connection: pgwire.Connection) -> None:
    def run() -> None:
        try:
            connection.query("SELECT pg_sleep(60)")
        finally:
            raise ValueError("of clean-up")

    check = Check()
    stopped(check, run)
    assert isinstance(check.error.__context__, ValueError)


def test_other_errors_come_out_as_they_are(connection: pgwire.Connection) -> None:
    with pytest.raises(pgwire.ProgrammingError), pgwire.interruptible(lambda: None, every=EVERY):
        connection.query("SELECT nothing")
    assert here.block is None


def test_clean_up_has_an_end() -> None:
    """A server that does not answer, not even a CancelRequest."""
    script = [login(), expect(Query), stall()]
    with (
        ScriptedServer(script, [stall()], [stall()]) as server,
        pgwire.connect(server.conninfo()) as connection,
    ):
        begun = time.monotonic()
        with pytest.raises(Enough), pgwire.interruptible(Check(), every=EVERY, grace=0.2):
            connection.query("SELECT 1")
        assert time.monotonic() - begun < BOUND
        assert connection.closed


def test_the_check_may_use_connections(
    connection: pgwire.Connection, other: pgwire.Connection
) -> None:
    seen: list[object] = []

    def check() -> None:
        assert here.block is None
        seen.append(other.query("SELECT pg_sleep(0.02), 7").rows[0][1])

    with pgwire.interruptible(check, every=EVERY):
        connection.query("SELECT pg_sleep(0.1)")
    assert set(seen) == {7}


def test_nested_blocks(connection: pgwire.Connection) -> None:
    outer, inner = Check(lambda: outer.calls > 3), Check(lambda: False)
    with (
        pytest.raises(Enough) as caught,
        pgwire.interruptible(outer, every=EVERY),
        pgwire.interruptible(inner, every=EVERY),
    ):
        connection.query("SELECT pg_sleep(60)")
    assert caught.value is outer.error and inner.calls
    in_step(connection)


def test_an_inner_block_ends_alone(connection: pgwire.Connection) -> None:
    outer, inner = Check(lambda: False), Check()
    with pgwire.interruptible(outer, every=EVERY):
        with pytest.raises(Enough) as caught, pgwire.interruptible(inner, every=EVERY):
            connection.query("SELECT pg_sleep(60)")
        assert caught.value is inner.error
        calls = outer.calls
        connection.query("SELECT pg_sleep(0.05)")
        assert outer.calls > calls
    in_step(connection)


def test_ctrl_c_in_the_moment_in_which_a_socket_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pressed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("pgwire.net.connect.server_name", pressed)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(BOUND)
        # As long as the error is there, so is what was connecting: nothing is closed by chance.
        with pytest.raises(KeyboardInterrupt) as kept:
            pgwire.connect(f"host=127.0.0.1 port={silent.getsockname()[1]} user=nobody")
        peer, _ = silent.accept()
        with peer:
            peer.settimeout(BOUND)
            assert peer.recv(1) == b"", kept


def test_a_block_that_nothing_interrupts(connection: pgwire.Connection) -> None:
    check = Check()

    def run() -> None:
        with pgwire.interruptible(None):
            assert connection.query("SELECT pg_sleep(0.1), 3").rows[0][1] == 3
        assert check.calls == 0
        connection.query("SELECT pg_sleep(60)")

    stopped(check, run)
    in_step(connection)


def test_another_thread_is_not_concerned(connection: pgwire.Connection) -> None:
    rows: list[object] = []
    thread = threading.Thread(
        target=lambda: rows.extend(connection.query("SELECT 5 FROM pg_sleep(0.1)"))
    )
    with pgwire.interruptible(Check(), every=EVERY):
        thread.start()
        thread.join()
    assert rows == [(5,)]


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": -1}, {"grace": 0}])
def test_times_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(pgwire.ProgrammingError, match="above 0"):
        pgwire.interruptible(lambda: None, **wrong)
