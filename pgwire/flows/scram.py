"""The conversation of SCRAM-SHA-256, bound to TLS where there is any. RFC 5802, 5929, 7677."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.credentials import Credentials
from pgwire.flows.unproved import receive_authentication
from pgwire.protocol import backend
from pgwire.protocol.binding import server_end_point
from pgwire.protocol.frontend import SASLInitialResponse, SASLResponse
from pgwire.protocol.message import Message
from pgwire.protocol.scram import ScramClient


def scram(
    channel: Channel,
    credentials: Credentials,
    offered: tuple[bytes, ...],
    binding: bytes | None,
) -> Flow[None]:
    """Prove that we know the password, and let the server prove that it does.

    Args:
        offered: the mechanisms that the server offers; SCRAM is one of them.
        binding: what `binding_data` has returned.
    """
    keys = credentials.client_key, credentials.server_key
    password = credentials.need_password() if None in keys else b""
    client = ScramClient(
        password,
        mechanisms=offered,
        min_iterations=credentials.min_iterations,
        max_iterations=credentials.max_iterations,
        client_key=credentials.client_key,
        server_key=credentials.server_key,
        channel_binding=binding,
    )
    channel.password_used = True
    yield channel.send(SASLInitialResponse(client.mechanism, client.client_first()))
    message = yield from receive_authentication(channel)
    if not isinstance(message, backend.AuthenticationSASLContinue):
        raise _unproved(message)
    client.receive_first(message.data)
    # Up to a million rounds of HMAC: the runner decides where that time is spent.
    final = client.client_final() if client.at_hand else (yield client.client_final)
    assert final is not None
    yield channel.send(SASLResponse(final))
    message = yield from receive_authentication(channel)
    if not isinstance(message, backend.AuthenticationSASLFinal):
        raise _unproved(message)
    client.verify_final(message.data)


def binding_data(channel: Channel, channel_binding: str) -> bytes | None:
    """What binds SCRAM to this TLS session; None for SCRAM without it.

    Raises OperationalError if the option `channel_binding` is `require` and the certificate has
    nothing to bind to.
    """
    if channel.layer is None or not channel.secured or channel_binding == "disable":
        return None
    try:
        return server_end_point(channel.layer.certificate)
    except errors.OperationalError:
        if channel_binding == "require":
            raise
        return None


def _unproved(message: Message) -> errors.ProtocolError:
    return errors.ProtocolError(
        f"server sent {type(message).__name__} in the middle of SCRAM authentication: "
        "it has not proved that it knows the password"
    )
