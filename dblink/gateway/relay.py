"""One client and its server process: bytes pass as they come, calls are taken out.

From the client everything is passed on after its StartupMessage, as raw bytes. What the server says
is walked through; until the session has begun frame by frame, since there are some things
to be known (the key for cancelling) or to be changed (channel binding).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from dblink.gateway import contexts
from dblink.gateway.early import (
    AUTHENTICATION,
    KEY,
    STATUS,
    EarlyFrames,
    lets_in,
    without_binding,
)
from dblink.gateway.frames import Walk
from dblink.gateway.leg import NOT_YET, Leg
from dblink.gateway.seam import Caller
from dblink.gateway.startup import DirectTLS, FirstPackets, Refused, Startup, fatal
from dblink.gateway.upstream import Way
from pgwire import errors
from pgwire.protocol.frontend import CancelRequest, SSLRequest
from pgwire.tls.context import ALPN
from pgwire.types.encodings import python_codec

if TYPE_CHECKING:
    from dblink.gateway.gateway import Gateway

log = logging.getLogger("dblink.gateway")

_TERMINATE: Final = b"X\0\0\0\4"

_KEPT: Final = 8192
_KEEP: Final = 0.01
"""Bytes of what came with calls that are kept until more comes, and seconds that they are."""

SHUTDOWN = fatal("57P01", "terminating connection due to administrator command")
TOO_MANY = fatal("53300", "sorry, too many clients already")
IDLE = fatal("57P05", "terminating connection due to idle-session timeout")
UNASKED = fatal(
    "28000",
    "the gateway lets nobody in from another machine whom the local server does not ask for a "
    "password",
    hint="The server sees the gateway's address, not the client's: see pg_hba.conf, or the "
    "gateway's option --trust.",
)


class Relay:
    """The relay of one client.

    Attributes:
        client: the client's connection.
        process_id, key: of its server process, for cancelling; 0 and empty if it has none yet.
        begun: whether its session has.
        busy: whether its server process has something to do.
        turns: changes whenever the client has said something.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.client = Leg(gateway.room, self._first, self._client_ended)
        self.client.made = self._connected
        self.client.secured = self._secured
        self.process_id = 0
        self.key = b""
        self.begun = False
        self.busy = False
        self.turns = 0
        self._gateway = gateway
        self._packets = FirstPackets(tls=gateway.tls is not None)
        self._direct = False
        self._startup: Startup | None = None
        self._way: Way | None = None
        self._server: Leg | None = None
        self._asked = False
        self._early = EarlyFrames()
        self._walk = Walk(self, gateway.max_call)
        self._kept = b""
        self._keeping: asyncio.TimerHandle | None = None
        self._caller: Caller | None = None
        self._opening: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._codec = "utf-8"
        self._reserved = 0
        self._terminated = False
        self._stopping = False
        self._finished = False

    def __repr__(self) -> str:
        return f"<Relay of {self.client.peer}, process {self.process_id}>"

    # Before the session: the client's first packets.

    def _connected(self) -> None:
        if not self._gateway.admit(self):
            self.client.abort()
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._gateway.startup_timeout, self._too_slow)

    def _too_slow(self) -> None:
        log.warning("%s: no session within %g s", self.client.peer, self._gateway.startup_timeout)
        self.end()

    def _first(self, data: bytes | bytearray, end: int) -> None:
        packets = self._packets
        packets.feed(memoryview(data)[:end])
        try:
            while (packet := packets.next()) is not None:
                if isinstance(packet, Startup):
                    self._begin(packet)
                    return
                if isinstance(packet, CancelRequest):
                    self.client.received = _ignore
                    self._start(self._relay_cancel(packet))
                    return
                if isinstance(packet, DirectTLS):
                    self._direct = True
                    self._begin_tls(packets.rest())
                    return
                if isinstance(packet, SSLRequest) and self._gateway.tls is not None:
                    self.client.send(b"S")
                    self._begin_tls(b"")
                    return
                self.client.send(b"N")
        except Refused as refusal:
            self._refuse(str(refusal), refusal.answer)

    def _begin_tls(self, ciphertext: bytes) -> None:
        assert self._gateway.tls is not None
        self.client.begin_tls(self._gateway.tls.layer(), ciphertext)

    def _secured(self) -> None:
        layer = self.client.layer
        assert layer is not None
        if layer.alpn != ALPN if self._direct else layer.alpn not in (None, ALPN):
            self._refuse("TLS was begun without the protocol being negotiated as postgresql", b"")

    def _refuse(self, reason: str, answer: bytes) -> None:
        log.warning("%s: refused: %s", self.client.peer, reason)
        self.client.received = _ignore
        self.client.send(answer)
        self.end()

    async def _relay_cancel(self, request: CancelRequest) -> None:
        try:
            await self._gateway.cancel(request.process_id, request.secret_key)
        except errors.Error as error:
            log.warning("%s: cancel request: %s", self.client.peer, error.message)
        finally:
            self.end()  # the client waits for that

    # The way to the server.

    def _begin(self, startup: Startup) -> None:
        if not self._gateway.take_place(self):
            self._refuse("too many clients", TOO_MANY)
            return
        self.client.received = self._feed
        self.client.hold(NOT_YET)
        self._start(self._reach(startup))

    def _feed(self, data: bytes | bytearray, end: int) -> None:
        self._packets.feed(memoryview(data)[:end])

    async def _reach(self, startup: Startup) -> None:
        try:
            way = await self._gateway.upstream.reach(encrypted=self.client.layer is not None)
        except errors.Error as error:
            message = f"could not connect to the local server: {error.message}"
            self._refuse(message, fatal("08006", message))
            return
        server = Leg(self._gateway.room, self._before_session, self._server_ended)
        try:
            server.adopt(way.transport.hand_over(server), way.layer)
        except errors.ConnectionLost as lost:
            self._refuse(lost.message, fatal("08006", lost.message))
            return
        self._way = way
        self._server = server
        self._startup = startup
        server.other = self.client
        self.client.other = server
        self.client.received = self._from_client
        server.send(startup.packet + self._packets.rest())
        self.client.release(NOT_YET)

    # From the client.

    def _from_client(self, data: bytes | bytearray, end: int) -> None:
        self.busy = True
        self.turns += 1
        self._terminated = data[end - 5 : end] == _TERMINATE if end >= 5 else False
        server = self._server
        assert server is not None
        server.send(bytes(memoryview(data)[:end]))

    # From the server, before the session has begun.

    def _before_session(self, data: bytes | bytearray, end: int) -> None:
        early = self._early
        early.feed(memoryview(data)[:end])
        passed: list[bytes] = []
        try:
            while (frame := early.next()) is not None:
                kind = frame[:1]
                if kind == AUTHENTICATION:
                    if not self._may_go_on(frame):
                        self._refuse("the local server asked for no password", UNASKED)
                        return
                    if not self._same_certificate():
                        frame = without_binding(frame)
                elif kind == KEY and len(frame) > 9 and not self.key:
                    self.process_id = int.from_bytes(frame[5:9], signed=True)
                    self.key = frame[9:]
                    self._gateway.register(self)
                elif kind == STATUS:
                    self.status(frame[5:])
                passed.append(frame)
        except errors.ProtocolError as error:
            self._refuse(error.message, b"")
            return
        self.client.send(b"".join(passed))
        if early.over:
            self._session_begins()

    def _may_go_on(self, frame: bytes) -> bool:
        """Whether an authentication message may be passed."""
        if lets_in(frame):
            return self._asked or self._gateway.may_be_let_in_unasked(self.client)
        self._asked = True
        return True

    def _same_certificate(self) -> bool:
        """Whether client and server see the same certificate, to which SCRAM binds what they say:
        then it is none of our business."""
        assert self._way is not None
        layer, tls = self._way.layer, self._gateway.tls
        if layer is None or tls is None or self.client.layer is None:
            return False
        return layer.certificate == tls.certificate

    def _session_begins(self) -> None:
        assert self._server is not None and self._startup is not None
        if not self.process_id or self._startup.replication:
            self._pass_on()
            return
        self._server.received = self._keep
        self._server.hold(NOT_YET)
        self._caller = self._gateway.engine.caller(
            self._startup.database, self.process_id, self._startup.user
        )
        self._opening = asyncio.get_running_loop().create_task(self._open(self._caller))

    def _keep(self, data: bytes | bytearray, end: int) -> None:
        self._early.feed(memoryview(data)[:end])

    async def _open(self, caller: Caller) -> None:
        try:
            await caller.open()
        except Exception:
            log.exception("%s: no dblink for this session", self.client.peer)
        if not self._finished:
            assert self._server is not None
            self._server.release(NOT_YET)
            self._pass_on()

    def _pass_on(self) -> None:
        """The session begins: its first ReadyForQuery is the first frame to be walked through."""
        assert self._server is not None
        if self._deadline is not None:
            self._deadline.cancel()
        self.begun = True
        self._server.received = self._from_server
        if self._startup is not None:
            log.info(
                "session %d: %r in database %r, from %s",
                self.process_id,
                self._startup.user,
                self._startup.database,
                self.client.peer,
            )
        early = self._early.rest()
        self._from_server(early, len(early))

    # From the server.

    def _from_server(self, data: bytes | bytearray, end: int) -> None:
        try:
            passed = self._walk.walk(data, end)
        except errors.ProtocolError as error:
            log.error("%s: %s", self, error.message)
            self._pass_kept()
            self.end()
            return
        if self._walk.calling and len(self._kept) + len(passed) <= _KEPT:
            self._keep_back(passed)
        elif passed:
            self._kept, kept = b"", self._kept
            self.client.send(kept + passed if kept else passed)

    def _keep_back(self, passed: bytes) -> None:
        """Keep what came with a call until more comes, but not for long. The server itself would
        have kept it, had the message not pushed it out, and its client would be woken up by the
        beginning of an answer, with which it can do nothing."""
        self._kept += passed
        if self._kept and self._keeping is None:
            loop = asyncio.get_running_loop()
            self._keeping = loop.call_later(_KEEP, self._pass_kept)

    def _pass_kept(self) -> None:
        self._keeping = None
        if self._kept:
            self._kept, kept = b"", self._kept
            self.client.send(kept)

    def reserve(self, size: int) -> bool:
        """Whether there is memory for a call of `size` bytes."""
        if not self._gateway.reserve(size):
            return False
        self._reserved = size
        return True

    def call(self, payload: bytes) -> None:
        """A call of a dblink function."""
        self._release()
        if self._caller is not None:
            self._caller.call(payload)

    def call_too_large(self, beginning: bytes, size: int) -> None:
        """A call that is larger than is taken."""
        self._release()
        log.warning("%s: a call of %d bytes is refused", self, size)
        if self._caller is not None:
            self._caller.call_too_large(beginning, size)

    def _release(self) -> None:
        self._gateway.reserve(-self._reserved)
        self._reserved = 0

    def notice(self, body: bytes) -> bytes | None:
        """A NoticeResponse that is no call."""
        return self._rewritten(body)

    def error(self, body: bytes | None) -> bytes | None:
        """An ErrorResponse."""
        rewritten = None if body is None else self._rewritten(body)
        if self._caller is not None:
            self._caller.error_passed()
        return rewritten

    def _rewritten(self, body: bytes) -> bytes | None:
        if self._caller is None or not contexts.concerns(body):
            return None
        return contexts.rewritten(body, self._codec, self._caller.context_of)

    def status(self, body: bytes) -> None:
        """A ParameterStatus: the client's encoding is that of the errors."""
        name, _, value = body.partition(b"\0")
        if name == b"client_encoding":
            try:
                self._codec = python_codec(value.rstrip(b"\0").decode("ascii", "replace"))
            except errors.NotSupportedError:
                self._codec = "ascii"

    def ready(self, status: int) -> None:
        """A ReadyForQuery."""
        self.busy = False
        if self._caller is not None:
            self._caller.ready(status)
        if self._stopping:
            asyncio.get_running_loop().call_soon(self.stop)

    # The end.

    def cancel_calls(self) -> None:
        """Cancel what the session's remote connections are doing."""
        if self._caller is not None:
            self._caller.cancel()

    def stop(self) -> None:
        """End the session as soon as it has nothing to do."""
        self._stopping = True
        if not self.busy or not self.begun:
            self.tell(SHUTDOWN)

    def tell(self, farewell: bytes) -> None:
        """End the session now, and tell the client why, unless that would be taken for a part of
        what it was sent before."""
        if not self._finished:
            if not self._walk.cut:
                self._pass_kept()
                self.client.send(farewell)
            self.end()

    def end(self) -> None:
        """End the session now."""
        if self._finished:
            return
        self._finished = True
        self._release()
        for timer in (self._deadline, self._keeping):
            if timer is not None:
                timer.cancel()
        running = self.busy and self.begun and not self._terminated
        if running or (self._caller is not None and self._caller.active):
            self._gateway.cancel_later(self)
        self.client.close()
        if self._server is not None:
            self._server.close()
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()
        if self._caller is not None:
            # What is being opened must be there to be closed.
            self._gateway.close_later(self._caller, self._opening)
        self._gateway.forget(self)

    @property
    def way(self) -> Way | None:
        """How its server process was reached."""
        return self._way

    def _client_ended(self, reason: str) -> None:
        if reason and not self._finished:
            log.info("%s: %s", self, reason)
        self.end()

    def _server_ended(self, reason: str) -> None:
        if reason and not self._finished:
            log.info("%s: the server's connection has ended: %s", self, reason)
        self.busy = False  # there is nothing to be cancelled
        self._pass_kept()
        self.client.send(self._walk.rest() if self.begun else self._early.rest())
        self.end()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _ignore(data: bytes | bytearray, end: int) -> None:
    pass
