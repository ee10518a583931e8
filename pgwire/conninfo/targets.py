"""From the lists of hosts, addresses and ports to the places to try. Manual: 32.1.1.3."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final, Literal

from pgwire.conninfo.passfile import find_password, read_passfile
from pgwire.conninfo.text import encode, parse_integer
from pgwire.errors import ConninfoError, OperationalError

__all__ = ["SOCKET_DIRECTORIES", "Target", "default_host", "target_list"]

SOCKET_DIRECTORIES: Final = ("/var/run/postgresql", "/tmp")
"""Where the socket of a local server is: the first directory of these that exists. Debian's and Red
Hat's packages use the former, PostgreSQL's own default is the latter."""

DEFAULT_PORT: Final = "5432"

_SOCKET_PATH_LIMIT: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a path in sockaddr_un, without the final null."""

_MAXIMUM_PORT: Final = 65535


class Target:
    """One place to connect to.

    Attributes:
        host: item of the list `host`, or the default one; "" if only an address is given. The name
            that certificates and the password file are compared with.
        hostaddr: item of the list `hostaddr`: a numeric address to use instead of looking up
            `host`; "" if there is none.
        port: as written; "5432" if nothing was.
        kind: "unix" if `host` is the directory of a Unix-domain socket, or an abstract one
            (leading ``@``), and there is no `hostaddr`; else "tcp".
        password: for this target; None or empty if there is none.
        passfile: path of the password file that gave the password, or None.
    """

    __slots__ = ("host", "hostaddr", "kind", "passfile", "password", "port")

    host: Final[str]
    hostaddr: Final[str]
    port: Final[str]
    kind: Final[Literal["unix", "tcp"]]
    password: Final[str | None]
    passfile: Final[str | None]

    def __init__(
        self,
        host: str,
        hostaddr: str,
        port: str,
        *,
        password: str | None = None,
        passfile: str | None = None,
    ) -> None:
        self.host = host
        self.hostaddr = hostaddr
        self.port = port
        self.kind = "unix" if not hostaddr and _is_socket_path(host) else "tcp"
        self.password = password
        self.passfile = passfile

    def __repr__(self) -> str:
        place = self.host if self.kind == "unix" else f"{self.hostaddr or self.host}:{self.port}"
        return f"<Target {self.kind} {place}>"

    @property
    def password_source(self) -> str | None:
        """Where the password is from: "conninfo" (the options, wherever they are from), the path of
        the password file, or None if there is no password.
        """
        if self.passfile is not None:
            return self.passfile
        return "conninfo" if self.password else None

    @property
    def lookup_name(self) -> str:
        """What to give to getaddrinfo; with AI_NUMERICHOST if `hostaddr` is not empty."""
        return self.hostaddr or self.host

    def port_number(self) -> int:
        """The port, 1 to 65535.

        Raises ConninfoError if it is no integer: libpq then gives up altogether. Raises
        OperationalError if it is out of range: libpq then goes on to the next host.
        """
        number = parse_integer("port", self.port)
        if not 1 <= number <= _MAXIMUM_PORT:
            raise OperationalError(f'invalid port number: "{self.port}"')
        return number

    def socket_path(self) -> str:
        """The path of the Unix-domain socket, as shown; an abstract one starts with ``@``.

        Raises what `port_number` raises, and OperationalError (go on to the next host) if no
        address can hold the path.
        """
        path = f"{self.host}/.s.PGSQL.{self.port_number()}"
        if len(encode(path)) > _SOCKET_PATH_LIMIT:
            raise OperationalError(
                f'Unix-domain socket path "{path}" is too long (maximum {_SOCKET_PATH_LIMIT} bytes)'
            )
        return path

    def socket_address(self) -> bytes:
        """The address of the Unix-domain socket, for connect(). Raises what `socket_path` does."""
        path = encode(self.socket_path())
        return b"\0" + path[1:] if path.startswith(b"@") else path

    def lookup_error(self, reason: str) -> OperationalError:
        """The error for a name that getaddrinfo refused with `reason`."""
        if self.hostaddr:
            return OperationalError(f'could not parse network address "{self.hostaddr}": {reason}')
        return OperationalError(f'could not translate host name "{self.host}" to address: {reason}')

    def failure_prefix(self, address: str | None = None) -> str:
        """How libpq begins the message when the connection to this target fails.

        Arguments:
            address: the numeric address that was tried, told when it is not the name itself.
        """
        if self.kind == "unix":
            return f'connection to server on socket "{self.socket_path()}" failed: '
        name = self.hostaddr or self.host
        told = f" ({address})" if address and not self.hostaddr and address != name else ""
        return f'connection to server at "{name}"{told}, port {self.port} failed: '


def default_host() -> str:
    """Where to connect if neither host nor address is given."""
    if os.name == "nt":
        return "localhost"
    existing = (path for path in SOCKET_DIRECTORIES if os.path.isdir(path))
    return next(existing, SOCKET_DIRECTORIES[-1])


def target_list(values: Mapping[str, str]) -> list[Target]:
    """The targets in the order of the lists, without passwords.

    Raises ConninfoError if the lists do not fit each other.
    """
    addresses = _items(values.get("hostaddr"))
    hosts = _items(values.get("host"))
    count = len(addresses) or len(hosts) or 1
    if hosts and len(hosts) != count:
        raise ConninfoError(f"could not match {len(hosts)} host names to {count} hostaddr values")
    ports = _items(values.get("port")) or [DEFAULT_PORT]
    if len(ports) == 1:
        ports *= count
    if len(ports) != count:
        raise ConninfoError(f"could not match {len(ports)} port numbers to {count} hosts")
    return [
        Target(host if host or address else default_host(), address, port or DEFAULT_PORT)
        for host, address, port in zip(
            hosts or [""] * count, addresses or [""] * count, ports, strict=True
        )
    ]


def with_passwords(
    targets: list[Target], *, password: str | None, passfile: str | None, dbname: str, user: str
) -> list[Target]:
    """The same targets with their passwords.

    Arguments:
        password: of the options; given and not empty, it is the password of all.
        passfile: path of the password file to look into otherwise; None not to.
    """
    content = read_passfile(passfile) if passfile and not password else None
    found = []
    for target in targets:
        own = None
        if content is not None:
            host = target.host or target.hostaddr
            own = find_password(
                content,
                host="localhost" if host == default_host() else host,
                port=target.port,
                dbname=dbname,
                user=user,
            )
        found.append(
            Target(
                target.host,
                target.hostaddr,
                target.port,
                password=password if own is None else own,
                passfile=None if own is None else passfile,
            )
        )
    return found


def _items(value: str | None) -> list[str]:
    return value.split(",") if value else []


def _is_socket_path(host: str) -> bool:
    return host.startswith(("/", "@")) or (os.name == "nt" and os.path.isabs(host))
