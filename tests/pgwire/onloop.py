"""The asyncio body behind the face of the blocking one, so that the same tests run on both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import pgwire
from pgwire.aio import AsyncReply
from pgwire.aio.pipeline import AsyncPromise

try:
    import uvloop
except ImportError:
    uvloop = None

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(
        uvloop and uvloop.new_event_loop,
        id="uvloop",
        marks=[
            pytest.mark.uvloop,
            pytest.mark.skipif(uvloop is None, reason="no uvloop here"),
        ],
    ),
]


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    told: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=request.param) as runner:
        runner.get_loop().set_exception_handler(lambda loop, context: told.append(context))
        yield runner
    assert told == []


@pytest.fixture
def on_loop(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `pgwire.connect` give connections of the asyncio body."""
    connect_async, connect_blocking = pgwire.connect_async, pgwire.connect
    test = threading.get_ident()

    def connect(*arguments: Any, **options: Any) -> Blocking | pgwire.Connection:
        if threading.get_ident() != test:
            # Not the test's: a gateway that lives as long as the run looks after its server.
            return connect_blocking(*arguments, **options)
        return Blocking(runner, runner.run(connect_async(*arguments, **options)))

    monkeypatch.setattr(pgwire, "connect", connect)


_WRAPPED = (AsyncReply, AsyncPromise)


class Blocking:
    """An AsyncConnection, or what it gives, whose methods wait for what they are asked for."""

    def __init__(self, runner: asyncio.Runner, wrapped: Any) -> None:
        self.__dict__.update(_runner=runner, _wrapped=wrapped)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        return self._waiting(found) if inspect.iscoroutinefunction(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._wrapped, name, value)

    def __repr__(self) -> str:
        return repr(self._wrapped)

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *exception: object) -> None:
        self._wait(self._wrapped.close())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        block = self._wrapped.transaction()
        self._wait(block.__aenter__())
        try:
            yield
        except BaseException as error:
            self._wait(block.__aexit__(type(error), error, error.__traceback__))
            raise
        self._wait(block.__aexit__(None, None, None))

    @contextmanager
    def pipeline(self, **options: Any) -> Iterator[Blocking]:
        pipeline = self._wrapped.pipeline(**options)
        self._wait(pipeline.__aenter__())
        try:
            yield Blocking(self._runner, pipeline)
        except BaseException as error:
            self._wait(pipeline.__aexit__(type(error), error, error.__traceback__))
            raise
        self._wait(pipeline.__aexit__(None, None, None))

    def copy_chunks(self, *arguments: Any, **options: Any) -> Iterating:
        return Iterating(self, self._wrapped.copy_chunks(*arguments, **options))

    def copy_rows_out(self, *arguments: Any, **options: Any) -> Iterating:
        return Iterating(self, self._wrapped.copy_rows_out(*arguments, **options))

    def stream(self, *arguments: Any, **options: Any) -> Entered:
        return Entered(self._runner, self._wrapped.stream(*arguments, **options))

    def cursor(self, *arguments: Any, **options: Any) -> Entered:
        return Entered(self._runner, self._wrapped.cursor(*arguments, **options))

    def notifies(self, **options: Any) -> Iterator[pgwire.Notification]:
        iterator = self._wrapped.notifies(**options)
        while (one := self._wait(anext(iterator, None))) is not None:
            yield one

    def _waiting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return self._wait(function(*arguments, **options))

        return call

    def _wait(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        loop = self._runner.get_loop()
        if loop.is_running():  # a second thread, or a callback
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return asyncio.run_coroutine_threadsafe(wait(), loop).result(20)
            return _at_once(awaitable)
        result = self._runner.run(wait())
        return Blocking(self._runner, result) if isinstance(result, _WRAPPED) else result


class Iterating:
    """What is read as it comes, in an asynchronous iteration, behind the face of a plain one."""

    def __init__(self, connection: Blocking, wrapped: Any) -> None:
        self._connection, self._wrapped = connection, wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __enter__(self) -> Iterating:
        self._connection._wait(self._wrapped.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection._wait(self._wrapped.__aexit__(*exception))

    def __iter__(self) -> Iterating:
        return self

    def __next__(self) -> Any:
        try:
            return self._connection._wait(anext(self._wrapped))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._connection._wait(self._wrapped.close())


class Entered(Blocking):
    """An asynchronous context manager and iterator."""

    def __enter__(self) -> Entered:
        self._wait(self._wrapped.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self._wait(self._wrapped.__aexit__(*exception))

    def __iter__(self) -> Iterator[Any]:
        iterator = aiter(self._wrapped)
        end = object()
        while (row := self._wait(anext(iterator, end))) is not end:
            yield row

    def __next__(self) -> Any:
        return self._wait(anext(self._wrapped))


def _at_once(awaitable: Any) -> Any:
    """What a coroutine does before it has to wait: inside a callback, nothing can be awaited."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value
    awaitable.close()
    raise AssertionError("a callback has been made to wait")
