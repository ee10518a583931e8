"""Answers that everybody can read and only the caller understands.

What passes snapshots passes as the body of a function, and the catalogue of functions is open to
all. So the body is enciphered with the number of the call, which only the caller's server process
and its client know: XOR with a stream of SHA-256 digests. A number is used once.
"""

from __future__ import annotations

import binascii
from hashlib import sha256
from typing import Final

__all__ = ["digest", "seal", "unseal"]

_BLOCK: Final = 32
_DIGITS: Final = 16


def seal(text: str, number: str) -> str:
    """`text` for whoever knows `number`, in base64."""
    return binascii.b2a_base64(_xor(text.encode(), number), newline=False).decode()


def unseal(sealed: str, number: str) -> str:
    """What was sealed for `number`. Raises ValueError, or returns nonsense, for another one."""
    return _xor(binascii.a2b_base64(sealed), number).decode()


def digest(number: str) -> str:
    """What tells that something is for `number`, and nothing else: 16 hexadecimal digits."""
    return sha256(f"tag:{number}".encode()).hexdigest()[:_DIGITS]


def _xor(data: bytes, number: str) -> bytes:
    blocks = -(-len(data) // _BLOCK)
    stream = b"".join([sha256(f"{number}:{n}".encode()).digest() for n in range(blocks)])
    size = len(data)
    mixed = int.from_bytes(data) ^ int.from_bytes(stream[:size])
    return mixed.to_bytes(size)
