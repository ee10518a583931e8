"""What dblink, dblink_fetch and dblink_get_result return."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import TYPE_CHECKING, TypeVar

import pgwire
from dblink import messages
from dblink.failure import RemoteFailure
from dblink.rowstore import RowStore
from pgwire import errors
from pgwire.flows.query import RowSet
from pgwire.protocol.constants import MAX_LENGTH
from pgwire.protocol.copystream import complete_frames
from pgwire.rows.decoder import Row

if TYPE_CHECKING:
    from dblink.portable import Portable
    from dblink.remote import Remote

TextRow = tuple[str | None, ...]
_DATA_ROW = b"D"[0]
_R = TypeVar("_R", bound=tuple[object, ...])


class ResultColumn:
    """A column of a `Result`: `name`, `type_oid`, and `type_name` as PostgreSQL prints it."""

    __slots__ = ("name", "type_name", "type_oid")

    def __init__(self, name: str, type_name: str, type_oid: int) -> None:
        self.name = name
        self.type_name = type_name
        self.type_oid = type_oid

    def __repr__(self) -> str:
        return f"{self.name} {self.type_name}"


class Conversion:
    """How the DataRow messages of one result become rows: typed, as the server's text, and (made
    when it is asked for) as portable text."""

    __slots__ = ("portable", "text", "typed")

    def __init__(
        self,
        typed: Callable[[bytes], list[Row]],
        text: Callable[[bytes], list[TextRow]],
        portable: Callable[[], Portable],
    ) -> None:
        self.typed = typed
        self.text = text
        self.portable = portable


class Live:
    """The rest of a result that is still on the wire."""

    __slots__ = ("_finish", "_reply", "_rows", "remote", "report")

    def __init__(
        self,
        remote: Remote,
        reply: pgwire.Reply,
        rows: RowSet,
        *,
        finish: Callable[[pgwire.Reply, RowSet], None],
        report: Callable[[errors.DatabaseError], None],
    ) -> None:
        """`finish` is called at the end of the rows; what the remote side has to say against
        them goes to `report`, which raises it or makes it a notice."""
        self.remote = remote
        self.report = report
        self._reply = reply
        self._rows = rows
        self._finish = finish

    def next(self) -> bytes | None:
        """The next run of DataRow messages, None at the end. The caller holds the connection.

        Raises RemoteFailure if the rows end with an error, or the connection is lost.
        """
        with self.remote.waiting(), self.remote.guarded():
            frames = self._reply.next_frames()
            if frames is None:
                self._finish(self._reply, self._rows)
        return frames

    @property
    def counted(self) -> int:
        """How many messages were in the run that `next` gave last."""
        return self._reply.exchange.counted

    @property
    def tag(self) -> str | None:
        """The command tag, once the rows have ended."""
        return self._rows.tag


class Result:
    """Rows, each a tuple; every row is given once.

    Iterating gives Python values, of the declared column types or else of the remote ones;
    `text_rows` gives what is left as the server's text. A large result is read from the wire
    while it is iterated over, in bounded memory; the next call on the same connection first takes
    over what is unread. A result that is small enough has been read when the call returns, and
    then errors come from the call.

    `columns` describes the columns; `tag` is the command tag ("SELECT 3"), None while rows are
    still on the wire.
    """

    def __init__(
        self,
        columns: Sequence[ResultColumn],
        store: RowStore,
        conversion: Conversion | None,
        *,
        tag: str | None = None,
        live: Live | None = None,
        ready: list[Row] | None = None,
        status: str | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.tag = tag
        self._store = store
        self._conversion = conversion
        self._live = live
        self._status = status
        # The rows that are being given, and the messages they are made of: an iteration that is
        # left in the middle, for another one or for text_rows, loses none.
        self._rows: Iterator[tuple[object, ...]] = iter(ready or ())
        self._batch = b"" if ready is None else b"".join(store.take())
        self._made_by: object = None if conversion is None else conversion.typed
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[Row]:
        return self._give(self._conversion.typed if self._conversion is not None else None)

    def text_rows(self) -> Iterator[TextRow]:
        """The rows that have not been given yet, as the server's text; None for NULL."""
        return self._give(self._conversion.text if self._conversion is not None else None)

    def portable(self) -> Iterator[bytes | list[TextRow]]:
        """The rows that have not been given yet, in runs, for whoever passes them on: as text that
        means the same under any DateStyle and IntervalStyle. An addition.

        A run is a list of rows; or it is `bytes`, complete DataRow messages as they came, if these
        hold that text, in UTF-8. `pgwire.copying.datarows` makes data for a COPY of both.
        """
        if self._status is not None:
            status, self._status = self._status, None
            yield [(status,)]
        if self._conversion is None:
            return
        portable = self._conversion.portable()
        left = length_hint(self._rows)
        if left:
            rows = portable.rows(self._batch)
            deque(self._rows, maxlen=0)
            yield rows[len(rows) - left :]
        for frames in self._frames():
            yield frames if portable.untouched else portable.rows(frames)

    @property
    def styles(self) -> dict[str, str]:
        """Settings (DateStyle, IntervalStyle) under which a caller that converts by itself has to
        read the text; none, as a rule: then it means the same under any. An addition."""
        return {} if self._conversion is None else dict(self._conversion.portable().styles)

    @property
    def size(self) -> int | None:
        """How many bytes the rows came in, DataRow messages, once all have come; None while some
        are still on the wire. An addition."""
        return self._store.size if self._live is None else None

    def fetchall(self) -> list[Row]:
        """The rows that have not been given yet."""
        convert = None if self._conversion is None else self._conversion.typed
        begun = self._status is not None or length_hint(self._rows)
        if convert is None or begun or self._live is not None or self._error is not None:
            return list(self)
        # Small results are many, and need none of what keeps a long iteration going.
        rows: list[Row] = []
        for frames in self._store.take():
            rows += convert(frames)
        return rows

    def scalar(self) -> object:
        """The first field of the next row; None if there is no row left."""
        for row in self:
            return row[0]
        return None

    def count(self) -> int:
        """Take the rows that have not been given yet, and return how many they are; an addition.
        They are counted as the messages that they came in: no value is decoded."""
        rows = length_hint(self._rows) + (self._status is not None)
        self._rows, self._status = iter(()), None
        for frames, counted in self._runs():
            rows += _counted(frames) if counted is None else counted
        return rows

    def give_up(self) -> None:
        """Drop the rows that have not been given yet; an addition. While some are on the wire their
        query is under way, and is cancelled."""
        self._rows, self._status = iter(()), None
        deque(self._store.take(), maxlen=0)
        live = self._live
        if live is None:
            return
        with live.remote.reading():
            self._live = None
            live.remote.give_up()
        if live.remote.transient:
            live.remote.connection.close()

    def take_over(self) -> None:
        """Read what is still on the wire into the store, since the connection is needed."""
        try:
            while (frames := self._read()) is not None:
                self._store.put(frames)
        except Exception as error:
            self._error = error  # is about these rows, and told to who reads them

    def _give(self, convert: Callable[[bytes], list[_R]] | None) -> Iterator[_R]:
        if self._status is not None:
            status, self._status = self._status, None
            yield (status,)  # type: ignore[misc]
        if convert is None:
            return
        source = self._frames()
        while True:
            left = length_hint(self._rows)
            if not left:
                frames = next(source, None)
                if frames is None:
                    return
                self._hold(convert(frames), frames, convert)
            elif self._made_by is not convert:
                rows = convert(self._batch)
                deque(self._rows, maxlen=0)  # who was giving them goes on with what we leave
                self._hold(rows[len(rows) - left :], self._batch, convert)
            yield from self._rows  # type: ignore[misc]

    def _hold(self, rows: Sequence[tuple[object, ...]], batch: bytes, made_by: object) -> None:
        self._rows, self._batch, self._made_by = iter(rows), batch, made_by

    def _frames(self) -> Iterator[bytes]:
        return (frames for frames, _ in self._runs())

    def _runs(self) -> Iterator[tuple[bytes, int | None]]:
        """Runs of messages, and how many they are if that is known: what comes from the wire has
        been counted when its lengths were compared."""
        while True:
            for frames in self._store.take():
                yield frames, None
            live = self._live
            if live is None:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                return
            with live.remote.reading():
                read = self._read()
                counted = live.counted
            if read is not None:
                yield read, counted

    def _read(self) -> bytes | None:
        """The next run from the wire; None when there is no more."""
        live = self._live
        if live is None:
            return None
        frames = None
        try:
            frames = live.next()
        except RemoteFailure as failure:
            live.report(failure.error)
        except BaseException as error:
            if not isinstance(error, Exception):
                self._error = messages.interrupted()  # for who reads on all the same
            raise
        finally:
            if frames is None:
                self.tag = live.tag
                self._live = None
                if live.remote.transient:
                    live.remote.connection.close()
        return frames

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.columns))
        return f"<Result ({shown}) {self.tag or 'streaming'}>"


def _counted(frames: bytes) -> int:
    """How many messages `frames` are."""
    rows = position = 0
    # It counts frames that are alike in one go, and a shorter one may be behind them.
    while position < len(frames):
        count, _, position = complete_frames(frames, position, len(frames), MAX_LENGTH, _DATA_ROW)
        rows += count
    return rows
