"""Whether a certificate is the named server's: libpq's rules. Manual: 32.19.1; RFC 6125."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from pgwire import errors


def check_names(certificate: Mapping[str, object], host: str) -> None:
    """Raise OperationalError, in libpq's words, unless the `certificate` names `host`.

    Args:
        certificate: as `ssl.SSLObject.getpeercert` tells it, so of a verified chain.
        host: the item of the option `host`; never `hostaddr`. "" is refused.

    All names of the certificate's subjectAltName count, DNS names with one leading wildcard; the
    common name counts only if there is no alternative name of the host's own kind.
    """
    if not host:
        raise errors.OperationalError("host name must be specified for a verified SSL connection")
    address = _address(host)
    seen: list[str] = []
    own_kind = False
    alternatives = certificate.get("subjectAltName", ())
    assert isinstance(alternatives, tuple)
    for kind, name in alternatives:
        if kind == "DNS":
            own_kind = own_kind or address is None
            matches = _matches(str(name), host)
        elif kind == "IP Address":
            own_kind = own_kind or address is not None
            name = _shown_address(str(name).strip())
            matches = address is not None and _address(name) == address
        else:
            continue
        seen.append(str(name))
        if matches:
            return
    if not own_kind:
        common = _common_name(certificate)
        if common is not None:
            seen.append(common)
            if _matches(common, host):
                return
    if not seen:
        raise errors.OperationalError("could not get server's host name from server certificate")
    others = len(seen) - 1
    also = f" (and {others} other name{'s' if others > 1 else ''})" if others else ""
    raise errors.OperationalError(
        f'server certificate for "{seen[0]}"{also} does not match host name "{host}"'
    )


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, in any of the forms that inet_aton() takes."""
    return _address(host) is not None


def _matches(pattern: str, host: str) -> bool:
    """Whether the DNS name `pattern` of a certificate is `host`. `*.` stands for one label."""
    if "\0" in pattern:
        raise errors.OperationalError("SSL certificate's name contains embedded null")
    pattern, host = _lower(pattern), _lower(host)
    if pattern == host:
        return True
    if not pattern.startswith("*.") or len(pattern) < 3 or len(host) < len(pattern):
        return False
    suffix = pattern[1:]
    return host.endswith(suffix) and "." not in host[: -len(suffix)]


def _lower(name: str) -> str:
    """ASCII letters in lower case, and only those."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in name)


def _address(host: str) -> bytes | None:
    """The 4 or 16 bytes of an IP address; None if `host` is none."""
    try:
        return socket.inet_aton(host)
    except (OSError, ValueError):  # the latter for a null character
        pass
    try:
        return ipaddress.IPv6Address(host).packed
    except ValueError:
        return None


def _shown_address(name: str) -> str:
    """An address as inet_ntop() writes it: `ssl` writes out every zero of IPv6."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _common_name(certificate: Mapping[str, object]) -> str | None:
    """The first common name of the subject."""
    subject = certificate.get("subject", ())
    assert isinstance(subject, tuple)
    for attributes in subject:
        for name, value in attributes:
            if name == "commonName":
                return str(value)
    return None
