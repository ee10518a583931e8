"""`Gateway`: a relay in front of a PostgreSQL server, in which dblink's functions work."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from dblink.gateway.engine import Engine as MakeEngine
from dblink.gateway.leg import Leg, Room
from dblink.gateway.listener import Address, Listeners, parse
from dblink.gateway.relay import IDLE, SHUTDOWN, Relay
from dblink.gateway.seam import Caller, Engine
from dblink.gateway.tls import ServerTLS, TlsFiles
from dblink.gateway.upstream import Upstream
from pgwire import conninfo, errors
from pgwire.net.opened import wish

log = logging.getLogger("dblink.gateway")

_LARGE_CALLS: Final = 4
"""As many calls of the largest size may be on their way at once, of all sessions together."""

_FAREWELL: Final = 5.0
"""Seconds that it may take, in the end, to cancel what is still running."""


class Gateway:
    """A relay between clients and the local server, an asynchronous context manager.

    Everything passes as it comes, except the calls of the functions that `dblink setup` has created
    in the database: those run here, in a `dblink.Session` for each client.

    Args:
        local: connection string of the local server. Each client logs in there as itself: user,
            password and database in it are not used for that.
        side: connection string for the gateway's own connections to the same server, by which it
            answers calls; its database is replaced by that of the client. Default: `local`.
        listen: where clients connect: ``host:port`` (port 0: the system chooses one),
            ``[address]:port``, or the directory of a Unix-domain socket.
        tls: the files with which clients' connections are secured; None: they cannot be.
        allow: remote servers that may be connected to; see `dblink.remotes`.
        max_clients: sessions at once; who comes then is refused with SQLSTATE 53300.
        startup_timeout: seconds until a client must have its session.
        idle_timeout: seconds after which a session that does nothing ends; None: never.
        max_call: bytes of the largest call that is taken.
        trust: let clients from other machines in, too, whom the local server does not ask for a
            password. It sees the gateway's address, and may trust that.

    Raises ConninfoError for connection strings and addresses that cannot be, ValueError for what
    is no pattern in `allow`, OperationalError for files of `tls` that cannot be used.
    """

    def __init__(
        self,
        local: str,
        side: str | None = None,
        *,
        listen: Sequence[str] = ("127.0.0.1:6432",),
        tls: TlsFiles | None = None,
        allow: Sequence[str] = (),
        max_clients: int = 1000,
        startup_timeout: float = 60.0,
        idle_timeout: float | None = None,
        max_call: int = 64 * 2**20,
        trust: bool = False,
    ) -> None:
        self.upstream = Upstream(local)
        if side is not None:  # else it would be refused in front of the first session
            wish(side, {}, environ=os.environ, scram_iterations=(0, 0))
        self.tls = None if tls is None else ServerTLS(tls)
        self.max_call = max_call
        self.startup_timeout = startup_timeout
        self.room = Room()
        self.engine: Engine = MakeEngine(
            local if side is None else side, allow=allow, max_call=max_call
        )
        self._listen = [parse(address) for address in listen]
        if not self._listen:
            raise errors.ConninfoError("there must be an address to listen on")
        self._max_clients = max_clients
        self._idle_timeout = idle_timeout
        self._trust = trust
        self._reserved = 0
        self._listeners = Listeners(lambda: Relay(self).client)
        self._relays: set[Relay] = set()
        self._sessions: set[Relay] = set()
        self._keys: dict[int, list[Relay]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadline: float | None = None
        self._watch: asyncio.Task[None] | None = None
        self._changed: asyncio.Event | None = None
        self._ended: asyncio.Event | None = None

    # Public.

    @property
    def addresses(self) -> list[Address]:
        """Where clients connect: hosts, or directories of Unix-domain sockets, and ports."""
        return list(self._listeners.addresses)

    @property
    def listens_on_tcp(self) -> bool:
        """Whether clients connect by TCP, not only by Unix-domain sockets."""
        return any(not host.startswith("/") for host, _ in self._listen)

    def conninfo(self, **options: object) -> str:
        """A connection string for the first address, with `options` added."""
        host, port = self.addresses[0]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return conninfo.make(None, **{"host": host, "port": port, **options})

    async def start(self) -> None:
        """Listen. Raises OperationalError if an address cannot be listened on."""
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        await self._listeners.listen(self._listen)
        for host, port in self.addresses:
            log.info("listening on %s:%d", host, port)
        if self._idle_timeout is not None:
            self._watch = self._start(self._end_idle(self._idle_timeout))

    async def serve_forever(self) -> None:
        """Serve until `stop` has been called, and is through."""
        assert self._ended is not None, "the gateway has not been started"
        await self._ended.wait()

    async def stop(self, grace: float = 5.0) -> None:
        """Listen no more, and end the sessions: those that do nothing now, the others when they
        have done what they are at, or after `grace` seconds. A second call can shorten that."""
        if self._ended is None or self._changed is None:
            return
        deadline = asyncio.get_running_loop().time() + grace
        if self._deadline is not None:
            self._deadline = min(deadline, self._deadline)
            self._changed.set()
            await self._ended.wait()
            return
        self._deadline = deadline
        await self._listeners.close()
        for relay in list(self._relays):
            relay.stop()
        await self._emptied()
        for relay in list(self._relays):
            relay.tell(SHUTDOWN)
        if self._watch is not None:
            self._watch.cancel()
        # Cancel requests are on their way, and calls are being ended.
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL)
        await self.engine.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for leg in list(self.room.legs):
            leg.abort()  # whose peer does not take what is left for it
        while self.room.legs:
            await asyncio.sleep(0)
        self._ended.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # For the relays.

    def admit(self, relay: Relay) -> bool:
        """Whether a connection that has just been accepted may speak at all. Some more than there
        may be sessions: cancel requests must come through."""
        if self._deadline is not None:
            return False  # it was accepted when the gateway was told to stop
        if len(self._relays) >= 2 * self._max_clients + 100:
            log.warning("%s: too many connections", relay.client.peer)
            return False
        self._relays.add(relay)
        return True

    def take_place(self, relay: Relay) -> bool:
        """Whether there is a place for one more session; it is taken."""
        if len(self._sessions) >= self._max_clients:
            return False
        self._sessions.add(relay)
        return True

    def may_be_let_in_unasked(self, client: Leg) -> bool:
        """Whether the local server need not ask `client` for a password."""
        return self._trust or client.local

    def reserve(self, size: int) -> bool:
        """Whether there is memory for `size` more bytes of large calls; it is taken, or given back
        if `size` is negative."""
        if self._reserved + size > _LARGE_CALLS * self.max_call:
            return False
        self._reserved += size
        return True

    def register(self, relay: Relay) -> None:
        """The `relay` has a key by which it can be cancelled."""
        self._keys.setdefault(relay.process_id, []).append(relay)

    async def cancel(self, process_id: int, key: bytes) -> None:
        """Cancel what the session with this key is doing, also on its remote connections; what is
        no session of ours is passed on. Raises OperationalError."""
        way = None
        for relay in self._keys.get(process_id, ()):
            if hmac.compare_digest(relay.key, key):
                relay.cancel_calls()
                way = relay.way
        await self.upstream.cancel(way, process_id, key)

    def cancel_later(self, relay: Relay) -> None:
        """Cancel what the server does for a `relay` whose client is gone."""
        if relay.key:
            self._start(self._cancel_lost(relay))

    def close_later(self, caller: Caller, opening: asyncio.Task[None] | None) -> None:
        """Close the `caller` of a session that has ended, after what is `opening` it."""
        self._start(_close(caller, opening))

    def forget(self, relay: Relay) -> None:
        """The `relay` has ended."""
        self._relays.discard(relay)
        self._sessions.discard(relay)
        others = self._keys.get(relay.process_id)
        if others is not None and relay in others:
            others.remove(relay)
            if not others:
                del self._keys[relay.process_id]
        if self._changed is not None:
            self._changed.set()

    # What runs beside.

    async def _cancel_lost(self, relay: Relay) -> None:
        with suppress(errors.Error):
            await self.upstream.cancel(relay.way, relay.process_id, relay.key)

    async def _end_idle(self, timeout: float) -> None:
        """End sessions that have done nothing for `timeout` seconds: looked at now and then."""
        loop = asyncio.get_running_loop()
        seen: dict[Relay, tuple[int, float]] = {}
        while True:
            await asyncio.sleep(min(timeout / 4, 10.0))
            now = loop.time()
            last, seen = seen, {}
            for relay in list(self._sessions):
                if relay.busy or not relay.begun:
                    continue
                turns, since = last.get(relay, (-1, now))
                if turns != relay.turns:
                    since = now
                elif now - since >= timeout:
                    relay.tell(IDLE)
                    continue
                seen[relay] = relay.turns, since

    async def _emptied(self) -> None:
        """Wait until there is no session any more, or for the deadline."""
        assert self._changed is not None and self._deadline is not None
        loop = asyncio.get_running_loop()
        while self._relays:
            seconds = self._deadline - loop.time()
            if seconds <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _close(caller: Caller, opening: asyncio.Task[None] | None) -> None:
    try:
        if opening is not None:
            await asyncio.wait((opening,))
        await caller.close()
    except Exception:
        log.exception("a session could not be closed")
