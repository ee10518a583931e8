"""An HTTP request as parameters.

Parameters stand in the query, in a form as the body, or in both, but each once only: who signs a
request and who carries it out must not read it in two ways. Whatever could be read so is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, NoReturn
from urllib.parse import unquote_to_bytes

from dblink.api import signature
from dblink.api.actions import MAX_VALUE
from dblink.links.errors import LinkError

MAX_HEAD: Final = 16 * 1024
"""Bytes of the first line and the headers."""

MAX_BODY: Final = 64 * 1024
"""Bytes of a body."""

MAX_PARAMETERS: Final = 100
MAX_NAME: Final = 128
"""Characters of a parameter's name."""

FORM: Final = "application/x-www-form-urlencoded"

_FORM: Final = re.compile(rf"{FORM}(?:; ?charset=\"?utf-8\"?)?", re.ASCII | re.IGNORECASE)
_BROKEN: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ONCE: Final = re.compile(
    r"host|authorization|content-(type|length|encoding)|transfer-encoding|x-acs-.*"
)
"""Headers that mean something here. Of others that are signed `signature` sees one."""


class Head(NamedTuple):
    """What of a request is known before its body.

    Attributes:
        method: in upper case.
        path: of the URL, as it was sent.
        query: of the URL, as it was sent.
        headers: names in lower case, in the order in which they came.
    """

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """A request that can be read in one way only.

    Attributes:
        signable: what of it is signed.
        parameters: by their names.
        action: as it is asked for; empty if it is not.
        version: as it is asked for; empty if it is not.
    """

    signable: signature.Request
    parameters: Mapping[str, str]
    action: str
    version: str


def head_of(method: str, path: bytes, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """The head of a request, as ASGI has it."""
    decoded = tuple((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in headers)
    return Head(method, path, query, decoded)


def check_head(head: Head) -> None:
    """Refuse, before a body is read, what cannot become a request.

    Raises LinkError: UnsupportedHTTPMethod, InvalidPath, InvalidRequest, UnsupportedContentType,
    RequestEntityTooLarge, InvalidParameter.
    """
    if head.path != b"/":
        raise LinkError("InvalidPath")
    if head.method not in ("GET", "POST"):
        raise LinkError("UnsupportedHTTPMethod", method=_shown(head.method))
    headers = _headers(head)
    if "content-length" in headers and "transfer-encoding" in headers:
        # A proxy in front may go by the other one, and see another request than we do.
        raise LinkError("InvalidRequest", limit=MAX_HEAD)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise LinkError("UnsupportedContentType")
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > MAX_BODY):
        raise LinkError("RequestEntityTooLarge", limit=MAX_BODY)


def read(head: Head, body: bytes) -> Request:
    """The request that head and body are.

    Raises LinkError: those of `check_head`, and InvalidParameter for parameters that are not UTF-8,
    hold a zero byte, are too long or too many, or are given twice.
    """
    check_head(head)
    headers = _headers(head)
    if len(body) > MAX_BODY:
        raise LinkError("RequestEntityTooLarge", limit=MAX_BODY)
    if body and not _FORM.fullmatch(headers.get("content-type", "")):
        raise LinkError("UnsupportedContentType")
    query = _pairs(head.query)
    parameters: dict[str, str] = {}
    for name, value in [*query, *_pairs(body)]:
        if name in parameters:
            _refuse(name, "is given twice")
        parameters[name] = value
    if len(parameters) > MAX_PARAMETERS:
        name = list(parameters)[MAX_PARAMETERS]
        _refuse(name, f"is one too many: there are at most {MAX_PARAMETERS}")
    return Request(
        signature.Request(head.method, query, headers, body),
        parameters,
        _one_of(parameters, "Action", headers, "x-acs-action"),
        _one_of(parameters, "Version", headers, "x-acs-version"),
    )


def wants_xml(head: Head, parameters: Mapping[str, str] | None = None) -> bool:
    """Whether the answer is to be XML, as far as the parameters are known; if none are, the query
    is looked at, since a request that cannot be read is answered as well."""
    if parameters is None:
        try:
            parameters = dict(_pairs(head.query))
        except LinkError:
            parameters = {}
    wanted = parameters.get("Format", "").upper()
    if wanted in ("XML", "JSON"):
        return wanted == "XML"
    accepted = " ".join(value for name, value in head.headers if name == "accept").lower()
    kinds = [kind.partition(";")[0].strip() for kind in accepted.split(",")]
    first = next((k for k in kinds if k in _KINDS), "application/json")
    return first in _XML


_XML: Final = ("text/xml", "application/xml")
_KINDS: Final = (*_XML, "application/json")


def _headers(head: Head) -> dict[str, str]:
    headers: dict[str, list[str]] = {}
    for name, value in head.headers:
        headers.setdefault(name, []).append(value.strip())
    for name, values in headers.items():
        if len(values) > 1 and _ONCE.fullmatch(name):
            _refuse(name, "is sent twice")
    return {name: ",".join(sorted(values)) for name, values in headers.items()}


def _pairs(text: bytes) -> list[tuple[str, str]]:
    """Names and values of a form, which a query is as well."""
    if text.count(b"&") >= MAX_PARAMETERS:
        _refuse("a parameter", f"is one too many: there are at most {MAX_PARAMETERS}")
    pairs = []
    for piece in text.split(b"&"):
        if not piece:
            continue
        name, _, value = piece.partition(b"=")
        decoded = _decoded(name, None)
        if not 0 < len(decoded) <= MAX_NAME:
            _refuse(decoded, f"must have a name of 1 to {MAX_NAME} characters")
        pairs.append((decoded, _decoded(value, decoded)))
        if len(pairs[-1][1]) > MAX_VALUE:
            _refuse(decoded, f"has more than {MAX_VALUE} characters")
    return pairs


def _decoded(raw: bytes, name: str | None) -> str:
    shown = "a name" if name is None else name
    if _BROKEN.search(raw):
        _refuse(shown, "has a % that two hexadecimal digits do not follow")
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        _refuse(shown, "is not UTF-8")
    if "\0" in text:
        _refuse(shown, "has a zero byte in it")
    return text


def _one_of(
    parameters: Mapping[str, str], name: str, headers: Mapping[str, str], header: str
) -> str:
    """What a parameter or a header says, or both."""
    if name in parameters and header in headers and parameters[name] != headers[header]:
        _refuse(name, f"is another than that of the header {header}")
    return parameters.get(name) or headers.get(header, "")


def _refuse(name: str, reason: str) -> NoReturn:
    raise LinkError("InvalidParameter", parameter=_shown(name), reason=reason)


def _shown(text: str) -> str:
    return text if len(text) <= MAX_NAME else text[:MAX_NAME] + "…"
