"""Whose transaction is it? dblink commits what it began, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dblink
import pgwire
from dblink.cursors import Cursors
from tests.dblink.kit import raises

State = Callable[[], str]


@pytest.fixture
def state(session: dblink.Session, admin: pgwire.Connection) -> State:
    """What the server says of the connection "c": "idle", "idle in transaction", …."""
    pid = session.dblink("c", "SELECT pg_backend_pid()").scalar()

    def ask() -> str:
        ((found,),) = admin.query("SELECT state FROM pg_stat_activity WHERE pid = $1", (pid,))
        return str(found)

    return ask


@pytest.fixture
def table(admin: pgwire.Connection) -> object:
    admin.execute("CREATE TABLE work(a int)")
    yield "work"
    admin.execute("DROP TABLE work")


def count(admin: pgwire.Connection) -> int:
    ((number,),) = admin.query("SELECT count(*)::int FROM work")
    return int(str(number))


def test_open_fetch_close(session: dblink.Session, state: State) -> None:
    assert session.dblink_open("c", "cur", "SELECT * FROM foo") == "OK"
    assert state() == "idle in transaction"
    columns = "n int, t text"
    batches = [session.dblink_fetch("c", "cur", 4, columns=columns).fetchall() for _ in range(4)]
    assert [len(batch) for batch in batches] == [4, 4, 2, 0]
    assert batches[2] == [(8, "i"), (9, "j")]
    assert session.dblink_close("c", "cur") == "OK"
    assert state() == "idle"


def test_the_unnamed_connection(session: dblink.Session, remote: str) -> None:
    session.dblink_connect(remote)
    assert session.dblink_open("cur", "SELECT 7") == "OK"
    assert session.dblink_fetch("cur", 1).fetchall() == [(7,)]
    assert session.dblink_close("cur") == "OK"
    with raises("25P01"):
        session.dblink_exec("DECLARE x CURSOR FOR SELECT 1")


def test_the_last_close_commits(session: dblink.Session, state: State) -> None:
    for name in ("c1", "c2", "c3"):
        session.dblink_open("c", name, "SELECT 1")
    for name in ("c2", "c1"):
        session.dblink_close("c", name)
        assert state() == "idle in transaction"
    session.dblink_close("c", "c3")
    assert state() == "idle"


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ("Cur", "cUR"),
        ('"Cur x"', '"Cur x"'),
        ("cur NO SCROLL", "cur"),
        ('"cur"', "CUR"),
        (" cur", "cur "),
        ("x" * 70, "x" * 63),
    ],
)
def test_names_are_the_servers(
    session: dblink.Session, state: State, opened: str, closed: str
) -> None:
    session.dblink_open("c", opened, "SELECT 1")
    session.dblink_open("c", "other", "SELECT 2")
    assert session.dblink_close("c", closed) == "OK"
    assert state() == "idle in transaction"
    assert session.dblink_close("c", "other") == "OK"
    assert state() == "idle"


def test_close_all(session: dblink.Session, state: State) -> None:
    for name in ("c1", "c2"):
        session.dblink_open("c", name, "SELECT 1")
    assert session.dblink_close("c", "all") == "OK"
    assert state() == "idle"


def test_the_users_transaction_is_left_to_him(
    session: dblink.Session, state: State, admin: pgwire.Connection, table: str
) -> None:
    session.dblink_exec("c", f"BEGIN; INSERT INTO {table} VALUES (1)")
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_close("c", "cur")
    assert state() == "idle in transaction"
    assert count(admin) == 0
    session.dblink_exec("c", "ROLLBACK")
    assert count(admin) == 0


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT", "ABORT", "PREPARE TRANSACTION 'never'"])
def test_a_transaction_that_the_user_began_after_ending_ours(
    session: dblink.Session, state: State, admin: pgwire.Connection, table: str, end: str
) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    if end.startswith("PREPARE"):
        with raises("55000"):  # prepared transactions are off: that ends ours as well
            session.dblink_exec("c", end)
    else:
        session.dblink_exec("c", end)
    assert state() == "idle"
    session.dblink_exec("c", f"BEGIN; INSERT INTO {table} VALUES (1)")
    session.dblink_exec("c", "DECLARE cur CURSOR FOR SELECT 1")
    assert session.dblink_close("c", "cur") == "OK"
    assert state() == "idle in transaction"
    session.dblink_exec("c", "ROLLBACK")
    assert count(admin) == 0


@pytest.mark.parametrize(
    "ending",
    [
        "COMMIT; BEGIN; INSERT INTO work VALUES (1)",
        "ROLLBACK; BEGIN; INSERT INTO work VALUES (1)",
        "COMMIT AND CHAIN",
        "ROLLBACK AND CHAIN",
        "ROLLBACK; SELECT 1; START TRANSACTION",
    ],
)
def test_a_transaction_of_the_users_that_began_within_one_string(
    session: dblink.Session, state: State, admin: pgwire.Connection, table: str, ending: str
) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_exec("c", ending)
    session.dblink_exec("c", f"DECLARE cur CURSOR FOR SELECT 1; INSERT INTO {table} VALUES (2)")
    assert session.dblink_close("c", "cur") == "OK"
    assert state() == "idle in transaction"
    session.dblink_exec("c", "ROLLBACK")
    assert count(admin) == 0


@pytest.mark.parametrize("how", ["dblink", "send_query"])
def test_our_transaction_is_ended_by_any_function(
    session: dblink.Session, state: State, admin: pgwire.Connection, table: str, how: str
) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    sql = f"COMMIT; BEGIN; INSERT INTO {table} VALUES (1); DECLARE cur CURSOR FOR SELECT 1"
    if how == "dblink":
        session.dblink("c", sql)
    else:
        session.dblink_send_query("c", sql)
        for _ in range(5):
            session.dblink_get_result("c")
    assert session.dblink_close("c", "cur") == "OK"
    assert state() == "idle in transaction"
    session.dblink_exec("c", "ROLLBACK")
    assert count(admin) == 0


def test_a_failed_open_in_a_savepoint_does_not_count(
    session: dblink.Session, state: State, notices: list[pgwire.Diagnostics]
) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_exec("c", "SAVEPOINT s")
    assert session.dblink_open("c", "bad", "SELECT * FROM nosuch", fail=False) == "ERROR"
    assert notices[-1].context == 'while opening cursor "bad" on dblink connection named "c"'
    session.dblink_exec("c", "ROLLBACK TO SAVEPOINT s")
    assert session.dblink_close("c", "cur") == "OK"
    assert state() == "idle"


def test_a_cursor_that_a_savepoint_took_with_it(session: dblink.Session, state: State) -> None:
    session.dblink_open("c", "kept", "SELECT 1")
    session.dblink_exec("c", "SAVEPOINT s")
    session.dblink_open("c", "gone", "SELECT 2")
    session.dblink_exec("c", "ROLLBACK TO SAVEPOINT s")
    session.dblink_close("c", "kept")
    assert state() == "idle"


def test_a_cursor_that_the_user_closed(session: dblink.Session, state: State) -> None:
    session.dblink_open("c", "one", "SELECT 1")
    session.dblink_open("c", "two", "SELECT 2")
    session.dblink_exec("c", "CLOSE one")
    assert state() == "idle in transaction"
    session.dblink_close("c", "two")
    assert state() == "idle"


def test_a_cursor_of_the_users_in_our_transaction(session: dblink.Session, state: State) -> None:
    session.dblink_open("c", "ours", "SELECT 1")
    session.dblink_exec("c", "DECLARE theirs CURSOR FOR SELECT 2")
    session.dblink_close("c", "ours")
    assert state() == "idle"  # as in C dblink: it is our transaction


def test_a_failed_open_leaves_the_transaction_aborted(
    session: dblink.Session, state: State
) -> None:
    # As in C dblink; the manual's advice is ABORT.
    with raises("42P01", context='while opening cursor "cur" on dblink connection named "c"'):
        session.dblink_open("c", "cur", "SELECT * FROM nosuch")
    assert state() == "idle in transaction (aborted)"
    assert session.dblink_exec("c", "ABORT") == "ROLLBACK"
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_close("c", "cur")
    assert state() == "idle"


def test_a_failed_close_does_not_count(session: dblink.Session, state: State) -> None:
    session.dblink_open("c", "cur", "SELECT 1")
    session.dblink_exec("c", "SAVEPOINT s")
    with raises("34000", 'cursor "nosuch" does not exist'):
        session.dblink_close("c", "nosuch")
    assert session.dblink_close("c", "nosuch", False) == "ERROR"
    session.dblink_exec("c", "ROLLBACK TO s")
    session.dblink_close("c", "cur")
    assert state() == "idle"


def test_a_commit_that_fails(
    session: dblink.Session, state: State, admin: pgwire.Connection
) -> None:
    admin.execute("CREATE TABLE once(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    try:
        session.dblink_open("c", "cur", "SELECT 1")
        session.dblink_exec("c", "INSERT INTO once VALUES (1), (1)")
        with raises("XX000", context=None) as caught:
            session.dblink_close("c", "cur", False)
        assert caught.error.message.startswith("commit error: ERROR:  duplicate key value")
        assert "\nDETAIL:  Key (a)=(1) already exists." in caught.error.message
        assert state() == "idle"
        session.dblink_open("c", "cur", "SELECT 1")
        session.dblink_close("c", "cur")
        assert state() == "idle"
    finally:
        admin.execute("DROP TABLE once")


def test_the_books_end_with_the_connection(
    session: dblink.Session, admin: pgwire.Connection, remote: str, table: str
) -> None:
    session.dblink_connect(remote)
    session.dblink_open("cur", "SELECT 1")
    session.dblink_connect(remote)  # in the place of the first
    session.dblink_exec(f"BEGIN; INSERT INTO {table} VALUES (1); DECLARE cur CURSOR FOR SELECT 1")
    session.dblink_close("cur")
    session.dblink_exec("ROLLBACK")
    assert count(admin) == 0


def test_fetching(session: dblink.Session, notices: list[pgwire.Diagnostics]) -> None:
    session.dblink_open("c", "cur scroll", "SELECT g FROM generate_series(1, 10) AS g")
    assert session.dblink_fetch("c", "cur", 0).fetchall() == []
    assert session.dblink_fetch("c", "cur", 3).fetchall() == [(1,), (2,), (3,)]
    assert session.dblink_fetch("c", "cur", 0).fetchall() == [(3,)]
    assert session.dblink_fetch("c", "cur", -2).fetchall() == [(2,), (1,)]
    assert session.dblink_fetch("c", "cur", 100).fetchall() == [(g,) for g in range(2, 11)]
    assert session.dblink_fetch("c", "cur; SELECT 77", 1).fetchall() == [(77,)]
    session.dblink_exec("c", "SAVEPOINT s")
    context = 'while fetching from cursor "nosuch" on dblink connection named "c"'
    with raises("34000", 'cursor "nosuch" does not exist', context=context):
        session.dblink_fetch("c", "nosuch", 1)
    session.dblink_exec("c", "ROLLBACK TO s")
    assert session.dblink_fetch("c", "nosuch", 1, False).fetchall() == []
    assert [(n.sqlstate, n.context) for n in notices] == [("34000", context)]


def test_a_large_batch_is_streamed(session: dblink.Session, state: State) -> None:
    sql = "SELECT g, repeat('x', 40) FROM generate_series(1, 200000) AS g"
    session.dblink_open("c", "cur", sql)
    batch = session.dblink_fetch("c", "cur", 100_000)
    assert "streaming" in repr(batch)
    assert batch.scalar() == 1
    rest = session.dblink_fetch("c", "cur", 200_000)
    session.dblink_close("c", "cur")
    assert state() == "idle"
    assert sum(1 for _ in batch) == 99_999
    assert sum(1 for _ in rest) == 100_000


# The books themselves, against a model: the server's cursors and transactions.

steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from("abc")),
        st.tuples(st.just("close"), st.sampled_from("abc")),
        st.tuples(st.just("exec close"), st.sampled_from("abc")),
        st.tuples(st.just("exec declare"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["begin", "commit", "rollback"]), st.just("")),
    ),
    max_size=12,
)


@given(steps)
@settings(max_examples=300)
def test_no_other_transaction_is_committed_and_ours_is_not_forgotten(
    actions: list[tuple[str, str]],
) -> None:
    books = Cursors()
    transactions = 0
    ours: bool | None = None  # whether the open transaction is dblink's; None: there is none
    cursors: dict[str, bool] = {}  # open ones; whether dblink_open declared them
    taken: set[str] = set()  # names that dblink_open has used, as far as anybody knows

    def status(*tags: str) -> None:
        books.after_query("I" if ours is None else "T", tags)

    for action, name in actions:
        if action == "begin" and ours is None:
            ours, transactions = False, transactions + 1
            status("BEGIN")
        elif action in ("commit", "rollback"):
            ours = None
            cursors.clear()
            taken.clear()
            status(action.upper())
        elif action == "exec declare" and ours is not None and name not in cursors:
            # Under the name of one of dblink's that the user has closed, it takes that one's place:
            # nobody tells the one from the other.
            cursors[name] = name in taken
            status("DECLARE CURSOR")
        elif action == "exec close" and name in cursors:
            del cursors[name]
            status("CLOSE CURSOR")
        elif action == "open" and name not in cursors:
            if ours is None:
                ours, transactions = True, transactions + 1
                books.began = str(transactions)
            cursors[name] = True
            if books.began is not None:
                taken.add(name)
            books.opened(name)
        elif action == "close" and name in cursors:
            del cursors[name]
            if books.began is None:
                assert not ours
                continue
            rows = [(str(transactions), other) for other in cursors] or [(str(transactions), None)]
            committed = books.may_commit(rows)
            assert committed is (ours is True and not any(cursors.values()))
            taken &= set(cursors)
            if committed:
                ours = None
                cursors.clear()
                taken.clear()
                status("COMMIT")
