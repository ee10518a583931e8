"""What callers get: JSON or XML, with the ID of the request, for errors as well."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from dblink.links.errors import LinkError

JSON: Final = "application/json;charset=utf-8"
XML: Final = "text/xml;charset=utf-8"
"""As the service writes it: its clients compare it letter by letter."""

Value = str | Sequence[Mapping[str, str]]
"""Of a member of an answer."""

_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_ALWAYS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def request_id() -> str:
    """An ID for a request, which is unique."""
    return str(uuid.uuid4()).upper()


def success(id: str, action: str, members: Mapping[str, Value], *, xml: bool) -> Answer:
    """The answer of an action.

    Args:
        id: of the request.
        action: its name.
        members: what it answers, besides that ID.
        xml: whether it is to be XML.
    """
    whole: dict[str, Value] = {"RequestId": id, **members}
    return _answer(200, id, f"{action}Response", whole, xml=xml)


def failure(
    id: str, error: LinkError, host: str, *, xml: bool, wait: float | None = None
) -> Answer:
    """The answer that says why there is none.

    Args:
        id: of the request.
        error: what is wrong.
        host: the header Host of the request.
        xml: whether it is to be XML.
        wait: seconds after which to try again; None: nothing is said of that.
    """
    members: dict[str, Value] = {
        "RequestId": id,
        "HostId": host if _HOST.fullmatch(host) else "",
        "Code": error.code,
        "Message": error.message,
    }
    answer = _answer(error.status, id, "Error", members, xml=xml)
    if error.status == 405:
        answer.headers["allow"] = "GET, POST"
    if wait is not None:
        answer.headers["retry-after"] = str(whole_seconds(wait))
        # The service's clients look at this one, in milliseconds.
        answer.headers["x-acs-retry-after"] = str(whole_seconds(wait) * 1000)
    return answer


def whole_seconds(wait: float) -> int:
    """Seconds after which to try again, as a number to be told: 1 at least."""
    return max(1, int(-(-wait // 1)))


def _answer(status: int, id: str, root: str, members: Mapping[str, Value], *, xml: bool) -> Answer:
    headers = {"content-type": XML if xml else JSON, "x-acs-request-id": id, **_ALWAYS}
    if xml:
        text = f"<?xml version='1.0' encoding='UTF-8'?><{root}>{_elements(members)}</{root}>"
    else:
        text = json.dumps(members, ensure_ascii=True, separators=(",", ":"))
    return Answer(status, headers, text.encode())


def _elements(members: Mapping[str, Value]) -> str:
    """Members as elements: of a list each entry is one. What XML has no character for is replaced,
    as in text that cannot be decoded."""
    parts = []
    for name, value in members.items():
        if isinstance(value, str):
            inner = [escape(_NOT_IN_XML.sub("\ufffd", value), {"\r": "&#13;"})]
        else:
            inner = [_elements(entry) for entry in value]
        parts += [f"<{name}>{text}</{name}>" for text in inner]
    return "".join(parts)
