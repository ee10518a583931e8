"""What one end of one connection knows: buffer, state, parameters, notifications. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from pgwire import errors
from pgwire.flows import RECEIVE, Flow
from pgwire.flows.statements import Statements
from pgwire.protocol import backend
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.message import Message
from pgwire.protocol.state import ConnectionState
from pgwire.types.context import Context
from pgwire.types.encodings import python_codec

if TYPE_CHECKING:
    from pgwire.flows.whole import Described

MAX_PARAMETERS = 1000
"""Servers report some fifteen parameters; a peer that reports thousands wants our memory."""

_ASYNCHRONOUS = frozenset(b"NAS")
_ERROR = b"E"[0]

# ParameterStatus names that a text decoder depends on -> the field of Context that holds them.
_CONTEXT_FIELDS = {
    "client_encoding": "encoding",
    "DateStyle": "date_style",
    "IntervalStyle": "interval_style",
    "TimeZone": "time_zone",
}


# What is made for one context serves all connections that have an equal one, and is found quickest
# if theirs is the same object.
_CONTEXTS: Final[dict[Context, Context]] = {}
_MAXIMUM_CONTEXTS: Final = 64


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


class Layer(Protocol):
    """TLS between wire and frames; `pgwire.tls.layer.TLSLayer` is one."""

    def room(self) -> memoryview:
        """Room for ciphertext to be received into."""
        ...

    def received(self, count: int) -> None:
        """`count` bytes of ciphertext have been received into the room."""
        ...

    def step(self) -> bool:
        """Go on with the handshake; whether it is done."""
        ...

    def outgoing(self) -> bytes:
        """What TLS itself has to say to the peer."""
        ...

    def encrypt(self, data: bytes) -> bytes:
        """`data` as ciphertext."""
        ...

    def decrypt(self, frames: FrameBuffer) -> bool:
        """Move what has been received into `frames`; false if the peer has ended TLS."""
        ...

    @property
    def certificate(self) -> bytes:
        """The server's certificate, DER."""
        ...

    @property
    def version(self) -> str:
        """The version of the protocol, as `TLSv1.3`."""
        ...

    @property
    def cipher(self) -> str:
        """The name of the cipher suite."""
        ...


class Channel:
    """The protocol side of one connection; flows work on it, runners fill its `frames`."""

    __slots__ = (
        "_codec",
        "_ended",
        "authenticated",
        "context",
        "descriptions",
        "frames",
        "layer",
        "notifications",
        "on_arrival",
        "on_notice",
        "parameters",
        "password_used",
        "process_id",
        "protocol_version",
        "refusal",
        "secret_key",
        "secured",
        "state",
        "statements",
    )

    def __init__(self, on_notice: Callable[[errors.Diagnostics], None] | None = None) -> None:
        self.frames = FrameBuffer()
        self.state = ConnectionState()
        self.context = Context()
        self._codec = "utf-8"
        self._ended = False
        self.parameters: dict[str, str] = {}
        self.notifications: deque[Notification] = deque()
        self.on_notice = on_notice
        self.on_arrival: Callable[[], None] | None = None
        """Called when something has been received. It must not raise. What a flow sets it to takes
        in what the server says while the flow itself is held up by what it sends."""
        self.statements = Statements(self.parameters)
        """The statements that this session has prepared, and keeps."""
        self.descriptions: dict[bytes, Described] = {}
        """What the RowDescriptions of simple queries have said, by their bytes."""
        self.process_id = 0
        self.secret_key = b""
        self.protocol_version = 0
        self.password_used = False
        self.authenticated = False
        """Whether the server has sent AuthenticationOk, and was right to."""
        self.refusal: errors.Diagnostics | None = None
        """What the server said when it did not let us in."""
        self.layer: Layer | None = None
        """TLS, from the first byte of its handshake on."""
        self.secured = False
        """Whether what is sent and received goes through `layer`: its handshake is done."""

    # Bytes. A runner receives into `room` and says how many with `took`; what flows yield is ready
    # to be sent.

    def room(self) -> memoryview:
        """Room to receive into, never empty."""
        return self.frames.writable() if self.layer is None else self.layer.room()

    def took(self, count: int) -> None:
        """`count` bytes have been received into the room. Raises OperationalError if TLS is
        broken."""
        if self.layer is None:
            self.frames.wrote(count)
        else:
            self.layer.received(count)
            if self.secured and not self.layer.decrypt(self.frames):
                self._ended = True
        if self.on_arrival is not None:
            self.on_arrival()

    def check_open(self) -> None:
        """Raise ConnectionLost if the server has ended TLS, so that nothing more can come, whether
        or not it closes the connection. What came before that has been read by then."""
        if self._ended:
            raise errors.ConnectionLost("SSL connection has been closed unexpectedly")

    def receive_byte(self) -> Flow[bytes]:
        """The next byte, which is no message: the answer to SSLRequest."""
        while (byte := self.frames.take_byte()) is None:
            yield RECEIVE
        return byte

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
        return self.layer.encrypt(encoded) if self.layer is not None and self.secured else encoded

    def send_encoded(self, data: bytes, steps: Sequence[str]) -> bytes:
        """As `send`, for messages of the extended query protocol that have been encoded beforehand:
        `data`, and the step of `pgwire.protocol.state` that each of them adds."""
        self.state.queue(steps)
        return self.layer.encrypt(data) if self.layer is not None and self.secured else data

    def receive(self) -> Flow[tuple[int, int, int]]:
        """The next message that belongs to the conversation: its type byte and the bounds of its
        body in `frames.data`, good until the flow yields again. Notices, notifications and
        parameter changes may come at any time (54.2.7) and are dealt with here."""
        while True:
            frame = self.frames.next_frame()
            if frame is None:
                self.check_open()
                yield RECEIVE
                continue
            kind, start, end = frame
            self.state.received(kind, self.frames.data, start, end)
            if kind in _ASYNCHRONOUS:
                self.take_asynchronous(kind, start, end)
            else:
                return frame

    def take_unasked(self) -> None:
        """Deal with what has come while nobody asked for anything: before the next command, whose
        answer it must not be taken for. The server's last words are left for whoever reads next.

        Raises ProtocolError for an answer to nothing.
        """
        frames = self.frames
        while self.state.phase == "READY" and frames.peek() not in (None, _ERROR):
            frame = frames.next_frame()
            assert frame is not None
            self.state.received(frame[0], frames.data, frame[1], frame[2])
            self.take_asynchronous(*frame)

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
        if self.parameters.get(name) == value:
            return
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
            self.context = _shared(self.context.replace(**{field: value}))


def _shared(context: Context) -> Context:
    if len(_CONTEXTS) >= _MAXIMUM_CONTEXTS:
        _CONTEXTS.clear()
    return _CONTEXTS.setdefault(context, context)
