"""The number of a server's version. Manual: PQserverVersion."""

from __future__ import annotations


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
