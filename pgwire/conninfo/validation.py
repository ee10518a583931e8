"""The checks of options that come before any connection, in libpq's order and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pgwire.conninfo.options import OPTIONS
from pgwire.errors import ConninfoError
from pgwire.protocol.constants import PROTOCOL_3_0, PROTOCOL_3_2

__all__ = ["protocol_versions", "scram_key", "validate"]

_AUTH_METHODS: Final = ("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none")
_STRONG_SSL_MODES: Final = ("require", "verify-ca", "verify-full")
_PROTOCOL_CODES: Final = {"3.0": PROTOCOL_3_0, "3.2": PROTOCOL_3_2, "latest": PROTOCOL_3_2}
_SCRAM_KEY_LENGTH: Final = 32
_BASE64: Final = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


def validate(values: Mapping[str, str]) -> None:
    """Raise ConninfoError for the first option, in libpq's order, whose value cannot be.

    Arguments:
        values: the options after defaults; those that are unset are missing.

    Lists of hosts and ports are checked elsewhere (`pgwire.conninfo.targets`), and integers when
    they are used, as libpq does.
    """
    if values.get("require_auth"):
        _check_require_auth(values["require_auth"])
    _check_choice(values, "channel_binding")
    _check_choice(values, "sslmode")
    _check_choice(values, "sslnegotiation")
    mode = values.get("sslmode")
    if values.get("sslnegotiation") == "direct" and mode not in _STRONG_SSL_MODES:
        raise ConninfoError(
            f'weak sslmode "{mode}" may not be used with sslnegotiation=direct '
            '(use "require", "verify-ca", or "verify-full")'
        )
    if values.get("sslrootcert") == "system" and mode != "verify-full":
        raise ConninfoError(
            f'weak sslmode "{mode}" may not be used with sslrootcert=system (use "verify-full")'
        )
    _check_tls_versions(values)
    _check_choice(values, "sslcertmode")
    _check_choice(values, "gssencmode")
    if values.get("gssencmode") == "require":
        raise ConninfoError(
            'gssencmode value "require" invalid when GSSAPI support is not compiled in'
        )
    _check_choice(values, "target_session_attrs")
    scram_key(values, "client")
    scram_key(values, "server")
    _check_choice(values, "load_balance_hosts")
    protocol_versions(values)


def scram_key(values: Mapping[str, str], side: str) -> bytes | None:
    """The 32 bytes of ``scram_client_key`` or ``scram_server_key``; None if it is not given."""
    text = values.get(f"scram_{side}_key")
    if text is None:
        return None
    import binascii
    import re

    if not re.fullmatch(_BASE64, text, re.ASCII):
        raise ConninfoError(f"invalid SCRAM {side} key")
    key = binascii.a2b_base64(text)
    if len(key) != _SCRAM_KEY_LENGTH:
        raise ConninfoError(f"invalid SCRAM {side} key length: {len(key)}")
    return key


def protocol_versions(values: Mapping[str, str]) -> tuple[int, int]:
    """The oldest protocol version to accept and the one to ask for, as numbers of the protocol."""
    _check_choice(values, "min_protocol_version")
    _check_choice(values, "max_protocol_version")
    oldest = _PROTOCOL_CODES[values.get("min_protocol_version", "3.0")]
    # Some servers and poolers fall over a version they do not know: 3.0 unless more is wanted.
    default = "latest" if oldest > PROTOCOL_3_0 else "3.0"
    newest = _PROTOCOL_CODES[values.get("max_protocol_version", default)]
    if oldest > newest:
        raise ConninfoError('"min_protocol_version" is greater than "max_protocol_version"')
    return oldest, newest


def _check_choice(values: Mapping[str, str], keyword: str) -> None:
    value, allowed = values.get(keyword), OPTIONS[keyword].values
    if value is not None and allowed is not None and value not in allowed:
        raise ConninfoError(f'invalid {keyword} value: "{value}"')


def _check_require_auth(text: str) -> None:
    items = text.split(",")
    negative = items[0].startswith("!")
    seen: set[str] = set()
    for item in items:
        method = item.removeprefix("!")
        if item.startswith("!") and not negative:
            raise ConninfoError(
                f'negative require_auth method "{item}" cannot be mixed with non-negative methods'
            )
        if not item.startswith("!") and negative:
            raise ConninfoError(
                f'require_auth method "{item}" cannot be mixed with negative methods'
            )
        if method not in _AUTH_METHODS:
            raise ConninfoError(f'invalid require_auth value: "{method}"')
        if item in seen:
            raise ConninfoError(f'require_auth method "{item}" is specified more than once')
        seen.add(item)


def _check_tls_versions(values: Mapping[str, str]) -> None:
    ranks = []
    for keyword in ("ssl_min_protocol_version", "ssl_max_protocol_version"):
        value = values.get(keyword, "")
        known = [version.lower() for version in OPTIONS[keyword].values or ()]
        if value.lower() not in known:
            # Quoted, unlike the names of the other options.
            raise ConninfoError(f'invalid "{keyword}" value: "{value}"')
        ranks.append(known.index(value.lower()))
    oldest, newest = ranks
    if oldest and newest and oldest > newest:
        raise ConninfoError("invalid SSL protocol version range")
