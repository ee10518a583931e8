"""Whatever a server sends, and however it is cut, it passes as it came, but for the calls."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.gateway import frames
from dblink.gateway.frames import Walk
from pgwire import errors

LARGEST_CALL = 6000


def frame(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def notice(severity: str, sqlstate: str, message: bytes, localized: str = "") -> bytes:
    fields = (
        b"S" + (localized or severity).encode(),
        b"V" + severity.encode(),
        b"C" + sqlstate.encode(),
        b"M" + message,
        b"Fpl_exec.c",
    )
    return b"".join([field + b"\0" for field in fields]) + b"\0"


class Recorder:
    """What a walk tells, in order. An error or notice that asks for it is replaced."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.room = True

    def call(self, payload: bytes) -> None:
        self.told.append(("call", payload))

    def call_too_large(self, beginning: bytes, size: int) -> None:
        assert len(beginning) <= frames.BEGINNING
        self.told.append(("too large", beginning[:100]))

    def reserve(self, size: int) -> bool:
        return self.room

    def notice(self, body: bytes) -> bytes | None:
        self.told.append(("notice", body))
        return body.replace(b"REPLACE", b"!") if b"REPLACE" in body else None

    def error(self, body: bytes | None) -> bytes | None:
        self.told.append(("error", body))
        if body is not None and b"REPLACE" in body:
            return body.replace(b"REPLACE", b"!")
        return None

    def status(self, body: bytes) -> None:
        self.told.append(("status", body))

    def ready(self, status: int) -> None:
        self.told.append(("ready", status))


def walked(pieces: list[bytes]) -> tuple[bytes, list[object]]:
    recorder = Recorder()
    walk = Walk(recorder, LARGEST_CALL)
    room = bytearray(max((len(piece) for piece in pieces), default=0) + 10)
    passed = []
    for piece in pieces:
        room[: len(piece)] = piece
        passed.append(walk.walk(room, len(piece)))
        room[:] = b"\xff" * len(room)  # what has been passed must not lie there
    return b"".join(passed), recorder.told


small = st.binary(max_size=40)
# (what is sent, what passes, what is told)
plain = st.tuples(
    st.sampled_from([b"D", b"d", b"C", b"T", b"1", b"A", b"v", b"\0", b"R"]), small
).map(lambda f: (frame(*f), frame(*f), None))
alike = st.tuples(st.sampled_from([b"D", b"d"]), small, st.integers(15, 40)).map(
    lambda f: (frame(*f[:2]) * f[2], frame(*f[:2]) * f[2], None)
)
ready = st.sampled_from(b"ITE").map(
    lambda s: (frame(b"Z", bytes([s])), frame(b"Z", bytes([s])), ("ready", s))
)
status = small.map(lambda b: (frame(b"S", b), frame(b"S", b), ("status", b)))
message = st.binary(max_size=300).map(lambda b: b.replace(b"\0", b"."))


def made_call(m: bytes, localized: str) -> tuple[bytes, bytes, object]:
    return frame(b"N", notice("INFO", "DBL01", m, localized)), b"", ("call", m)


calls = st.builds(made_call, message, st.sampled_from(["INFO", "ИНФОРМАЦИЯ", "情報"]))


def made_notice(severity: str, sqlstate: str, m: bytes) -> tuple[bytes, bytes, object]:
    body = notice(severity, sqlstate, m)
    return frame(b"N", body), frame(b"N", body), ("notice", body)


notices = st.builds(
    made_notice,
    st.sampled_from(["NOTICE", "WARNING", "INFO"]),
    st.sampled_from(["00000", "DBL02", "01000"]),
    message,
) | st.just(made_notice("NOTICE", "DBL01", b"forged, but no INFO"))


def made_error(m: bytes) -> tuple[bytes, bytes, object]:
    body = notice("ERROR", "22012", m)
    return frame(b"E", body), frame(b"E", body), ("error", body)


def made_replaced(kind: bytes) -> tuple[bytes, bytes, object]:
    body = notice("ERROR", "22012", b"please REPLACE me")
    told = "error" if kind == b"E" else "notice"
    return frame(kind, body), frame(kind, body.replace(b"REPLACE", b"!")), (told, body)


errors_and_others = message.map(made_error) | st.sampled_from([b"E", b"N"]).map(made_replaced)


def made_large_error(size: int) -> tuple[bytes, bytes, object]:
    sent = frame(b"E", notice("ERROR", "XX000", b"x" * size))
    return sent, sent, ("error", None)


large_errors = st.integers(frames.HOLD, frames.HOLD + 10).map(made_large_error)


def made_large_notice(size: int) -> tuple[bytes, bytes, object]:
    sent = frame(b"N", notice("NOTICE", "00000", b"x" * size))
    return sent, sent, "a large notice"


def made_large_call(size: int) -> tuple[bytes, bytes, object]:
    return frame(b"N", notice("INFO", "DBL01", b"y" * size)), b"", ("too large", b"y" * 100)


streams = st.lists(
    st.one_of(plain, alike, ready, status, calls, notices, errors_and_others), max_size=12
)


@given(streams, st.lists(st.integers(1, 400), max_size=30))
def test_everything_passes_as_it_came_but_for_the_calls(
    stream: list[tuple[bytes, bytes, object]], cuts: list[int]
) -> None:
    sent = b"".join([s for s, _, _ in stream])
    pieces, position = [], 0
    for cut in cuts:
        pieces.append(sent[position : position + cut])
        position += cut
    pieces.append(sent[position:])
    for cutting in ([sent], pieces, [sent[i : i + 1] for i in range(len(sent))]):
        passed, told = walked(cutting)
        assert passed == b"".join([p for _, p, _ in stream])
        assert told == [t for _, _, t in stream if t is not None]


@given(
    st.lists(
        st.one_of(
            plain,
            ready,
            calls,
            large_errors,
            st.integers(frames.HOLD, frames.HOLD + 10).map(made_large_notice),
            st.integers(LARGEST_CALL + 1, 2 * frames.HOLD).map(made_large_call),
        ),
        max_size=6,
    ),
    st.integers(1, 50_000),
)
def test_what_is_large_passes_in_pieces(
    stream: list[tuple[bytes, bytes, object]], cut: int
) -> None:
    sent = b"".join([s for s, _, _ in stream])
    passed, told = walked([sent[i : i + cut] for i in range(0, len(sent), cut)])
    assert passed == b"".join([p for _, p, _ in stream])
    # A large error or notice that has come as a whole may be told as a whole.
    assert [t[0] for t in told if isinstance(t, tuple) and t[0] != "notice"] == [
        t[0] for _, _, t in stream if isinstance(t, tuple)
    ]


def test_a_frame_that_goes_on_is_passed_as_it_comes() -> None:
    walk = Walk(Recorder(), LARGEST_CALL)
    row = frame(b"D", bytes(1_000_000))
    assert walk.walk(row[:100], 100) == row[:100]
    assert walk.walk(row[100:500], 400) == row[100:500]
    large = frame(b"E", notice("ERROR", "XX000", b"x" * 1_000_000))
    walk = Walk(recorder := Recorder(), LARGEST_CALL)
    assert walk.walk(large[:200], 200) == large[:200]
    assert recorder.told == [("error", None)]


def test_what_came_with_a_call_may_wait_if_the_server_had_kept_it() -> None:
    call = frame(b"N", notice("INFO", "DBL01", b"x"))
    told = frame(b"N", notice("NOTICE", "00000", b"x"))
    row, done = frame(b"D", b"x"), frame(b"Z", b"I")
    for piece, calling in (
        (call, True),
        (row + call, True),
        (row + call + row + call, True),
        (row, False),
        (call + row, False),
        (told + call, False),
        (frame(b"E", notice("ERROR", "XX000", b"REPLACE")) + call, False),
        (done + row + call, False),
        (done, False),
        (row + call[:10], False),
        (row[:10], False),
    ):
        walk = Walk(Recorder(), LARGEST_CALL)
        walk.walk(piece, len(piece))
        assert walk.calling == calling, piece
        if piece.endswith(call[:10]):
            rest = call[10:] + row + call
            walk.walk(rest, len(rest))
            assert not walk.calling  # it began with the rest of a frame


def test_a_call_is_taken_up_to_the_bound_and_not_beyond() -> None:
    for size, told in ((LARGEST_CALL, "call"), (LARGEST_CALL + 1, "too large")):
        sent = frame(b"N", notice("INFO", "DBL01", b"z" * size))
        for cut in (len(sent), 1000):
            passed, events = walked([sent[i : i + cut] for i in range(0, len(sent), cut)])
            assert passed == b""
            assert [event[0] for event in events if isinstance(event, tuple)] == [told]


def test_a_large_call_is_collected_in_linear_time() -> None:
    recorder = Recorder()
    walk = Walk(recorder, 1 << 28)
    sent = frame(b"N", notice("INFO", "DBL01", b"z" * (1 << 25)))
    started = time.process_time()
    for i in range(0, len(sent), 8192):
        walk.walk(sent[i : i + 8192], len(sent[i : i + 8192]))
    assert len(recorder.told) == 1
    # 4096 pieces: copying what is there for each of them would take half a minute.
    assert time.process_time() - started < 5


def test_a_call_for_which_there_is_no_memory_is_not_taken() -> None:
    recorder = Recorder()
    recorder.room = False
    walk = Walk(recorder, 1 << 28)
    sent = frame(b"N", notice("INFO", "DBL01", b"z" * 200_000)) + frame(b"Z", b"I")
    passed = [
        walk.walk(sent[i : i + 8192], len(sent[i : i + 8192])) for i in range(0, len(sent), 8192)
    ]
    assert b"".join(passed) == frame(b"Z", b"I")
    assert recorder.told == [("too large", b"z" * 100), ("ready", ord("I"))]


@pytest.mark.parametrize("kind", [b"D", b"N", b"Z"])
@pytest.mark.parametrize("cut", [3, 5, 100])
def test_an_impossible_length_ends_the_walk(kind: bytes, cut: int) -> None:
    sent = frame(b"1") + kind + b"\0\0\0\3" + bytes(200)
    walk = Walk(Recorder(), LARGEST_CALL)
    with pytest.raises(errors.ProtocolError, match="length 3"):
        for i in range(0, len(sent), cut):
            walk.walk(sent[i : i + cut], len(sent[i : i + cut]))


def test_a_call_does_not_begin_where_its_frame_has_ended() -> None:
    cut = frame(b"N", b"SINFO\0")
    stream = cut + frames.CALL[1:] + b"x\0\0"
    # What follows is taken for a frame of its own, a long one.
    assert walked([stream]) == (stream, [("notice", b"SINFO\0")])
