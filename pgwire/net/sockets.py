"""Sockets to a target: addresses, options, the peer's identity. Manual: 32.1.2, 32.1.1.3."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.flows.attempts import Address, PeerError
from pgwire.net import interrupts
from pgwire.net.clock import Deadline, seconds_until
from pgwire.net.readiness import wait_writable

_HINT = {
    "unix": "\n\tIs the server running locally and accepting connections on that socket?",
    "tcp": "\n\tIs the server running on that host and accepting TCP/IP connections?",
}


# An item of what getaddrinfo() returns.
_Found = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


def addresses(target: Target, deadline: Deadline) -> list[Address]:
    """All addresses of `target`, in the resolver's order.

    Raises OperationalError in libpq's words if there is none, or not before the `deadline`;
    ConninfoError for a wrong port.
    """
    known = known_addresses(target)
    if known is not None:
        return known
    with looking_up(target):
        return as_addresses(_look_up(target.lookup_name, target.port_number(), deadline))


def known_addresses(target: Target) -> list[Address] | None:
    """The addresses of `target` if they can be told without asking a resolver, else None."""
    if target.kind == "unix":
        return [Address(socket.AF_UNIX, target.socket_address(), None, private=True)]
    port = target.port_number()
    with looking_up(target):
        try:
            return as_addresses(
                socket.getaddrinfo(
                    target.lookup_name,
                    port,
                    type=socket.SOCK_STREAM,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        except (OSError, UnicodeError):
            if target.hostaddr:
                raise
            return None


@contextmanager
def looking_up(target: Target) -> Iterator[None]:
    """A block in which the name of `target` is looked up: what fails is told in libpq's words."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise target.lookup_error(reason or str(error)) from error


def as_addresses(found: Sequence[_Found]) -> list[Address]:
    """What getaddrinfo() has `found`."""
    return [
        Address(family, sockaddr, shown, private=shown.startswith("127.") or shown == "::1")
        for family, _, _, _, sockaddr in found
        for shown in [str(sockaddr[0])]
    ]


def numeric_addresses(found: str | Iterable[str], port: int) -> list[Address]:
    """What a resolver of the user's has `found`: numeric addresses. Raises OSError for others, or
    if there is none."""
    known: list[Address] = []
    for text in [found] if isinstance(found, str) else found:
        known += as_addresses(
            socket.getaddrinfo(text, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    if not known:
        raise OSError(errno.ENOENT, "the resolver found no address")
    return known


def _look_up(name: str, port: int, deadline: Deadline) -> Sequence[_Found]:
    """getaddrinfo() with a deadline, and interruptible: the system's resolver is neither."""

    def ask() -> Sequence[_Found]:
        return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)

    if deadline is None and interrupts.here.block is None:
        return ask()
    import threading

    answer: list[Sequence[_Found] | Exception] = []

    def work() -> None:
        try:
            answer.append(ask())
        except Exception as error:
            answer.append(error)

    # There is no way to stop it; a daemon at least does not keep the program from ending.
    thread = threading.Thread(target=work, name=f"resolving {name}", daemon=True)
    with _signals_elsewhere():
        thread.start()

    def ended(seconds: float | None) -> bool:
        thread.join(seconds)
        return bool(answer)

    if not interrupts.wait(ended, seconds_until(deadline)):
        raise OSError(errno.ETIMEDOUT, "timeout expired")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


@contextmanager
def _signals_elsewhere() -> Iterator[None]:
    """A block in which threads are started that are never to be the one that gets a signal: the
    program around us may have handlers that count on their own thread, as a server has."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def open_socket(
    target: Target,
    address: Address,
    settings: Settings,
    deadline: Deadline,
    keep: Callable[[socket.socket], object] = lambda sock: None,
) -> socket.socket:
    """A socket connected to `address`, with the options of `settings`, not blocking.

    `keep` is given it before it is connected: a Ctrl-C may come when it is, and has not been
    returned yet.

    Raises OperationalError whose message is what libpq says after `… failed: `.
    """
    with opening(target, address, settings) as sock:
        keep(sock)
        dial(sock, address.sockaddr, deadline)
    return sock


@contextmanager
def opening(target: Target, address: Address, settings: Settings) -> Iterator[socket.socket]:
    """A new socket for `address`, not blocking, with the options of `settings`; the block connects
    it. Raises as `open_socket` does, and then closes it."""
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        raise errors.OperationalError(f"could not create socket: {error.strerror}") from error
    try:
        sock.setblocking(False)
        _prepare(sock, settings)
        yield sock
        _check_connected(sock, settings)
    except OSError as error:
        sock.close()
        if isinstance(error, errors.Error):
            raise
        raise errors.OperationalError(f"{error.strerror}{_HINT[target.kind]}") from error
    except BaseException:
        sock.close()
        raise


@contextmanager
def dialling() -> Iterator[None]:
    """A block that runs the user's own way of dialling; what fails means that there is no way."""
    try:
        yield
    except errors.Error:
        raise
    except TimeoutError as error:
        raise errors.TimeoutExpired("timeout expired") from error
    except OSError as error:
        raise errors.OperationalError(error.strerror or str(error)) from error


def adopt(sock: object, settings: Settings) -> None:
    """Make a connected socket that the user has opened ready, as `open_socket` does one of ours.

    Raises InterfaceError for what is no plain socket, OperationalError as `open_socket` does, and
    then closes it.
    """
    # If nobody has imported `ssl`, this is none of its sockets.
    ssl = sys.modules.get("ssl")
    if not isinstance(sock, socket.socket):
        raise errors.InterfaceError(f"not a connected socket: {type(sock).__name__}")
    try:
        if ssl is not None and isinstance(sock, ssl.SSLSocket):
            raise errors.InterfaceError(
                "an SSLSocket cannot be used: give the plain socket, and let sslmode or "
                "ssl_context secure it"
            )
        sock.setblocking(False)
        _prepare(sock, settings)
        _check_connected(sock, settings)
    except BaseException:
        sock.close()
        raise


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


def _prepare(sock: socket.socket, settings: Settings) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
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
_LINUX_PEERCRED = {"x86_64": 17, "i686": 17, "aarch64": 17, "riscv64": 17, "ppc64le": 21}


def _check_connected(sock: socket.socket, settings: Settings) -> None:
    if sock.family == getattr(socket, "AF_UNIX", None) and settings.get("requirepeer"):
        _check_peer(sock, settings["requirepeer"])


def _peer_option() -> int | None:
    """SO_PEERCRED, which PyPy does not name; None where it is not known."""
    named: int | None = getattr(socket, "SO_PEERCRED", None)
    if named is None and sys.platform == "linux":
        return _LINUX_PEERCRED.get(os.uname().machine)
    return named


def _check_peer(sock: socket.socket, wanted: str) -> None:
    """`requirepeer`: the server's process must belong to the operating-system user `wanted`."""
    import pwd

    option = _peer_option()
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
