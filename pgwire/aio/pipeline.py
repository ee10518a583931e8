"""Pipelines of the asyncio body: many queries in one flight. Manual: 54.2.4 Pipelining."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pgwire.results import Result
from pgwire.session.pipelines import OpenPipeline, Promised, nothing, result_of, tag_of
from pgwire.session.steps import Command

if TYPE_CHECKING:
    from pgwire.flows.queued import Queued
    from pgwire.rows.factories import RowFactory

_T = TypeVar("_T")


class Do(Protocol):
    """Performs a command."""

    async def __call__(self, command: Command[_T]) -> _T:
        """Perform it; returns its result."""
        ...


class AsyncPromise(Promised[_T]):
    """The answer to a query in a pipeline, which may still be to come.

    `done` tells whether it has come, `error` what has gone wrong then.
    """

    __slots__ = ("_do",)

    def __init__(
        self, do: Do, pipeline: OpenPipeline[Any, Any], queued: Queued, make: Callable[[], _T]
    ) -> None:
        super().__init__(pipeline, queued, make)
        self._do = do

    async def result(self) -> _T:
        """The answer; waits for it if need be, and has everything sent that is queued before it.

        Raises the error of its query; PipelineAborted if it has not been run, since another one
        before it has failed; and what the pipeline raises.
        """
        if not self._queued.done:
            await self._do(self._pipeline.wait(self._queued))
        return self._result()

    def __await__(self) -> Generator[Any, None, _T]:
        return self.result().__await__()


class AsyncPipeline:
    """Many queries in one flight, each with an answer of its own. Made by `pipeline`.

    Queries are sent in blocks of some 64 kB, and what the server answers meanwhile is taken in: so
    neither waits for the other, however large queries and results are. Each `sync` ends what the
    server runs as one transaction (unless a BEGIN has been queued); the end of the block is one. An
    error leaves the other queries up to the next `sync` without effect: those before it are rolled
    back, those after it are not run and raise PipelineAborted.

    The end of the `with` block reads all answers that are still to come. If a query has failed and
    nobody has looked at its `Promise` since, its error is raised there. A block that is left by an
    exception sends nothing more, rolls back what it has sent since the last `sync`, and reads what
    the server still has to say. In the meantime the connection can do nothing else.
    """

    def __init__(self, open_pipeline: OpenPipeline[Any, Any], do: Do) -> None:
        self._open = open_pipeline
        self._do = do

    async def query(
        self, sql: str, params: Sequence[object] = (), *, rows: RowFactory[Any] | None = None
    ) -> AsyncPromise[Result]:
        """Queue a query, one statement; its promise gives the `Result`.

        Args:
            sql: the statement, with $1, $2, …. No COPY.
            params: values of the parameters.
            rows: makes something else of each row than a tuple, as `pgwire.dict_row`.

        Raises what comes of sending a block that has become full: TimeoutExpired, ConnectionLost.
        For what cannot be sent at all, DataError, ProgrammingError or NotSupportedError; then
        nothing has been queued.
        """
        queued = self._open.query(sql, params)
        if self._open.full:
            await self._do(self._open.send())
        return AsyncPromise(self._do, self._open, queued, result_of(queued, rows))

    async def execute(self, sql: str, params: Sequence[object] = ()) -> AsyncPromise[str]:
        """Like `query`; the promise gives the command tag ("INSERT 0 1")."""
        queued = self._open.query(sql, params)
        if self._open.full:
            await self._do(self._open.send())
        return AsyncPromise(self._do, self._open, queued, tag_of(queued))

    async def sync(self) -> AsyncPromise[None]:
        """Queue the end of the implicit transaction: what has been queued before is committed, or
        has failed, apart from what follows. The promise raises the error of a commit that fails.
        """
        promise = AsyncPromise(self._do, self._open, self._open.sync(), nothing)
        if self._open.full:
            await self._do(self._open.send())
        return promise

    async def flush(self) -> None:
        """Send what has been queued, and have the server answer as it goes, without waiting for it.
        Raises as `query` does."""
        await self._do(self._open.ask())

    async def __aenter__(self) -> AsyncPipeline:
        self._open.open()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._do(self._open.leave(exception))
