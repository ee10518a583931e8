"""What a server says between queries. Manual: 54.2.7 Asynchronous Operations."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.channel import Channel
from pgwire.protocol import backend
from pgwire.protocol.frontend import Terminate


def listen(channel: Channel) -> Flow[None]:
    """Wait until there is a notification in `channel.notifications`.

    Raises what the server says when it ends the session (`AdminShutdown`, …).
    """
    while not channel.notifications:
        yield from take_message(channel)


def terminate(channel: Channel) -> Flow[None]:
    """Say good-bye: the server ends the session. Manual: 54.2.9 Termination."""
    yield channel.send(Terminate())


def take_message(channel: Channel) -> Flow[None]:
    """Deal with one message that arrives while no query is running."""
    if channel.state.phase != "READY":
        raise errors.InterfaceError("another command is already in progress")
    frame = channel.frames.next_frame()
    while frame is None:
        channel.check_open()
        yield RECEIVE
        frame = channel.frames.next_frame()
    kind, start, end = frame
    channel.state.received(kind, channel.frames.data, start, end)
    message = channel.decode(kind, start, end)
    if isinstance(message, backend.ErrorResponse):
        raise errors.from_diagnostics(channel.diagnostics(message.fields))
    channel.take_asynchronous(kind, start, end)
