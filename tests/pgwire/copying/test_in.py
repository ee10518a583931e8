"""copy_in: every kind of source, and whatever goes wrong in one."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pgwire
from pgwire import errors
from tests.pgwire.copying.kit import in_step, table

SQL = "COPY t (a, b) FROM STDIN"
LINES = [f"{n}\tline {n}\n".encode() for n in range(20000)]
DATA = b"".join(LINES)


class RawFile(io.RawIOBase):
    """A file that gives fewer bytes than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._data.read(min(len(buffer), 1000))
        buffer[: len(data)] = data
        return len(data)


SOURCES: dict[str, Callable[[], object]] = {
    "bytes": lambda: DATA,
    "bytearray": lambda: bytearray(DATA),
    "memoryview": lambda: memoryview(DATA),
    "strided memoryview": lambda: memoryview(bytes(b for byte in DATA for b in (byte, 0)))[::2],
    "file": lambda: io.BytesIO(DATA),
    "raw file": lambda: RawFile(DATA),
    "list": lambda: LINES,
    "generator": lambda: (line for line in LINES),
    "str": lambda: [line.decode() for line in LINES],
    "mixed": lambda: [DATA[:7], bytearray(DATA[7:99]), memoryview(DATA)[99:100], DATA[100:]],
    "bytes one by one": lambda: (DATA[n : n + 1] for n in range(len(DATA))),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source(connection: pgwire.Connection, kind: str) -> None:
    calls: list[tuple[int, int | None]] = []
    copied = connection.copy_in(SQL, SOURCES[kind](), progress=lambda b, r: calls.append((b, r)))
    assert copied == 20000
    assert calls[-1] == (len(DATA), 20000)
    count = connection.query("SELECT count(*), sum(a), min(b), max(b) FROM t")[0]
    assert count == (20000, 199990000, "line 0", "line 9999")


def test_a_file_is_read_from_where_it_is(connection: pgwire.Connection, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"header\n1\tone\n")
    with (tmp_path / "data").open("rb") as file:
        file.readline()
        assert connection.copy_in(SQL, file) == 1
    assert table(connection)[0][:2] == (1, "one")


@pytest.mark.parametrize("source", [b"", [], iter(()), io.BytesIO()])
def test_nothing(connection: pgwire.Connection, source: object) -> None:
    assert connection.copy_in(SQL, source) == 0


def test_csv_and_binary(connection: pgwire.Connection) -> None:
    copied = connection.copy_in("COPY t (a, b) FROM STDIN (FORMAT csv)", b'1,"a\nb"\n2,\n')
    assert copied == 2
    data = bytearray()
    connection.copy_out("COPY t TO STDOUT (FORMAT binary)", data)
    assert connection.copy_in("COPY t FROM STDIN (FORMAT binary)", data) == 2
    assert [row[1] for row in table(connection)] == ["a\nb", "a\nb", None, None]


def test_progress_comes_once_per_mebibyte(connection: pgwire.Connection) -> None:
    calls: list[tuple[int, int | None]] = []
    line = b"1\t" + b"x" * 997 + b"\n"
    connection.copy_in(SQL, itertools.repeat(line, 5000), progress=lambda *args: calls.append(args))
    assert [rows for _, rows in calls] == [None] * (len(calls) - 1) + [5000]
    steps = [two[0] - one[0] for one, two in itertools.pairwise(calls[:-1])]
    assert 3 <= len(calls) <= 6 and min(steps) >= 1 << 20


def test_what_stands_beside_it_is_run(connection: pgwire.Connection) -> None:
    sql = f"BEGIN; INSERT INTO t VALUES (0); {SQL}; INSERT INTO t VALUES (9); COMMIT"
    assert connection.copy_in(sql, b"1\tone\n") == 1
    assert [row[0] for row in table(connection)] == [0, 1, 9]


def test_another_encoding(connection: pgwire.Connection) -> None:
    connection.execute("SET client_encoding = LATIN1")
    assert connection.copy_in(SQL, ["1\té\n"]) == 1
    assert table(connection)[0][1] == "é"
    with pytest.raises(errors.DataError, match="client_encoding LATIN1 cannot hold"):
        connection.copy_in(SQL, ["1\t€\n"])


def boom() -> Iterator[bytes]:
    yield DATA
    raise ZeroDivisionError("from the source")


REFUSED: dict[str, tuple[str, Any, type[Exception], str]] = {
    "str": (SQL, "1\tx\n", errors.ProgrammingError, "the name of a file"),
    "text file": (SQL, io.StringIO("1"), errors.ProgrammingError, "text file.*'rb'|\"rb\""),
    "number": (SQL, 17, errors.ProgrammingError, "cannot copy from a int"),
    "none": (SQL, None, errors.ProgrammingError, "cannot copy from a NoneType"),
    "items of no bytes": (SQL, [1], errors.ProgrammingError, "has given a int"),
    "str in binary": (f"{SQL} (FORMAT binary)", ["x"], errors.ProgrammingError, "a str to a COPY"),
    "no copy": ("SELECT 1", b"", errors.ProgrammingError, "needs a COPY … FROM STDIN"),
    "empty": ("", b"", errors.ProgrammingError, "needs a COPY … FROM STDIN"),
    "the other way": ("COPY t TO STDOUT", b"", errors.ProgrammingError, "use copy_out"),
    "two": (f"{SQL}; {SQL}", b"1\tx\n", errors.ProgrammingError, "more than one COPY"),
    "then out": (f"{SQL}; COPY t TO STDOUT", b"", errors.ProgrammingError, "more than one COPY"),
    "no table": ("COPY nope FROM STDIN", b"", errors.ProgrammingError, '"nope" does not exist'),
    "syntax": ("COPY", b"", errors.ProgrammingError, "syntax error"),
    "a NUL": ("COPY t\0", b"", errors.DataError, "NUL"),
    "a source that raises": (SQL, boom, ZeroDivisionError, "from the source"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(connection: pgwire.Connection, name: str) -> None:
    sql, source, kind, match = REFUSED[name]
    with pytest.raises(kind, match=match):
        connection.copy_in(sql, source() if callable(source) else source)
    assert in_step(connection)
    assert table(connection) == []


def test_an_error_names_line_and_column_and_ends_the_source(connection: pgwire.Connection) -> None:
    given = 0

    def source() -> Iterator[bytes]:
        nonlocal given
        yield b"1\tone\n2\ttwo\nthree\tthree\n"
        while True:
            given += 1
            yield DATA

    with pytest.raises(errors.error_class("22P02"), match='COPY t, line 3, column a: "three"'):
        connection.copy_in(SQL, source())
    assert given < 1000
    assert table(connection) == []


def test_the_exception_of_a_source_is_left_as_it_is(connection: pgwire.Connection) -> None:
    cause = KeyError("why")

    def source() -> Iterator[bytes]:
        yield b"1\tx\n"
        raise ZeroDivisionError from cause

    with pytest.raises(ZeroDivisionError) as caught:
        connection.copy_in(SQL, source())
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("error", [errors.TimeoutExpired, errors.ConnectionLost])
def test_an_error_of_another_connection_in_the_source(
    connection: pgwire.Connection, error: type[errors.Error]
) -> None:
    def source() -> Iterator[bytes]:
        yield b"1\tx\n"
        raise error("of another connection")

    with pytest.raises(error, match="of another connection"):
        connection.copy_in(SQL, source())
    assert in_step(connection)


def test_a_progress_function_that_raises(connection: pgwire.Connection) -> None:
    def progress(size: int, rows: int | None) -> None:
        raise ZeroDivisionError

    for source in (b"1\tx\n", itertools.repeat(DATA, 50)):
        with pytest.raises(ZeroDivisionError):
            connection.copy_in(SQL, source, progress=progress)
        assert in_step(connection)


def test_the_connection_is_busy_meanwhile(connection: pgwire.Connection) -> None:
    def source() -> Iterator[bytes]:
        connection.query("SELECT 'intruder'")
        yield b""

    with pytest.raises(errors.InterfaceError, match="already in progress"):
        connection.copy_in(SQL, source())


def test_a_timeout(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.TimeoutExpired, match="has been cancelled"):
        connection.copy_in(SQL, itertools.repeat(DATA), timeout=0.1)
    assert table(connection) == []


class Stop(BaseException):
    """As KeyboardInterrupt."""


@pytest.mark.parametrize("after", [0, 1, 30])
def test_an_interrupt_in_the_source(connection: pgwire.Connection, after: int) -> None:
    def source() -> Iterator[bytes]:
        yield from itertools.repeat(DATA, after)
        raise Stop

    with pytest.raises(Stop):
        connection.copy_in(SQL, source())
    assert in_step(connection)
    assert table(connection) == []
