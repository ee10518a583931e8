"""`executemany` in the blocking body, against a real server; in asyncio by
`test_executemany_on_loop`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from time import monotonic, sleep
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgwire
from pgwire import errors
from pgwire.flows.rowbinding import RowBinder, Unsuitable
from pgwire.flows.statements import Statement
from pgwire.protocol.frontend import Bind, Execute
from pgwire.testing import Cluster
from pgwire.types.binding import ParameterEncoder
from pgwire.types.catalog import OIDS
from pgwire.types.context import Context
from pgwire.types.registry import Registry

INSERT = "INSERT INTO m VALUES ($1, $2, $3)"
ROWS = [(n, f"row {n}", n / 4) for n in range(5000)]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[pgwire.Connection]:
    opened = pgwire.connect(cluster.conninfo())
    opened.execute("CREATE TEMP TABLE m (a int8, b text, c float8)")
    yield opened
    assert_in_step(opened)
    opened.close()


def assert_in_step(connection: pgwire.Connection) -> None:
    assert not connection.closed
    assert connection.query("SELECT 'mine', $1::int", [7])[0] == ("mine", 7)


def content(connection: pgwire.Connection) -> list[Any]:
    return connection.query("SELECT * FROM m ORDER BY a", ()).rows


@pytest.mark.parametrize("size", [0, 100])
def test_every_row_arrives(cluster: Cluster, size: int) -> None:
    with pgwire.connect(cluster.conninfo(), statement_cache_size=size) as connection:
        connection.execute("CREATE TEMP TABLE m (a int8, b text, c float8)")
        assert connection.executemany(INSERT, ROWS) == 5000
        assert content(connection) == ROWS
        with connection.transaction():
            assert connection.executemany(INSERT, iter(ROWS)) == 5000
        assert connection.query("SELECT count(*) FROM m").scalar() == 10000


def test_no_rows(connection: pgwire.Connection) -> None:
    assert connection.executemany(INSERT, []) == 0
    assert connection.executemany("INSERT INTO m VALUES (1)", [()] * 3) == 3


def test_rows_of_many_classes(connection: pgwire.Connection) -> None:
    rows: list[Any] = [
        (1, "a", 1.5),
        (None, None, None),
        (2**40, "é", 2),
        (3, ("4", "text"), Decimal("0.25")),
        [Decimal(4), "x" * 70000, "0.5"],
        ("5", 6, 7.0),
        (True, date(2026, 1, 2), None),
    ]
    with pytest.raises(errors.ProgrammingError) as caught:
        connection.executemany(INSERT, rows)
    assert caught.value.__notes__[-1] == "row 7 of params_seq"
    assert content(connection) == []
    assert connection.executemany(INSERT, rows[:5]) == 5
    assert content(connection) == [
        (1, "a", 1.5),
        (3, "4", 0.25),
        (4, "x" * 70000, 0.5),
        (2**40, "é", 2.0),
        (None, None, None),
    ]


def test_the_number_of_rows_affected(connection: pgwire.Connection) -> None:
    connection.executemany(INSERT, ROWS[:100])
    update = "UPDATE m SET c = 0 WHERE a < $1"
    numbers = [0, 1, 1, 7, 200, 200, *range(50)]
    expected = sum(min(number, 100) for number in numbers)
    assert connection.executemany(update, [(number,) for number in numbers]) == expected
    returning = "DELETE FROM m WHERE a = $1 RETURNING a, b, repeat(b, 1000)"
    assert connection.executemany(returning, [(n,) for n in range(50, 150)]) == 50
    assert connection.executemany("SELECT generate_series(1, $1)", [(3,), (0,), (5,)]) == 8
    assert connection.executemany("SET TIME ZONE 'UTC'", [()] * 3) == 0


class Boom(Exception):
    """What a source raises."""


class Stop(BaseException):
    """An interruption."""


FAULTS = [
    ((2**70, "x", 1.0), errors.DataError),
    ((1, "a\0b", 1.0), errors.DataError),
    ((1, "\ud800", 1.0), errors.DataError),
    (("no number", "x", 1.0), errors.DataError),
    ((1, "x"), errors.ProgrammingError),
    ((1, "x", 1.0, 4), errors.ProgrammingError),
    ((1, object, 1.0), errors.ProgrammingError),  # what is no value of any type
    (Boom(), Boom),
    (Stop(), Stop),
    (KeyboardInterrupt(), KeyboardInterrupt),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("at", [0, 60, 3000])
def test_all_rows_or_none(
    connection: pgwire.Connection, fault: Any, kind: type[BaseException], at: int
) -> None:
    if at == 0 and fault == (1, "x", 1.0, 4):
        return  # the first row tells how many there are

    def source() -> Iterator[Any]:
        yield from ROWS[:at]
        if isinstance(fault, BaseException):
            raise fault
        yield fault
        yield from ROWS

    with pytest.raises(kind) as caught:
        connection.executemany(INSERT, source())
    if not isinstance(fault, BaseException):
        assert caught.value.__notes__[-1] == f"row {at + 1} of params_seq"
    assert content(connection) == []


def test_an_error_in_a_transaction_ends_it(connection: pgwire.Connection) -> None:
    for fault in (FAULTS[0][0], FAULTS[1][0]):
        with pytest.raises(errors.error_class("25P02")), connection.transaction():
            with pytest.raises(errors.DataError):
                connection.executemany(INSERT, [*ROWS[:100], fault])
            connection.query("SELECT 1")
    assert content(connection) == []


def test_an_error_ends_an_endless_source(connection: pgwire.Connection) -> None:
    taken = 0

    def source() -> Iterator[Any]:
        nonlocal taken
        for taken in itertools.count(1):
            yield (taken,)

    with pytest.raises(errors.error_class("22012")) as caught:
        connection.executemany("SELECT 1 / (2500 - $1::int)", source())
    assert caught.value.__notes__ == ["row 2500 of params_seq"]
    assert taken < 10_000


def test_an_error_at_the_commit(connection: pgwire.Connection) -> None:
    connection.execute("CREATE TEMP TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(errors.IntegrityError):
        connection.executemany("INSERT INTO d VALUES ($1)", [(n % 900,) for n in range(1000)])
    assert connection.query("SELECT count(*) FROM d").scalar() == 0


def test_a_statement_that_has_changed(connection: pgwire.Connection) -> None:
    returning = "INSERT INTO m VALUES ($1) RETURNING *"
    for change in (
        "SELECT 1",
        "DO $$BEGIN ALTER TABLE m ADD COLUMN d int; END$$",
        "DEALLOCATE ALL",
        "DO $$BEGIN ALTER TABLE m ALTER COLUMN a TYPE numeric; END$$",
        "DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$",
    ):
        connection.execute(change)
        assert connection.executemany(returning, [(n,) for n in range(200)]) == 200
        assert connection.executemany(returning, [(n,) for n in range(2)]) == 2
    assert connection.query("SELECT count(*) FROM m").scalar() == 5 * 202
    with pytest.raises(errors.Error), connection.transaction():
        connection.execute("DO $$BEGIN ALTER TABLE m ADD COLUMN e int; END$$")
        connection.executemany(returning, [(1,)])
    assert connection.executemany(returning, [(1,)]) == 1


def test_a_statement_that_cannot_be_parsed(connection: pgwire.Connection) -> None:
    with pytest.raises(errors.ProgrammingError, match="nonsense"):
        connection.executemany("SELECT nonsense, $1", [(1,)])
    with pytest.raises(errors.DataError, match="NUL"):
        connection.executemany("SELECT '\0', $1", [(1,)])


def test_long_rows_go_in_short_blocks(connection: pgwire.Connection) -> None:
    alive = most = 0

    class Long(str):
        __slots__ = ()

        def __new__(cls) -> Long:
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return super().__new__(cls, "x" * 300_000)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def source() -> Iterator[Any]:
        for n in range(60):
            yield (n, "short" if n < 50 else "x" * 200_000, None)
        for n in range(100):
            yield (n, Long(), None)

    assert connection.executemany(INSERT, source()) == 160
    assert connection.query("SELECT count(*) FROM m WHERE length(b) = 300000").scalar() == 100
    if sys.implementation.name == "cpython":  # elsewhere nobody knows when they are collected
        assert most < 40


def test_a_timeout(connection: pgwire.Connection) -> None:
    begun = monotonic()
    with pytest.raises(errors.TimeoutExpired, match=r"executemany did not end within 0\.2 sec"):
        connection.executemany("SELECT pg_sleep($1)", [(0.05,)] * 200, timeout=0.2)
    assert monotonic() - begun < 5

    def slow() -> Iterator[Any]:
        for n in itertools.count():
            sleep(0.001)
            yield (n, "x", None)

    with pytest.raises(errors.TimeoutExpired):
        connection.executemany(INSERT, slow(), timeout=0.2)
    assert content(connection) == []


def test_the_server_ends_the_session(cluster: Cluster) -> None:
    with pgwire.connect(cluster.conninfo()) as connection:
        sql = "SELECT CASE WHEN $1 = 500 THEN pg_terminate_backend(pg_backend_pid()) END"
        with pytest.raises(errors.OperationalError):
            connection.executemany(sql, [(n,) for n in range(5000)])
        assert connection.closed


_ANYTHING: list[Any] = [
    *(None, 0, -1, 2**31, 2**62, 2**70, 1.5, True, "7", "x", "", Decimal("2.50"), b"\0\xff"),
    *(date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), [1, None], ["a"], ("5", "int8")),
]


def test_statements_of_one_row_at_a_time_agree(connection: pgwire.Connection) -> None:
    values = st.sampled_from(_ANYTHING)

    @given(st.lists(st.tuples(values, values), min_size=1, max_size=8))
    def agree(rows: list[tuple[object, object]]) -> None:
        sql = "INSERT INTO pair VALUES ($1, $2)"
        found = []
        for together in (True, False):
            connection.execute("DROP TABLE IF EXISTS pair; CREATE TEMP TABLE pair (x text, y int8)")
            try:
                if together:
                    connection.executemany(sql, rows)
                else:
                    with connection.transaction():
                        for row in rows:
                            connection.query(sql, row)
            except errors.Error:
                found.append(None)
            else:
                found.append(connection.query("SELECT * FROM pair", ()).rows)
        if found[1] is not None:
            # It may do more: of what the server has inferred, more classes are taken.
            assert found[0] == found[1]

    agree()


# Packing, without a server.

_VALUES = st.one_of(
    st.none(),
    st.integers(-(2**70), 2**70),
    st.integers(-300, 300),
    st.floats(allow_nan=False),
    st.booleans(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.dates(),
)
_TYPES = ["int2", "int4", "int8", "oid", "float4", "float8", "bool", "text", "bytea", "numeric"]


@given(
    st.lists(st.sampled_from([OIDS[name][0] for name in [*_TYPES, "date"]]), max_size=4),
    st.booleans(),
    st.data(),
)
def test_packed_rows_are_what_plain_messages_would_be(
    oids: list[int], declared: bool, data: st.DataObject
) -> None:
    statement = Statement(("x",), "x", oids if declared else [0] * len(oids), b"name")
    statement.parameters = tuple(oids)
    encoder = ParameterEncoder(Registry(), Context())
    rows = data.draw(st.lists(st.tuples(*[_VALUES] * len(oids)), max_size=12))
    binder = RowBinder(statement, encoder)
    position = 0
    while position < len(rows):
        messages: list[bytes] = []
        most = data.draw(st.integers(1, 400))
        stop, size = binder.pack(rows, position, messages, most)
        if stop == position:
            with suppress(errors.Error, Unsuitable):
                assert binder.bind_plainly(rows[position]) == _plain(encoder, rows[position], oids)
            assert messages == []
            position += 1
            continue
        expected = [_plain(encoder, row, oids) for row in rows[position:stop]]
        assert messages == expected
        assert size == sum(map(len, expected))
        assert sum(map(len, expected[:-1])) < most
        position = stop


def _plain(encoder: ParameterEncoder, row: Any, oids: list[int]) -> bytes:
    formats, values = encoder.encode_known(row, oids)
    return Bind(b"", b"name", formats, values, ()).encode() + Execute(b"", 0).encode()
