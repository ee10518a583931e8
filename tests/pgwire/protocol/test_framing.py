from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwire import errors
from pgwire.protocol.backend import CommandComplete, DataRow, NoticeResponse, ReadyForQuery
from pgwire.protocol.constants import BACKEND_LIMITS, FRONTEND_LIMITS
from pgwire.protocol.framing import INITIAL_SIZE, FrameBuffer

Frame = tuple[int, bytes]

bodies = st.binary(max_size=30)
kinds = st.sampled_from(sorted(BACKEND_LIMITS)) | st.just(b"D"[0])
frames = st.lists(st.tuples(kinds, bodies), max_size=12)


def wire(items: list[Frame]) -> bytes:
    return b"".join(struct.pack("!Bi", kind, len(body) + 4) + body for kind, body in items)


def taken(buffer: FrameBuffer) -> Iterator[Frame]:
    while (frame := buffer.next_frame()) is not None:
        kind, start, end = frame
        yield kind, bytes(buffer.data[start:end])


def rows(buffer: FrameBuffer) -> bytes:
    start, stop = buffer.data_rows()
    return bytes(buffer.data[start:stop])


@given(frames, st.data())
def test_frames_do_not_depend_on_how_bytes_are_cut(items: list[Frame], draw: st.DataObject) -> None:
    stream = wire(items)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    tail = draw.draw(st.sampled_from((b"", b"D", b"D\0\0\0", b"D\0\0\0\x09abcd")))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in itertools.pairwise(edges)]
    for pieces in ([stream], [bytes((b,)) for b in stream], chunks):
        buffer = FrameBuffer()
        got: list[Frame] = []
        for piece in [*pieces, tail]:
            buffer.feed(piece)
            got += taken(buffer)
        assert got == items
        assert buffer.pending == len(tail)
        assert buffer.peek() is None


@given(frames, st.integers(1, 40))
def test_runs_of_rows_and_frames_between_them_make_the_stream(
    items: list[Frame], step: int
) -> None:
    stream = wire(items)
    buffer = FrameBuffer()
    got = b""
    for at in range(0, len(stream), step):
        buffer.feed(stream[at : at + step])
        while True:
            run = rows(buffer)
            got += run
            kind = buffer.peek()
            assert kind != b"D"[0]  # the run takes all rows that are complete
            if kind is None:
                break
            frame = buffer.next_frame()
            assert frame is not None
            assert frame[0] == kind
            got += bytes(buffer.data[frame[1] - 5 : frame[2]])
    assert got == stream
    assert buffer.pending == 0


@given(st.lists(st.sampled_from((4, 4, 4, 5)), max_size=60), st.integers(0, 8))
def test_runs_of_rows_of_equal_length(lengths: list[int], missing: int) -> None:
    # Long runs take a short cut that compares headers by strides: it must see every difference.
    items = [(b"D"[0], b"DDDDD"[:length]) for length in lengths]
    stream = wire(items)
    arrived = stream[: max(0, len(stream) - missing)]
    complete = 0
    for item in items:
        size = len(wire([item]))
        if complete + size > len(arrived):
            break
        complete += size
    buffer = FrameBuffer()
    buffer.feed(arrived)
    assert rows(buffer) == stream[:complete]


def test_a_run_ends_before_what_is_no_row() -> None:
    run = DataRow((b"1", b"2")).encode() * 20
    for following in (CommandComplete(b"SELECT 20").encode(), b"D\0\0\0\x10\0", b"D\0", b""):
        buffer = FrameBuffer()
        buffer.feed(run + following)
        assert rows(buffer) == run
        assert buffer.pending == len(following)
        start, stop = buffer.data_rows()
        assert start == stop


@pytest.mark.parametrize("byte", range(5))
def test_rows_inside_a_value_are_not_taken_for_rows(byte: int) -> None:
    row = DataRow((b"1",)).encode()
    header = bytearray(row[:5])
    header[byte] = {0: ord("d"), 1: 1, 2: 1, 3: 1, 4: 255}[byte]
    buffer = FrameBuffer()
    # A value made of rows, in a frame that looks nearly like theirs and is not complete.
    buffer.feed(row * 10 + header + row[5:] + row * (10 if byte else 0))
    assert rows(buffer) == row * 10


def test_a_broken_header_inside_a_run_is_seen() -> None:
    row = DataRow((b"1",)).encode()
    for broken in (b"D\0\0\0\3", b"D\xff\xff\xff\xff", b"D\x7f\xff\xff\xff"):
        buffer = FrameBuffer()
        buffer.feed(row * 20 + broken + row * 20)
        with pytest.raises(errors.ProtocolError, match="lost synchronization with server"):
            buffer.data_rows()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"Z\0\0\0\3", 'lost synchronization with server: got message type "Z", length 3'),
        (b"D\0\0\0\0", 'got message type "D", length 0'),
        (b"D\xff\xff\xff\xfb", 'got message type "D", length -5'),
        (b"D\x80\0\0\0", 'got message type "D", length -2147483648'),
        (b"D\x7f\xff\xff\xff", 'got message type "D", length 2147483647'),
        (b"D\x40\0\0\1", 'got message type "D", length 1073741825'),
        (b"Z\0\0\x75\x31", 'got message type "Z", length 30001'),
        (b"C\0\0\x75\x31", 'got message type "C", length 30001'),
        (b"HTTP/1.1", 'got message type "H", length 1414811695'),
        (b"R\0\0\x07\xd1", "received invalid authentication request"),
        (b"v\0\0\x07\xd1", "received invalid protocol negotiation message"),
        (b"!", 'unexpected response from server; first received character was "!"'),
        (b"\0", r'first received character was "\\x00"'),
        (b"Q\0\0\0\4", 'first received character was "Q"'),
    ],
)
def test_impossible_headers_are_refused_before_the_body(header: bytes, message: str) -> None:
    for look in (FrameBuffer.next_frame, FrameBuffer.peek):
        buffer = FrameBuffer()
        buffer.feed(header)
        size = len(buffer.data)
        with pytest.raises(errors.ProtocolError, match=message):
            look(buffer)
        assert len(buffer.data) == size


@pytest.mark.parametrize("kind", sorted(BACKEND_LIMITS))
def test_only_some_types_may_be_long(kind: int) -> None:
    buffer = FrameBuffer()
    buffer.feed(struct.pack("!Bi", kind, 30_001))
    if kind in b"dDENVATt":
        assert buffer.next_frame() is None
    else:
        with pytest.raises(errors.ProtocolError):
            buffer.next_frame()


def test_the_maximum_is_the_callers() -> None:
    buffer = FrameBuffer(maximum=100)
    fits, too_long = DataRow((b"x" * 90,)).encode(), DataRow((b"x" * 91,)).encode()
    buffer.feed(fits)
    assert buffer.next_frame() is not None
    buffer.feed(fits + too_long)
    with pytest.raises(errors.ProtocolError, match='type "D", length 101'):
        buffer.data_rows()
    buffer = FrameBuffer(maximum=100)
    buffer.feed(too_long)
    with pytest.raises(errors.ProtocolError, match='type "D", length 101'):
        buffer.next_frame()
    buffer.maximum = 101
    assert buffer.next_frame() is not None


def test_what_a_client_sends_has_a_table_of_its_own() -> None:
    for kind, limit in FRONTEND_LIMITS.items():
        buffer = FrameBuffer(sender="client")
        buffer.feed(struct.pack("!Bi", kind, limit))
        assert buffer.next_frame() is None
        buffer = FrameBuffer(sender="client")
        buffer.feed(struct.pack("!Bi", kind, limit + 1))
        with pytest.raises(errors.ProtocolError, match="lost synchronization with client"):
            buffer.next_frame()
    buffer = FrameBuffer(sender="client")
    buffer.feed(b"T")
    with pytest.raises(errors.ProtocolError, match="invalid frontend message type 84"):
        buffer.next_frame()


@pytest.mark.parametrize("size", [INITIAL_SIZE - 100, INITIAL_SIZE, 300_000, 5_000_000])
def test_the_buffer_grows_for_a_large_frame_and_shrinks_again(size: int) -> None:
    large = NoticeResponse({"M": bytes(range(1, 200)) * (size // 199)}).encode()
    ready = ReadyForQuery(b"I").encode()
    buffer = FrameBuffer()
    for _ in range(2):
        buffer.feed(large[: size // 2])
        assert buffer.next_frame() is None
        buffer.feed(large[size // 2 :] + ready)
        frame = buffer.next_frame()
        assert frame is not None
        _kind, start, end = frame
        assert bytes(buffer.data[start - 5 : end]) == large
        assert buffer.peek() == b"Z"[0]
        buffer.writable()
        assert len(buffer.data) == INITIAL_SIZE
        assert [kind for kind, _ in taken(buffer)] == [b"Z"[0]]


def test_memory_is_taken_for_what_arrives_not_for_what_is_announced() -> None:
    buffer = FrameBuffer()
    buffer.feed(struct.pack("!ci", b"D", 1 << 30) + b"x" * 100)
    assert buffer.next_frame() is None
    room = buffer.writable()
    assert len(room) > 0
    assert len(buffer.data) == INITIAL_SIZE
    buffer.feed(bytes(2 * INITIAL_SIZE))
    assert len(buffer.data) <= 1024 * 1024


def test_there_is_always_room_and_what_was_received_stays() -> None:
    buffer = FrameBuffer()
    stream = b"".join(DataRow((b"%d" % n, b"x" * 1000)).encode() for n in range(1000))
    position = 0
    while position < len(stream):  # nothing is taken out meanwhile
        room = buffer.writable()
        count = min(len(room), 3000, len(stream) - position)
        assert count > 0
        room[:count] = stream[position : position + count]
        buffer.wrote(count)
        position += count
    assert buffer.pending == len(stream)
    assert rows(buffer) == stream


def test_bytes_that_do_not_fit_cannot_have_been_received() -> None:
    buffer = FrameBuffer()
    for count in (-1, INITIAL_SIZE + 1):
        with pytest.raises(ValueError, match="do not fit"):
            buffer.wrote(count)
