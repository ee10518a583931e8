"""What is said in the SASL mechanism OAUTHBEARER. RFC 7628; manual: 54.3.2, 34.2.

The client's half, without I/O: the first message, and the server's refusal of it, which tells
where tokens are to be had.
"""

from __future__ import annotations

from typing import Final

from pgwire import errors

__all__ = ["DUMMY", "OAUTHBEARER", "Refusal", "initial_response", "issuer_of", "read_refusal"]

OAUTHBEARER: Final = b"OAUTHBEARER"

DUMMY: Final = b"\x01"
"""The client's answer to a refusal: nothing, in the form that the mechanism asks for."""

_FIELDS: Final = ("status", "scope", "openid-configuration")
_MAX_NESTING: Final = 8
_WELL_KNOWN: Final = "/.well-known/"
_DOCUMENTS: Final = ("openid-configuration", "oauth-authorization-server")


class Refusal:
    """Why the server refused a token, and what it says of how to get a better one.

    Attributes:
        status: `invalid_token` if another token may do.
        scope: what a token must be good for; None if the server does not say.
        openid_configuration: address of the issuer's discovery document, or None.
    """

    __slots__ = ("openid_configuration", "scope", "status")

    def __init__(self, status: str | None, scope: str | None, uri: str | None) -> None:
        self.status = status
        self.scope = scope
        self.openid_configuration = uri


def initial_response(token: str | None) -> bytes:
    """The data of SASLInitialResponse; without a token it asks the server where to get one."""
    auth = f"Bearer {token}" if token is not None else ""
    return b"n,,\x01auth=" + auth.encode("ascii") + b"\x01\x01"


def read_refusal(data: bytes) -> Refusal:
    """The data of AuthenticationSASLContinue, a JSON object.

    Raises ProtocolError, in libpq's words, if it is none, nests deeper than 8 levels, or has one
    of the three fields twice or with anything but a text in it.
    """
    if b"\0" in data:
        raise errors.ProtocolError(
            "server's error message contained an embedded NULL, and was discarded"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise errors.ProtocolError("server's error response is not valid UTF-8") from None
    found: dict[str, str] = {}
    for name, value in _top_level(text):
        if name not in _FIELDS:
            continue
        if name in found:
            raise _unreadable(f'field "{name}" is duplicated')
        if not isinstance(value, str):
            raise _unreadable(f'field "{name}" must be a string')
        found[name] = value
    return Refusal(*map(found.get, _FIELDS))


def issuer_of(uri: str) -> str:
    """The issuer that a discovery document belongs to: its address without the well-known part.

    Raises OperationalError, in libpq's words, for an address that no such document may have.
    Manual: 34.1, oauth_issuer; RFC 8414, section 3.1; RFC 8615.
    """
    shown = f'OAuth discovery URI "{uri}"'
    if uri[:8].lower() != "https://":
        raise errors.OperationalError(f"{shown} must use HTTPS")
    # Before anything else is looked for: it could stand behind one of these.
    if "?" in uri or "#" in uri:
        raise errors.OperationalError(f"{shown} must not contain query or fragment components")
    start = uri.find(_WELL_KNOWN, 8)
    if start < 0:
        raise errors.OperationalError(f"{shown} is not a .well-known URI")
    document, slash, rest = uri[start + len(_WELL_KNOWN) :].partition("/")
    if document not in _DOCUMENTS:
        raise errors.OperationalError(f"{shown} uses an unsupported .well-known suffix")
    # Either in front of the issuer's own path or behind it, not in the middle.
    if slash and start != uri.find("/", 8):
        raise errors.OperationalError(f"{shown} uses an invalid format")
    return uri[:start] + slash + rest


class _Object(list[tuple[str, object]]):
    """A JSON object with every field that stands in it, also those that stand there twice."""


def _top_level(text: str) -> _Object:
    import json

    try:
        value = json.loads(text, object_pairs_hook=_Object, parse_constant=_refuse_constant)
    except ValueError as error:  # JSONDecodeError tells where it stopped; the rest is not shown
        raise _unreadable(error.msg if isinstance(error, json.JSONDecodeError) else "") from None
    except RecursionError:
        raise _unreadable("JSON is too deeply nested") from None
    if not isinstance(value, _Object):
        raise _unreadable("top-level element must be an object")
    _check_nesting(value)
    return value


def _check_nesting(value: _Object) -> None:
    level: list[object] = [value]
    for _ in range(_MAX_NESTING):
        inner: list[object] = []
        for item in level:
            if isinstance(item, _Object):
                inner += [field for _, field in item]
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, list)]
    if level:
        raise _unreadable("JSON is too deeply nested")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _unreadable(why: str) -> errors.ProtocolError:
    return errors.ProtocolError(f"failed to parse server's error response: {why or 'invalid JSON'}")
