"""Answers that everybody can read and only the caller understands.

What passes snapshots passes as the body of a function, and the catalogue of functions is open to
all. So the body is enciphered with the number of the call, which only the caller's server process
and its client know: XOR with a stream of SHA-256 digests. A number is used once.
"""

from __future__ import annotations

import binascii
from hashlib import sha256
from typing import Final

__all__ = ["seal", "unseal"]

_BLOCK: Final = 32
_TAG: Final = 16


def seal(text: str, number: str) -> str:
    """`text` for whoever knows `number`: letters, digits, `+`, `/`, `=` and one colon. What stands
    before the colon tells that it is for this number, and nothing else."""
    plain = text.encode()
    enciphered = binascii.b2a_base64(_xor(plain, number), newline=False).decode()
    return f"{_tag(number)}:{enciphered}"


def unseal(sealed: str, number: str) -> str | None:
    """What was sealed for `number`; None if it was sealed for another one."""
    tag, _, enciphered = sealed.partition(":")
    if tag != _tag(number):
        return None
    return _xor(binascii.a2b_base64(enciphered), number).decode()


def _tag(number: str) -> str:
    return sha256(f"tag:{number}".encode()).hexdigest()[:_TAG]


def _xor(data: bytes, number: str) -> bytes:
    blocks = -(-len(data) // _BLOCK)
    stream = b"".join([sha256(f"{number}:{n}".encode()).digest() for n in range(blocks)])
    size = len(data)
    mixed = int.from_bytes(data) ^ int.from_bytes(stream[:size])
    return mixed.to_bytes(size)
