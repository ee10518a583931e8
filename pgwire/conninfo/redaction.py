"""Show a connection string without its secrets.

The rule for what is doubtful: hide it. A password with a character that had to be escaped makes the
rest of the string look like other settings, so whatever libpq would not take, or takes in a way
that nobody means, is hidden together with all that may belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pgwire.conninfo import keyvalue, uri
from pgwire.conninfo.options import OPTIONS
from pgwire.conninfo.text import HIDDEN, WHITE_SPACE, decode, scheme_length
from pgwire.errors import ConninfoError

__all__ = ["HIDDEN", "redact"]

_Span = tuple[int, int]

# A value that is itself something like a connection string.
_NESTED = re.compile(
    rb"(?:%b)[%b]*=|://.*@"
    % (
        b"|".join(option.keyword.encode() for option in OPTIONS.values() if option.secret),
        WHITE_SPACE,
    ),
    re.IGNORECASE | re.DOTALL,
)
_PLAUSIBLE_PORTS = re.compile(rb"(?:[0-9, +-]|%20|%2[Cc])*")
# Where the rest begins: what separates it from what is before, and the name of an option.
_PAIR_LEFT = re.compile(rb"([%b]*)(?:([a-z_]+)[%b]*=?[%b]*)?" % ((WHITE_SPACE,) * 3))
_PARAMETER_LEFT = re.compile(rb"([@/?&]?)(?:([a-z_]+)=)?")


def redact(text: str) -> str:
    """`text` with ``****`` in the place of every secret; the rest stays as it is.

    Arguments:
        text: a connection string of either form, valid or not. From the place where libpq would
            refuse it, everything but the name of an option is taken for part of a secret.

    Never raises, and never shows the value of an option that `OPTIONS` calls secret.
    """
    raw = text.encode("utf-8", "replace" if _has_odd_surrogates(text) else "surrogateescape")
    length = scheme_length(raw)
    spans = _uri_secrets(raw, length) if length else _pair_secrets(raw)
    shown, place = b"", 0
    for start, stop in spans:
        if start > place or not shown:
            shown += raw[place:start] + HIDDEN.encode()
        place = stop
    return decode(shown + raw[place:])


def _pair_secrets(raw: bytes) -> Iterator[_Span]:
    end = 0
    try:
        for pair in keyvalue.pairs(raw):
            end = pair.stop
            if not _is_known(pair.keyword):
                yield pair.keyword_start, end
            elif _is_secret(pair.keyword) or _NESTED.search(pair.value):
                yield pair.value_start, end
    except ConninfoError:
        yield _rest(_PAIR_LEFT, raw, end)


def _uri_secrets(raw: bytes, length: int) -> list[_Span]:
    everything = [(length, len(raw))] if len(raw) > length else []
    spans: list[_Span] = []
    end, doubtful, userinfo_end = length, False, length
    try:
        for part in uri.parts(raw):
            span = (part.start, part.stop)
            if part.in_query:
                keyword = uri.percent_decode(part.keyword)
                if not _is_known(keyword) and keyword != b"ssl":
                    doubtful = True
                    spans.append((part.start - len(part.keyword) - 1, part.stop))
                elif _is_secret(keyword) or _NESTED.search(_leniently_decoded(part.value)):
                    spans.append(span)
            elif part.keyword == b"password":
                spans.append(span)
                userinfo_end = part.stop + 1
            elif _is_implausible(part):
                return everything
            elif part.keyword == b"user":
                userinfo_end = part.stop + 1
            end = part.stop
    except ConninfoError:
        doubtful = True
        spans.append(_rest(_PARAMETER_LEFT, raw, end))
    # With an @ left over, what was taken for hosts may be the middle of a password.
    return everything if doubtful and b"@" in raw[userinfo_end:] else spans


def _is_implausible(part: uri.Part) -> bool:
    """Whether a component, as libpq takes it, can only be what was meant for something else."""
    if part.keyword == b"port" and not _PLAUSIBLE_PORTS.fullmatch(part.value):
        return True
    wrong = b"?" if part.keyword == b"user" else b"@"
    return wrong in part.value or _NESTED.search(part.value) is not None


def _rest(pattern: re.Pattern[bytes], raw: bytes, start: int) -> _Span:
    """All from `start` on, but for a separator and the name of an option that stand there."""
    match = pattern.match(raw, start)
    if match is not None:
        known = match[2] is not None and _is_known(match[2])
        start = match.end() if known else match.end(1)
    return start, len(raw)


def _leniently_decoded(raw: bytes) -> bytes:
    try:
        return uri.percent_decode(raw)
    except ConninfoError:
        return raw


def _is_known(keyword: bytes) -> bool:
    return keyword == b"requiressl" or decode(keyword) in OPTIONS


def _is_secret(keyword: bytes) -> bool:
    option = OPTIONS.get(decode(keyword))
    return option is not None and option.secret


def _has_odd_surrogates(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return True
    return False


# Anything else that is wrong, such as a name in the place of the string, can be told as it is.
_MAY_HOLD_SECRETS: Final = re.compile(r"pass|pwd|secret|token|key|oauth|://.*:.*@", re.I | re.S)


def without_secrets(message: str, conninfo: str) -> str:
    """libpq's `message` about `conninfo`, of which it quotes what it stumbles over: that may be the
    password."""
    shown = redact(conninfo)
    if shown == conninfo or not _MAY_HOLD_SECRETS.search(conninfo):
        return message
    message = message.replace(conninfo, shown)
    for quoted in (r'"(.+)"', r'"([^"]+)"'):
        for piece in re.findall(quoted, message, re.DOTALL):
            if piece in conninfo and piece not in shown:
                message = message.replace(piece, HIDDEN)
    return message
