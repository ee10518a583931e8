"""Cancelling, in the blocking body."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows.cancel import cancel, delivered
from pgwire.flows.channel import Channel
from pgwire.flows.secure import told_of_handshake
from pgwire.net.blocking import BlockingTransport
from pgwire.net.clock import Deadline
from pgwire.net.opened import Opened
from pgwire.net.sockets import open_socket


def send_cancel_request(opened: Opened[BlockingTransport], deadline: Deadline) -> None:
    """Ask the server to cancel what the session `opened` is running.

    It goes to the very address that the session is connected to, secured as the session is, and
    returns when the server has taken it. Raises OperationalError if it could not be delivered.
    """
    channel = opened.channel
    if not channel.secret_key:
        raise errors.OperationalError("no cancellation key received")
    prefix = opened.target.failure_prefix(opened.address.shown)
    try:
        sock = open_socket(opened.target, opened.address, opened.settings, deadline)
        transport = BlockingTransport(sock, Channel(), opened.server)
        try:
            transport.run(
                cancel(
                    transport.channel,
                    channel.process_id,
                    channel.secret_key,
                    opened.security,
                    direct=opened.settings["sslnegotiation"] == "direct",
                ),
                deadline,
            )
        except errors.ConnectionLost as lost:
            if not delivered(transport.channel):
                raise told_of_handshake(transport.channel, lost) from lost
        finally:
            transport.close()
    except errors.TimeoutExpired:
        raise errors.TimeoutExpired("cancel request timed out") from None
    except errors.ProtocolError:
        raise
    except errors.OperationalError as error:
        raise errors.OperationalError(prefix + error.message) from error
