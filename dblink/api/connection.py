"""A connection of a client: uvicorn's, with bounds for how slow and how many clients may be.

uvicorn waits for ever for the first line and the headers of a request, and for somebody who does
not read his answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from dblink.api.answers import failure, request_id
from dblink.api.request import MAX_HEAD
from dblink.links.errors import LinkError


class Bounds(NamedTuple):
    """What a client may take.

    Attributes:
        connections: of all clients, at once.
        head: seconds in which first line and headers of a request must come.
        idle: seconds for which a connection may be kept for the next request.
        write: seconds in which an answer must be taken.
    """

    connections: int = 500
    head: float = 10.0
    idle: float = 30.0
    write: float = 30.0


def protocol(limits: Bounds) -> type[H11Protocol]:
    """uvicorn's protocol, within `limits`."""
    return cast("type[H11Protocol]", type("Connection", (_Connection,), {"bounds": limits}))


class _Connection(H11Protocol):
    bounds = Bounds()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # It holds whole URLs, in which passwords may stand, and uvicorn asks the program's own
        # settings whether to write it.
        self.access_log = False
        self._head = _Timer(self.loop, self.bounds.head)
        self._write = _Timer(self.loop, self.bounds.write)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > self.bounds.connections:
            self.transport.abort()
        else:
            self._head.start(self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._busy():
            self._head.start(self.transport.abort)
        super().data_received(data)
        if self._busy():
            self._head.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._head.stop()
        self._write.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._write.start(self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        self._write.stop()

    def on_response_complete(self) -> None:
        """What uvicorn calls when an answer is written."""
        super().on_response_complete()
        if self.transport.is_closing():  # it is closed when all is taken
            self._write.start(self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what is no HTTP: answer as to every other request."""
        if self._busy():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = failure(
                request_id(), LinkError("InvalidRequest", limit=MAX_HEAD), "", xml=False
            )
            headers = {
                **answer.headers,
                "content-length": str(len(answer.body)),
                "connection": "close",
            }
            for event in (
                h11.Response(status_code=answer.status, headers=list(headers.items())),
                h11.Data(data=answer.body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._write.start(self.transport.abort)

    def _busy(self) -> bool:
        """Whether a request is at work."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete


class _Timer:
    """Calls something after some seconds, unless it is stopped; to start it again means nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._handle: asyncio.TimerHandle | None = None

    def start(self, call: Callable[[], object]) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, call)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
