"""Numbers of the protocol that more than one file needs: versions, codes, bounds.

Manual: 54.2.1, 54.7.
"""

from __future__ import annotations

from typing import Final

PROTOCOL_3_0: Final = 3 << 16
PROTOCOL_3_2: Final = 3 << 16 | 2
"""The minor versions that exist: there never was a 3.1."""

CANCEL_REQUEST_CODE: Final = 1234 << 16 | 5678
SSL_REQUEST_CODE: Final = 1234 << 16 | 5679
GSSENC_REQUEST_CODE: Final = 1234 << 16 | 5680
"""What stands in the place of a protocol version in the requests that come before a startup."""

TEXT: Final = 0
BINARY: Final = 1
"""Format codes of parameters, columns and COPY data."""

IDLE: Final = b"I"
IN_TRANSACTION: Final = b"T"
FAILED_TRANSACTION: Final = b"E"
TRANSACTION_STATUSES: Final = frozenset((IDLE, IN_TRANSACTION, FAILED_TRANSACTION))
"""The status byte of ReadyForQuery."""

# Bounds on the length word of a message, which counts itself but not the type byte. They are the
# server's own (PQ_SMALL_MESSAGE_LIMIT, PQ_LARGE_MESSAGE_LIMIT, PG_MAX_AUTH_TOKEN_LENGTH): it drops
# the connection of a client that passes them, often without a word.

SMALL_MESSAGE_LIMIT: Final = 10_000
LARGE_MESSAGE_LIMIT: Final = 0x3FFFFFFE
PASSWORD_MESSAGE_LIMIT: Final = 65_535
STARTUP_PACKET_LIMIT: Final = 10_000
"""A first packet, without its length word (MAX_STARTUP_PACKET_LENGTH)."""

FRONTEND_LIMITS: Final = {
    **dict.fromkeys(b"CDEHSXcf", SMALL_MESSAGE_LIMIT),
    **dict.fromkeys(b"QPBFd", LARGE_MESSAGE_LIMIT),
    ord("p"): PASSWORD_MESSAGE_LIMIT,
}
"""Type byte of a message that a client sends -> the largest length that a server takes."""

SHORT_REPLY_LIMIT: Final = 30_000
AUTHENTICATION_LIMIT: Final = 2_000
MAX_LENGTH: Final = 0x7FFFFFFF

BACKEND_LIMITS: Final = {
    **dict.fromkeys(b"KSZI123nsGHWcC", SHORT_REPLY_LIMIT),
    **dict.fromkeys(b"dDENVATt", MAX_LENGTH),
    **dict.fromkeys(b"Rv", AUTHENTICATION_LIMIT),
}
"""Type byte of a message that a server sends -> the largest length that libpq takes. A length that
passes it is the sign that the two ends have lost each other."""

CANCEL_KEY_LIMIT: Final = 256
"""Bytes of the secret key in 3.2; in 3.0 it has 4."""


def server_version_number(text: str) -> int:
    """The parameter server_version as a number that compares: "15.20 (Debian …)" is 150020,
    "9.6.24" is 90624, "18beta1" is 180000; 0 if there is no number in front."""
    numbers: list[int] = []
    for piece in text.lstrip().split(".", 2):
        digits = piece[: len(piece) - len(piece.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits[:9]))
        if digits != piece:
            break
    match numbers:
        case [major, minor, patch]:
            return (100 * major + minor) * 100 + patch
        case [major, minor]:
            # Until 9.6 the first two numbers made the major version.
            return 10_000 * major + minor if major >= 10 else (100 * major + minor) * 100
        case [major]:
            return 10_000 * major
    return 0
