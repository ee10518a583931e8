"""A simple query whose whole reply is taken at once. Manual: 54.2.2 Simple Query.

Most replies are short and have come whole when the client looks: RowDescription, DataRows,
CommandComplete and ReadyForQuery, or the last two alone. Programs ask the same things again and
again, so what a RowDescription says is remembered by its very bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from pgwire import errors
from pgwire.flows.channel import Channel
from pgwire.flows.query import Completed, Exchange, RowSet, columns_of
from pgwire.flows.whole import READY_FOR_QUERY, Described, Whole, command_tag
from pgwire.protocol import backend
from pgwire.protocol.constants import MAX_LENGTH
from pgwire.protocol.copystream import complete_frames
from pgwire.protocol.frontend import Query
from pgwire.rows.column import Column
from pgwire.types.registry import Registry

_R = TypeVar("_R")

_ROW_DESCRIPTION = b"T"[0]
_DATA_ROW = b"D"[0]
_STEPS: Final = ("simple",)

_KEPT: Final = 64
"""Descriptions that are remembered for a connection."""

_LONGEST: Final = 4096
"""Bytes of a RowDescription that is remembered."""


class SimpleQuery(Exchange):
    """`sql`, which may hold several statements, with values decoded by the codecs of `registry`."""

    __slots__ = ("_registry",)

    def __init__(self, channel: Channel, sql: str, registry: Registry) -> None:
        super().__init__(channel, (Query(channel.encode(sql, "the query")),))
        self._registry = registry

    def flight(self) -> bytes:
        """What has to be sent, and counts as sent from now on."""
        request, self._request = self._request, ()
        return self._channel.send(*request)

    def whole_reply(self) -> Whole | None:
        """The rows, their columns and the command tag, if the whole reply has come, it is the one
        of a single statement, and nothing but rows is in it; otherwise None, and nothing has been
        taken: then read on by `next_result`, which also tells what is wrong, if anything is."""
        return self._whole(None, [])

    def whole_frames(self) -> tuple[RowSet | Completed, bytes] | None:
        """As `whole_reply`: the result, read to its end, and its rows as the DataRow messages that
        they are."""
        whole = self._whole(_frames, None)
        if whole is None:
            return None
        frames, columns, tag = whole
        if frames is None:
            return Completed(tag), b""
        rows = RowSet(columns)
        rows.tag = tag
        return rows, frames

    def _whole(
        self, decoder: Callable[[bytearray, int, int], tuple[_R, int]] | None, no_rows: _R
    ) -> tuple[_R, tuple[Column, ...], str] | None:
        """`decoder`: in place of the codecs; `no_rows`: what a command returns."""
        channel = self._channel
        frames = channel.frames
        start, end = frames.bounds
        data = frames.data
        stop = end - 6
        if stop <= start or not data.startswith(READY_FOR_QUERY, stop):
            return None
        state = channel.state
        if data[start] != _ROW_DESCRIPTION:
            tag = command_tag(data, start, end)
            if tag is None or not state.answered(_STEPS, data[end - 1]):
                return None
            frames.take(end)
            self.done = True
            channel.statements.completed(tag, rows=False)
            return no_rows, (), channel.text(tag)
        first = start + 1 + int.from_bytes(data[start + 1 : start + 5])
        if first >= stop:
            return None
        described = self._described(bytes(data[start:first]))
        if described is None:
            return None
        decode: Any = decoder or described.decoder
        try:
            rows, first = decode(data, first, stop)
        except errors.ProtocolError:
            return None  # to be met again, and told of, where rows are read one by one
        ending = described.ending
        if len(ending[0]) == end - first and data.startswith(ending[0], first):
            if not state.answered(_STEPS, data[end - 1]):
                return None
        else:
            tag = command_tag(data, first, end)
            if tag is None or not state.answered(_STEPS, data[end - 1]):
                return None
            channel.statements.completed(tag)
            ending = described.ending = bytes(data[first:end]), channel.text(tag)
        frames.take(end)
        self.done = True
        return rows, described.columns, ending[1]

    def _described(self, frame: bytes) -> Described | None:
        """What `frame`, all of a RowDescription, says; None if it is too long or no good."""
        channel, registry = self._channel, self._registry
        described = channel.descriptions.get(frame)
        if described is not None and described.holds(registry, channel.context):
            return described
        if len(frame) > _LONGEST:
            return None
        try:
            message = backend.decode(_ROW_DESCRIPTION, frame[5:])
        except errors.ProtocolError:
            return None
        assert isinstance(message, backend.RowDescription)
        described = Described(columns_of(channel, message), registry, channel.context)
        if len(channel.descriptions) >= _KEPT:
            del channel.descriptions[next(iter(channel.descriptions))]
        channel.descriptions[frame] = described
        return described


def _frames(data: bytearray, start: int, end: int) -> tuple[bytes | None, int]:
    stop = complete_frames(data, start, end, MAX_LENGTH, _DATA_ROW)[2]
    return bytes(data[start:stop]), stop
