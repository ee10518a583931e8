"""Pipelines, and `executemany`, which stands on them. Manual: 54.2.4 Pipelining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.net.clock import Deadline, deadline_after, seconds_until
from pgwire.results import Result
from pgwire.session.core import ReplyT, TransportT
from pgwire.session.queries import Queries
from pgwire.session.steps import EXHAUSTED, Command, Pull

if TYPE_CHECKING:
    from pgwire.flows.pipeline import Pipelining
    from pgwire.flows.queued import Queued, QueuedQuery
    from pgwire.rows.factories import RowFactory

_T = TypeVar("_T")
_Given = TypeVar("_Given")


class Pipelines(Queries[TransportT, ReplyT]):
    """The commands of a pipeline."""

    def _executemany(self, sql: str, params_seq: Any, timeout: float | None) -> Command[int]:
        self._check_ready()
        from pgwire.flows.executemany import AT_ONCE, ROWS, ManyRows

        many = ManyRows(self._channel, deadline_after(timeout), sql, self.registry)
        awaited = hasattr(params_seq, "__aiter__")
        at_once = ROWS if isinstance(params_seq, list | tuple) else AT_ONCE
        source = aiter(params_seq) if awaited else iter(params_seq)
        self._current = many
        try:
            while True:
                rows = yield from _pull(source, at_once, many.deadline, awaited=awaited)
                if not rows:
                    break
                if seconds_until(many.deadline) == 0:
                    raise errors.TimeoutExpired
                yield from self._run_pipelined(many, many.rows(rows), timeout)
                rows.clear()  # or they would be held while the next ones are taken
            yield from self._run_pipelined(many, many.finish(), timeout)
        except BaseException as error:
            if not many.done:
                timed_out = isinstance(error, errors.TimeoutExpired)
                cancel = timed_out or not isinstance(error, Exception)
                yield from self._give_up_pipeline(many, cancel=cancel)
                if timed_out and seconds_until(many.deadline) == 0:
                    raise _expired(many, timeout) from None
            raise
        return many.affected

    def _run_pipelined(
        self, pipelining: Pipelining, flow: Flow[_T], timeout: float | None
    ) -> Command[_T]:
        """Run a flow of a pipeline. Whatever goes wrong ends all of the pipeline."""
        try:
            return (yield from self._run(flow, pipelining.deadline))
        except errors.InterfaceError:
            raise  # somebody else is using the connection: nothing has been done
        except errors.TimeoutExpired:
            yield from self._give_up_pipeline(pipelining, cancel=True)
            raise _expired(pipelining, timeout) from None
        except errors.ConnectionLost as lost:
            # The server's last words say more than the end of the stream does.
            last_words = pipelining.last_words
            pipelining.lose(lost)
            raise last_words if last_words is not None else lost from None
        except BaseException as error:
            cancel = not isinstance(error, Exception)
            yield from self._give_up_pipeline(pipelining, cancel=cancel)
            raise

    def _give_up_pipeline(self, pipelining: Pipelining, *, cancel: bool) -> Command[None]:
        """End a pipeline early: what has been sent is read, what is not complete is undone."""
        pipelining.stop()
        try:
            if self._current is pipelining and not pipelining.done:
                yield from self._resynchronise(cancel=cancel)
        finally:
            if not pipelining.done:
                pipelining.lose(errors.ConnectionLost("the connection has been closed"))


def _expired(pipelining: Pipelining, timeout: float | None) -> errors.TimeoutExpired:
    return errors.TimeoutExpired(
        f"{pipelining.what} did not end within {timeout} seconds and has been cancelled"
    )


def _pull(source: Any, count: int, deadline: Deadline, *, awaited: bool) -> Command[list[Any]]:
    """The next `count` items of an iterator, fewer at its end."""
    if not awaited:
        return list(islice(source, count))
    items: list[Any] = []
    while len(items) < count:
        item = yield Pull(source, deadline)
        if item is EXHAUSTED:
            break
        items.append(item)
    return items


class OpenPipeline(Generic[TransportT, ReplyT]):
    """One pipeline of a session: its commands, for the faces of both bodies."""

    def __init__(self, session: Pipelines[TransportT, ReplyT], timeout: float | None) -> None:
        self._session = session
        self._timeout = timeout
        self._pipelining: Pipelining | None = None

    def open(self) -> None:
        """Begin. Raises InterfaceError if the connection is busy or closed."""
        from pgwire.flows.pipeline import Pipelining

        session = self._session
        if self._pipelining is not None:
            raise errors.InterfaceError("a pipeline is used once; make another one")
        session._check_ready()
        self._pipelining = Pipelining(session._channel, deadline_after(self._timeout))
        session._current = self._pipelining

    def query(self, sql: str, params: Sequence[object]) -> QueuedQuery:
        """Queue a query."""
        return self._going().query(sql, params, self._session.registry)

    def sync(self) -> Queued:
        """Queue the end of an implicit transaction."""
        return self._going().sync()

    @property
    def full(self) -> bool:
        """Whether it is time for `send`."""
        return self._pipelining is not None and self._pipelining.full

    def send(self) -> Command[None]:
        """Send what has been queued."""
        pipelining = self._going()
        return self._session._run_pipelined(pipelining, pipelining.flush(), self._timeout)

    def ask(self) -> Command[None]:
        """Send what has been queued, and have the server answer at once."""
        pipelining = self._going()
        return self._session._run_pipelined(pipelining, pipelining.ask(), self._timeout)

    def wait(self, queued: Queued) -> Command[None]:
        """Read until `queued` has its answer. It has, if the pipeline has ended."""
        pipelining = self._going()
        return self._session._run_pipelined(pipelining, pipelining.wait(queued), self._timeout)

    def leave(self, raised: BaseException | None) -> Command[None]:
        """The block is left, by an exception that it has `raised` or at its end."""
        pipelining, session = self._pipelining, self._session
        if pipelining is None or pipelining.ended:
            return
        if raised is not None:
            cancel = not isinstance(raised, Exception)
            yield from session._give_up_pipeline(pipelining, cancel=cancel)
            return
        yield from session._run_pipelined(pipelining, pipelining.finish(), self._timeout)
        error = pipelining.unlooked()
        if error is not None:
            raise error

    def _going(self) -> Pipelining:
        pipelining = self._pipelining
        if pipelining is None:
            raise errors.InterfaceError("a pipeline is a context manager: use it by `with`")
        if pipelining.ended:
            raise errors.InterfaceError("the pipeline has ended")
        return pipelining


class Promised(Generic[_Given]):
    """The answer to what has been queued in a pipeline; the base of both bodies' promises."""

    __slots__ = ("_make", "_pipeline", "_queued")

    def __init__(
        self, pipeline: OpenPipeline[Any, Any], queued: Queued, make: Callable[[], _Given]
    ) -> None:
        """`make` gives the result once `queued` is done."""
        self._pipeline = pipeline
        self._queued = queued
        self._make = make

    @property
    def done(self) -> bool:
        """Whether the answer has come."""
        return self._queued.done

    @property
    def error(self) -> Exception | None:
        """What has gone wrong; None if nothing has, or as long as the answer has not come."""
        if not self._queued.done:
            return None
        self._queued.looked_at = True
        return self._queued.error

    def _result(self) -> _Given:
        self._queued.looked_at = True
        if self._queued.error is not None:
            raise self._queued.error
        return self._make()

    def __repr__(self) -> str:
        queued = self._queued
        how = "failed" if queued.done and queued.error else "done" if queued.done else "pending"
        return f"<{type(self).__name__} {how}: {queued}>"


def result_of(queued: QueuedQuery, rows: RowFactory[Any] | None) -> Callable[[], Result]:
    """How the `Result` of a query is made, with its rows made by a row factory."""

    def make() -> Result:
        made: Any = queued.rows
        if rows is not None:
            from pgwire.rows.factories import make_rows

            made = make_rows(rows, queued.columns, queued.rows)
        return Result(made, queued.columns, queued.tag)

    return make


def tag_of(queued: QueuedQuery) -> Callable[[], str]:
    """How the command tag of a query is given."""
    return lambda: queued.tag


def nothing() -> None:
    """The result of what has none."""
