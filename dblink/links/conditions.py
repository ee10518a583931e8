"""The conditions of policies: what can be compared, with what, and how."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from dblink.links.wildcards import matches

Test = Callable[[Any], bool]
"""Whether a request's value of a key is as the condition wants it."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

KEYS: Final = {
    "acs:SourceIp": "the address that the request comes from",
    "acs:CurrentTime": "when the request came, by the server's clock",
    "acs:SecureTransport": "whether it came over TLS",
}
"""What is known of a request, with what it is."""

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_MAX_LENGTH: Final = 128


class Operator(NamedTuple):
    """One of `CONDITIONS`.

    Attributes:
        keys: those that it can compare.
        test: makes a `Test` of a key and a list of values. Raises ValueError for a value that
            cannot be one of that key.
    """

    keys: tuple[str, ...]
    test: Callable[[str, Sequence[object]], Test]


def context_of(address: str | None, moment: datetime, *, secure: bool) -> dict[str, object]:
    """The values of `KEYS` for a request.

    Args:
        address: of the peer; None if it has none.
        moment: now, with a time zone.
        secure: whether it came over TLS.
    """
    context: dict[str, object] = {
        "acs:CurrentTime": moment.astimezone(UTC).replace(microsecond=0),
        "acs:SecureTransport": secure,
    }
    if address is not None:
        context["acs:SourceIp"] = source_address(address)
    return context


def source_address(text: str) -> Address:
    """The address that `text` is, without a zone, and of one that stands for an IPv4 address
    (`::ffff:10.0.0.1`) that one. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _text(value: object) -> str:
    """A request's value, as it is compared as text."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# Values of conditions.


def _string(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_LENGTH:
        raise ValueError(f"a value is a string of 1 to {_MAX_LENGTH} characters")
    return value


def _moment(value: object) -> datetime:
    text = _string(value)
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f'"{text}" is no moment like 2026-03-02T09:30:00Z or 2026-03-02T17:30:00+08:00'
        ) from None


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    text = _string(value)
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        right = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" is no address and no network like 10.0.0.0/8') from None
    raise ValueError(f'"{text}" is an address within a network: write {right}')


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError('a value is "true" or "false"')


_PARSE: Final[Mapping[str, Callable[[object], object]]] = {
    "acs:SourceIp": lambda value: source_address(_string(value)),
    "acs:CurrentTime": _moment,
    "acs:SecureTransport": _truth,
}


def _exact(key: str, value: object) -> str:
    """A value that is compared as text: as a request has it, since another spelling would never
    be met."""
    text = _string(value)
    try:
        right = _text(_PARSE[key](text))
    except ValueError as error:
        raise ValueError(f'"{text}" is none: {error}') from None
    if right != text:
        raise ValueError(f'"{text}" is never met: write "{right}"')
    return text


# Operators.


def _sense(test: Test, *, negated: bool) -> Test:
    return (lambda value: not test(value)) if negated else test


def _equals(*, ignore_case: bool = False, negated: bool = False) -> Operator:
    def make(key: str, values: Sequence[object]) -> Test:
        if ignore_case:
            values = [value.lower() if isinstance(value, str) else value for value in values]
            if key == "acs:CurrentTime":
                values = [value.upper() if isinstance(value, str) else value for value in values]
        known = {_exact(key, value) for value in values}
        return _sense(lambda value: _text(value) in known, negated=negated)

    return Operator(tuple(KEYS), make)


def _like(*, negated: bool = False) -> Operator:
    def make(key: str, values: Sequence[object]) -> Test:
        patterns = [_string(value) for value in values]
        return _sense(
            lambda value: any(matches(pattern, _text(value)) for pattern in patterns),
            negated=negated,
        )

    return Operator(tuple(KEYS), make)


def _address(*, negated: bool = False) -> Operator:
    def make(key: str, values: Sequence[object]) -> Test:
        networks = [_network(value) for value in values]
        return _sense(
            lambda value: any(
                value.version == network.version and value in network for network in networks
            ),
            negated=negated,
        )

    return Operator(("acs:SourceIp",), make)


def _date(compare: Callable[[Any, Any], bool], *, negated: bool = False) -> Operator:
    def make(key: str, values: Sequence[object]) -> Test:
        moments = [_moment(value) for value in values]
        return _sense(
            lambda value: any(compare(value, moment) for moment in moments), negated=negated
        )

    return Operator(("acs:CurrentTime",), make)


def _bool() -> Operator:
    def make(key: str, values: Sequence[object]) -> Test:
        known = {_truth(value) for value in values}
        return lambda value: value in known

    return Operator(("acs:SecureTransport",), make)


CONDITIONS: Final[Mapping[str, Operator]] = {
    "StringEquals": _equals(),
    "StringNotEquals": _equals(negated=True),
    "StringEqualsIgnoreCase": _equals(ignore_case=True),
    "StringNotEqualsIgnoreCase": _equals(ignore_case=True, negated=True),
    "StringLike": _like(),
    "StringNotLike": _like(negated=True),
    "IpAddress": _address(),
    "NotIpAddress": _address(negated=True),
    "DateEquals": _date(operator.eq),
    "DateNotEquals": _date(operator.eq, negated=True),
    "DateLessThan": _date(operator.lt),
    "DateLessThanEquals": _date(operator.le),
    "DateGreaterThan": _date(operator.gt),
    "DateGreaterThanEquals": _date(operator.ge),
    "Bool": _bool(),
}
"""The operators, by their names in policies."""
