"""What the gateway reads of strangers: first packets, a server's stream, calls, errors, names."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable

from dblink.gateway import calls, contexts, sealing
from dblink.gateway.frames import Walk
from dblink.gateway.startup import FirstPackets, Refused
from dblink.remotes import Remotes, plain_address
from pgwire import errors

_LARGEST_CALL = 5000
_CODECS = ("utf-8", "latin-1", "ascii", "euc_jp")


def first_packets(data: bytes) -> None:
    """A client's first bytes, in pieces: packets or a refusal, and nothing is kept for long."""
    packets = FirstPackets(tls=bool(data[:1] > b"\x7f"))
    step = data[0] % 9 + 1 if data else 1
    with contextlib.suppress(Refused):
        for start in range(1, len(data), step):
            packets.feed(data[start : start + step])
            while (packet := packets.next()) is not None:
                repr(packet)
            assert packets.pending <= 10_004 + step


def relayed(data: bytes) -> None:
    """What passes of a server's stream does not depend on where it is cut, and is what came,
    without the calls."""
    cut = data[0] % 7 + 1 if data else 1
    whole, pieces = _walked(data, len(data) or 1), _walked(data, cut)
    if whole is not None and pieces is not None:
        assert whole == pieces, (data, whole, pieces)
        # Half of a call may be left, which is nothing to pass on.
        assert whole[1] or data.startswith(whole[0])


class _Watcher:
    def __init__(self) -> None:
        self.seen: list[object] = []
        self.taken = 0

    def call(self, payload: bytes) -> None:
        self.taken += 1
        self.seen.append(payload)

    def call_too_large(self, beginning: bytes, size: int) -> None:
        self.taken += 1

    def reserve(self, size: int) -> bool:
        return True

    def notice(self, body: bytes) -> bytes | None:
        return None

    def error(self, body: bytes | None) -> bytes | None:
        return None

    def status(self, body: bytes) -> None:
        self.seen.append(body)

    def ready(self, status: int) -> None:
        self.seen.append(status)


def _walked(data: bytes, step: int) -> tuple[bytes, int, list[object]] | None:
    watcher = _Watcher()
    walk = Walk(watcher, _LARGEST_CALL)
    passed = b""
    try:
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            passed += walk.walk(bytearray(piece), len(piece))
    except errors.ProtocolError:
        return None
    return passed + walk.rest(), watcher.taken, watcher.seen


def forged_call(data: bytes) -> None:
    """Any bytes as the JSON of a call, and as what should be base64 of it."""
    calls.number_in(data)
    for payload in (data, base64.b64encode(data)):
        with contextlib.suppress(calls.Malformed):
            message = calls.decode(payload, _CODECS[len(data) % 3])
            if isinstance(message, calls.Call):
                assert message.declared <= (message.types is not None)
                calls.answer(calls.rows([message.arguments]))
            else:
                assert all(v is None or isinstance(v, str) for row in message.rows for v in row)


def error_context(data: bytes) -> None:
    """The fields of an error, and the context that is put into it, in any encoding."""
    codec = _CODECS[data[0] % len(_CODECS)] if data else "utf-8"
    added, _, body = data[1:].partition(b"~")
    text = added.decode("utf-8", "replace")
    new = contexts.rewritten(body, codec, lambda *fields: text if fields[0] else None)
    assert new is None or new.endswith(b"\0")
    if contexts.concerns(body):
        contexts.rewritten(body, codec, lambda *fields: None)


def allow_pattern(data: bytes) -> None:
    """A pattern of the allow-list, an address, and an answer that was sealed."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        Remotes([text])
    with contextlib.suppress(ValueError):
        plain_address(text)
    number = f"{len(data):032x}"
    assert sealing.unseal(sealing.seal(text, number), number) == text


HARNESSES: dict[str, Callable[[bytes], None]] = {
    harness.__name__: harness
    for harness in (first_packets, relayed, forged_call, error_context, allow_pattern)
}

_CALL = b"SINFO\0VINFO\0CDBL01\0M" + base64.b64encode(b'{"n":"0"}') + b"\0\0"
_JSON = (
    b'{"n":"0123456789abcdef0123456789abcdef","v":1,"f":"dblink","a":["c","SELECT 1"],'
    b'"types":[["integer",23]],"bell":0,"role":"alice","iso":"read committed"}'
)
_CONTEXT = (
    b"SERROR\0VERROR\0C42703\0Mno\0WSQL statement\nPL/pgSQL function dblink_gateway.call(text,"
    b"jsonb,text[]) line 22 at RAISE\nPL/pgSQL function dblink(text,text) line 3 at assignment\0\0"
)

SEEDS: dict[str, list[bytes]] = {
    "first_packets": [
        b"\x01\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x16\0\3\0\0user\0alice\0\0",
        b"\xff\0\0\0\x08\x04\xd2\x16\x30" + b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1abcd",
        b"\xff\x16\x03\x01\x02\0",
    ],
    "relayed": [
        b"N" + (len(_CALL) + 4).to_bytes(4) + _CALL + b"Z\0\0\0\5I",
        b"D\0\0\0\x0b\0\1\0\0\0\x011" * 20 + b"C\0\0\0\rSELECT 1\0Z\0\0\0\5I",
        b"E\0\0\0\x0fSERROR\0C00\0\0\0" + b"S\0\0\0\x09a\0b\0\0",
    ],
    "forged_call": [
        _JSON,
        b'{"n":"0123456789abcdef0123456789abcdef","v":1,"rows":["(1,\\"a b\\",)",["x",null]]}',
        _JSON.replace(b"dblink", b"dblink_build_sql_insert").replace(b'["c"', b'["c",[[],["x"]]'),
    ],
    "error_context": [
        b"\0Error occurred on a connection~" + _CONTEXT,
        "\1Ж~".encode() + _CONTEXT,
    ],
    "allow_pattern": [b"10.0.0.0/8:5432", b"[fd00::1]:*", b"/var/run", b"*.example:5432", b"::1%a"],
}
