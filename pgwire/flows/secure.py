"""From a plain connection to an encrypted one. Manual: 54.2.10 SSL Session Encryption."""

from __future__ import annotations

from typing import Protocol

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel, Layer
from pgwire.protocol.frontend import SSLRequest


class Security(Protocol):
    """How a connection is to be secured; `pgwire.tls.context.Security` is one."""

    def layer(self) -> Layer:
        """A TLS session that has not begun."""
        ...

    def verify(self, layer: Layer, *, direct: bool) -> None:
        """Raise OperationalError if the peer is not who it should be."""
        ...


class HandshakeFailed(errors.OperationalError):
    """TLS could not be agreed upon, or the peer is not who it should be: another kind of
    encryption may be tried, if the options allow one."""


def secure(channel: Channel, security: Security, *, direct: bool, plain: bool) -> Flow[bool]:
    """Put TLS between the wire and `channel`.

    Args:
        direct: begin the handshake at once, without asking (`sslnegotiation=direct`).
        plain: whether to go on without TLS if the server has none.

    Returns whether the connection is secured now; False only if `plain`. Raises OperationalError
    if the server refuses, HandshakeFailed, ProtocolError for bytes that were stuffed in before
    the handshake.
    """
    if not direct:
        yield channel.send(SSLRequest())
        answer = yield from channel.receive_byte()
        if answer == b"N" and plain:
            return False
        if answer == b"N":
            raise errors.OperationalError("server does not support SSL, but SSL was required")
        if answer == b"E":
            # What it has to say is not shown: nobody knows who says it (CVE-2024-10977).
            raise errors.OperationalError("server sent an error response during SSL exchange")
        if answer != b"S":
            shown = ascii(answer.decode("latin-1"))[1:-1]
            raise errors.ProtocolError(f"received invalid response to SSL negotiation: {shown}")
        if channel.frames.pending:
            raise errors.ProtocolError("received unencrypted data after SSL response")
    try:
        layer = security.layer()
        channel.layer = layer
        yield from _shake_hands(layer)
        security.verify(layer, direct=direct)
        channel.secured = True
        layer.decrypt(channel.frames)  # what came with the last words of the handshake
    except errors.OperationalError as error:
        channel.secured = False
        raise HandshakeFailed(error.message) from error
    return True


def told_of_handshake(channel: Channel, error: errors.Error) -> errors.Error:
    """`error`, or HandshakeFailed in its place if the connection was lost in the handshake."""
    if channel.layer is None or channel.secured or not isinstance(error, errors.ConnectionLost):
        return error
    cause = error.__cause__
    if isinstance(cause, OSError):
        return HandshakeFailed(f"{error.reason}\nSSL SYSCALL error: {cause.strerror}")
    return HandshakeFailed("SSL error: unexpected eof while reading")


def _shake_hands(layer: Layer) -> Flow[None]:
    while True:
        try:
            done = layer.step()
        except errors.OperationalError:
            alert = layer.outgoing()
            if alert:
                yield alert  # tells the server why
            raise
        outgoing = layer.outgoing()
        if outgoing:
            yield outgoing
        if done:
            return
        yield RECEIVE
