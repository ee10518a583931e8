"""Signatures of requests: ACS3-HMAC-SHA256, version 3 of the service's own. No I/O.

A request is written down in one canonical way: method, path, parameters of the query, signed
headers, hash of the body. The hash of that is signed with the secret of an access key. Whoever
changes anything that has a meaning here, changes the signature.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, NoReturn
from urllib.parse import quote

from dblink.links.errors import LinkError

ALGORITHM: Final = "ACS3-HMAC-SHA256"

WINDOW: Final = timedelta(seconds=900)
"""How far the moment of signing may be from now, in either direction."""

Pairs = Sequence[tuple[str, str]]

_REQUIRED: Final = ("host", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256")
"""Headers that every request has."""

_UNUSABLE: Final = ("x-acs-security-token", "x-acs-accesskey-id", "x-acs-bearer-token")
"""Headers of temporary credentials, which there are none of here."""

_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM} Credential=([A-Za-z0-9._-]{{1,128}}), ?"
    r"SignedHeaders=([a-z0-9-]+(?:;[a-z0-9-]+)*), ?Signature=([0-9a-f]{64})"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NONCE: Final = re.compile(r"[!-~]{1,128}")
_VISIBLE: Final = re.compile(r"[ -~]*")


class Request(NamedTuple):
    """What of a request is signed.

    Attributes:
        method: GET or POST.
        query: the parameters of the query, decoded.
        headers: by lower-case names.
        body: as it came.
    """

    method: str
    query: Pairs
    headers: Mapping[str, str]
    body: bytes


class Signed(NamedTuple):
    """What a request says of its signature, see `examine`.

    Attributes:
        key_id: the access key.
        headers: names of the signed ones.
        signature: as hexadecimal digits.
        nonce: unique for the request.
        until: when the signature is too old to be accepted.
    """

    key_id: str
    headers: tuple[str, ...]
    signature: str
    nonce: str
    until: datetime


def sign(
    key_id: str,
    secret: str,
    *,
    host: str,
    query: Mapping[str, str],
    body: bytes = b"",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    now: datetime | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The headers with which a request is sent.

    Args:
        key_id: the access key.
        secret: its secret.
        host: the header Host: host and port, as in the URL.
        query: the parameters of the query.
        body: the form that is sent as the body.
        method: GET or POST.
        headers: others that are sent, and signed as well, such as Content-Type if there is a
            body, x-acs-action and x-acs-version.
        now: the moment, with a time zone; None: the system's clock.
        nonce: unique text; None: a random one.

    Returns all headers, `host` and `authorization` among them, by lower-case names.
    """
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    sent = {
        "host": host,
        "x-acs-date": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(16) if nonce is None else nonce,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        **{name.lower(): value for name, value in (headers or {}).items()},
    }
    names = tuple(sorted(sent))
    text = string_to_sign(Request(method, list(query.items()), sent, body), names)
    sent["authorization"] = (
        f"{ALGORITHM} Credential={key_id},SignedHeaders={';'.join(names)},"
        f"Signature={signature(text, secret)}"
    )
    return sent


def examine(request: Request, now: datetime) -> Signed:
    """What `request` says of its signature, if it says all that it must.

    Raises LinkError: IncompleteSignature, InvalidTimeStamp.Expired. Nothing of what is returned is
    proved before `verify`.
    """
    headers = request.headers
    for name in _UNUSABLE:
        if name in headers:
            _incomplete(f"{name} belongs to temporary credentials, which there are none of here.")
    if "authorization" not in headers:
        _incomplete("the header Authorization is missing.")
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    if found is None:
        _incomplete(
            "the header Authorization must be "
            f"{ALGORITHM} Credential=…,SignedHeaders=a;b,Signature=… with names in lower case "
            "and 64 hexadecimal digits."
        )
    names = tuple(found[2].split(";"))
    if list(names) != sorted(set(names)):
        _incomplete("SignedHeaders must name each header once, in the order of the alphabet.")
    _check_names(request, names)
    moment = _moment(headers["x-acs-date"])
    if abs(now - moment) > WINDOW:
        raise LinkError("InvalidTimeStamp.Expired", seconds=int(WINDOW.total_seconds()))
    nonce = headers["x-acs-signature-nonce"]
    if not _NONCE.fullmatch(nonce):
        _incomplete("x-acs-signature-nonce must have 1 to 128 visible ASCII characters.")
    said = headers["x-acs-content-sha256"]
    if not said.isascii() or not hmac.compare_digest(
        said, hashlib.sha256(request.body).hexdigest()
    ):
        _incomplete("x-acs-content-sha256 is not the SHA-256 of the body, in hexadecimal digits.")
    return Signed(found[1], names, found[3], nonce, moment + WINDOW + timedelta(seconds=1))


def verify(request: Request, signed: Signed, secret: str) -> None:
    """Compare the signature with the right one. Raises LinkError SignatureDoesNotMatch, with the
    string that had to be signed: it is a hash."""
    text = string_to_sign(request, signed.headers)
    if not hmac.compare_digest(signature(text, secret), signed.signature):
        raise LinkError("SignatureDoesNotMatch", string_to_sign=text)


def string_to_sign(request: Request, names: Sequence[str]) -> str:
    """The string to sign of a request, of whose headers `names` are signed."""
    canonical = "\n".join(
        [
            request.method,
            "/",
            canonical_query(request.query),
            *(f"{name}:{request.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def canonical_query(query: Pairs) -> str:
    """Parameters by their names, all that is not unreserved (RFC 3986) written as %XX."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(query))


def signature(text: str, secret: str) -> str:
    """The signature of a string to sign, as hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _check_names(request: Request, names: Sequence[str]) -> None:
    headers = request.headers
    for name in _REQUIRED:
        if name not in headers:
            _incomplete(f"the header {name} is missing.")
    must = {*_REQUIRED, *(name for name in headers if name.startswith("x-acs-"))}
    if "content-type" in headers and request.body:
        must.add("content-type")
    for name in sorted(must.difference(names)):
        _incomplete(f"the header {name} is not among the signed ones.")
    for name in names:
        if name not in headers:
            _incomplete(f"the header {name} is signed, but was not sent.")
        if not _VISIBLE.fullmatch(headers[name]):
            _incomplete(f"the header {name} is not ASCII.")


def _moment(text: str) -> datetime:
    try:
        if not _DATE.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except ValueError:
        _incomplete("x-acs-date must be a moment like 2026-03-02T09:30:00Z.")


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _incomplete(reason: str) -> NoReturn:
    raise LinkError("IncompleteSignature", reason=reason)
