"""Where callers may connect to: neither the gateway nor the link catalogue is an open relay.

Each address is looked at after its name has been resolved, just before it is dialled, so that no
name leads where its address may not. Without an allow-list everything is allowed but what no
database server is reached by: link-local addresses, among them the metadata services of clouds.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from pgwire import conninfo, errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"),
    )
)
"""Where clouds hand out credentials to whoever runs in them. The first is link-local anyway."""

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_BROADCAST: Final = ipaddress.ip_address("255.255.255.255")


class Rule:
    """One pattern of an allow-list, see `Remotes`."""

    __slots__ = ("_matches", "_port", "pattern")

    def __init__(self, pattern: str) -> None:
        """Raises ValueError for what is no pattern."""
        self.pattern = pattern
        self._port: int | None = None
        self._matches: Callable[[str, Address | None, str], bool]
        if pattern.startswith(("/", "@")):
            folder = pattern.rstrip("/") or "/"
            self._matches = lambda host, address, path: _is_in(path, folder)
            return
        text, port = _split_port(pattern)
        if port not in (None, "*"):
            self._port = _port_number(port, pattern)
        network = _network(text)
        if network is not None:
            self._matches = lambda host, address, path: (
                address is not None and (address.version == network.version and address in network)
            )
        elif not text or "/" in text or ":" in text:
            raise ValueError(f'"{pattern}" is neither host:port, a network, nor a socket directory')
        else:
            name = text.lower().rstrip(".")
            self._matches = lambda host, address, path: (
                address is not None
                and (name == "*" or fnmatch.fnmatchcase(host.lower().rstrip("."), name))
            )

    def allows(self, host: str, address: Address | None, path: str, port: int) -> bool:
        """Whether this rule allows the address, or, if it is None, the Unix socket `path`."""
        return self._port in (None, port) and self._matches(host, address, path)

    @property
    def by_address(self) -> bool:
        """Whether it names addresses and not names."""
        return _network(_split_port(self.pattern)[0]) is not None


class Remotes:
    """An allow-list.

    Patterns: `host:port`, where each may be `*` and the host may have `*` in it; a host alone
    allows every port; an address or a network, `10.0.0.0/8:5432` or `[fd00::/8]:5432`; the
    directory of a Unix socket, `/var/run/postgresql`. Addresses that are refused by default are
    allowed only by a pattern that names them as an address or network.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        """Raises ValueError for what is no pattern."""
        self._rules = [Rule(pattern) for pattern in patterns]

    def vet(self, target: conninfo.Target, address: str) -> None:
        """For `pgwire.connect`: raises 42501 if nobody may connect to this address."""
        refused = self.refused(target, address)
        if refused is not None:
            raise errors.error_class("42501")(
                f"the gateway does not connect to {refused} for anybody", sqlstate="42501"
            )

    def refused(self, target: conninfo.Target, address: str) -> str | None:
        """What this address is, in words, if nobody may connect to it; else None."""
        if target.kind == "unix":
            if self._rules and not self._allowed("", None, address, target.port_number()):
                return f'the Unix-domain socket "{address}"'
            return None
        ip = plain_address(address)
        port = target.port_number()
        never = never_a_server(ip)
        if never is None and not self._rules:
            return None
        # Where `hostaddr` says where to go, `host` is only what a certificate is compared with.
        host = target.hostaddr or target.host
        if self._allowed(host, ip, "", port, never is not None):
            return None
        return f"{_shown(address)}:{port}" + (f", {never}," if never else "")

    def _allowed(
        self, host: str, address: Address | None, path: str, port: int, by_address: bool = False
    ) -> bool:
        return any(
            rule.allows(host, address, path, port) and (rule.by_address or not by_address)
            for rule in self._rules
        )


def plain_address(text: str) -> Address:
    """The address that is really dialled: without a zone, and of an IPv6 address that stands for
    an IPv4 address that one. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is None and int(address) >> 32 == 0 and int(address) > 1:
            inner = ipaddress.IPv4Address(address.packed[-4:])  # ::a.b.c.d, as of old
        if inner is not None:
            return inner
    return address


def never_a_server(address: Address) -> str | None:
    """Why no database server is to be sought there; None if there may be one."""
    if address in METADATA:
        return "the address of a metadata service"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or (address.version == 4 and address.packed[0] == 0):
        return "an unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address == _BROADCAST:
        return "a broadcast address"
    return None


def _split_port(pattern: str) -> tuple[str, str | None]:
    if pattern.startswith("["):
        text, closed, rest = pattern[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f'"{pattern}": "]" is followed by ":" and a port, or nothing')
        return text, rest[1:] if rest else None
    if pattern.count(":") == 1:
        text, _, port = pattern.partition(":")
        return text, port
    return pattern, None


def _port_number(text: str | None, pattern: str) -> int:
    if text is not None and text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise ValueError(f'"{pattern}": the port is a number from 1 to 65535, or "*"')


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_in(path: str, folder: str) -> bool:
    directory = path.rpartition("/")[0] or "/"
    return path == folder or directory == folder


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address
