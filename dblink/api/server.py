"""`Server`: the API on addresses of its own, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from dblink.api.app import Limits, application
from dblink.api.connection import Bounds, protocol
from dblink.api.request import MAX_HEAD
from dblink.api.seam import Catalogue
from pgwire import errors
from pgwire.tls.files import check_private_key
from pgwire.tls.layer import reason_of

_BACKLOG = 512


class Server:
    """The API to a catalogue, served.

    Args:
        catalogue: called from several threads.
        listen: where clients connect: ``host:port`` (port 0: the system chooses one) or
            ``[address]:port``.
        certificate: path of the server's certificate, followed by those of intermediate
            authorities, PEM; None: no TLS.
        key: path of its private key, which nobody else may read.
        limits: what callers may ask for.
        bounds: what clients may take.

    Raises ConninfoError for addresses that cannot be, OperationalError for files that cannot be
    used.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        listen: Sequence[str] = ("127.0.0.1:6480",),
        certificate: str | None = None,
        key: str | None = None,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self._listen = [parse(address) for address in listen]
        if not self._listen:
            raise errors.ConninfoError("there must be an address to listen on")
        self._tls = None
        if certificate is not None and key is not None:
            self._tls = _context(certificate, key)
        bounds = bounds or Bounds()
        self._config = uvicorn.Config(
            application(catalogue, limits),
            http=protocol(bounds),
            ws="none",
            lifespan="on",
            loop="asyncio",
            interface="asgi3",
            log_config=None,
            access_log=False,  # it would hold whole URLs, in which passwords may stand
            proxy_headers=False,  # anybody may write them
            server_header=False,
            timeout_keep_alive=bounds.idle,  # type: ignore[arg-type]  # a delay of the loop
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        self._server = _Uvicorn(self._config, self._tls, bounds.head)
        self._task: asyncio.Task[None] | None = None
        self.addresses: list[tuple[str, int]] = []

    async def start(self) -> None:
        """Listen. Raises OperationalError if an address cannot be listened on."""
        sockets: list[socket.socket] = []
        try:
            for host, port in self._listen:
                sockets += _listening(host, port)
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        self.addresses = [sock.getsockname()[:2] for sock in sockets]
        self._task = asyncio.create_task(self._server.serve(sockets))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            await self._task

    async def serve_forever(self) -> None:
        """Serve until `stop` has been called, and is through."""
        assert self._task is not None, "the server has not been started"
        await asyncio.shield(self._task)

    async def stop(self, grace: float = 5.0) -> None:
        """Listen no more. Requests that are at work have `grace` seconds to come to their end; a
        second call can end that."""
        if self._task is None:
            return
        if self._server.should_exit:
            self._server.force_exit = True
        self._config.timeout_graceful_shutdown = grace  # type: ignore[assignment]
        self._server.should_exit = True
        await asyncio.wait({self._task})


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: those are the command's. With TLS handshakes that may
    not take longer than the head of a request."""

    def __init__(
        self, config: uvicorn.Config, tls: ssl.SSLContext | None, handshake: float
    ) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._tls = tls
        self._handshake = handshake

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server.capture_signals`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.startup`."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"ssl": self._tls}
        if self._tls is not None:
            options["ssl_handshake_timeout"] = self._handshake
        self.servers = [
            await loop.create_server(self._connection, sock=sock, backlog=_BACKLOG, **options)
            for sock in sockets or ()
        ]
        self.started = True
        self.ready.set()

    def _connection(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        connection: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return connection


def parse(text: str) -> tuple[str, int]:
    """An address to listen on, `host:port` or `[::1]:6480`. Raises ConninfoError for anything
    else."""
    host, _, number = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host or "/" in host:
        host = ""
    if not host or not number.isascii() or not number.isdigit() or int(number) > 65535:
        raise errors.ConninfoError(f'cannot listen on "{text}": give host:port or [address]:port')
    return host, int(number)


def _listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address that `host` has."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, number)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(_BACKLOG)
            sock.setblocking(False)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise errors.OperationalError(
            f"could not listen on {host}:{port}: {error.strerror or error}"
        ) from error
    return sockets


def _context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    known = check_private_key(key)
    try:
        # Without a function OpenSSL would ask for a passphrase on the terminal.
        context.load_cert_chain(certificate, known, password=lambda: b"")
    except (OSError, ValueError) as error:
        raise errors.OperationalError(
            f'could not load certificate file "{certificate}" with private key file "{known}": '
            f"{reason_of(error)}"
        ) from error
    return context
