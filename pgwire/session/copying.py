"""COPY: data and typed rows, in and out. Manual: COPY, and 54.2.6."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from pgwire import errors
from pgwire.flows import Flow
from pgwire.net.clock import deadline_after, passed
from pgwire.rows.column import Column
from pgwire.session.core import ReplyT, TransportT, expired
from pgwire.session.queries import Queries
from pgwire.session.steps import EXHAUSTED, Command, Pull, Push

if TYPE_CHECKING:
    from pgwire.copying.rowsource import RowEncoder
    from pgwire.copying.statements import Relation
    from pgwire.flows.copy import Copy, CopyIn, CopyOut

__all__ = ["Caused", "Copying", "OpenCopy", "Progress", "Table", "report"]

Progress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes of data that have gone through so far, and the rows, as far as they are
known: None if they are not."""

Table: TypeAlias = str | tuple[str, str]
"""A table: its name, or `(schema, name)`; neither is to be quoted by the caller."""

Pieces: TypeAlias = Iterator[Any] | AsyncIterator[Any]
MakePieces: TypeAlias = Callable[[Any, Callable[[str], bytes]], Pieces]
MakeRowPieces: TypeAlias = Callable[[Any, "RowEncoder"], Pieces]

_T = TypeVar("_T")

REPORT_STEP: Final = 1024 * 1024
"""Bytes of data between two calls of a `progress` function."""

_POLL_STEP: Final = 512 * 1024
"""Bytes of data between two looks at what the server says: it goes on reading after an error."""


class Copying(Queries[TransportT, ReplyT]):
    """The commands that copy."""

    # In.

    def _copy_in(
        self,
        sql: str,
        make: MakePieces,
        source: object,
        progress: Progress | None,
        timeout: float | None,
    ) -> Command[int]:
        from pgwire.flows.copy import CopyIn

        self._check_ready()
        copy = CopyIn(self._channel, sql, deadline_after(timeout))

        def encode(text: str) -> bytes:
            if copy.format:
                raise errors.ProgrammingError("the source has given a str to a COPY in binary")
            return self._channel.encode(text, "the data")

        pieces = make(source, encode)
        return (yield from self._copied(copy, self._feed(copy, pieces, progress), timeout))

    def _copy_rows_in(
        self,
        table: Table,
        columns: Sequence[str] | None,
        types: Sequence[str | int] | None,
        format: str,
        make: MakeRowPieces,
        rows: object,
        progress: Progress | None,
        timeout: float | None,
    ) -> Command[int]:
        from pgwire.copying.statements import copy_in_statement, relation, row_encoder
        from pgwire.flows.copy import CopyIn

        self._check_ready()
        deadline = deadline_after(timeout)
        named = relation(table)
        sql = copy_in_statement(named, columns, format)
        found = yield from self._columns_to_copy(named, columns, types)
        encode = row_encoder(named.shown, found, self.registry, self.context, format)
        pieces = make(rows, encode)
        copy = CopyIn(self._channel, sql, deadline)
        feed = self._feed(copy, pieces, progress, len(found))
        return (yield from self._copied(copy, feed, timeout))

    def _columns_to_copy(
        self, table: Relation, columns: Sequence[str] | None, types: Sequence[str | int] | None
    ) -> Command[list[Column]]:
        """The columns of `table` that a COPY FROM takes, with the types that are told or found."""
        from pgwire.copying.statements import generated_columns, select_statement, typed_columns

        found: list[Column] = []
        if columns is None or types is None:
            found += yield from self._describe(select_statement(table, columns))
            if columns is None and self.info.server_version >= 120000 and found:
                query = generated_columns(found[0].table_oid)
                generated = {row[0] for row in (yield from self._query(query, None, None))[-1]}
                found = [column for column in found if column.number not in generated]
        if types is None:
            return found
        names = columns if columns is not None else [column.name for column in found]
        if len(types) != len(names):
            raise errors.ProgrammingError(
                f"{len(types)} types are given for the {len(names)} columns of {table.shown}"
            )
        return typed_columns(names, types, self.registry)

    def _feed(
        self, copy: CopyIn, pieces: Pieces, progress: Progress | None, width: int | None = None
    ) -> Command[None]:
        """Send all `pieces`; `width` columns are expected if it is not None."""
        sent = told = unlooked = 0
        failure: Exception | None = None
        if width is not None and len(copy.column_formats) != width:
            failure = errors.ProgrammingError(
                f"the COPY takes {len(copy.column_formats)} columns, but {width} were found"
            )
        while failure is None:
            if passed(copy.deadline):
                raise errors.TimeoutExpired("timeout expired")
            try:
                piece = yield Pull(pieces, copy.deadline)
            except Exception as error:
                if isinstance(error, errors.TimeoutExpired) and passed(copy.deadline):
                    raise
                failure = error
                break
            if piece is EXHAUSTED:
                break
            if not (yield from self._run(copy.write(piece), copy.deadline)):
                break
            sent += len(piece)
            unlooked += len(piece)
            if unlooked >= _POLL_STEP:
                unlooked = 0
                yield from self._poll(copy)
            if progress is not None and sent - told >= REPORT_STEP:
                told = sent
                try:
                    yield report(progress, sent, getattr(pieces, "rows", None))
                except Exception as error:
                    failure = error
        if failure is not None:
            reason = f"{type(failure).__name__}: {failure}"
            yield from self._run(copy.fail(reason), copy.deadline)
            raise Caused(failure)
        yield from self._run(copy.finish(), copy.deadline)
        if progress is not None and copy.error is None:
            try:
                yield report(progress, sent, copy.rows)
            except Exception as error:
                raise Caused(error) from None

    def _poll(self, copy: CopyIn) -> Command[None]:
        with suppress(errors.TimeoutExpired):
            yield from self._run(copy.poll(), deadline_after(0))

    # Out.

    def _copy_out(
        self, sql: str, target: object, progress: Progress | None, timeout: float | None
    ) -> Command[int]:
        from pgwire.copying.targets import writer
        from pgwire.flows.copy import CopyOut

        self._check_ready()
        write = writer(target)
        copy = CopyOut(self._channel, sql, deadline_after(timeout))
        return (yield from self._copied(copy, self._deliver(copy, write, progress), timeout))

    def _deliver(
        self, copy: CopyOut, write: Callable[[Any], object], progress: Progress | None
    ) -> Command[None]:
        got = told = 0
        while (data := (yield from self._run(copy.read(), copy.deadline))) is not None:
            got += len(data)
            try:
                yield Push(write, data)
                if progress is not None and got - told >= REPORT_STEP:
                    told = got
                    yield report(progress, got, copy.messages)
            except Exception as error:
                raise Caused(error) from None
        if progress is not None and copy.error is None:
            try:
                yield report(progress, got, copy.rows)
            except Exception as error:
                raise Caused(error) from None

    # What they share.

    def _copied(self, copy: Copy, transfer: Command[None], timeout: float | None) -> Command[int]:
        """Start `copy`, do the `transfer`, and leave the connection in step whatever happens."""
        try:
            if (yield from self._started(copy)):
                yield from transfer
        except BaseException as error:
            failure = error
        else:
            if copy.error is not None:
                raise copy.error
            return copy.rows
        # Raised from here it has no context, and what the caller's code has raised stays as it was.
        try:
            raise (yield from self._undone(copy, failure, timeout))
        finally:
            del failure

    def _started(self, copy: Copy) -> Command[bool]:
        """Send the query of `copy`; whether data can flow."""
        self._check_ready()
        self._current = copy
        return (yield from self._run(copy.start(), copy.deadline))

    def _undone(
        self, copy: Copy, error: BaseException, timeout: float | None
    ) -> Command[BaseException]:
        """Put the connection in step after `error` in the middle of `copy`; what is to be raised
        for it."""
        cause = error.cause if isinstance(error, Caused) else error
        if self._closed:
            if isinstance(error, errors.ConnectionLost):
                # The server's last words say more than the end of the stream does.
                return copy.last_words() or error
            return cause
        if self._current is copy:
            # At the start an InterfaceError is about somebody else, who is using the connection.
            if not copy.done and (copy.begun or not isinstance(error, errors.InterfaceError)):
                yield from self._resynchronise()
            self._current = None
        return expired(timeout) if isinstance(error, errors.TimeoutExpired) else cause


class OpenCopy(Generic[TransportT, ReplyT]):
    """A COPY TO STDOUT that is read as it comes: its commands, for the faces of both bodies."""

    def __init__(
        self,
        session: Copying[TransportT, ReplyT],
        sql: str,
        progress: Progress | None,
        timeout: float | None,
    ) -> None:
        self._session = session
        self._sql = sql
        self._progress = progress
        self._timeout = timeout
        self._got = self._told = 0
        self._given_up = False
        self.copy: CopyOut | None = None

    def start(self) -> Command[CopyOut]:
        """Start it, if it has not been. Raises what the server says against it."""
        if self.copy is not None:
            return self.copy
        session = self._session
        session._check_ready()
        from pgwire.flows.copy import CopyOut

        self.copy = CopyOut(session._channel, self._sql, deadline_after(self._timeout))
        yield from self._guarded(session._started(self.copy))
        if self.copy.error is not None:
            raise self.copy.error
        return self.copy

    def next(self) -> Command[bytes | None]:
        """The data that has come; None at its end. Raises what went wrong, which ends the COPY."""
        copy = yield from self.start()
        data = yield from self._part(copy.read())
        return None if data is None else bytes(data)

    def end(self) -> Command[None]:
        """Give up what has not been read: the COPY is cancelled on the server."""
        copy, session = self.copy, self._session
        if copy is not None and session._current is copy and not copy.done:
            self._given_up = True
            yield from session._resynchronise()

    def _part(self, flow: Flow[_T | None]) -> Command[_T | None]:
        """Run a flow that reads a part; None at the end."""
        copy, session = self.copy, self._session
        assert copy is not None  # started
        if self._given_up or (session._current is not copy and not copy.done):
            raise errors.InterfaceError("the COPY has been given up")
        if copy.done:
            return None
        part = yield from self._guarded(session._run(flow, copy.deadline))
        if part is None and copy.error is not None:
            raise copy.error
        if self._progress is not None:
            yield from self._guarded(self._report(copy, self._progress, part))
        return part

    def _report(self, copy: CopyOut, progress: Progress, part: object) -> Command[None]:
        self._got += len(part) if isinstance(part, bytes | bytearray) else 0
        if part is None:
            yield report(progress, self._got, copy.rows)
        elif self._got - self._told >= REPORT_STEP:
            self._told = self._got
            yield report(progress, self._got, copy.messages)

    def _guarded(self, command: Command[_T]) -> Command[_T]:
        assert self.copy is not None
        try:
            return (yield from command)
        except BaseException as error:
            failure = error
        self._given_up = True
        try:
            raise (yield from self._session._undone(self.copy, failure, self._timeout))
        finally:
            del failure


class Caused(Exception):
    """Carries what the caller's own source, target or function has raised, past the errors that
    are ours."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def report(progress: Progress, size: int, rows: int | None) -> Push:
    """The step that calls `progress`."""
    return Push(lambda item: progress(*item), (size, rows))
