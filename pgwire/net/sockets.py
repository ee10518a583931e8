"""Sockets to a target: addresses, options, the peer's identity. Manual: 32.1.2, 32.1.1.3."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.net.clock import Deadline, seconds_until
from pgwire.net.readiness import wait_writable

_HINT = {
    "unix": "\n\tIs the server running locally and accepting connections on that socket?",
    "tcp": "\n\tIs the server running on that host and accepting TCP/IP connections?",
}


# An item of what getaddrinfo() returns.
_Found = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class Address:
    """A socket address that a target stands for; `shown` is its numeric form for messages."""

    __slots__ = ("family", "shown", "sockaddr")

    def __init__(self, family: int, sockaddr: object, shown: str | None) -> None:
        self.family = family
        self.sockaddr = sockaddr
        self.shown = shown

    @property
    def private(self) -> bool:
        """Whether nobody can listen on the way: a unix socket or the loop-back interface."""
        return self.family == socket.AF_UNIX or (
            self.shown is not None and (self.shown.startswith("127.") or self.shown == "::1")
        )


def addresses(target: Target, deadline: Deadline) -> list[Address]:
    """All addresses of `target`, in the resolver's order.

    Raises OperationalError in libpq's words if there is none, or not before the `deadline`;
    ConninfoError for a wrong port.
    """
    if target.kind == "unix":
        return [Address(socket.AF_UNIX, target.socket_address(), None)]
    port = target.port_number()
    try:
        found = _look_up(target.lookup_name, port, bool(target.hostaddr), deadline)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise target.lookup_error(reason or str(error)) from error
    return [Address(family, sockaddr, str(sockaddr[0])) for family, _, _, _, sockaddr in found]


def _look_up(name: str, port: int, numeric: bool, deadline: Deadline) -> Sequence[_Found]:
    """getaddrinfo() with a deadline, which the system's resolver does not have."""

    def ask(flags: int) -> Sequence[_Found]:
        return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)

    try:
        return ask(socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        if numeric:
            raise
    if deadline is None:
        return ask(0)
    answer: list[Sequence[_Found] | Exception] = []

    def work() -> None:
        try:
            answer.append(ask(0))
        except Exception as error:
            answer.append(error)

    # There is no way to stop it; a daemon at least does not keep the program from ending.
    thread = threading.Thread(target=work, name=f"resolving {name}", daemon=True)
    thread.start()
    thread.join(seconds_until(deadline))
    if not answer:
        raise OSError(errno.ETIMEDOUT, "timeout expired")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def open_socket(
    target: Target, address: Address, settings: Settings, deadline: Deadline
) -> socket.socket:
    """A socket connected to `address`, with the options of `settings`, not blocking.

    Raises OperationalError whose message is what libpq says after `… failed: `.
    """
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise errors.OperationalError(f"could not create socket: {error.strerror}") from error
    try:
        sock.setblocking(False)
        if address.family != socket.AF_UNIX:
            _set_options(sock, settings)
        dial(sock, address.sockaddr, deadline)
        if address.family == socket.AF_UNIX and settings.get("requirepeer"):
            _check_peer(sock, settings["requirepeer"])
    except OSError as error:
        sock.close()
        if isinstance(error, errors.Error):
            raise
        raise errors.OperationalError(f"{error.strerror}{_HINT[target.kind]}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def dial(sock: socket.socket, sockaddr: object, deadline: Deadline) -> None:
    """Connect a socket that does not block. Raises OSError, or TimeoutExpired at the `deadline`."""
    try:
        sock.connect(sockaddr)  # type: ignore[arg-type]  # what getaddrinfo or a path gave
        return
    except BlockingIOError:
        pass
    if not wait_writable(sock, deadline):
        raise errors.TimeoutExpired("timeout expired")
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _set_options(sock: socket.socket, settings: Settings) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for level, option, value in _options(settings):
        try:
            sock.setsockopt(level, option, value)
        except OSError as error:
            raise errors.OperationalError(
                f"setsockopt({option}) failed: {error.strerror}"
            ) from error


def _options(settings: Settings) -> Iterator[tuple[int, int, int]]:
    """(level, option, value) of the keep-alive family; `keepalives=0` switches all of it off."""
    if settings.integer("keepalives") == 0:
        return
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    for keyword, name in (
        ("keepalives_idle", "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"),
        ("keepalives_interval", "TCP_KEEPINTVL"),
        ("keepalives_count", "TCP_KEEPCNT"),
        ("tcp_user_timeout", "TCP_USER_TIMEOUT"),
    ):
        value = settings.integer(keyword)
        option = getattr(socket, name, None)
        if value is not None and option is not None:
            yield socket.IPPROTO_TCP, option, max(value, 0)


# SO_PEERCRED of asm/socket.h, by machine.
_LINUX_PEERCRED = {"x86_64": 17, "i686": 17, "aarch64": 17, "s390x": 17, "ppc64le": 21}


def _check_peer(sock: socket.socket, wanted: str) -> None:
    """`requirepeer`: the server's process must belong to the operating-system user `wanted`."""
    import pwd

    option = getattr(socket, "SO_PEERCRED", None)
    if option is None and sys.platform == "linux":
        option = _LINUX_PEERCRED.get(os.uname().machine)  # PyPy's module lacks the name
    if option is None:
        raise PeerError("requirepeer parameter is not supported on this platform")
    credentials = sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    try:
        actual = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PeerError(f"could not look up local user ID {uid}: user does not exist") from None
    if actual != wanted:
        raise PeerError(
            f'requirepeer specifies "{wanted}", but actual peer user name is "{actual}"'
        )


class PeerError(errors.OperationalError):
    """The server's process is not the required user's: no other address is tried."""
