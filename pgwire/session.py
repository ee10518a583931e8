"""What both connections are, without any waiting: what they know, and how they keep in step.

Between the first byte of a query and its ReadyForQuery anything may raise: a decoder, a notice
handler, a deadline, Ctrl-C, the cancelling of a task. Whatever it is, the connection is either read
on to ReadyForQuery or closed: the next answer always belongs to the next query.

All that a connection does is written here once, as generators of steps (`Run`, `Cancel`, `End`). A
body performs each step and sends back what came of it, or throws in what went wrong. Everything may
be thrown in, `KeyboardInterrupt` and `asyncio.CancelledError` too; then the steps that follow put
the connection in step again, and only a second interruption closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel, Notification
from pgwire.flows.idle import listen, take_message, terminate
from pgwire.flows.query import Exchange, describe, extended_query, simple_query, skip
from pgwire.info import ConnectionInfo
from pgwire.net.clock import Deadline, deadline_after
from pgwire.net.opened import Opened
from pgwire.reading import Reading
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.types.context import Context
from pgwire.types.registry import Registry, default_registry

_T = TypeVar("_T")

CANCEL_GRACE = 5.0
"""Seconds that a cancelled query gets to end before the connection is given up."""

# A server ignores a request that overtakes the query, so it is repeated: the shares of CANCEL_GRACE
# that each gets.
_PATIENCE = (0.04, 0.16, 0.8)

NoticeHandler = Callable[[errors.Diagnostics], None]


class Transport(Protocol):
    """What carries a session; how it runs flows is the body's affair."""

    channel: Channel
    intact: bool
    unsent: memoryview

    def close(self) -> None:
        """Close it at once."""
        ...


class Run:
    """Run `flow` on the transport until `deadline`."""

    __slots__ = ("deadline", "flow")

    def __init__(self, flow: Flow[Any], deadline: Deadline) -> None:
        self.flow = flow
        self.deadline = deadline


class Cancel:
    """Ask the server, over a connection of its own, to cancel what the session is running."""

    __slots__ = ("deadline",)

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


class End:
    """Close the transport, after what has been sent, by `deadline`."""

    __slots__ = ("deadline",)

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


Step = Run | Cancel | End
Command = Generator[Step, Any, _T]
_Rest = Callable[[], Flow[object]]

TransportT = TypeVar("TransportT", bound=Transport)
ReplyT = TypeVar("ReplyT", bound=Reading)


class Session(Generic[TransportT, ReplyT]):
    """The base of `Connection` and `AsyncConnection`."""

    def __init__(self, opened: Opened[TransportT]) -> None:
        self._opened = opened
        self._transport: TransportT = opened.transport
        self._channel = opened.transport.channel
        self._reply: ReplyT | None = None
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

    def _send(
        self, sql: str, params: Sequence[object] | None, timeout: float | None
    ) -> Command[ReplyT]:
        self._check_ready()
        deadline = deadline_after(timeout)
        if params is None:
            exchange = simple_query(self._channel, sql)
        else:
            types, values = self._encode_parameters(params)
            exchange = extended_query(self._channel, sql, types, values)
        self._reply = reply = self._new_reply(exchange, deadline)
        try:
            yield from self._run(exchange.send(), deadline)
        except errors.InterfaceError:
            self._reply = None  # somebody else is using the connection: nothing has been sent
            raise
        except BaseException as error:
            yield from self._resynchronise()
            self._reply = None  # refused, or undone
            if isinstance(error, errors.TimeoutExpired):
                raise _expired(timeout) from None
            raise
        return reply

    def _query(
        self,
        sql: str,
        params: Sequence[object] | None,
        timeout: float | None,
        *,
        as_text: bool = False,
    ) -> Command[list[Result]]:
        reply: ReplyT | None = None
        try:
            reply = yield from self._send(sql, params, timeout)
            return (yield from self._run(reply.collect(as_text=as_text), reply.deadline))
        except errors.ConnectionLost as lost:
            # The server's last words say more than the end of the stream does.
            last_words = reply.failure if reply is not None else None
            raise last_words if last_words is not None else lost from None
        except errors.TimeoutExpired:
            yield from self._resynchronise()
            raise _expired(timeout) from None
        except Exception:
            # If a decoder or a notice handler failed, the query did not: read its reply to the end.
            # Without a reply nothing was sent, perhaps since somebody else's query is running.
            if reply is not None:
                yield from self._resynchronise(cancel=False)
            raise
        except BaseException:
            yield from self._resynchronise()
            raise

    def _read(self, reading: Reading, flow: Flow[_T], deadline: Deadline) -> Command[_T]:
        """Read a part of a reply; interrupted (a timeout is none), all of it is given up."""
        try:
            return (yield from self._run(flow, deadline))
        except Exception:
            raise
        except BaseException:
            if reading is self._reply:
                yield from self._resynchronise()
            raise

    def _describe(self, sql: str) -> Command[tuple[Column, ...]]:
        self._check_ready()
        try:
            return (yield from self._run(describe(self._channel, sql), None))
        except errors.InterfaceError:
            raise
        except BaseException as error:
            yield from self._recover(
                partial(skip, self._channel), None, cancel=not isinstance(error, Exception)
            )
            raise

    def _begin(self) -> Command[tuple[str, str]]:
        """Begin a transaction, or a savepoint in one: how to end it and how to undo it."""
        if self._channel.state.transaction_status == "I":
            begin, end, undo = "BEGIN", "COMMIT", "ROLLBACK"
        else:
            self._savepoints += 1
            name = f"pgwire_{self._savepoints}"
            begin, end = f"SAVEPOINT {name}", f"RELEASE {name}"
            undo = f"ROLLBACK TO {name}; RELEASE {name}"
        yield from self._bracket(begin, undo)
        return end, undo

    def _commit(self, end: str, undo: str) -> Command[None]:
        if (yield from self._bracket(end, undo)) == "ROLLBACK":
            raise errors.error_class("25P02")(
                "the transaction was rolled back instead of committed: an error in it was ignored"
            )

    def _bracket(self, sql: str, undo: str) -> Command[str]:
        """Run what begins or ends a transaction; the command tag. Interrupted, it leaves none open:
        nobody knows whether the server had begun it, or not yet ended it. (Of a savepoint that is
        the affair of the transaction around it.)"""
        try:
            return (yield from self._query(sql, None, None))[-1].tag
        except BaseException:
            if undo == "ROLLBACK" and self._channel.state.transaction_status != "I":
                yield from self._roll_back(undo)
            raise

    def _roll_back(self, undo: str) -> Command[None]:
        yield from self._resynchronise()  # the block may have left in the middle of a reply
        if not self._closed:
            # Why the block was left says more than what went wrong after that.
            try:
                yield from self._query(undo, None, None)
            except errors.Error:
                self.abandon()

    def _listen(self, timeout: float | None) -> Command[bool]:
        """Wait for a notification; whether one has come."""
        self._check_ready()
        try:
            yield from self._run(listen(self._channel), deadline_after(timeout))
        except errors.TimeoutExpired:
            return False
        return True

    def _take_notifications(self) -> Command[None]:
        self._check_ready()
        with suppress(errors.TimeoutExpired):
            while True:
                yield from self._run(take_message(self._channel), deadline_after(0))

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
            if self._reply is None or self._reply.done:
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
        except errors.InterfaceError:
            raise  # nothing has been done; somebody else may be in the middle of something
        except Exception as error:
            broken = isinstance(error, errors.ConnectionLost | errors.ProtocolError)
            if broken or not self._transport.intact or self._channel.state.phase == "CLOSED":
                self.abandon()
            raise
        except BaseException:
            if not self._transport.intact:
                yield from self._give_up()
            raise
        return result

    def _resynchronise(self, *, cancel: bool = True) -> Command[None]:
        reply = self._reply
        if reply is None or reply.done:
            # Nothing to read on from, even if an interrupt came when a query was half begun.
            yield from self._recover(None, None, cancel=cancel)
        else:
            yield from self._recover(reply.exchange.finish, reply.deadline, cancel=cancel)

    # Keeping in step.

    def _check_ready(self) -> None:
        if self._closed:
            raise errors.InterfaceError("the connection is closed")
        # The protocol would let an extended query queue up behind another; then its sender would
        # read the other's answer.
        if self._recovering or (self._reply is not None and not self._reply.done):
            raise errors.InterfaceError("another command is already in progress")

    def _encode_parameters(self, params: Sequence[object]) -> tuple[list[int], list[bytes | None]]:
        types: list[int] = []
        values: list[bytes | None] = []
        for number, value in enumerate(params, 1):
            if value is None:
                types.append(0)
                values.append(None)
                continue
            try:
                oid, codec = self.registry.for_value(value)
                values.append(codec.text_encoder(self._channel.context)(value))
            except errors.Error as error:
                error.add_note(f"parameter ${number}")
                raise
            types.append(oid)
        return types, values

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
        for share in _PATIENCE:
            yield from self._cancel(CANCEL_GRACE)
            try:
                yield Run(rest(), deadline_after(CANCEL_GRACE * share))
                return
            except errors.TimeoutExpired:
                if share == _PATIENCE[-1]:
                    raise

    def _idle(self) -> bool:
        """Whether nothing is under way: the next answer will be the next query's."""
        transport = self._transport
        return transport.intact and not transport.unsent and self._channel.state.phase == "READY"


def _expired(timeout: float | None) -> errors.TimeoutExpired:
    return errors.TimeoutExpired(
        f"the query did not end within {timeout} seconds and has been cancelled"
    )


def _forgiving(handler: NoticeHandler) -> NoticeHandler:
    def call(diagnostics: errors.Diagnostics) -> None:
        with suppress(Exception):
            handler(diagnostics)

    return call
