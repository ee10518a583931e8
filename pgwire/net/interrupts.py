"""Blocks whose waits can be interrupted, for programs that cannot send themselves a Ctrl-C."""

from __future__ import annotations

from _thread import _local
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TypeVar

from pgwire import errors
from pgwire.net.clock import seconds_until

__all__ = ["Interruption", "here", "interruptible", "wait"]

_T = TypeVar("_T")

GRACE = 5.0
"""Seconds that clean-up may wait in all, if nobody says otherwise."""


class Interruption(BaseException):
    """What ends a wait inside of an `interruptible` block, as Ctrl-C would. Nothing that looks for
    errors takes it for one; out of the block comes what its `check` has raised."""


class interruptible:
    """A block in which every wait of this thread asks now and then whether to go on.

    For a program that has to stop waiting for something that no deadline tells: a request that its
    own client has cancelled, a shutdown. What is interrupted is cleaned up as after Ctrl-C: a
    query is cancelled on the server, a connection is in step or closed, what was being connected
    is closed. It is for the blocking body; tasks of asyncio are cancelled.

    Args:
        check: called without arguments, in this thread, again and again while something of pgwire
            waits, and between pieces of what keeps coming in; what it raises, be it an Exception
            or not, ends the block. It may use connections of its own, and is not called while it
            runs. None: nothing interrupts this block, nor do the blocks around it.
        every: seconds that pass at most, while pgwire waits, without a call.
        grace: seconds that the waits of clean-up may take in all after it has raised: to cancel a
            query, to read to its end. What has not ended by then is closed.

    What `check` has raised comes out of the block, that very object, even if something inside has
    swallowed the interruption; it is not called any more then. Blocks may be nested: the checks of
    all are called. A generator must not leave one open when it yields. Not interrupted are
    functions of your own that pgwire calls (`resolve`, `dial`, `oauth_token`, the source of a
    COPY).

    Raises ProgrammingError unless `every` and `grace` are numbers above 0.
    """

    __slots__ = ("_check", "_end", "_every", "_grace", "_next", "_outer", "_raised")

    def __init__(
        self, check: Callable[[], object] | None, *, every: float = 0.1, grace: float = GRACE
    ) -> None:
        if not (every > 0 and grace > 0):
            raise errors.ProgrammingError(
                f"every and grace must be seconds above 0, not {every!r} and {grace!r}"
            )
        self._check = check
        self._every = every
        self._grace = grace
        self._outer: interruptible | None = None
        self._raised: BaseException | None = None
        self._next = self._end = 0.0

    def __enter__(self) -> None:
        self._outer = here.block
        self._raised = None
        self._next = monotonic() + self._every
        here.block = None if self._check is None else self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        here.block, self._outer = self._outer, None
        raised, self._raised = self._raised, None
        if raised is not None:
            try:
                raise raised
            finally:
                del raised  # its traceback holds this frame

    def look(self) -> None:
        """Call the checks that are due. Raises Interruption if one of them raises."""
        if self._interrupted() is not None:
            return
        block: interruptible | None = self
        while block is not None:
            if monotonic() >= block._next:
                block._ask()
            block = block._outer

    def wait(self, wait: Callable[[float | None], _T], seconds: float | None) -> _T:
        """See `wait`, below."""
        end = None if seconds is None else monotonic() + seconds
        while True:
            self.look()
            interrupted = self._interrupted()
            if interrupted is not None:
                left = max(0.0, interrupted._end - monotonic())
                return wait(left if seconds is None else min(seconds, left))
            due = max(0.0, self._due() - monotonic())
            rest = seconds_until(end)
            last = rest is not None and rest <= due
            found = wait(rest if last else due)
            if found or last:
                return found

    def _due(self) -> float:
        """When the next check is to be called."""
        outer = self._outer
        return self._next if outer is None else min(self._next, outer._due())

    def _interrupted(self) -> interruptible | None:
        """The block that has been interrupted, of those around."""
        block: interruptible | None = self
        while block is not None and block._raised is None:
            block = block._outer
        return block

    def _ask(self) -> None:
        innermost = here.block
        try:
            here.block = None  # so that the check may wait, too
            assert self._check is not None  # or nobody would ask
            self._check()
        except BaseException as error:
            self._raised = error
        finally:
            here.block = innermost
        now = monotonic()
        self._next = now + self._every
        if self._raised is not None:
            self._end = now + self._grace
            raise Interruption


class _Here(_local):
    """What is so of this thread."""

    block: interruptible | None = None
    """The innermost block that it is in."""


here = _Here()


def wait(wait: Callable[[float | None], _T], seconds: float | None) -> _T:
    """What `wait` gives, which waits so many seconds (None: there is no limit) and then gives
    something false; in an `interruptible` block piece by piece. Raises Interruption."""
    block = here.block
    return wait(seconds) if block is None else block.wait(wait, seconds)
