"""Cancel requests: a connection of their own, on which nothing is answered. Manual: 54.2.8."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.flows.secure import Security, secure
from pgwire.protocol.frontend import CancelRequest


def cancel(
    channel: Channel, process_id: int, secret_key: bytes, security: Security | None, *, direct: bool
) -> Flow[None]:
    """Send a CancelRequest on the new `channel` and wait until the server has taken it.

    `security` is that of the session: what secures the session secures its cancelling, or it is
    not sent. The server tells by closing the connection: the runner then raises ConnectionLost.
    """
    if security is not None:
        yield from secure(channel, security, direct=direct, plain=False)
    yield channel.send(CancelRequest(process_id, secret_key))
    while not channel.frames.pending:
        yield RECEIVE
    raise errors.ProtocolError("unexpected response from server")
