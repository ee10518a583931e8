"""Text and numbers as libpq reads them: bytes of the string, white space of C, integers of strtol.

Connection strings are byte strings for libpq. Here they are str: UTF-8, with surrogateescape for
bytes that are not.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pgwire.errors import ConninfoError

if TYPE_CHECKING:
    import re

__all__ = [
    "HIDDEN",
    "WHITE_SPACE",
    "decode",
    "encode",
    "match_end",
    "option_text",
    "parse_integer",
    "scheme_length",
]

HIDDEN: Final = "****"
"""What stands in the place of a secret, whatever its length."""

WHITE_SPACE: Final = b" \\t\\n\\v\\f\\r"
"""C's isspace() in the C locale, as the inside of a character class of a regular expression. Unlike
Python's it has neither \\x1c to \\x1f nor anything beyond ASCII."""

_SPACES: Final = " \t\n\v\f\r"
_URI_SCHEMES: Final = (b"postgresql://", b"postgres://")
_INT_MAX: Final = 2**31 - 1
_MAXIMUM_DIGITS: Final = 4000
"""Below the length from which Python refuses to convert decimal digits."""


def encode(text: str, what: str = "connection info string") -> bytes:
    """The bytes of `text`. Raises ConninfoError, naming `what`, for what no C string can hold."""
    if "\0" in text:
        raise ConninfoError(f"{what} must not contain a null character")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ConninfoError(f"{what} contains a surrogate that stands for no byte") from None


def decode(raw: bytes) -> str:
    """The text of `raw`."""
    return raw.decode("utf-8", "surrogateescape")


def scheme_length(text: bytes) -> int:
    """How many bytes of `text` are the scheme of a connection URI; 0 if it is not one."""
    return next((len(scheme) for scheme in _URI_SCHEMES if text.startswith(scheme)), 0)


def match_end(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    """Where the match at `start` ends of a pattern that may also match nothing."""
    match = pattern.match(text, start)
    return match.end() if match is not None else start


def option_text(keyword: str, value: object) -> str:
    """The text of an option given as a Python value: str, int, bool (1 or 0), float or a path.

    Raises TypeError for other types, ConninfoError for a value that cannot be sent.
    """
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str):
        text = value
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, os.PathLike):
        text = os.fsdecode(value)
    else:
        raise TypeError(
            f'value of connection option "{keyword}" must be str, int, float, bool or a path, '
            f"not {type(value).__name__}"
        )
    encode(text, f'value of connection option "{keyword}"')
    return text


def parse_integer(keyword: str, value: str) -> int:
    """An option that is an integer. Raises ConninfoError in libpq's words if it is none."""
    text = value.strip(_SPACES)
    digits = text[1:] if text.startswith(("+", "-")) else text
    if digits.isascii() and digits.isdigit() and len(value) < _MAXIMUM_DIGITS:
        number = int(text)
        if -_INT_MAX - 1 <= number <= _INT_MAX:
            return number
    raise ConninfoError(f'invalid integer value "{value}" for connection option "{keyword}"')
