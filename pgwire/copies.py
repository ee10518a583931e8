"""COPY in the blocking body: its methods, and what is read as it comes. Manual: COPY."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from pgwire.net.blocking import BlockingTransport, drive
from pgwire.reply import Reply
from pgwire.session import Command, Session, Step
from pgwire.session.copying import OpenCopy, Progress, Table
from pgwire.session.copyrows import OpenRowCopy

if TYPE_CHECKING:
    from pgwire.rows.column import Column
    from pgwire.rows.factories import RowFactory

__all__ = ["CopyChunks", "CopyMethods", "CopyRows", "copy_between"]

_T = TypeVar("_T")

Rows: TypeAlias = Iterable[Sequence[object]]


class CopyMethods(Session[BlockingTransport, Reply]):
    """The methods of `Connection` that copy."""

    def copy_in(
        self,
        sql: str,
        source: object,
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> int:
        """Copy data into a table.

        Args:
            sql: a COPY … FROM STDIN, in any format; commands beside it in the string are run.
            source: the data: bytes, a binary file, which is read from its position on, or an
                iterable of bytes, cut as you like. An item that is a str is encoded in
                client_encoding. In the asyncio body also an asynchronous iterable.
            progress: called with the bytes sent so far and None, at most once per mebibyte, and
                at the end with the bytes and the number of rows.
            timeout: seconds until the COPY is given up. A source that blocks is not interrupted.

        Returns: the number of rows copied.

        Raises what `query` does: an error in the data tells the line and the column in its
        context, and the source is not read any further. ProgrammingError if `sql` is no such
        COPY, or the source none of these. What the source raises is raised, after the server has
        undone the COPY. After all of these the connection is ready for the next query.
        """
        return self._do(self._copy_in(sql, _pieces, source, progress, timeout))

    def copy_out(
        self,
        sql: str,
        target: object,
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> int:
        """Copy data out of a table or a query.

        Args:
            sql: a COPY … TO STDOUT, in any format; commands beside it in the string are run.
            target: a binary file, a bytearray, which grows, or a function that is called with
                each piece of the data, as bytes or bytearray, cut anywhere.
            progress: called with the bytes received so far and the messages, which are the rows,
                and a header or trailer, at most once per mebibyte; at the end with the bytes and
                the number of rows.
            timeout: seconds until the COPY is cancelled.

        Returns: the number of rows copied. Only then has all of the data come.

        Raises what `query` does: what came before an error has been written. ProgrammingError if
        `sql` is no such COPY, or the target none of these. What the target raises is raised,
        after the COPY has been cancelled. After all of these the connection is ready for the
        next query.
        """
        return self._do(self._copy_out(sql, target, progress, timeout))

    def copy_chunks(
        self,
        sql: str,
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> CopyChunks:
        """Copy data out of a table or a query, piece by piece: a context manager, and an iterator
        of bytes, cut anywhere.

        Arguments as in `copy_out`; errors are raised by the iteration, at the end of what came
        before them. The COPY begins with the block, or with the first piece; leaving the block
        before the end cancels it. Until then the connection can do nothing else.
        """
        return CopyChunks(OpenCopy(self, sql, progress, timeout), self._do)

    def copy_rows_in(
        self,
        table: Table,
        rows: Rows,
        *,
        columns: Sequence[str] | None = None,
        types: Sequence[str | int] | None = None,
        format: str = "binary",
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> int:
        """Copy Python values into a table.

        Args:
            table: its name or `(schema, name)`, as they are: they are quoted here.
            rows: an iterable of tuples or lists, with a value per column; taken as they are
                needed, never held all at once. In the asyncio body also an asynchronous iterable.
            columns: the names of the columns that are copied; all but the generated ones by
                default.
            types: the types of these columns, by name or OID; asked of the server by default.
            format: `binary`, `text` or `csv`: how the values travel. In the last two a str is
                taken for a value of any type, as the server reads it.
            progress: called with the bytes and the rows sent so far, at most once per mebibyte,
                and at the end.
            timeout: seconds until the COPY is given up. A source that blocks is not interrupted.

        Returns: the number of rows copied.

        Raises what `copy_in` does, and DataError or ProgrammingError for a value that its column
        cannot hold: the context tells row and column.
        """
        made = self._copy_rows_in(
            table, columns, types, format, _row_pieces, rows, progress, timeout
        )
        return self._do(made)

    def copy_rows_out(
        self,
        source: Table,
        *,
        columns: Sequence[str] | None = None,
        rows: RowFactory[Any] | None = None,
        timeout: float | None = None,
    ) -> CopyRows[Any]:
        """Copy Python values out of a table or a query, in binary and in bounded memory: a context
        manager, and an iterator of rows.

        Args:
            source: a table, its name or `(schema, name)`, or a query. A str is the name of a table
                if it is one word of letters, digits, `_` and `$`.
            columns: the names of the columns that are copied, of a table; all but the generated
                ones by default.
            rows: makes something else of each row than a tuple, as `pgwire.dict_row`.
            timeout: seconds until the COPY is cancelled.

        Values are those of `query`: a type without a binary decoder is cast to text by the server.
        Errors are raised by the iteration. The COPY begins with the block, or with the first row;
        leaving the block before the end cancels it. Until then the connection can do nothing else.
        """
        return CopyRows(OpenRowCopy(self, source, columns, rows, timeout), self._do)

    def _do(self, command: Command[_T]) -> _T:
        raise NotImplementedError


def copy_between(
    source: CopyMethods,
    source_sql: str,
    target: CopyMethods,
    target_sql: str,
    *,
    progress: Progress | None = None,
    timeout: float | None = None,
) -> int:
    """Copy data from one connection to another as it is, in bounded memory.

    Args:
        source, source_sql: a connection, and a COPY … TO STDOUT for it.
        target, target_sql: another one, and a COPY … FROM STDIN that takes the same format: in
            binary the types of the columns must be the same, too.
        progress: called with the bytes of data copied so far and the messages, which are the rows,
            and a header or trailer, at most once per mebibyte; at the end with the bytes and the
            number of rows.
        timeout: seconds until both sides are given up.

    Returns: the number of rows copied.

    Raises the error of the side that fails, whose context tells which that is, and of the target
    also the line. ProgrammingError, before data flows, if both are one connection, if the number of
    columns, or binary and text differ (text and CSV cannot be told apart), or if encodings or
    styles of dates differ so that the target would read something else. Whatever it is, nothing is
    copied then, and both connections are ready for the next query.
    """
    from pgwire.session.between import between

    def perform(pair: tuple[Any, Step]) -> Any:
        session, step = pair
        return session._perform(step)

    joint = between(source, source_sql, target, target_sql, progress, timeout)
    return drive(joint, perform)


class _Reader(Generic[_T]):
    def __init__(self, opened: OpenCopy[Any, Any], do: Any) -> None:
        self._opened = opened
        self._do = do

    @property
    def row_count(self) -> int | None:
        """The number of rows copied, as the server tells at the end; None before it."""
        copy = self._opened.copy
        return copy.rows if copy is not None and copy.tag is not None else None

    def close(self) -> None:
        """Cancel what has not been read. May be repeated."""
        self._do(self._opened.end())

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class CopyChunks(_Reader[bytes]):
    """The data of a COPY TO STDOUT, in pieces. Made by `copy_chunks`."""

    @property
    def format(self) -> str:
        """`text`, which stands for CSV too, or `binary`; known when the COPY has begun."""
        copy = self._opened.copy
        return "binary" if copy is not None and copy.format else "text"

    def __enter__(self) -> CopyChunks:
        self._do(self._opened.start())
        return self

    def __iter__(self) -> CopyChunks:
        return self

    def __next__(self) -> bytes:
        data: bytes | None = self._do(self._opened.next())
        if data is None:
            raise StopIteration
        return data


class CopyRows(_Reader[_T]):
    """The rows of a COPY TO STDOUT. Made by `copy_rows_out`."""

    _opened: OpenRowCopy[Any, Any]

    def __init__(self, opened: OpenRowCopy[Any, Any], do: Any) -> None:
        super().__init__(opened, do)
        self._batch: Iterator[_T] = iter(())

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns; known when the COPY has begun."""
        return self._opened.columns

    def __enter__(self) -> CopyRows[_T]:
        self._do(self._opened.start())
        return self

    def __iter__(self) -> CopyRows[_T]:
        return self

    def __next__(self) -> _T:
        while True:
            for row in self._batch:
                return row
            batch = self._do(self._opened.next_rows())
            if batch is None:
                raise StopIteration
            self._batch = iter(batch)


def _pieces(source: object, encode: Callable[[str], bytes]) -> Any:
    from pgwire.copying.sources import pieces

    return pieces(source, encode)


def _row_pieces(rows: object, encode: Any) -> Any:
    from pgwire.copying.rowsource import row_pieces

    return row_pieces(rows, encode)
