"""Preparing a password for SCRAM. RFC 4013, as libpq applies it; manual: 54.3.1."""

from __future__ import annotations


def saslprep(password: bytes) -> bytes:
    """The bytes that SCRAM hashes for `password`, which is in UTF-8 or in anything else.

    What cannot be prepared is used as it is, never refused, since the server does the same: bytes
    that are not UTF-8, prohibited or unassigned characters, mixed directions, nothing left.
    """
    if password.isascii():
        return password
    try:
        text = password.decode("utf-8")
    except UnicodeDecodeError:
        return password
    import unicodedata

    mapped = _map(text)
    # The checks are made before normalization (RFC 3454 has them after it): PostgreSQL's order.
    if not mapped or _prohibited(mapped) or _mixes_directions(mapped):
        return password
    return unicodedata.normalize("NFKC", mapped).encode("utf-8")


def _map(text: str) -> str:
    # 2.1: other spaces become a space, "commonly mapped to nothing" vanishes. U+200B is in both
    # tables; PostgreSQL looks into that of the spaces first.
    import stringprep

    return "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if stringprep.in_table_c12(character) or not stringprep.in_table_b1(character)
    )


def _prohibited(text: str) -> bool:
    # 2.3, and 2.5: unassigned code points of Unicode 3.2.
    import stringprep as tables

    tests = (
        *(tables.in_table_c12, tables.in_table_c21_c22, tables.in_table_c3, tables.in_table_c4),
        *(tables.in_table_c5, tables.in_table_c6, tables.in_table_c7, tables.in_table_c8),
        *(tables.in_table_c9, tables.in_table_a1),
    )
    return any(test(character) for character in text for test in tests)


def _mixes_directions(text: str) -> bool:
    # 2.4, that is RFC 3454 section 6: right-to-left text has no left-to-right letter in it, and
    # begins and ends with a right-to-left one.
    from stringprep import in_table_d1, in_table_d2

    if not any(map(in_table_d1, text)):
        return False
    return any(map(in_table_d2, text)) or not (in_table_d1(text[0]) and in_table_d1(text[-1]))
