"""Where clients come in: TCP ports, and Unix-domain sockets as servers have them. Manual: 19.3."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from pgwire import errors

DEFAULT_PORT = 6432

_ACCEPTING: Final = 5
"""Turns of the event loop in which a connection that it has accepted is sure to be told of."""

Address = tuple[str, int]
"""A host and a port, or the directory of a Unix-domain socket and the port in its name."""


def parse(text: str) -> Address:
    """An address to listen on: `host:port`, `[::1]:6432`, or the directory of a Unix-domain socket,
    with a `:port` behind it if its name is to have another one than 6432.

    Raises ConninfoError for anything else.
    """
    place, colon, number = text.rpartition(":")
    if not colon and text.startswith("/"):
        return text, DEFAULT_PORT
    if place.startswith("[") and place.endswith("]"):
        place = place[1:-1]
    elif ":" in place:
        place = ""
    if not place or not number.isascii() or not number.isdigit() or int(number) > 65535:
        raise errors.ConninfoError(
            f'cannot listen on "{text}": give host:port, [address]:port, or the directory of a '
            "Unix-domain socket"
        )
    return place, int(number)


class Listeners:
    """The sockets that clients connect to. `addresses`: where they are, with the ports that the
    system has chosen."""

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._protocol = protocol
        self._servers: list[asyncio.Server] = []
        self._paths: list[tuple[str, int]] = []
        self.addresses: list[Address] = []

    async def listen(self, addresses: Sequence[Address]) -> None:
        """Listen on all addresses. Raises OperationalError, naming the one that cannot be, and
        then listens on none."""
        try:
            for host, port in addresses:
                try:
                    if host.startswith("/"):
                        await self._listen_unix(host, port)
                    else:
                        await self._listen_tcp(host, port)
                except OSError as error:
                    raise errors.OperationalError(
                        f"could not listen on {host}:{port}: {error.strerror or error}"
                    ) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Listen no more; connections that exist stay, and of all of them the protocol has been
        told."""
        loop = asyncio.get_running_loop()
        servers, self._servers = self._servers, []
        # Who has been accepted, but not told of when a server is closed, is left to the garbage
        # collector by CPython's loops: so first nobody is accepted any more, and then they close.
        for server in servers:
            for sock in server.sockets:
                with suppress(NotImplementedError):  # Windows: nothing comes between the two
                    loop.remove_reader(sock.fileno())
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        paths, self._paths = self._paths, []
        for path, inode in paths:
            with suppress(OSError):
                if os.stat(path).st_ino == inode:  # nobody else's
                    os.unlink(path)

    async def _listen_tcp(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, host, port, backlog=512)
        self._servers.append(server)
        for sock in server.sockets:
            name = sock.getsockname()
            self.addresses.append((name[0], name[1]))

    async def _listen_unix(self, directory: str, port: int) -> None:
        path = f"{directory}/.s.PGSQL.{port}"
        _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            os.chmod(path, 0o777)  # as unix_socket_permissions: who may log in, the server decides
            self._paths.append((path, os.stat(path).st_ino))
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(self._protocol, sock=sock, backlog=512)
        except BaseException:
            sock.close()
            raise
        self._servers.append(server)
        self.addresses.append((directory, port))


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more. Raises OSError for what is in use, or is no
    socket."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(0, f"{path} exists, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(0, "another process listens there")
