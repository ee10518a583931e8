"""What the argument `secure` of `connect` stands for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pgwire.errors import ConninfoError

__all__ = ["SECURE", "secured"]

SECURE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sslmode": "verify-full",
        "channel_binding": "require",
        "require_auth": "scram-sha-256",
    }
)
"""Nobody listens, the server is the one that was named, and it proves that it knows the password,
which it is never told."""


def secured(explicit: Mapping[str, str]) -> dict[str, str]:
    """The options that were given, and those of `SECURE`, which then count as given: service file
    and environment cannot weaken them.

    Raises ConninfoError, naming the option, if one of them was given another value.
    """
    for keyword, value in SECURE.items():
        if explicit.get(keyword, value) != value:
            raise ConninfoError(
                f'{keyword} "{explicit[keyword]}" may not be used with secure=True '
                f'(which means "{value}")'
            )
    return {**explicit, **SECURE}
