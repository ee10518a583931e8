"""Inputs from inputs: small damage of the kinds that break parsers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_EDGES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\0")
_TOKENS = (b"'", b'"', b"\\", b"=", b"%", b"@", b":", b"/", b",", b"{", b"}", b"(", b"[", b" ")


def mutated(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    """`data` with one to four changes, or spliced with another input of the `corpus`."""
    for _ in range(random_.randint(1, 4)):
        data = random_.choice(_CHANGES)(data, corpus, random_)
    return data[:100_000]


def _insert(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    at = random_.randint(0, len(data))
    return data[:at] + random_.choice(_EDGES + _TOKENS) + data[at:]


def _overwrite(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    at = random_.randint(0, len(data))
    new = random_.choice((*_EDGES, *_TOKENS, random_.randbytes(1), random_.randbytes(4)))
    return data[:at] + new + data[at + len(new) :]


def _delete(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    at = random_.randint(0, len(data))
    return data[:at] + data[at + random_.randint(1, 8) :]


def _repeat(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    at = random_.randint(0, len(data))
    piece = data[at : at + random_.randint(1, 16)]
    return data[:at] + piece * random_.randint(2, 20) + data[at:]


def _splice(data: bytes, corpus: Sequence[bytes], random_: random.Random) -> bytes:
    other = random_.choice(corpus)
    return data[: random_.randint(0, len(data))] + other[random_.randint(0, len(other)) :]


_CHANGES: tuple[Callable[[bytes, Sequence[bytes], random.Random], bytes], ...] = (
    _insert,
    _overwrite,
    _overwrite,
    _delete,
    _repeat,
    _splice,
)
