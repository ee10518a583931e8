"""The way to the local server: a connection for each client, secured as the options say."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.flows.attempts import Address, Converse, Dial, HangUp, LookUp, Step, Transport
from pgwire.flows.cancel import cancel
from pgwire.flows.secure import HandshakeFailed, Security, secure, told_of_handshake
from pgwire.net.aio import AsyncTransport, drive
from pgwire.net.aio_connect import Body
from pgwire.net.clock import deadline_after
from pgwire.net.opened import connect_timeout, wish
from pgwire.tls.layer import TLSLayer

_CANCEL_TIMEOUT = 10.0


class Way:
    """A connection to the local server: its `transport`, and where it leads to. `security` is
    None if it is not secured."""

    __slots__ = ("address", "security", "target", "transport")

    def __init__(
        self, transport: AsyncTransport, target: Target, address: Address, security: Security | None
    ) -> None:
        self.transport = transport
        self.target = target
        self.address = address
        self.security = security

    @property
    def layer(self) -> TLSLayer | None:
        """Its TLS, if it has one."""
        return cast("TLSLayer | None", self.transport.channel.layer)


class Upstream:
    """Where the local server is, and how to get there.

    Args:
        conninfo: its connection string; user, password and database are those of the clients.
        environ: the variables that a connection string is completed from.

    Raises ConninfoError for options that it cannot follow.
    """

    def __init__(self, conninfo: str, environ: Mapping[str, str] = os.environ) -> None:
        wanted = wish(conninfo, {}, environ=environ, scram_iterations=(0, 0))
        settings = wanted.settings
        attributes = settings["target_session_attrs"]
        if attributes != "any":
            raise errors.ConninfoError(
                f'target_session_attrs "{attributes}" cannot be used for the local server: who '
                "logs in there is the client, and only then could the server be asked"
            )
        self._settings: Settings = settings
        self._security = wanted.security
        self._timeout = connect_timeout(settings)

    @property
    def unix(self) -> bool:
        """Whether the server is reached through a Unix-domain socket."""
        return any(target.kind == "unix" for target in self._settings.targets)

    async def reach(self, *, encrypted: bool) -> Way:
        """Connect to the first server that can be reached.

        Args:
            encrypted: whether the client's connection is. If both are, a client that knows of
                channel binding cannot authenticate by SCRAM: the server takes it for an attack
                that this binding is not offered. So where the options leave it open, and nobody
                can listen on the way, the server is not asked for TLS then.

        Raises OperationalError that names the hosts, TimeoutExpired.
        """
        body = Body(self._settings, None)
        try:
            return await drive(self._reaching(encrypted), body.perform, body.close)
        except BaseException:
            body.close()
            raise

    async def cancel(self, way: Way | None, process_id: int, key: bytes) -> None:
        """Send a CancelRequest the very `way` of its session, or if that is not known (None) to the
        first server that can be reached. Raises OperationalError."""
        body = Body(self._settings, None, deadline_after(_CANCEL_TIMEOUT))
        if way is None:
            way = await self.reach(encrypted=False)
            transport, security = way.transport, None
            try:
                with suppress(errors.ConnectionLost):  # the server takes it and hangs up
                    await transport.run(
                        cancel(transport.channel, process_id, key, security, direct=False),
                        deadline_after(_CANCEL_TIMEOUT),
                    )
            finally:
                transport.close()
            return
        try:
            steps = self._cancelling(way, process_id, key)
            await drive(steps, body.perform, body.close)
        finally:
            body.close()

    def _cancelling(self, way: Way, process_id: int, key: bytes) -> Generator[Step, Any, None]:
        transport: Transport = yield Dial(way.target, way.address, restart=False)
        direct = self._settings["sslnegotiation"] == "direct"
        with suppress(errors.ConnectionLost):  # as above
            yield Converse(
                transport, cancel(transport.channel, process_id, key, way.security, direct=direct)
            )
        yield HangUp(transport)

    def _reaching(self, encrypted: bool) -> Generator[Step, Any, Way]:
        told: list[str] = []
        last: errors.Error | None = None
        for target in self._settings.targets:
            try:
                addresses = yield LookUp(target)
            except errors.Error as error:
                told.append(error.message)
                last = error
                continue
            for address in addresses:
                for secured in self._encryptions(target, address, encrypted):
                    try:
                        return (yield from self._at(target, address, secured))
                    except HandshakeFailed as error:
                        told.append(address.failure_prefix(target) + error.message)
                        last = error
                    except errors.Error as error:
                        told.append(address.failure_prefix(target) + error.message)
                        last = error
                        break
        assert last is not None
        raise type(last)("\n".join(told)) from last

    def _encryptions(self, target: Target, address: Address, encrypted: bool) -> list[bool]:
        mode = self._settings["sslmode"]
        # With allow a server would be asked for TLS after it has refused: but that is the client's
        # to hear.
        if target.kind == "unix" or mode in ("disable", "allow"):
            return [False]
        if mode == "prefer":
            return [False] if encrypted and address.private else [True, False]
        return [True]

    def _at(self, target: Target, address: Address, secured: bool) -> Generator[Step, Any, Way]:
        transport: Transport = yield Dial(target, address, restart=True)
        channel = transport.channel
        security = None
        try:
            if secured:
                security = self._security(target)
                direct = self._settings["sslnegotiation"] == "direct"
                plain = self._settings["sslmode"] == "prefer"
                flow = partial(secure, channel, security, direct=direct, plain=plain)
                if not (yield Converse(transport, flow())):
                    security = None
        except errors.Error as error:
            yield HangUp(transport)
            raise told_of_handshake(channel, error) from error
        return Way(cast(AsyncTransport, transport), target, address, security)
