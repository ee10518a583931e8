"""What both connections are, without any waiting: what they know, and how they keep in step.

Between the first byte of a query and its ReadyForQuery anything may raise: a decoder, a notice
handler, a deadline, Ctrl-C, the cancelling of a task. Whatever it is, the connection is either read
on to ReadyForQuery or closed: the next answer always belongs to the next query.

All that a connection does is written here once, as generators of steps (`pgwire.session.steps`). A
body performs each step and sends back what came of it, or throws in what went wrong. Everything may
be thrown in, `KeyboardInterrupt` and `asyncio.CancelledError` too; then the steps that follow put
the connection in step again, and only a second interruption closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Notification
from pgwire.flows.idle import terminate
from pgwire.flows.query import Exchange
from pgwire.info import ConnectionInfo
from pgwire.net.clock import Deadline, deadline_after, seconds_until
from pgwire.reading import Reading
from pgwire.session.steps import Cancel, Command, Conversation, End, Run, Transport
from pgwire.types.context import Context
from pgwire.types.registry import Registry, default_registry

if TYPE_CHECKING:
    from pgwire.net.opened import Opened

_T = TypeVar("_T")

CANCEL_GRACE = 5.0
"""Seconds that a cancelled query gets to end before the connection is given up."""

# A server ignores a request that overtakes the query, so it is repeated: the shares of CANCEL_GRACE
# that each gets.
_PATIENCE = (0.04, 0.16, 0.8)

NoticeHandler = Callable[[errors.Diagnostics], None]
_Rest = Callable[[], Flow[object]]

TransportT = TypeVar("TransportT", bound=Transport)
ReplyT = TypeVar("ReplyT", bound=Reading)


class Core(Generic[TransportT, ReplyT]):
    """What all commands of a session stand on."""

    def __init__(self, opened: Opened[TransportT]) -> None:
        self._opened = opened
        self._transport: TransportT = opened.transport
        self._channel = opened.transport.channel
        self._current: Conversation | None = None
        self._closed = False
        self._recovering = False
        self._savepoints = 0
        self.registry: Registry = default_registry
        """The codecs of this connection; give it a copy before you register your own."""

    # What is known without asking.

    @property
    def closed(self) -> bool:
        """Whether the connection has been closed, by `close` or because it was lost."""
        return self._closed

    @property
    def info(self) -> ConnectionInfo:
        """What is known of the session: server version, parameters, process id, …."""
        return ConnectionInfo(self._opened)

    @property
    def context(self) -> Context:
        """The session parameters that the text of values depends on, as last reported."""
        return self._channel.context

    @property
    def unrepresentable(self) -> str:
        """What becomes of a date, time, timestamp or interval that Python's classes cannot hold:
        infinity, BC, a year beyond 9999, 24:00.

        ``"error"``, to begin with: DataError (22008), which names the value. ``"text"``: it arrives
        as `str`, in the style ISO, which all statements take for a value again. It counts from
        the next query on; any other setting is a ProgrammingError (22023).
        """
        return self._channel.context.unrepresentable

    @unrepresentable.setter
    def unrepresentable(self, policy: str) -> None:
        self._channel.context = self._channel.context.replace(unrepresentable=policy)

    @property
    def frames(self) -> bytearray:
        """The receive buffer, in which `Exchange.next_rows` gives bounds."""
        return self._channel.frames.data

    def received_notifications(self) -> list[Notification]:
        """The notifications that have been received so far, each once."""
        received = list(self._channel.notifications)
        self._channel.notifications.clear()
        return received

    def abandon(self) -> None:
        """Close the connection without a word to the server."""
        self._closed = True
        self._transport.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<{type(self).__name__} {state}: {self._opened.server}>"

    # Commands, for the bodies.

    def _new_reply(self, exchange: Exchange, deadline: Deadline) -> ReplyT:
        raise NotImplementedError

    def _cancel(self, timeout: float) -> Command[None]:
        if self._closed:
            raise errors.InterfaceError("connection not open")
        yield Cancel(deadline_after(timeout))

    def _close(self) -> Command[None]:
        if self._closed:
            return
        self._closed = True
        deadline = deadline_after(CANCEL_GRACE)
        try:
            if self._current is None or self._current.done:
                yield Run(terminate(self._channel), deadline)
        except errors.Error:
            pass  # the server is gone already, or somebody is in the middle of a query
        except BaseException:
            self._transport.close()
            raise
        yield End(deadline)

    def _run(self, flow: Flow[_T], deadline: Deadline) -> Command[_T]:
        try:
            result: _T = yield Run(flow, deadline)
        except BaseException as error:
            yield from self._check_intact(error)
            raise
        return result

    def _check_intact(self, error: BaseException) -> Command[None]:
        """Close the connection if `error`, with which a flow has ended, leaves no way to go on."""
        if isinstance(error, errors.InterfaceError):
            return  # nothing has been done; somebody else may be in the middle of something
        if isinstance(error, Exception):
            broken = isinstance(error, errors.ConnectionLost | errors.ProtocolError)
            if broken or not self._transport.intact or self._channel.state.phase == "CLOSED":
                self.abandon()
        elif not self._transport.intact:
            yield from self._give_up()

    def _resynchronise(self, *, cancel: bool = True) -> Command[None]:
        current = self._current
        if current is None or current.done:
            # Nothing to read on from, even if an interrupt came when a query was half begun.
            yield from self._recover(None, None, cancel=cancel)
        else:
            yield from self._recover(current.rest, current.deadline, cancel=cancel)

    # Keeping in step.

    def _check_ready(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the connection is closed")
        # The protocol would let an extended query queue up behind another; then its sender would
        # read the other's answer.
        current = self._current
        if self._recovering or (current is not None and not current.done):
            text = "another command is already in progress"
            if what := getattr(current, "left_open", ""):
                # Without a `with` block a `break` tells nobody that the iteration was left.
                text += f": {what} is open; read it to its end, or close it, first"
            raise errors.InterfaceError(text)

    def _recover(self, rest: _Rest | None, deadline: Deadline, *, cancel: bool) -> Command[None]:
        """Run `rest`, which reads what is left of a reply, cancelling at the `deadline`."""
        if self._closed or self._idle():
            return
        if self._recovering:
            raise errors.InterfaceError("another command is already in progress")
        handler = self._channel.on_notice
        if handler is not None:
            # It may be what has failed: its second failure must not end the connection.
            self._channel.on_notice = _forgiving(handler)
        self._recovering = True
        try:
            if rest is not None and self._transport.intact:
                yield from self._finish(rest, deadline, cancel=cancel)
        except errors.Error:
            pass
        except BaseException:
            self.abandon()
            raise
        finally:
            self._recovering = False
            self._channel.on_notice = handler
        if not self._idle():
            yield from self._give_up()

    def _give_up(self) -> Command[None]:
        """Close the connection, but not behind the back of a query that nobody waits for."""
        try:
            with suppress(errors.Error):
                yield Cancel(deadline_after(CANCEL_GRACE))
        finally:
            self.abandon()

    def _finish(self, rest: _Rest, deadline: Deadline, *, cancel: bool) -> Command[None]:
        if not cancel:
            try:
                yield Run(rest(), deadline)
                return
            except errors.TimeoutExpired:
                pass
        state = self._channel.state
        end = deadline_after(CANCEL_GRACE)
        shares = iter(_PATIENCE)
        while (share := next(shares, None)) is not None:
            waiting = state.outstanding_syncs
            yield from self._cancel(CANCEL_GRACE)
            try:
                yield Run(rest(), deadline_after(CANCEL_GRACE * share))
                return
            except errors.TimeoutExpired:
                if share == _PATIENCE[-1]:
                    raise
            if state.outstanding_syncs < waiting and seconds_until(end):
                shares = iter(_PATIENCE)  # of a pipeline: it is another query now that runs

    def _idle(self) -> bool:
        """Whether nothing is under way: the next answer will be the next query's."""
        transport = self._transport
        return transport.intact and not transport.unsent and self._channel.state.phase == "READY"


def expired(timeout: float | None) -> errors.TimeoutExpired:
    """The error of a command whose `timeout`, in seconds, has passed."""
    return errors.TimeoutExpired(
        f"the query did not end within {timeout} seconds and has been cancelled"
    )


def _forgiving(handler: NoticeHandler) -> NoticeHandler:
    def call(diagnostics: errors.Diagnostics) -> None:
        with suppress(Exception):
            handler(diagnostics)

    return call
