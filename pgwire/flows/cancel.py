"""Cancel requests: a connection of their own, on which nothing is answered. Manual: 54.2.8."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.attempts import Connected, Converse, Dial, HangUp, Step, Transport
from pgwire.flows.channel import Channel
from pgwire.flows.secure import Security, secure, told_of_handshake
from pgwire.protocol.frontend import CancelRequest


def cancelling(connected: Connected, *, direct: bool) -> Generator[Step, Any, None]:
    """Ask the server to cancel what the session `connected` is running: steps for a body, as in
    `pgwire.flows.attempts`; an error of the last step is the body's to tell.

    It goes to the very address that the session is connected to, secured as the session is, and
    ends when the server has taken it. `direct`: as the option sslnegotiation says. Raises
    OperationalError if it could not be delivered, TimeoutExpired.
    """
    session = connected.transport.channel
    if not session.secret_key:
        raise errors.OperationalError("no cancellation key received")
    prefix = connected.address.failure_prefix(connected.target)
    try:
        transport: Transport = yield Dial(connected.target, connected.address, restart=False)
        try:
            yield Converse(
                transport,
                cancel(
                    transport.channel,
                    session.process_id,
                    session.secret_key,
                    connected.security,
                    direct=direct,
                ),
            )
        except errors.ConnectionLost as lost:
            if not _delivered(transport.channel):
                yield HangUp(transport)
                raise told_of_handshake(transport.channel, lost) from lost
        except errors.Error:
            yield HangUp(transport)
            raise
        yield HangUp(transport)
    except errors.TimeoutExpired:
        raise errors.TimeoutExpired("cancel request timed out") from None
    except errors.ProtocolError:
        raise
    except errors.OperationalError as error:
        raise errors.OperationalError(prefix + error.message) from error


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
        channel.check_open()
        yield RECEIVE
    raise errors.ProtocolError("unexpected response from server")


def _delivered(channel: Channel) -> bool:
    """Whether the request has gone out on `channel`, so that its end means that it was taken."""
    return channel.state.phase == "CLOSED"
