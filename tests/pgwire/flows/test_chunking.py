"""A third body, which hands a flow its input in pieces of any size: conversations recorded from a
real server must come out as they do over a socket, whatever the pieces."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.authentication import Credentials
from pgwire.flows.channel import Channel
from pgwire.flows.query import Exchange, RowSet, describe, extended_query, simple_query
from pgwire.flows.startup import startup
from pgwire.net.blocking import BlockingTransport
from pgwire.rows.decoder import decode_rows, typed_decoders
from pgwire.testing import Cluster
from pgwire.types.registry import default_registry

_T = TypeVar("_T")


class Ended(Exception):
    """The recording is at its end, and the flow wants more."""


class Replay:
    """Runs flows over recorded input; `size` gives the length of the next piece."""

    def __init__(self, recorded: bytes, size: Callable[[], int]) -> None:
        self.notices: list[str] = []
        self.channel = Channel(lambda notice: self.notices.append(notice.message))
        self.sent = bytearray()
        self._left = memoryview(recorded)
        self._size = size

    def run(self, flow: Flow[_T]) -> _T:
        try:
            need = next(flow)
            while True:
                answer = None
                if need is None:
                    if not self._left:
                        raise Ended
                    piece = self._left[: self._size()]
                    self._left = self._left[len(piece) :]
                    self.channel.frames.feed(piece)
                elif isinstance(need, bytes):
                    self.sent += need
                else:
                    answer = need()
                need = flow.send(answer)
        except StopIteration as stop:
            result: _T = stop.value
            return result


class Tap:
    """A socket that keeps what comes out of it."""

    def __init__(self, sock: socket.socket, kept: bytearray) -> None:
        self._sock, self._kept = sock, kept

    def recv_into(self, room: memoryview) -> int:
        count = self._sock.recv_into(room)
        self._kept += room[:count]
        return count

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


# SQL, and parameters if it goes by the extended protocol.
QUERIES: list[tuple[str, list[object] | None]] = [
    ("SELECT 1 AS a, 'é' AS b; SELECT; ; SELECT n FROM generate_series(1, 40) n", None),
    ("SELECT $1::int, $2::text, NULL::bytea", [7, "x" * 300]),
    ("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'zwei é'; END$$", None),
    ("LISTEN c; NOTIFY c, 'payload'", None),
    ("SET TIME ZONE 'Asia/Tokyo'; SELECT '2026-11-20 10:00+00'::timestamptz", None),
    ("SELECT 1; SELECT 1/(3 - n) FROM generate_series(1, 9) n; SELECT 3", None),
    ("SELECT nothing", []),
    ("", None),
    ("COPY (SELECT generate_series(1, 9)) TO STDOUT; SELECT 'after'", None),
    ("COPY (SELECT generate_series(1, 9)) TO STDOUT", []),
    ("CREATE TEMP TABLE i (a int)", None),
    ("COPY i FROM STDIN", []),
    ("COPY i FROM STDIN; SELECT 'never'", None),
    ("BEGIN; DECLARE c BINARY CURSOR FOR SELECT 1.5::float8; FETCH c; COMMIT", None),
]
DESCRIBED = ["SELECT 1 AS a, 2 AS b", "CREATE TABLE x ()", "SELECT nothing"]


def conversation(
    run: Callable[[Flow[object]], object],
    channel: Channel,
    begin: Callable[[], None],
) -> Iterator[object]:
    """All that the queries give, as values that compare; `run` is the body."""
    begin()
    yield channel.parameters.get("server_version")
    for sql, params in QUERIES:
        exchange: Exchange
        if params is None:
            exchange = simple_query(channel, sql)
        else:
            values = [
                default_registry.for_value(p)[1].text_encoder(channel.context)(p) for p in params
            ]
            exchange = extended_query(channel, sql, [0] * len(values), values)
        run(exchange.send())
        while (outcome := run(exchange.next_result())) is not None:
            yield type(outcome).__name__
            if isinstance(outcome, RowSet):
                yield outcome.columns
                decoders = typed_decoders(outcome.columns, default_registry, channel.context)
                while (bounds := run(exchange.next_rows())) is not None:
                    assert isinstance(bounds, tuple)
                    yield from decode_rows(channel.frames.data, *bounds, decoders)
            yield getattr(outcome, "tag", None)
            error = getattr(outcome, "error", None)
            yield str(error) if error is not None else None
        yield channel.state.transaction_status
    for sql in DESCRIBED:
        try:
            yield run(describe(channel, sql))
        except errors.DatabaseError as error:
            yield str(error)
    yield dict(channel.parameters)
    yield list(channel.notifications)


@pytest.fixture(scope="module")
def recording(cluster: Cluster) -> tuple[bytes, list[object], list[str]]:
    """What a real server has said, what the blocking body has made of it, and the notices."""
    kept = bytearray()
    notices: list[str] = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{cluster.host}/.s.PGSQL.{cluster.port}")
        channel = Channel(lambda notice: notices.append(notice.message))
        tap: Any = Tap(sock, kept)
        body = BlockingTransport(tap, channel, "server")
        results = list(conversation(body.run, channel, lambda: body.run(begin(channel))))
    return bytes(kept), results, notices


def begin(channel: Channel) -> Flow[None]:
    parameters = {b"user": b"postgres", b"client_encoding": b"UTF8"}
    return startup(channel, parameters, Credentials(b"postgres", None))


def replayed(recorded: bytes, size: Callable[[], int]) -> tuple[list[object], list[str]]:
    replay = Replay(recorded, size)
    results = list(
        conversation(replay.run, replay.channel, lambda: replay.run(begin(replay.channel)))
    )
    return results, replay.notices


Recording = tuple[bytes, list[object], list[str]]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, 1 << 20])
def test_pieces_of_one_size(recording: Recording, size: int) -> None:
    recorded, results, notices = recording
    assert replayed(recorded, lambda: size) == (results, notices)
    assert len(results) > 100 and len(notices) == 2


@given(data=st.data())
def test_pieces_of_any_size(recording: Recording, data: st.DataObject) -> None:
    recorded, results, notices = recording
    sizes = data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=50))
    turn = 0

    def size() -> int:
        nonlocal turn
        turn += 1
        return sizes[turn % len(sizes)]

    assert replayed(recorded, size) == (results, notices)


@given(data=st.data())
def test_a_conversation_that_is_cut_off_never_ends_by_itself(
    recording: Recording, data: st.DataObject
) -> None:
    recorded, results, _ = recording
    cut = data.draw(st.integers(0, len(recorded) - 1))
    replay = Replay(recorded[:cut], lambda: 100)
    got = []
    with pytest.raises(Ended):
        for result in conversation(
            replay.run, replay.channel, lambda: replay.run(begin(replay.channel))
        ):
            got.append(result)
    assert got == results[: len(got)]


@given(data=st.data())
def test_damage_is_never_taken_for_something_else_than_an_error(
    recording: Recording, data: st.DataObject
) -> None:
    recorded = bytearray(recording[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(recorded) - 1))
        recorded[place] = data.draw(st.integers(0, 255))
    with suppress(errors.Error, Ended):  # and no IndexError, struct.error, UnicodeDecodeError, …
        replayed(bytes(recorded), lambda: 4096)
