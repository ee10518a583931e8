"""Cursors on the server, as commands. Manual: DECLARE, FETCH, MOVE, CLOSE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Generic

from pgwire import errors
from pgwire.flows import Flow, untouched
from pgwire.flows.declare import declare
from pgwire.flows.prepared import settle
from pgwire.flows.query import Exchange
from pgwire.net.clock import Deadline
from pgwire.protocol.frontend import Bind, Describe, Execute, Parse, Sync
from pgwire.results import Result
from pgwire.rows.column import Column
from pgwire.rows.formats import formatted, result_formats
from pgwire.session.core import ReplyT, TransportT
from pgwire.session.queries import CHUNK_ROWS, Queries
from pgwire.session.steps import Command

if TYPE_CHECKING:
    from pgwire.flows.channel import Channel
    from pgwire.rows.factories import RowFactory

_numbers = count(1)

_NAME_LIMIT = 63
"""Bytes of a name; the server would cut what is longer, and then know it by another."""


class OpenCursor(Generic[TransportT, ReplyT]):
    """A cursor, declared or not yet or no more: its commands, for both bodies."""

    def __init__(
        self,
        session: Queries[TransportT, ReplyT],
        sql: str,
        params: Sequence[object],
        name: str | None,
        scroll: bool,
        hold: bool,
        rows: RowFactory[Any] | None,
    ) -> None:
        if name is None:
            name = f"pgwire_cursor_{next(_numbers)}"
        elif not 0 < len(name.encode(errors="replace")) <= _NAME_LIMIT or "\0" in name:
            raise errors.ProgrammingError(
                f"the name of a cursor has 1 to {_NAME_LIMIT} bytes, and no NUL: {name!r}",
                sqlstate="42602",
            )
        self._session = session
        self._query = (sql, params)
        self._hold = hold
        self._scroll = scroll
        self._rows = rows
        self._quoted = '"' + name.replace('"', '""') + '"'
        self._declared = False
        self._over = False
        self._formats: tuple[int, ...] = ()
        self.name = name
        """Its name, as it was given: not quoted."""
        self.columns: tuple[Column, ...] = ()
        """The columns of its rows, once it has been declared."""

    def begin(self) -> Command[None]:
        """Declare it, unless it has been."""
        if self._over:
            raise errors.InterfaceError("the cursor is closed")
        if self._declared:
            return
        session = self._session
        session._check_ready()
        channel = session._channel
        if not self._hold and channel.state.transaction_status == "I":
            raise errors.ProgrammingError(
                "a cursor lives in a transaction, and none has begun: "
                "use it inside connection.transaction(), or with hold=True",
                sqlstate="25P01",
            )
        sql, params = self._query
        oids, formats, values = session._encode_parameters(params)
        scroll = "SCROLL" if self._scroll else "NO SCROLL"
        hold = " WITH HOLD" if self._hold else ""
        text = f"DECLARE {self._quoted} {scroll} CURSOR{hold} FOR {sql}"
        conversation = Declaring(channel)
        session._current = conversation
        flow = declare(channel, text, self.name, oids, formats, values)
        try:
            columns = yield from session._run(flow, None)
        except BaseException as error:
            if not untouched(flow):
                yield from session._resynchronise(cancel=not isinstance(error, Exception))
            session._current = None
            raise
        self._declared = True
        self._formats = result_formats(columns, session.registry, session.context)
        self.columns = formatted(columns, self._formats)

    def fetch(self, direction: str) -> Command[Result]:
        """The rows that FETCH finds in `direction`."""
        yield from self.begin()
        channel = self._session._channel
        sql = channel.encode(f"FETCH {direction} FROM {self._quoted}", "the name of the cursor")
        exchange = Exchange(
            channel,
            [
                Parse(b"", sql),
                Bind(b"", b"", (), (), self._formats),
                Describe(b"P", b""),
                Execute(b"", 0),
                Sync(),
            ],
            extended=True,
        )
        return (yield from self._session._answer(exchange, self._rows))

    def fetch_one(self, direction: str) -> Command[Any]:
        """The row that FETCH finds in `direction`; None if there is none."""
        found = yield from self.fetch(direction)
        return found[0] if found else None

    def move(self, direction: str) -> Command[int]:
        """Go there without a look at the rows; how many FETCH would have found."""
        yield from self.begin()
        moved = yield from self._session._query(f"MOVE {direction} FROM {self._quoted}", None, None)
        return int(moved[-1].tag.split()[-1])

    def next_chunk(self) -> Command[Result | None]:
        """The next rows, at least one; None at the end."""
        return (yield from self.fetch(f"FORWARD {CHUNK_ROWS}")) or None

    def close(self) -> Command[None]:
        """Close it. Where it is gone already, with its transaction, there is nothing to do."""
        declared, self._declared, self._over = self._declared, False, True
        session = self._session
        if not declared or session.closed:
            return
        status = session._channel.state.transaction_status
        if status == "E" or (status == "I" and not self._hold):
            return
        yield from session._query(f"CLOSE {self._quoted}", None, None)

    def leave(self, exception: BaseException | None) -> Command[None]:
        """Close it, as the block of its `with` statement is left by `exception`."""
        try:
            yield from self.close()
        except errors.Error:
            if exception is None:
                raise  # otherwise why the block was left says more than what went wrong after that


def forward(rows: int) -> str:
    """The direction of the next `rows` rows. Raises ProgrammingError if it is no such number."""
    return f"FORWARD {_positive(rows)}"


def backward(rows: int) -> str:
    """The direction of the `rows` rows before. Raises ProgrammingError."""
    return f"BACKWARD {_positive(rows)}"


def place(kind: str, number: int) -> str:
    """ABSOLUTE or RELATIVE `number`. Raises ProgrammingError if it is no number."""
    return f"{kind} {_integer(number)}"


def distance(rows: int) -> str:
    """The direction of `rows` rows ahead, or back if it is negative. Raises ProgrammingError."""
    return f"BACKWARD {-rows}" if _integer(rows) < 0 else f"FORWARD {rows}"


def _integer(number: int) -> int:
    if type(number) is not int:
        raise errors.ProgrammingError(
            f"a number of rows is an int, not {number!r}", sqlstate="22023"
        )
    return number


def _positive(rows: int) -> int:
    if _integer(rows) < 1:
        raise errors.ProgrammingError(
            f"the number of rows to fetch must be 1 or more, not {rows}", sqlstate="22023"
        )
    return rows


class Declaring:
    """The conversation in which a cursor is declared."""

    deadline: Deadline = None

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return self._channel.state.phase in ("READY", "CLOSED")

    def rest(self) -> Flow[object]:
        """Skip what is left of it."""
        return settle(self._channel)
