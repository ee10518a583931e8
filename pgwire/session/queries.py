"""Queries: one result, or several, or a reply that is read as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.query import describe, extended_query, simple_query, skip
from pgwire.net.clock import Deadline, deadline_after
from pgwire.reading import Reading
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.session.core import Core, ReplyT, TransportT, expired
from pgwire.session.steps import Command

_T = TypeVar("_T")


class Queries(Core[TransportT, ReplyT]):
    """The commands that run a query."""

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
        self._current = reply = self._new_reply(exchange, deadline)
        try:
            yield from self._run(exchange.send(), deadline)
        except errors.InterfaceError:
            self._current = None  # somebody else is using the connection: nothing has been sent
            raise
        except BaseException as error:
            yield from self._resynchronise()
            self._current = None  # refused, or undone
            if isinstance(error, errors.TimeoutExpired):
                raise expired(timeout) from None
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
            raise expired(timeout) from None
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
            if reading is self._current:
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
