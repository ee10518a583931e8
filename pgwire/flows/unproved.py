"""Listening to somebody who has not been authenticated yet."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.protocol import backend
from pgwire.protocol.message import Message

_SHOWN = 4000
"""Characters of a text that are shown of a server that has not been authenticated."""


def receive_authentication(channel: Channel) -> Flow[Message]:
    """The next message of the start-up; an ErrorResponse raises what it says, made harmless."""
    kind, start, end = yield from channel.receive()
    message = channel.decode(kind, start, end)
    if isinstance(message, backend.ErrorResponse):
        said = {code: harmless(channel.text(text)) for code, text in message.fields.items()}
        channel.refusal = errors.Diagnostics.from_fields(said)
        raise errors.from_diagnostics(channel.refusal)
    return message


def harmless(text: str) -> str:
    """`text`, not without end, and without characters that would drive somebody's terminal."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )
