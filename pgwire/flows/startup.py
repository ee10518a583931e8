"""From the first byte to the first ReadyForQuery. Manual: 54.2.1 Start-up."""

from __future__ import annotations

from collections.abc import Mapping

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.authentication import authenticate
from pgwire.flows.channel import Channel
from pgwire.flows.credentials import Credentials
from pgwire.flows.unproved import receive_authentication
from pgwire.protocol import backend
from pgwire.protocol.constants import PROTOCOL_3_0, SHORT_REPLY_LIMIT
from pgwire.protocol.framing import MAXIMUM
from pgwire.protocol.frontend import StartupMessage

_PREFIX = "received invalid protocol negotiation message: "


def startup(
    channel: Channel,
    parameters: Mapping[bytes, bytes],
    credentials: Credentials,
    *,
    version: int = PROTOCOL_3_0,
    min_version: int = PROTOCOL_3_0,
) -> Flow[None]:
    """Send StartupMessage, authenticate, and wait until the server is ready for queries.

    Raises the server's own error if it refuses, OperationalError if its way of authentication or
    its protocol version is refused, ProtocolError if it breaks the protocol.
    """
    # A stranger gets little memory: nothing long is to be said before the password is right.
    channel.frames.maximum = SHORT_REPLY_LIMIT
    yield channel.send(StartupMessage(parameters, version))
    message = yield from receive_authentication(channel)
    if isinstance(message, backend.NegotiateProtocolVersion):
        version = _negotiated(channel, message, version, min_version)
        message = yield from receive_authentication(channel)
        if isinstance(message, backend.NegotiateProtocolVersion):
            raise errors.ProtocolError("received duplicate protocol negotiation message")
    channel.protocol_version = version
    yield from authenticate(channel, credentials, message)
    channel.authenticated = True
    channel.frames.maximum = MAXIMUM
    while True:
        message = yield from receive_authentication(channel)
        if isinstance(message, backend.ReadyForQuery):
            return
        if not isinstance(message, backend.BackendKeyData):
            raise errors.ProtocolError("unexpected message from server during startup")
        _check_key_length(len(message.secret_key), version)
        channel.process_id = message.process_id
        channel.secret_key = message.secret_key


def _negotiated(
    channel: Channel, message: backend.NegotiateProtocolVersion, asked: int, minimum: int
) -> int:
    """The version that the server offers instead; libpq 18's checks and words."""
    offered = message.version
    if offered > asked:
        raise errors.ProtocolError(
            _PREFIX + "server requested downgrade to a higher-numbered version"
        )
    if offered < PROTOCOL_3_0:
        raise errors.ProtocolError(
            _PREFIX + "server requested downgrade to pre-3.0 protocol version"
        )
    if offered == PROTOCOL_3_0 + 1:
        raise errors.ProtocolError(
            _PREFIX + "server requested downgrade to non-existent 3.1 protocol version"
        )
    for name in message.unrecognized:
        shown = channel.text(name)
        if not name.startswith(b"_pq_."):
            raise errors.ProtocolError(
                _PREFIX + "server reported unsupported parameter name without a "
                f'"_pq_." prefix ("{shown}")'
            )
        raise errors.ProtocolError(
            _PREFIX + f'server reported an unsupported parameter that was not requested ("{shown}")'
        )
    if offered == asked:
        raise errors.ProtocolError(_PREFIX + "server negotiated but asks for no changes")
    if offered < minimum:
        raise errors.OperationalError(
            f"server only supports protocol version {offered >> 16}.{offered & 0xFFFF}, but "
            f'"min_protocol_version" was set to {minimum >> 16}.{minimum & 0xFFFF}'
        )
    return offered


def _check_key_length(length: int, version: int) -> None:
    text = f"received invalid BackendKeyData message: cancel key with length {length} "
    if version == PROTOCOL_3_0 and length != 4:
        raise errors.ProtocolError(text + "not allowed in protocol version 3.0 (must be 4 bytes)")
    if length < 4:
        raise errors.ProtocolError(text + "is too short (minimum 4 bytes)")
    if length > 256:
        raise errors.ProtocolError(text + "is too long (maximum 256 bytes)")
