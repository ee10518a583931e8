"""Cancel requests: a connection of their own, on which nothing is answered. Manual: 54.2.8."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pgwire import errors
from pgwire.net.clock import Deadline
from pgwire.net.readiness import wait_readable
from pgwire.net.sockets import dial
from pgwire.protocol.frontend import CancelRequest

if TYPE_CHECKING:
    from pgwire.net.connect import Opened


def send_cancel_request(opened: Opened, deadline: Deadline) -> None:
    """Ask the server to cancel what the session `opened` is running.

    It goes to the very address that the session is connected to, and returns when the server has
    taken it (it closes the connection). Raises OperationalError if it could not be delivered.
    """
    channel = opened.transport.channel
    if not channel.secret_key:
        raise errors.OperationalError("no cancellation key received")
    request = CancelRequest(channel.process_id, channel.secret_key).encode()
    prefix = opened.target.failure_prefix(opened.address.shown)
    try:
        with socket.socket(opened.address.family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            dial(sock, opened.address.sockaddr, deadline)
            sock.send(request)  # sixteen bytes, or some three hundred, fit any socket buffer
            _wait_for_end(sock, deadline)
    except errors.TimeoutExpired:
        raise errors.TimeoutExpired("cancel request timed out") from None
    except OSError as error:
        raise errors.OperationalError(f"{prefix}{error.strerror}") from error


def _wait_for_end(sock: socket.socket, deadline: Deadline) -> None:
    if not wait_readable((sock,), deadline):
        raise errors.TimeoutExpired("cancel request timed out")
    try:
        data = sock.recv(1)
    except ConnectionResetError:
        return  # the server has closed with our bytes unread on its side: taken all the same
    if data:
        raise errors.OperationalError("unexpected response from server")
