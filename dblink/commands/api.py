"""`dblink api`: the link catalogue over HTTP."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from dblink.commands.catalogue import add_catalogue_option, opened
from dblink.commands.common import CommandError, output, seconds
from dblink.commands.logs import log_to_stderr

if TYPE_CHECKING:
    from dblink.api.server import Server
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the parser."""
    api = commands.add_parser(
        "api",
        help="serve the link catalogue over HTTP",
        description="Serve the link catalogue over HTTP, by the interface of the service (version "
        "2017-08-01), to whoever signs with an access key of the catalogue. Needs the extra `api`.",
    )
    add_catalogue_option(api, allow=True)
    api.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="where clients connect: host:port or [address]:port; may be given several times "
        "(default: 127.0.0.1:6480)",
    )
    api.add_argument("--tls-cert", metavar="FILE", help="certificate, for HTTPS")
    api.add_argument("--tls-key", metavar="FILE", help="its private key")
    api.add_argument(
        "--rate",
        type=_rate,
        default=20.0,
        metavar="N",
        help="requests a second of one access key, on average (default: 20)",
    )
    api.add_argument(
        "--address-rate",
        type=_rate,
        default=50.0,
        metavar="N",
        help="requests a second from one address, before it is known who asks (default: 50)",
    )
    api.add_argument(
        "--max-clients",
        type=_count,
        default=500,
        metavar="N",
        help="connections at once (default: 500)",
    )
    api.add_argument(
        "--grace",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="that requests at work have to end when the server is stopped (default: 5)",
    )
    api.add_argument("--verbose", action="store_true", help="log each request")
    api.set_defaults(run=_serve)


def _rate(text: str) -> float:
    number = float(text)
    if not 0.01 <= number <= 1_000_000:
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


_rate.__name__ = "rate"  # argparse: "invalid rate value: 'x'"
_count.__name__ = "number"


def _serve(options: argparse.Namespace) -> None:
    try:
        from dblink.api.app import Limits
        from dblink.api.connection import Bounds
        from dblink.api.server import Server
    except ImportError as error:
        raise CommandError(
            f"`dblink api` needs the extra `api` ({error}): pip install 'pgwire-dblink[api]'"
        ) from error
    if (options.tls_cert is None) != (options.tls_key is None):
        raise CommandError("--tls-cert and --tls-key must be given together")
    log_to_stderr(verbose=options.verbose)
    # It warns of every stranger who speaks no HTTP, and tells of its own comings and goings.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    with opened(options) as catalogue:
        server = Server(
            catalogue,
            listen=options.listen or ("127.0.0.1:6480",),
            certificate=options.tls_cert,
            key=options.tls_key,
            limits=Limits(rate=options.rate, address_rate=options.address_rate),
            bounds=Bounds(connections=options.max_clients),
        )
        asyncio.run(_run(server, options.grace))


async def _run(server: Server, grace: float) -> None:
    """Serve until the process is told to end: then gracefully, the second time at once."""
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        stopping.append(loop.create_task(server.stop(0.0 if stopping else grace)))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    out = output(exact=False)
    try:
        await server.start()
        for host, port in server.addresses:
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on {shown}:{port}", file=out)
        out.flush()
        await server.serve_forever()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
