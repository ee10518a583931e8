"""`dblink serve`: a gateway, in front of a server or of a throw-away one."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import shutil
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from dblink.commands.common import CommandError, output, seconds
from dblink.commands.logs import log_to_stderr

if TYPE_CHECKING:
    from dblink.commands.common import Commands
    from dblink.gateway import Gateway

_EXAMPLE = """\
SELECT * FROM dblink('warehouse_server', 'SELECT item, amount FROM stock')
    AS t(item text, amount int);
"""


def add(commands: Commands) -> None:
    """Add the parser."""
    serve = commands.add_parser(
        "serve",
        help="relay clients to a server, with dblink's functions in SQL",
        description="Relay clients to a PostgreSQL server. In databases that `dblink setup` has "
        "prepared dblink's functions work then, for psql and every other client.",
    )
    local = serve.add_mutually_exclusive_group(required=True)
    local.add_argument(
        "--local",
        metavar="CONNINFO",
        help="connection string of the server; who logs in there is each client itself",
    )
    local.add_argument(
        "--embedded",
        action="store_true",
        help="start a throw-away server with two databases, prepared to be tried out",
    )
    serve.add_argument(
        "--side",
        metavar="CONNINFO",
        help="connection string for the gateway's own connections to that server, as the role that "
        "`dblink setup` was told of (default: that of --local)",
    )
    serve.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="where clients connect: host:port, [address]:port or the directory of a Unix-domain "
        "socket; may be given several times (default: 127.0.0.1:6432)",
    )
    serve.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="REMOTE",
        help="a remote server that may be connected to, as host:port, network or directory of a "
        "Unix-domain socket, * for any; may be given several times (default: all addresses but "
        "link-local ones and those of metadata services)",
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="certificate, for TLS with clients")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key")
    serve.add_argument(
        "--tls-ca",
        metavar="FILE",
        help="certificates of the authorities whose certificates clients must show",
    )
    serve.add_argument(
        "--max-clients",
        type=_count,
        default=1000,
        metavar="N",
        help="sessions at once (default: 1000)",
    )
    serve.add_argument(
        "--startup-timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="until a client must have logged in (default: 60)",
    )
    serve.add_argument(
        "--idle-timeout",
        type=seconds,
        metavar="SECONDS",
        help="after which a session that does nothing ends (default: never)",
    )
    serve.add_argument(
        "--grace",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="that running queries have to end when the gateway is stopped (default: 5)",
    )
    serve.add_argument(
        "--trust",
        action="store_true",
        help="let clients from other machines in, too, whom the server asks for no password",
    )
    serve.add_argument(
        "--verbose",
        action="store_true",
        help="log each session and remote call, and the notices of remote servers",
    )
    serve.set_defaults(run=_serve)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


_count.__name__ = "number"  # argparse: "invalid number value: 'x'"


def _serve(options: argparse.Namespace) -> None:
    log_to_stderr(verbose=options.verbose)
    if not options.embedded:
        gateway = _gateway(options, options.local, options.side)
        if gateway.upstream.unix and gateway.listens_on_tcp:
            logging.getLogger("dblink.gateway").warning(
                "the server is reached by a Unix-domain socket: where its pg_hba.conf says peer, "
                "whoever connects to the gateway by TCP is let in as this process's user"
            )
        side = options.local if options.side is None else options.side
        asyncio.run(_run(gateway, options.grace, side=side))
        return
    from dblink import shells
    from dblink.demo import two_databases
    from pgwire import connect

    if options.side is not None:
        raise CommandError("--side cannot be used with --embedded")
    try:
        with two_databases() as cluster:
            with connect(cluster.conninfo("shop")) as shop:
                shells.setup(shop)
            gateway = _gateway(options, cluster.conninfo("shop"), None)
            login = {"user": cluster.superuser, "dbname": "shop"}
            asyncio.run(_run(gateway, options.grace, login=login))
    except RuntimeError as error:  # there is no server to start, or it does not start
        raise CommandError(error) from error


def _try_side(conninfo: str) -> None:
    """Warn if the side connection cannot be opened: else its first user would find that out."""
    import pgwire

    try:
        pgwire.connect(conninfo, connect_timeout=10).close()
    except pgwire.Error as error:
        if error.sqlstate != "3D000":  # each session brings the name of its own database
            logging.getLogger("dblink.gateway").warning(
                "no side connection, and so no dblink in any session, for now: %s", error
            )


def _gateway(options: argparse.Namespace, local: str, side: str | None) -> Gateway:
    from dblink.gateway import Gateway, TlsFiles

    tls = None
    if options.tls_cert or options.tls_key:
        if not (options.tls_cert and options.tls_key):
            raise CommandError("--tls-cert and --tls-key must be given together")
        tls = TlsFiles(options.tls_cert, options.tls_key, options.tls_ca)
    elif options.tls_ca:
        raise CommandError("--tls-ca needs --tls-cert and --tls-key")
    try:
        return Gateway(
            local,
            side,
            listen=options.listen or ("127.0.0.1:6432",),
            tls=tls,
            allow=options.allow,
            max_clients=options.max_clients,
            startup_timeout=options.startup_timeout,
            idle_timeout=options.idle_timeout,
            trust=options.trust,
        )
    except ValueError as error:  # of --allow
        raise CommandError(error) from error


async def _run(
    gateway: Gateway, grace: float, *, side: str | None = None, login: dict[str, str] | None = None
) -> None:
    """Serve until the process is told to end: then gracefully, the second time at once."""
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        stopping.append(loop.create_task(gateway.stop(0.0 if stopping else grace)))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    out = output(exact=False)
    try:
        await gateway.start()
        for host, port in gateway.addresses:
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on {shown}:{port}", file=out)
        if login is not None:
            where = shlex.quote(gateway.conninfo(**login))
            print(f"\nTry it:\n\n{_psql()} {where}\n\n{_EXAMPLE}\nCtrl-C ends it.", file=out)
        out.flush()
        if side is not None:
            # Clients are served without it as well, so nothing waits for this.
            threading.Thread(target=_try_side, args=(side,), daemon=True).start()
        await gateway.serve_forever()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _psql() -> str:
    """psql as it is called here: the wheel that brings the server brings one that is on no PATH."""
    from pgwire.testing.binaries import BinariesNotFoundError, find_program

    if shutil.which("psql") is None:
        with suppress(BinariesNotFoundError):
            return shlex.quote(str(find_program("psql")))
    return "psql"
