"""A client that says what it is told to, byte by byte, and can die in every way."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field
from typing import ClassVar

from pgwire.protocol import backend
from pgwire.protocol.backend import (
    BackendKeyData,
    CommandComplete,
    CopyData,
    DataRow,
    ErrorResponse,
    NoticeResponse,
    ReadyForQuery,
)
from pgwire.protocol.framing import FrameBuffer
from pgwire.protocol.frontend import CancelRequest, Query, StartupMessage
from pgwire.protocol.message import Message

PATIENCE = 15.0
"""Seconds after which an answer that has not come is a failure, on a machine that is busy."""


class Closed(Exception):
    """The other side has closed the connection."""


@dataclass
class Answer:
    """What came of a query, up to ReadyForQuery or to the end of the connection."""

    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    notices: list[dict[str, str]] = field(default_factory=list)
    copied: bytes = b""
    status: str = ""
    """Of the transaction: I, T or E; empty if the connection has ended."""
    seconds: float = 0.0

    @property
    def sqlstate(self) -> str:
        """Of the first error; empty if there was none."""
        return self.errors[0]["C"] if self.errors else ""

    @property
    def message(self) -> str:
        """Of the first error; empty if there was none."""
        return self.errors[0]["M"] if self.errors else ""


class RawClient:
    """A connection to `address`, which is (host, port); nobody has said anything yet."""

    alive: ClassVar[set[RawClient]] = set()
    """Those that have not been closed, for whoever cleans up after a test that failed."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pid, self.key = 0, b""
        self._frames = FrameBuffer()
        self.alive.add(self)

    def send(self, *messages: Message | bytes) -> None:
        """Send messages, or bytes as they are."""
        self.socket.sendall(
            b"".join([m.encode() if isinstance(m, Message) else m for m in messages])
        )

    def start(self, user: str, dbname: str, **options: str) -> Answer:
        """Log in, without a password, and read to the first ReadyForQuery or to the end."""
        values = {"user": user, "database": dbname, **options}
        self.send(StartupMessage({k.encode(): v.encode() for k, v in values.items()}))
        return self.answer()

    def query(self, sql: str, timeout: float = PATIENCE) -> Answer:
        """Run statements and return what came of them."""
        self.send_query(sql)
        return self.answer(timeout)

    def send_query(self, sql: str) -> None:
        """Begin to run statements."""
        self.send(Query(sql.encode()))

    def answer(self, timeout: float = PATIENCE) -> Answer:
        """Read on to ReadyForQuery or to the end. Raises TimeoutError after `timeout` seconds."""
        answer, start = Answer(), time.monotonic()
        while not answer.status:
            try:
                message = self.receive(start + timeout)
            except Closed:
                break
            match message:
                case ReadyForQuery():
                    answer.status = message.status.decode()
                case DataRow():
                    answer.rows.append(
                        tuple(None if v is None else v.decode() for v in message.values)
                    )
                case CommandComplete():
                    answer.tags.append(message.tag.decode())
                case ErrorResponse():
                    answer.errors.append(_fields(message))
                case NoticeResponse():
                    answer.notices.append(_fields(message))
                case CopyData():
                    answer.copied += bytes(message.data)
                case BackendKeyData():
                    self.pid, self.key = message.process_id, message.secret_key
        answer.seconds = time.monotonic() - start
        return answer

    def receive(self, deadline: float) -> Message:
        """The next message. Raises Closed at the end, TimeoutError at `deadline`."""
        while (frame := self._frames.next_frame()) is None:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise Closed
            self._frames.feed(data)
        kind, start, end = frame
        return backend.decode(kind, bytes(self._frames.data[start:end]))

    def ended(self, timeout: float = PATIENCE) -> bytes:
        """Read to the end of the connection and return what came as it came. Raises TimeoutError if
        it does not end."""
        taken, deadline = bytearray(), time.monotonic() + timeout
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return bytes(taken)
            if not data:
                return bytes(taken)
            taken += data

    def cancel(self) -> None:
        """Send a CancelRequest for this session, and wait until it has been taken."""
        other = RawClient(self.address)
        other.send(CancelRequest(self.pid, self.key))
        other.ended()
        other.close()

    def close(self) -> None:
        """Close without a word: FIN."""
        self.alive.discard(self)
        self.socket.close()

    def reset(self) -> None:
        """Break off: RST."""
        self.alive.discard(self)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def _fields(message: ErrorResponse | NoticeResponse) -> dict[str, str]:
    return {code: text.decode("utf-8", "replace") for code, text in message.fields.items()}
