"""A gateway in a thread of its own, for programs that block."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

from dblink.gateway.gateway import Gateway
from dblink.gateway.listener import Address


class Running:
    """A gateway that runs in a thread: a context manager, or `start` and `close`."""

    def __init__(self, local: str, side: str | None = None, **options: Any) -> None:
        self._local = local
        self._side = side
        self._options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gateway: Gateway | None = None
        self._thread = threading.Thread(target=self._run, name="dblink gateway", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> Self:
        """Start it. Raises what `Gateway` and its `start` raise."""
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def close(self, grace: float = 5.0) -> None:
        """Stop it, as `Gateway.stop`, and wait until it has ended."""
        if self._gateway is not None and self._loop is not None and self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._gateway.stop(grace), self._loop).result()
        self._thread.join()

    @property
    def gateway(self) -> Gateway:
        """The gateway, which belongs to its thread."""
        assert self._gateway is not None, "the gateway has not been started"
        return self._gateway

    @property
    def addresses(self) -> list[Address]:
        """Where clients connect, as `Gateway.addresses`."""
        return self.gateway.addresses

    def conninfo(self, **options: object) -> str:
        """A connection string for the first address, as `Gateway.conninfo`."""
        return self.gateway.conninfo(**options)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            self._gateway = Gateway(self._local, self._side, **self._options)
            await self._gateway.start()
        except BaseException as failure:
            self._failure = failure
            return
        finally:
            self._started.set()
        await self._gateway.serve_forever()


def running(local: str, side: str | None = None, **options: Any) -> Running:
    """A gateway in a thread of its own, on a free port of 127.0.0.1 unless `listen` says otherwise:
    a context manager. The arguments are those of `Gateway`."""
    options.setdefault("listen", ("127.0.0.1:0",))
    return Running(local, side, **options)
