"""A session that has been opened, and how; what both bodies know of it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial

from pgwire import errors
from pgwire.conninfo import Settings, Target, resolve, unsupported
from pgwire.flows.attempts import Address, Connected, Transport, Wish
from pgwire.flows.channel import Channel
from pgwire.flows.secure import Security
from pgwire.types.encodings import python_codec


class Opened:
    """What a connection was opened with, and to: enough to dial the same place once more."""

    __slots__ = ("_connected", "server", "settings")

    def __init__(self, connected: Connected, settings: Settings) -> None:
        self._connected = connected
        self.settings = settings
        shown = connected.target.failure_prefix(connected.address.shown)
        self.server = shown.removesuffix(" failed: ")

    @property
    def target(self) -> Target:
        """The item of the lists of hosts, addresses and ports."""
        return self._connected.target

    @property
    def address(self) -> Address:
        """The address that the session is connected to."""
        return self._connected.address

    @property
    def security(self) -> Security | None:
        """How the session is secured; None if it is not."""
        return self._connected.security

    @property
    def transport(self) -> Transport:
        """The connection on the network."""
        return self._connected.transport

    @property
    def channel(self) -> Channel:
        """The protocol side of the session."""
        return self._connected.transport.channel

    @property
    def connect_timeout(self) -> float | None:
        """The option of that name in seconds; None: there is no limit."""
        return connect_timeout(self.settings)


def connect_timeout(settings: Settings) -> float | None:
    """The option of that name in seconds; None: there is no limit."""
    seconds = settings.integer("connect_timeout")
    return float(seconds) if seconds is not None and seconds > 0 else None


def wish(
    conninfo: str | None,
    options: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    scram_iterations: tuple[int, int],
    ssl_context: ssl.SSLContext | None,
) -> Wish:
    """What is to be connected to. Raises ConninfoError, and NotSupportedError for what this
    version cannot do."""
    settings = resolve(conninfo, options, environ=environ)
    refused = unsupported(settings)
    if refused is not None:
        raise errors.NotSupportedError(refused)
    python_codec(settings.get("client_encoding", "UTF8"))  # unknown ones are told before dialling
    return Wish(settings, partial(_security, settings, ssl_context), scram_iterations)


def _security(
    settings: Settings, ssl_context: ssl.SSLContext | None, target: Target
) -> Security:
    # `ssl` is half of what importing pgwire would cost.
    from pgwire.tls.context import security

    return security(settings, target, ssl_context)
