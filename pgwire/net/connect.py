"""From a connection string to a session: every target and address in turn. Manual: 32.1.1.3."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from pgwire import errors
from pgwire.conninfo import Settings, Target, redact, resolve, unsupported
from pgwire.conninfo.redaction import HIDDEN
from pgwire.flows.authentication import Credentials
from pgwire.flows.channel import Channel
from pgwire.flows.startup import startup
from pgwire.net.blocking import BlockingTransport
from pgwire.net.clock import Deadline, deadline_after
from pgwire.net.sockets import Address, PeerError, addresses, open_socket
from pgwire.types.encodings import python_codec

_SHOWN = 4000
"""Characters of a message that are shown of a server that has not been authenticated."""


class Opened:
    """A session that has been opened: its `transport`, and what it was opened with."""

    __slots__ = ("address", "connect_timeout", "server", "settings", "target", "transport")

    def __init__(
        self, transport: BlockingTransport, settings: Settings, target: Target, address: Address
    ) -> None:
        self.transport = transport
        self.settings = settings
        self.target = target
        self.address = address
        self.server = transport.server
        self.connect_timeout = connect_timeout(settings)


def open_connection(
    conninfo: str | None,
    options: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    on_notice: Callable[[errors.Diagnostics], None] | None,
    scram_iterations: tuple[int, int],
) -> Opened:
    """Try the targets of the connection string one after the other; see `pgwire.connect`."""
    try:
        settings = resolve(conninfo, options, environ=environ)
    except errors.ConninfoError as error:
        message = _without_secrets(error.message, conninfo or "")
        if message == error.message:
            raise
        raise errors.ConninfoError(message) from None
    refused = unsupported(settings)
    if refused is not None:
        raise errors.NotSupportedError(refused)
    python_codec(settings.get("client_encoding", "UTF8"))  # unknown ones are told before dialling
    told: list[str] = []
    last: errors.Error = errors.OperationalError("there is nothing to connect to")
    for target in settings.targets:
        try:
            candidates = addresses(target, deadline_after(connect_timeout(settings)))
        except errors.OperationalError as error:
            told.append(error.message)
            last = error
            continue
        if settings["load_balance_hosts"] == "random":
            random.shuffle(candidates)
        for address in candidates:
            attempt = _Attempt(settings, target, address, on_notice, scram_iterations)
            try:
                return attempt.run()
            except errors.Error as error:
                told.append(attempt.prefix + _told(error))
                last = error
                if attempt.dialled and not isinstance(error, errors.TimeoutExpired):
                    if error.sqlstate == "57P03":  # cannot_connect_now: the next host may
                        break
                    raise _failure(told, error) from error
    raise _failure(told, last) from last


class _Attempt:
    """One attempt at one address. `dialled` tells whether the network part has succeeded."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        address: Address,
        on_notice: Callable[[errors.Diagnostics], None] | None,
        scram_iterations: tuple[int, int],
    ) -> None:
        self.settings = settings
        self.target = target
        self.address = address
        self.prefix = target.failure_prefix(address.shown)
        self.dialled = False
        self._on_notice = on_notice
        self._iterations = scram_iterations

    def run(self) -> Opened:
        settings, target = self.settings, self.target
        deadline = deadline_after(connect_timeout(settings))
        try:
            sock = open_socket(target, self.address, settings, deadline)
        except PeerError:
            self.dialled = True
            raise
        self.dialled = True
        server = self.prefix.removesuffix(" failed: ")
        transport = BlockingTransport(sock, Channel(self._on_notice), server)
        try:
            self._start(transport, deadline)
        except BaseException:
            transport.close()
            raise
        return Opened(transport, settings, target, self.address)

    def _start(self, transport: BlockingTransport, deadline: Deadline) -> None:
        settings = self.settings
        parameters = {"client_encoding": "UTF8", **settings.startup_parameters()}
        minimum, asked = settings.protocol_versions
        credentials = Credentials(
            _bytes(settings["user"]),
            None if self.target.password is None else _bytes(self.target.password),
            # libpq takes an empty list to forbid every challenge; nobody can want that.
            require_auth=settings.get("require_auth") or None,
            private=self.address.private,
            min_iterations=self._iterations[0],
            max_iterations=self._iterations[1],
            client_key=settings.scram_client_key,
            server_key=settings.scram_server_key,
        )
        flow = startup(
            transport.channel,
            {_bytes(name): _bytes(value) for name, value in parameters.items()},
            credentials,
            version=asked,
            min_version=minimum,
        )
        try:
            transport.run(flow, deadline)
        except errors.DatabaseError as error:
            if error.sqlstate == "28P01" and self.target.passfile is not None:
                error.add_note(f'password retrieved from file "{self.target.passfile}"')
            raise


def connect_timeout(settings: Settings) -> float | None:
    """The option of that name in seconds; None: there is no limit."""
    seconds = settings.integer("connect_timeout")
    return float(seconds) if seconds is not None and seconds > 0 else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _told(error: errors.Error) -> str:
    """What `error` adds to the list of attempts: a server's words as libpq shows them, but no
    control characters of a stranger's, and not without end."""
    if isinstance(error, errors.ConnectionLost):
        return error.reason
    text = error.message
    if error.diagnostics.localized_severity not in (None, "ERROR") or error.diagnostics.routine:
        text = error.diagnostics.render()
    for note in getattr(error, "__notes__", ()):
        text += f"\n{note}"
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


# Anything else that is wrong, such as a name in the place of the string, can be told as it is.
_MAY_HOLD_SECRETS = re.compile(r"pass|pwd|secret|token|key|oauth|://.*:.*@", re.I | re.S)


def _without_secrets(message: str, conninfo: str) -> str:
    """libpq's `message` about `conninfo`, of which it quotes what it stumbles over: that may be the
    password."""
    shown = redact(conninfo)
    if shown == conninfo or not _MAY_HOLD_SECRETS.search(conninfo):
        return message
    message = message.replace(conninfo, shown)
    for quoted in (r'"(.+)"', r'"([^"]+)"'):
        for piece in re.findall(quoted, message, re.DOTALL):
            if piece in conninfo and piece not in shown:
                message = message.replace(piece, HIDDEN)
    return message


def _failure(told: list[str], last: errors.Error) -> errors.Error:
    """The error that tells all attempts, of the class of the last one."""
    text = "\n".join(told)
    server = last.diagnostics
    failure = type(last)(text)
    failure.diagnostics = errors.Diagnostics(
        message=server.message, severity=server.severity, sqlstate=server.sqlstate
    )
    failure.sqlstate = server.sqlstate
    return failure
