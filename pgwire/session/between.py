"""COPY from one session to another: the data goes through as it is. Manual: COPY, and 54.2.6.

CopyData looks the same in both directions, so whole messages are handed on, and nothing is decoded,
cut or put together. Written once, as the steps of two sessions; a body performs each of them on the
connection that it belongs to.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from pgwire import errors
from pgwire.flows.copy import Copy, CopyIn, CopyOut
from pgwire.net.clock import deadline_after, passed
from pgwire.session.copying import REPORT_STEP, Caused, Copying, Progress, report
from pgwire.session.core import expired
from pgwire.session.steps import Command, Step
from pgwire.types.context import Context

__all__ = ["Joint", "between"]

_T = TypeVar("_T")
_Session: TypeAlias = Copying[Any, Any]

Joint = Generator[tuple[_Session, Step], Any, _T]
"""A command over several sessions: each step with the session that it belongs to."""

_POLL_STEP = 512 * 1024


def between(
    source: _Session,
    source_sql: str,
    target: _Session,
    target_sql: str,
    progress: Progress | None,
    timeout: float | None,
) -> Joint[int]:
    """See `copy_between`."""
    if source is target:
        raise errors.ProgrammingError(
            "copy_between needs two connections: one cannot send and receive at the same time"
        )
    source._check_ready()
    target._check_ready()
    deadline = deadline_after(timeout)
    out = CopyOut(source._channel, source_sql, deadline)
    into = CopyIn(target._channel, target_sql, deadline)
    failed: Copy | None = None
    failure: BaseException | None = None
    try:
        failed = yield from _transfer(source, out, target, into, progress)
    except BaseException as error:
        failure = error
    if failed is not None:
        raise _of_side("source" if failed is out else "target", failed)
    if failure is None:
        return into.rows
    # Both sides are put in step, whatever happens to the first.
    try:
        try:
            cause = yield from _on(source, source._undone(out, failure, timeout))
        finally:
            yield from _on(target, target._undone(into, failure, timeout))
        if isinstance(failure, errors.TimeoutExpired):
            raise expired(timeout)
        if isinstance(failure, errors.ConnectionLost):
            raise _lost(source, out, into, failure)
        raise cause
    finally:
        del failure


def _transfer(
    source: _Session, out: CopyOut, target: _Session, into: CopyIn, progress: Progress | None
) -> Joint[Copy | None]:
    """Move the data; the side whose server has refused it, if one has."""
    if not (yield from _on(source, source._started(out))):
        return out
    if not (yield from _on(target, target._started(into))):
        yield from _on(source, source._resynchronise())
        return into
    refused = _mismatch(source.context, out, target.context, into)
    if refused is not None:
        yield from _on(target, target._run(into.fail(refused.message), into.deadline))
        yield from _on(source, source._resynchronise())
        raise Caused(refused)
    moved = told = unlooked = 0
    deadline = out.deadline
    data = source._channel.frames
    while True:
        bounds = yield from _on(source, source._run(out.read_frames(), deadline))
        if bounds is None:
            break
        start, _, stop = bounds
        frames = bytes(memoryview(data.data)[start:stop])
        if not (yield from _on(target, target._run(into.forward(frames), deadline))):
            break
        moved += len(frames)
        unlooked += len(frames)
        if unlooked >= _POLL_STEP:
            unlooked = 0
            with suppress(errors.TimeoutExpired):
                yield from _on(target, target._run(into.poll(), deadline_after(0)))
            if passed(deadline):
                raise errors.TimeoutExpired("timeout expired")
        if progress is not None and moved - told >= REPORT_STEP:
            told = moved
            yield from _tell(source, progress, moved - 5 * out.messages, out.messages)
    if out.error is not None:
        # Without this the target would keep a part of the data.
        reason = f"the source of the data has failed: {out.error.message}"
        yield from _on(target, target._run(into.fail(reason), deadline))
        return out
    yield from _on(target, target._run(into.finish(), deadline))
    if not out.done:
        yield from _on(source, source._resynchronise())
    if into.error is not None:
        return into
    if progress is not None:
        yield from _tell(source, progress, moved - 5 * out.messages, into.rows)
    return None


def _tell(session: _Session, progress: Progress, size: int, rows: int) -> Joint[None]:
    try:
        yield session, report(progress, size, rows)
    except Exception as error:
        raise Caused(error) from None


def _on(session: _Session, command: Command[_T]) -> Joint[_T]:
    """The steps of a command of one session."""
    given: Any = None
    raised: BaseException | None = None
    try:
        while True:
            try:
                step = command.send(given) if raised is None else command.throw(raised)
            except StopIteration as stop:
                result: _T = stop.value
                return result
            given = raised = None
            try:
                given = yield session, step
            except BaseException as error:
                raised = error
    finally:
        del raised  # its traceback holds this frame


def _mismatch(
    given: Context, out: CopyOut, taken: Context, into: CopyIn
) -> errors.DatabaseError | None:
    """Why the data of one side would not mean the same on the other, if so."""
    if out.format != into.format:
        gives, takes = ["binary" if copy.format else "text or CSV" for copy in (out, into)]
        return errors.ProgrammingError(f"the source gives {gives}, the target takes {takes}")
    if len(out.column_formats) != len(into.column_formats):
        return errors.ProgrammingError(
            f"the source gives {len(out.column_formats)} columns, "
            f"the target takes {len(into.column_formats)}"
        )
    if given.encoding != taken.encoding:
        return errors.ProgrammingError(
            f"client_encoding is {given.encoding} at the source and {taken.encoding} at the "
            "target: set it to the same"
        )
    if out.format:
        return None
    if not given.date_style.upper().startswith("ISO") and given.date_style != taken.date_style:
        return errors.ProgrammingError(
            f"DateStyle is {given.date_style} at the source and {taken.date_style} at the target, "
            "where dates would be read otherwise: set it to ISO at the source, or copy in binary"
        )
    if given.interval_style == "sql_standard" != taken.interval_style:
        return errors.ProgrammingError(
            "IntervalStyle is sql_standard at the source only, so that the target would read "
            "negative intervals otherwise: set it to postgres there, or copy in binary"
        )
    return None


def _of_side(side: str, copy: Copy) -> errors.DatabaseError:
    """The error of a side, which says so."""
    error = copy.error
    assert error is not None  # asked by whoever calls
    told = error.diagnostics
    where = f"{side} of copy_between"
    told.context = where if told.context is None else f"{told.context}\n{where}"
    return error


def _lost(
    source: _Session, out: CopyOut, into: CopyIn, lost: errors.ConnectionLost
) -> errors.DatabaseError:
    side, copy = ("source", out) if source.closed else ("target", into)
    if copy.last_words() is not None:
        return _of_side(side, copy)
    lost.add_note(f"{side} of copy_between")
    return lost
