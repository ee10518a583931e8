"""Runs of CopyData, cut in bulk: whatever the frames, what a walk would find."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from pgwire.protocol.copystream import complete_frames, payload

MAXIMUM = 1 << 20
BODIES = st.one_of(
    st.lists(st.binary(max_size=12), max_size=20),
    # Runs of one size, some of which hold what looks like a header.
    st.builds(
        lambda body, count: [body] * count,
        st.sampled_from([b"", b"x", b"d\0\0\0\6", b"d\0\0\0\x09d", b"0123456789"]),
        st.integers(0, 30),
    ),
)


def framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@given(
    BODIES,
    st.sampled_from([b"", b"c\0\0\0\4", b"d\0\0\0\x20part", b"d\0\0\0\3", b"d\x7f\xff\xff\xff"]),
)
def test_complete_frames_and_nothing_else(bodies: list[bytes], rest: bytes) -> None:
    whole = b"".join([framed(b"d", body) for body in bodies])
    data = bytearray(b"before" + whole + rest)
    end = 6 + len(whole)
    last = end - len(framed(b"d", bodies[-1])) if bodies else 6
    assert complete_frames(data, 6, len(data), MAXIMUM) == (len(bodies), last, end)
    held, count, stop = payload(data, 6, len(data), MAXIMUM)
    assert (bytes(held), count, stop) == (b"".join(bodies), len(bodies), end)
    assert data == b"before" + whole + rest


@given(BODIES, st.data())
def test_cut_anywhere(bodies: list[bytes], chosen: st.DataObject) -> None:
    whole = bytearray().join([framed(b"d", body) for body in bodies])
    cut = chosen.draw(st.integers(0, len(whole)))
    count, _, stop = complete_frames(whole, 0, cut, MAXIMUM)
    assert stop <= cut
    assert bytes(payload(whole, 0, cut, MAXIMUM)[0]) == b"".join(bodies[:count])
    left = bodies[count:]
    assert not left or stop + len(framed(b"d", left[0])) > cut


def test_a_run_in_which_one_header_lies() -> None:
    for offset in range(5):
        data = bytearray(framed(b"d", b"12345") * 20)
        data[10 * 10 + offset] ^= 0x40
        count, _, stop = complete_frames(data, 0, len(data), MAXIMUM)
        assert stop >= 100 and (count == 10 or offset == 4)


def test_frames_of_another_kind() -> None:
    data = framed(b"D", b"row") * 20 + framed(b"C", b"")
    assert complete_frames(data, 0, len(data), MAXIMUM, b"D"[0]) == (20, 19 * 8, 160)
    assert complete_frames(data, 0, len(data), MAXIMUM) == (0, 0, 0)
