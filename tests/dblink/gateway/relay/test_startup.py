"""What clients say first: good, bad, and anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.gateway import Running
from dblink.gateway.early import EarlyFrames, without_binding
from dblink.gateway.startup import DirectTLS, FirstPackets, Refused, Startup
from pgwire import errors
from pgwire.protocol.backend import (
    AuthenticationOk,
    AuthenticationSASL,
    AuthenticationSASLContinue,
)
from pgwire.protocol.frontend import CancelRequest, GSSENCRequest, Query, SSLRequest
from tests.dblink.gateway.relay.wire import Wire, fields, startup

SSL = SSLRequest().encode()
GSS = GSSENCRequest().encode()


@given(
    st.lists(
        st.sampled_from([SSL, GSS, startup(), CancelRequest(7, b"1234").encode(), b"\x16\x03\x01"])
        | st.binary(max_size=40)
        | st.builds(
            lambda n, rest: n.to_bytes(4) + rest, st.integers(0, 50), st.binary(max_size=50)
        ),
        max_size=5,
    ),
    st.booleans(),
    st.integers(1, 30),
)
def test_any_bytes_give_packets_or_a_refusal(parts: list[bytes], tls: bool, cut: int) -> None:
    data = b"".join(parts)
    packets = FirstPackets(tls=tls)
    found: list[type] = []
    try:
        for i in range(0, len(data), cut):
            packets.feed(data[i : i + cut])
            assert packets.pending <= 10_004 + cut
            while (packet := packets.next()) is not None:
                found.append(type(packet))
                if isinstance(packet, Startup | CancelRequest | DirectTLS):
                    return
    except Refused as refusal:
        assert refusal.answer[:1] in (b"", b"E")
    assert len(found) == len(set(found)) <= 2, "each kind of encryption is asked for once"


def test_startup_tells_where_to() -> None:
    packets = FirstPackets(tls=False)
    packets.feed(startup("eve", "", replication="database"))
    packet = packets.next()
    assert isinstance(packet, Startup)
    assert (packet.user, packet.database, packet.replication) == ("eve", "eve", True)
    packets = FirstPackets(tls=False)
    packets.feed(startup("eve", "shop", replication="off") + b"rest")
    packet = packets.next()
    assert isinstance(packet, Startup)
    assert (packet.user, packet.database, packet.replication) == ("eve", "shop", False)
    assert packets.rest() == b"rest"


@given(st.lists(st.tuples(st.sampled_from(b"RSKNEv?"), st.binary(max_size=30))), st.integers(1, 9))
def test_early_frames_come_as_they_are_up_to_the_first_ready(
    said: list[tuple[int, bytes]], cut: int
) -> None:
    frames = [bytes([kind]) + (len(body) + 4).to_bytes(4) + body for kind, body in said]
    data = b"".join(frames) + b"Z\0\0\0\5I" + b"more"
    early = EarlyFrames()
    found = []
    for i in range(0, len(data), cut):
        early.feed(data[i : i + cut])
        while (frame := early.next()) is not None:
            found.append(frame)
    assert found == frames
    assert early.over
    assert early.rest() == b"Z\0\0\0\5Imore"


@pytest.mark.parametrize("length", [0, 3, (1 << 20) + 1, 0xFFFFFFFF])
def test_an_early_frame_has_a_length_that_makes_sense(length: int) -> None:
    early = EarlyFrames()
    early.feed(b"R" + length.to_bytes(4))
    with pytest.raises(errors.ProtocolError, match=f"message of {length} bytes"):
        early.next()


def test_mechanisms_that_bind_are_not_offered() -> None:
    offered = AuthenticationSASL([b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256", b"NEW-PLUS"]).encode()
    assert without_binding(offered) == AuthenticationSASL([b"SCRAM-SHA-256"]).encode()
    for other in (AuthenticationOk().encode(), AuthenticationSASLContinue(b"r=x-PLUS").encode()):
        assert without_binding(other) == other


@pytest.mark.parametrize("requests", [b"", GSS, SSL, GSS + b"|" + SSL, SSL + b"|" + GSS])
def test_encryption_is_declined_where_there_is_none(relay: Running, requests: bytes) -> None:
    with Wire(relay.addresses[0]) as wire:
        for request in filter(None, requests.split(b"|")):
            wire.send(request)
            assert wire.exactly(1) == b"N"
        wire.log_in()


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (SSL + SSL, "received unencrypted data after SSL request"),
        (SSL + startup(), "received unencrypted data after SSL request"),
        (GSS + SSL, "received unencrypted data after GSSAPI encryption request"),
        ((8).to_bytes(4) + (2 << 16).to_bytes(4), "unsupported frontend protocol 2.0"),
        ((8).to_bytes(4) + (4 << 16).to_bytes(4), "unsupported frontend protocol 4.0"),
        ((12).to_bytes(4) + (3 << 16).to_bytes(4) + b"user", "invalid startup packet layout"),
        ((12).to_bytes(4) + (1234 << 16 | 5680).to_bytes(4) + b"user", "unsupported frontend"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    relay: Running, packet: bytes, message: str
) -> None:
    with Wire(relay.addresses[0]) as wire:
        wire.send(packet)
        refusal = fields(wire.frame())
        assert refusal["S"] == "FATAL"
        assert message in refusal["M"]
        assert wire.rest() == b""


def test_encryption_is_asked_for_once(relay: Running) -> None:
    with Wire(relay.addresses[0]) as wire:
        wire.send(SSL)
        assert wire.exactly(1) == b"N"
        wire.send(SSL)
        assert "unsupported frontend protocol 1234.5679" in fields(wire.frame())["M"]


@pytest.mark.parametrize(
    "packet",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        (10_005).to_bytes(4),
        (7).to_bytes(4) + b"abc",
        (0xFFFFFFFF).to_bytes(4),
        (8).to_bytes(4) + (1234 << 16 | 5678).to_bytes(4),
        (12 + 257).to_bytes(4) + (1234 << 16 | 5678).to_bytes(4) + bytes(4 + 257),
    ],
)
def test_what_is_no_startup_is_hung_up_on(relay: Running, packet: bytes) -> None:
    with Wire(relay.addresses[0]) as wire:
        wire.send(packet)
        assert wire.rest() == b""


def test_what_follows_the_startup_message_at_once_is_kept(relay: Running) -> None:
    with Wire(relay.addresses[0]) as wire:
        wire.send(startup() + Query(b"SELECT 42").encode())
        assert any(b"42" in frame for frame in wire.frames(count=2))


def test_a_server_that_is_not_there_is_named(relaying: Callable[..., Running]) -> None:
    gateway = relaying("host=127.0.0.1 port=1 user=me password=hush")
    with Wire(gateway.addresses[0]) as wire:
        wire.send(startup())
        refusal = fields(wire.frame())
        assert (refusal["S"], refusal["C"]) == ("FATAL", "08006")
        assert refusal["M"].startswith(
            'could not connect to the local server: connection to server at "127.0.0.1", '
            "port 1 failed: Connection refused"
        )
        assert "hush" not in str(refusal)
        assert wire.rest() == b""


def test_the_next_host_is_tried(relaying: Callable[..., Running], local: str) -> None:
    port = dict(item.split("=") for item in local.split())["port"]
    gateway = relaying(f"host=127.0.0.1,127.0.0.1 port=1,{port}")
    with Wire(gateway.addresses[0]) as wire:
        wire.log_in()


def test_who_says_nothing_is_hung_up_on(
    relaying: Callable[..., Running], local: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = relaying(local, startup_timeout=0.1)
    with Wire(gateway.addresses[0]) as silent, Wire(gateway.addresses[0]) as slow:
        slow.send(startup()[:20])
        assert silent.rest() == slow.rest() == b""
    assert "no session within 0.1 s" in caplog.text


def test_there_is_room_for_so_many(relaying: Callable[..., Running], local: str) -> None:
    gateway = relaying(local, max_clients=1)
    with Wire(gateway.addresses[0]) as one:
        one.log_in()
        with Wire(gateway.addresses[0]) as other:
            other.send(startup())
            refusal = fields(other.frame())
            assert (refusal["S"], refusal["C"]) == ("FATAL", "53300")
            assert refusal["M"] == "sorry, too many clients already"
        one.terminate()
        assert one.socket.fileno() == -1
    while True:  # the place is free when the gateway has seen the end
        with Wire(gateway.addresses[0]) as next_one:
            next_one.send(startup())
            if next_one.frame()[:1] != b"E":
                break


def test_not_everybody_may_wait_at_the_door(relaying: Callable[..., Running], local: str) -> None:
    gateway = relaying(local, max_clients=1)
    wires = [Wire(gateway.addresses[0]) for _ in range(2 * 1 + 100)]
    try:
        for wire in wires:
            wire.send(SSL)
            assert wire.exactly(1) == b"N"
        with Wire(gateway.addresses[0]) as one_too_many:
            assert one_too_many.rest() == b""
    finally:
        for wire in wires:
            wire.socket.close()


def test_who_is_asked_for_nothing_must_be_on_this_machine(
    relaying: Callable[..., Running], local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dblink.gateway.leg.Leg.local", False)
    with Wire(relaying(local).addresses[0]) as wire:
        wire.send(startup())
        refusal = fields(wire.frame())
        assert (refusal["S"], refusal["C"]) == ("FATAL", "28000")
        assert "does not ask for a password" in refusal["M"]
        assert wire.rest() == b""
    with Wire(relaying(local, trust=True).addresses[0]) as wire:
        wire.log_in()
