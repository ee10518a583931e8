"""What one end of one connection knows: buffer, state, parameters, notifications. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.protocol import backend
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.message import Message
from pgwire.protocol.state import ConnectionState
from pgwire.types.context import Context
from pgwire.types.encodings import python_codec

MAX_PARAMETERS = 1000
"""Servers report some fifteen parameters; a peer that reports thousands wants our memory."""

_ASYNCHRONOUS = frozenset(b"NAS")

# ParameterStatus names that a text decoder depends on -> the field of Context that holds them.
_CONTEXT_FIELDS = {
    "client_encoding": "encoding",
    "DateStyle": "date_style",
    "IntervalStyle": "interval_style",
    "TimeZone": "time_zone",
}


class Notification:
    """One NOTIFY, as it arrived: `channel`, `payload` (empty if none was given), `process_id`
    of the session that sent it. Manual: NOTIFY, and 54.7 NotificationResponse."""

    __slots__ = ("channel", "payload", "process_id")

    def __init__(self, channel: str, payload: str, process_id: int) -> None:
        self.channel = channel
        self.payload = payload
        self.process_id = process_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Notification) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Notification({self.channel!r}, {self.payload!r}, process_id={self.process_id})"

    def _key(self) -> tuple[str, str, int]:
        return self.channel, self.payload, self.process_id


class Channel:
    """The protocol side of one connection; flows work on it, runners fill its `frames`."""

    __slots__ = (
        "_codec",
        "context",
        "frames",
        "notifications",
        "on_notice",
        "parameters",
        "password_used",
        "process_id",
        "protocol_version",
        "secret_key",
        "state",
    )

    def __init__(self, on_notice: Callable[[errors.Diagnostics], None] | None = None) -> None:
        self.frames = FrameBuffer()
        self.state = ConnectionState()
        self.context = Context()
        self._codec = "utf-8"
        self.parameters: dict[str, str] = {}
        self.notifications: deque[Notification] = deque()
        self.on_notice = on_notice
        self.process_id = 0
        self.secret_key = b""
        self.protocol_version = 0
        self.password_used = False

    # Text. Before the server has told its client_encoding its bytes are shown as far as they go.

    def text(self, data: bytes) -> str:
        """Names and messages of the server, never refused: an undecodable byte is escaped."""
        return data.decode(self._codec, "backslashreplace")

    def encode(self, text: str, what: str) -> bytes:
        """Encode `text` for the server, or say which character `client_encoding` cannot hold."""
        try:
            return text.encode(self._codec)
        except UnicodeEncodeError as error:
            raise errors.DataError(
                f"{what} has a character that client_encoding "
                f"{self.parameters.get('client_encoding', 'UTF8')} cannot hold: "
                f"{text[error.start : error.end]!r} at position {error.start}",
                sqlstate="22P05",
            ) from None

    def diagnostics(self, fields: dict[str, bytes]) -> errors.Diagnostics:
        """The fields of an ErrorResponse or NoticeResponse as text."""
        return errors.Diagnostics.from_fields({k: self.text(v) for k, v in fields.items()})

    # Sending and receiving.

    def send(self, *messages: Message) -> bytes:
        """The bytes of `messages`. All are encoded, and so checked, before the state moves:
        a message that is refused leaves the connection as it was."""
        encoded = b"".join([message.encode() for message in messages])
        for message in messages:
            self.state.sent(message)
        return encoded

    def receive(self) -> Flow[tuple[int, int, int]]:
        """The next message that belongs to the conversation: its type byte and the bounds of its
        body in `frames.data`, good until the flow yields again. Notices, notifications and
        parameter changes may come at any time (54.2.7) and are dealt with here."""
        while True:
            frame = self.frames.next_frame()
            if frame is None:
                yield RECEIVE
                continue
            kind, start, end = frame
            self.state.received(kind, self.frames.data, start, end)
            if kind in _ASYNCHRONOUS:
                self.take_asynchronous(kind, start, end)
            else:
                return frame

    def take_asynchronous(self, kind: int, start: int, end: int) -> None:
        """Deal with a NoticeResponse, NotificationResponse or ParameterStatus."""
        message = self.decode(kind, start, end)
        if isinstance(message, backend.NoticeResponse):
            if self.on_notice is not None:
                self.on_notice(self.diagnostics(message.fields))
        elif isinstance(message, backend.NotificationResponse):
            self.notifications.append(
                Notification(
                    self.text(message.channel), self.text(message.payload), message.process_id
                )
            )
        elif isinstance(message, backend.ParameterStatus):
            self._set_parameter(self.text(message.name), self.text(message.value))

    def decode(self, kind: int, start: int, end: int) -> Message:
        """The message whose body stands at `start`:`end` of `frames.data`."""
        return backend.decode(kind, bytes(self.frames.data[start:end]))

    def _set_parameter(self, name: str, value: str) -> None:
        if name not in self.parameters and len(self.parameters) >= MAX_PARAMETERS:
            raise errors.ProtocolError(f"server reported more than {MAX_PARAMETERS} parameters")
        self.parameters[name] = value
        field = _CONTEXT_FIELDS.get(name)
        if field == "encoding":
            try:
                self._codec = value = python_codec(value)
            except errors.NotSupportedError:
                self.state.close()  # what comes now cannot be read
                raise
        if field is not None:
            self.context = self.context.replace(**{field: value})
