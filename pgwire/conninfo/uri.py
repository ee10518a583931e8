"""Connection URIs. Manual: 32.1.1.2.

The grammar is libpq's, which is not RFC 3986's: there are lists of hosts, ``+`` and ``#`` are data,
the first ``@`` ends the user information, and the percent-decoding has its own errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pgwire.conninfo.text import decode, match_end, scheme_length
from pgwire.errors import ConninfoError

__all__ = ["Part", "parts", "percent_decode"]

_USERINFO_END = re.compile(rb"[@/]")
_HOST = re.compile(rb"[^:/?,]*")
_PORT = re.compile(rb"[^/?,]*")
_ESCAPED = re.compile(rb"%(..?|$)", re.DOTALL)
_HEX_PAIR = re.compile(rb"[0-9A-Fa-f]{2}")


class Part(NamedTuple):
    """A component that is not empty, and where in the URI it stands (offsets in bytes).

    `keyword` of a parameter of the query, and `value` of any component, are not decoded yet. `host`
    and `port` are the joined lists; both have the place of the whole list.
    """

    keyword: bytes
    value: bytes
    start: int
    stop: int
    in_query: bool = False


def parts(uri: bytes) -> Iterator[Part]:
    """The components of `uri` in the order in which libpq stores them.

    Raises ConninfoError when it comes to the first place that is wrong: what is before it has been
    yielded by then, so that of several errors the same one is met as by libpq.
    """
    place = scheme_length(uri)
    sign = _USERINFO_END.search(uri, place)
    if sign is not None and sign[0] == b"@":
        user, _, password = uri[place : sign.start()].partition(b":")
        if user:
            yield Part(b"user", user, place, place + len(user))
        if password:
            yield Part(b"password", password, sign.start() - len(password), sign.start())
        place = sign.end()

    start, hosts, ports = place, b"", b""
    while True:
        host, place = _bracketed(uri, place) if uri.startswith(b"[", place) else _host(uri, place)
        hosts += host
        if uri.startswith(b":", place):
            port_start, place = place + 1, match_end(_PORT, uri, place + 1)
            ports += uri[port_start:place]
        if not uri.startswith(b",", place):
            break
        place += 1
        hosts += b","
        ports += b","
    if hosts:
        yield Part(b"host", hosts, start, place)
    if ports:
        yield Part(b"port", ports, start, place)

    if uri.startswith(b"/", place):
        start = place + 1
        place = uri.find(b"?", start)
        place = len(uri) if place < 0 else place
        if place > start:
            yield Part(b"dbname", uri[start:place], start, place)
    if place < len(uri):
        yield from _query(uri, place + 1)


def percent_decode(raw: bytes) -> bytes:
    """`raw` with its ``%xx`` replaced and the spaces around it removed."""
    text = raw.strip(b" ")
    # What stands after a space inside is not decoded any more, so an error before it comes first.
    head, space, _ = text.partition(b" ")
    decoded = _ESCAPED.sub(lambda match: _decoded(match[1], raw), head)
    if space:
        raise ConninfoError(
            f'unexpected spaces found in "{decode(raw)}", use percent-encoded spaces (%20) instead'
        )
    return decoded


def _decoded(digits: bytes, component: bytes) -> bytes:
    if not _HEX_PAIR.fullmatch(digits):
        raise ConninfoError(f'invalid percent-encoded token: "{decode(component)}"')
    byte = bytes.fromhex(digits.decode("ascii"))
    if byte == b"\0":
        raise ConninfoError(f'forbidden value %00 in percent-encoded value: "{decode(component)}"')
    return byte


def _host(uri: bytes, place: int) -> tuple[bytes, int]:
    stop = match_end(_HOST, uri, place)
    return uri[place:stop], stop


def _bracketed(uri: bytes, place: int) -> tuple[bytes, int]:
    """A host in brackets, without them."""
    stop = uri.find(b"]", place)
    if stop < 0:
        raise ConninfoError(
            'end of string reached when looking for matching "]" in IPv6 host address in URI: '
            f'"{decode(uri)}"'
        )
    host = uri[place + 1 : stop]
    if not host:
        raise ConninfoError(f'IPv6 host address may not be empty in URI: "{decode(uri)}"')
    stop += 1
    following = uri[stop : stop + 1]
    if following and following not in b":/?,":
        raise ConninfoError(
            f'unexpected character "{decode(following)}" at position {stop + 1} in URI '
            f'(expected ":" or "/"): "{decode(uri)}"'
        )
    return host, stop


def _query(uri: bytes, place: int) -> Iterator[Part]:
    while place < len(uri):
        stop = uri.find(b"&", place)
        stop = len(uri) if stop < 0 else stop
        keyword, separator, value = uri[place:stop].partition(b"=")
        if b"=" in value:
            raise ConninfoError(
                f'extra key/value separator "=" in URI query parameter: "{decode(keyword)}"'
            )
        if not separator:
            raise ConninfoError(
                f'missing key/value separator "=" in URI query parameter: "{decode(keyword)}"'
            )
        yield Part(keyword, value, stop - len(value), stop, in_query=True)
        place = stop + 1
