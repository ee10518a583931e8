"""copy_out and copy_chunks: every kind of target, and whatever goes wrong."""

from __future__ import annotations

import io
from typing import Any

import pytest

import pgwire
from pgwire import errors
from tests.pgwire.copying.kit import in_step

SELECT = "SELECT n, repeat('x', n % 50) FROM generate_series(1, 30000) n"
SQL = f"COPY ({SELECT}) TO STDOUT"
DATA = b"".join([b"%d\t%b\n" % (n, b"x" * (n % 50)) for n in range(1, 30001)])
FAILING = "COPY (SELECT 1 / (n - 20000) FROM generate_series(1, 30000) n) TO STDOUT"
DIVISION = errors.error_class("22012")


class Stop(BaseException):
    """As KeyboardInterrupt."""


class RawFile(io.RawIOBase):
    """A file that takes fewer bytes than it is given."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data[:999])
        return min(len(data), 999)


def test_every_target(connection: pgwire.Connection) -> None:
    calls: list[tuple[int, int | None]] = []
    array, file, raw, pieces = bytearray(), io.BytesIO(), RawFile(), []
    for target in (array, file, raw, pieces.append):
        assert connection.copy_out(SQL, target, progress=lambda *args: calls.append(args)) == 30000
        assert calls.pop() == (len(DATA), 30000)
    assert array == file.getvalue() == raw.data == b"".join(pieces) == DATA
    assert len(pieces) < 1000


def test_rows_of_one_size(connection: pgwire.Connection) -> None:
    got = bytearray()
    connection.copy_out("COPY (SELECT g FROM generate_series(10000, 99999) g) TO STDOUT", got)
    assert got == b"".join([b"%d\n" % n for n in range(10000, 100000)])


@pytest.mark.parametrize("text", ["", "x" * 3_000_000])
def test_one_row(connection: pgwire.Connection, text: str) -> None:
    got = bytearray()
    assert connection.copy_out(f"COPY (SELECT repeat('x', {len(text)})) TO STDOUT", got) == 1
    assert got == text.encode() + b"\n"


def test_nothing(connection: pgwire.Connection) -> None:
    got = bytearray()
    assert connection.copy_out("COPY t TO STDOUT", got) == 0
    assert got == b""
    assert connection.copy_out("COPY t TO STDOUT (FORMAT csv, HEADER)", got) == 0
    assert got == b"a,b,c,d,e\n"


def test_notices_and_notifications_come_in_between(connection: pgwire.Connection) -> None:
    connection.execute("LISTEN c")
    connection.execute(
        "CREATE FUNCTION pg_temp.noisy(n int) RETURNS int LANGUAGE plpgsql AS "
        "$$BEGIN IF n % 1000 = 0 THEN RAISE NOTICE 'n'; END IF; RETURN n; END$$"
    )
    got = bytearray()
    sql = "COPY (SELECT pg_temp.noisy(n) FROM generate_series(1, 5000) n) TO STDOUT; NOTIFY c"
    assert connection.copy_out(sql, got) == 5000
    assert got == b"".join([b"%d\n" % n for n in range(1, 5001)])
    assert len(connection.received_notifications()) == 1


def test_an_error_comes_after_what_came_before_it(connection: pgwire.Connection) -> None:
    got = bytearray()
    with pytest.raises(DIVISION):
        connection.copy_out(FAILING, got)
    assert got.count(b"\n") > 10000
    with pytest.raises(DIVISION):
        for _ in connection.copy_chunks(FAILING):
            pass
    assert in_step(connection)


REFUSED = {
    "no copy": ("SELECT 1", bytearray(), "needs a COPY … TO STDOUT"),
    "the other way": ("COPY t FROM STDIN", bytearray(), "use copy_in"),
    "two": ("COPY t TO STDOUT; COPY t FROM STDIN", bytearray(), "more than one COPY"),
    "no table": ("COPY nope TO STDOUT", bytearray(), '"nope" does not exist'),
    "text file": (SQL, io.StringIO(), "text file"),
    "bytes": (SQL, b"", "cannot copy to a bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(connection: pgwire.Connection, name: str) -> None:
    sql, target, match = REFUSED[name]
    with pytest.raises(errors.ProgrammingError, match=match):
        connection.copy_out(sql, target)
    assert in_step(connection)


@pytest.mark.parametrize("raised", [ZeroDivisionError, Stop, errors.TimeoutExpired])
@pytest.mark.parametrize("after", [0, 3])
def test_a_target_that_raises(
    connection: pgwire.Connection, raised: type[BaseException], after: int
) -> None:
    calls = 0

    def target(data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise raised("from the target")

    # It would take minutes.
    sql = "COPY (SELECT generate_series(1, 1000000000)) TO STDOUT"
    with pytest.raises(raised, match="from the target"):
        connection.copy_out(sql, target)
    assert in_step(connection)


def test_a_timeout(connection: pgwire.Connection) -> None:
    for sql in ("SELECT generate_series(1, 1000000000)", "SELECT pg_sleep(100)"):
        with pytest.raises(errors.TimeoutExpired, match="has been cancelled"):
            connection.copy_out(f"COPY ({sql}) TO STDOUT", lambda data: None, timeout=0.1)
        with (
            pytest.raises(errors.TimeoutExpired),
            connection.copy_chunks(f"COPY ({sql}) TO STDOUT", timeout=0.1) as chunks,
        ):
            for _ in chunks:
                pass
        assert in_step(connection)


def test_chunks(connection: pgwire.Connection) -> None:
    with connection.copy_chunks(SQL) as chunks:
        assert chunks.format == "text"
        assert chunks.row_count is None
        with pytest.raises(errors.InterfaceError, match="in progress: the data of a COPY is open"):
            connection.query("SELECT 1")
        assert b"".join(chunks) == DATA
        assert chunks.row_count == 30000
        assert connection.query("SELECT 1").scalar() == 1
        assert list(chunks) == []
    assert b"".join(connection.copy_chunks(SQL)) == DATA
    with connection.copy_chunks(f"{SQL} (FORMAT binary)") as chunks:
        assert chunks.format == "binary"


def test_chunks_left_early(connection: pgwire.Connection) -> None:
    sql = "COPY (SELECT generate_series(1, 1000000000)) TO STDOUT"
    for count in (0, 1, 5):
        with connection.copy_chunks(sql) as chunks:
            for _ in range(count):
                next(chunks)
        assert in_step(connection)
        with pytest.raises(errors.InterfaceError, match="given up"):
            next(chunks)
    with pytest.raises(Stop), connection.copy_chunks(sql) as chunks:
        raise Stop
    assert in_step(connection)
    never = connection.copy_chunks("COPY nope TO STDOUT")
    assert in_step(connection)
    with pytest.raises(errors.error_class("42P01")):
        next(never)
    never.close()
