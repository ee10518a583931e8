"""Sessions for callers of somebody else's: who they are, where they may connect, what is theirs to
convert. What a gateway makes of them is in tests/dblink/gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import dblink
import pgwire
from dblink import messages
from dblink.columns import converted_by_caller
from dblink.events import WaitEvent
from pgwire.conninfo import Target
from pgwire.copying.datarows import HEADER, TRAILER, copy_data, text_data
from pgwire.protocol.authentication import AuthenticationCleartextPassword
from pgwire.protocol.first_packets import StartupMessage
from pgwire.testing.cluster import Cluster
from pgwire.testing.script import ScriptedServer, expect, send, stall
from tests.dblink.kit import memory_below, raises

TEXT, INTEGER, DATE, VARCHAR, NAME, INTERVAL, TSTZ = 25, 23, 1082, 1043, 19, 1186, 1184


class Says:
    """Privileges by word of mouth."""

    def __init__(self, superuser: bool = False, owner: str | None = "owner") -> None:
        self._superuser = superuser
        self._owner = owner
        self.asked: list[object] = []

    def superuser(self) -> bool:
        self.asked.append("superuser")
        return self._superuser

    def connect_u_owner(self, arguments: int) -> str | None:
        self.asked.append(arguments)
        if self._owner == "owner":
            raise messages.function_forbidden("dblink_connect_u")
        return self._owner


# Who the caller is.


def test_a_superuser_by_word(remote: str) -> None:
    says = Says(superuser=True)
    with dblink.Session(privileges=says) as session:
        assert session.dblink_connect("c", remote) == "OK"
        assert session.dblink(remote, "SELECT 1").fetchall() == [(1,)]
    assert says.asked == ["superuser", "superuser"]


def test_a_plain_user_by_word(remote: str, local: pgwire.Connection) -> None:
    # The local database, asked by a superuser's connection, would let him in.
    with dblink.Session(local, privileges=Says()) as session:
        with raises("2F003"):
            session.dblink_connect("c", remote)
        with raises("42501", "permission denied for function dblink_connect_u"):
            session.dblink_connect_u("c", remote)


def test_dblink_connect_u_by_word(remote: str, local: pgwire.Connection) -> None:
    says = Says(owner=None)
    with dblink.Session(local, privileges=says) as session:
        session.dblink_connect_u(remote)
        session.dblink_connect_u("c", remote)
        assert says.asked == [1, 2]


def test_the_owner_of_dblink_connect_u_has_the_mapping(
    remote: str, local: pgwire.Connection, cluster: Cluster
) -> None:
    options = f"host '{cluster.host}', port '{cluster.port}', dbname 'dblink_tests_remote'"
    local.execute(
        "CREATE ROLE word_owner; CREATE FOREIGN DATA WRAPPER word;"
        f" CREATE SERVER word FOREIGN DATA WRAPPER word OPTIONS ({options});"
        " GRANT USAGE ON FOREIGN SERVER word TO word_owner;"
        " CREATE USER MAPPING FOR word_owner SERVER word OPTIONS (user 'postgres')"
    )
    try:
        with dblink.Session(local, privileges=Says(owner="word_owner")) as session:
            session.dblink_connect_u("c", "word")
            assert session.dblink("c", "SELECT 1").fetchall() == [(1,)]
        with (
            dblink.Session(local, privileges=Says(owner=None)) as session,
            raises("42704", 'user mapping not found for user "postgres", server "word"'),
        ):
            session.dblink_connect_u("c", "word")
    finally:
        local.execute("DROP FOREIGN DATA WRAPPER word CASCADE; DROP ROLE word_owner")


def test_two_words_are_one_too_many() -> None:
    with pytest.raises(pgwire.ProgrammingError, match="may not be used together"):
        dblink.Session(privileged=True, privileges=Says())


# Where to.


def test_every_remote_address_is_vetted(remote: str, cluster: Cluster) -> None:
    asked: list[str] = []

    def vet(target: Target, address: str) -> None:
        asked.append(address)
        if address == "127.0.0.1":
            raise pgwire.OperationalError("this address is out of bounds")

    socket = f"{cluster.host}/.s.PGSQL.{cluster.port}"
    with dblink.Session(privileged=True, vet=vet) as session:
        session.dblink_connect("c", remote)
        session.dblink(remote, "SELECT 1")
        assert asked == [socket, socket]
        refused = f"host=localhost hostaddr=127.0.0.1 port={cluster.port} user=postgres"
        for call in (
            lambda: session.dblink_connect("d", refused),
            lambda: session.dblink_connect_u("d", refused),
            lambda: session.dblink(refused, "SELECT 1"),
            lambda: session.dblink_exec(refused, "SELECT 1"),
        ):
            with raises("08001", "could not establish connection") as caught:
                call()
            assert caught.error.detail == (
                f'connection to server at "127.0.0.1", port {cluster.port} failed: '
                "this address is out of bounds"
            )
        assert session.dblink_get_connections() == ["c"]


# What is the process's own.


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A process that has a password in each place where one can be."""
    passfile = tmp_path / ".pgpass"
    passfile.write_text("*:*:*:*:secret\n")
    passfile.chmod(0o600)
    services = tmp_path / ".pg_service.conf"
    services.write_text("[mine]\npassword=secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    yield str(passfile)


@pytest.mark.parametrize("place", ["home", "PGPASSWORD", "PGPASSFILE"])
def test_secrets_of_the_process_are_kept(
    secretive: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    if place != "home":
        monkeypatch.delenv("HOME")
        monkeypatch.setenv(place, "secret" if place == "PGPASSWORD" else secretive)
    ask = [expect(StartupMessage), send(AuthenticationCleartextPassword()), stall()]
    with (
        ScriptedServer(ask) as server,
        dblink.Session(privileged=True, secrets=False) as session,
        raises("08001") as caught,
    ):
        session.dblink_connect("c", server.conninfo())
    assert "no password supplied" in str(caught.error.detail)


@pytest.mark.parametrize(
    "option",
    [
        "passfile=/etc/passwd",
        "service=mine",
        "sslcert=/etc/passwd",
        "sslkey=/etc/passwd",
        "sslrootcert=/dev/zero",
        "sslcrl=/dev/zero",
        "sslcrldir=/etc",
    ],
)
@pytest.mark.parametrize("privileged", [True, False])
def test_options_that_name_files(remote: str, option: str, privileged: bool) -> None:
    keyword = option.partition("=")[0]
    with dblink.Session(privileged=privileged, secrets=False) as session:
        refused = f'permission denied to set connection option "{keyword}"'
        for call in (session.dblink_connect, session.dblink_connect_u, session.dblink):
            arguments = ("SELECT 1",) if call == session.dblink else ()
            if call == session.dblink_connect_u and not privileged:
                continue
            with raises("42501", refused):
                call(f"{remote} password=x {option}", *arguments)


def test_the_authorities_of_the_system(remote: str) -> None:
    with dblink.Session(privileged=True, secrets=False) as session:
        assert session.dblink_connect(f"{remote} sslmode=verify-full sslrootcert=system") == "OK"


def test_variables_do_not_count(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    for secrets, path in ((True, "nowhere"), (False, '"$user", public')):
        with dblink.Session(privileged=True, secrets=secrets) as session:
            shown = session.dblink(remote, "SHOW search_path").fetchall()
        assert shown == [(path,)]


# What is the caller's to convert.


def declared(*oids: int) -> tuple[dblink.columns.Declared, ...]:
    return converted_by_caller([(f"type {oid}", oid) for oid in oids])


def test_text_for_an_input_function(session: dblink.Session) -> None:
    sql = "SELECT 1.50::numeric, 'x'::text, NULL::int, true, '\\x00'::bytea, ARRAY[1,2]"
    result = session.dblink("c", sql, columns=declared(INTEGER, TEXT, INTEGER, TEXT, TEXT, TEXT))
    assert [(c.name, c.type_name, c.type_oid) for c in result.columns][:2] == [
        ("c1", "type 23", 23),
        ("c2", "type 25", 25),
    ]
    assert result.fetchall() == [("1.50", "x", None, "t", "\\x00", "{1,2}")]


STYLES = ["German", "SQL, DMY", "Postgres, MDY", "ISO, DMY"]
DATES = "SELECT DATE '2001-02-03', TIMESTAMPTZ '2001-02-03 04:05:06+00', INTERVAL '-1 day +2 hours'"
SAME = ("2001-02-03", "2001-02-03 04:05:06+00", "-1 days +02:00:00")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("intervals", ["postgres", "sql_standard", "iso_8601", "postgres_verbose"])
def test_dates_mean_the_same_everywhere(
    session: dblink.Session, style: str, intervals: str
) -> None:
    session.dblink_exec(
        "c", f"SET DateStyle = '{style}'; SET IntervalStyle = '{intervals}'; SET TimeZone = 'UTC'"
    )
    columns = declared(DATE, TSTZ, INTERVAL)
    assert session.dblink("c", DATES, columns=columns).fetchall() == [SAME]
    # Into a text column goes what the remote server has written.
    (raw,) = session.dblink("c", DATES, columns=declared(TEXT, VARCHAR, NAME)).fetchall()
    (shown,) = session.dblink("c", DATES).text_rows()
    assert raw == shown
    assert (raw == SAME) is ((style, intervals) == ("ISO, DMY", "postgres"))


@pytest.mark.parametrize(
    ("sql", "oid", "styled"),
    [
        ("'03.02.2001'::text", DATE, True),
        ("'-1 2:03:04'::text", INTERVAL, True),
        ("ARRAY['03.02.2001']", 1182, True),
        ("'03.02.2001'::text", 50_000, True),  # a domain over date, perhaps
        ("DATE '2001-02-03'", DATE, False),
        ("DATE '2001-02-03'", 50_000, False),
        ("DATE '2001-02-03'", TEXT, False),
        ("'03.02.2001'::text", TEXT, False),
        ("1", INTEGER, False),
    ],
)
def test_text_that_is_to_be_read_as_the_remote_would(
    session: dblink.Session, sql: str, oid: int, styled: bool
) -> None:
    session.dblink_exec("c", "SET DateStyle = 'German, DMY'; SET IntervalStyle = 'sql_standard'")
    result = session.dblink("c", f"SELECT {sql}", columns=declared(oid))
    wanted = {"DateStyle": "ISO, DMY", "IntervalStyle": "sql_standard"}
    assert result.styles == (wanted if styled else {})
    ((value,),) = result
    assert ("2001-02-03" in str(value)) is (sql.startswith("DATE") and oid != TEXT)


def test_other_results_have_no_styles(session: dblink.Session) -> None:
    assert session.dblink("c", "SELECT '03.02.2001'::text").styles == {}
    assert session.dblink("c", "SET work_mem = '1MB'", columns=declared(TEXT)).styles == {}
    assert session.dblink("c", "SELECT 1/0", False, columns=declared(DATE)).styles == {}


def test_a_style_that_is_not_certain(session: dblink.Session) -> None:
    with raises("22007"):
        session.dblink(
            "c", "SET DateStyle = German; SELECT DATE '2001-02-03'", columns=declared(DATE)
        )


@pytest.mark.parametrize(
    ("sql", "types", "sqlstate", "message"),
    [
        (
            "SELECT 1, 2",
            (INTEGER,),
            "42804",
            "remote query result rowtype does not match the specified FROM clause rowtype",
        ),
        ("SET work_mem = '1MB'", (INTEGER,), "42804", None),
        ("SET work_mem = '1MB'", (TEXT, TEXT), "42804", None),
    ],
)
def test_columns_are_checked(
    session: dblink.Session, sql: str, types: Sequence[int], sqlstate: str, message: str | None
) -> None:
    with raises(sqlstate, message):
        session.dblink("c", sql, columns=declared(*types))


def test_the_status_of_a_command(session: dblink.Session) -> None:
    for read in (list, lambda result: [row for run in result.portable() for row in run]):
        result = session.dblink("c", "SET work_mem = '1MB'", columns=declared(TEXT))
        assert result.size == 0
        assert read(result) == [("SET",)]
        assert read(result) == []


def test_fetch_and_get_result(session: dblink.Session) -> None:
    session.dblink_open("c", "cur", "SELECT n, n FROM generate_series(1, 3) AS n")
    result = session.dblink_fetch("c", "cur", 2, columns=declared(INTEGER, TEXT))
    assert result.fetchall() == [("1", "1"), ("2", "2")]
    session.dblink_close("c", "cur")
    session.dblink_send_query("c", "SELECT 1; SELECT 2")
    for wanted in (("1",), ("2",)):
        assert session.dblink_get_result("c", columns=declared(INTEGER)).fetchall() == [wanted]
    assert session.dblink_get_result("c", columns=declared(INTEGER)).fetchall() == []


# Rows to be passed on.


def passed_on(result: dblink.Result) -> list[object]:
    return [bytes if isinstance(run, bytes) else list for run in result.portable()]


MANY = "SELECT n, DATE '2001-02-03', repeat('ü', n % 5) FROM generate_series(1, {}) AS n"


@pytest.mark.parametrize("rows", [0, 1, 1000, 100_000])
@pytest.mark.parametrize("style", ["ISO, MDY", "German"])
def test_rows_are_passed_on(
    session: dblink.Session, local: pgwire.Connection, rows: int, style: str
) -> None:
    session.dblink_exec("c", f"SET DateStyle = '{style}'")
    sql, columns = MANY.format(rows), declared(INTEGER, DATE, TEXT)
    local.execute("CREATE TEMP TABLE reply(c1 text, c2 text, c3 text)")
    result = session.dblink("c", sql, columns=columns)
    assert (result.size is None) is (rows > 50_000)
    if result.size is not None:
        assert (result.size > 0) is (rows > 0)
    kinds: set[type] = set()

    def pieces() -> Iterator[bytes]:
        yield HEADER
        for run in result.portable():
            kinds.add(type(run))
            yield copy_data(run) if isinstance(run, bytes) else text_data(run)
        yield TRAILER

    assert local.copy_in("COPY reply FROM STDIN (FORMAT binary)", pieces()) == rows
    assert kinds == ({bytes if style.startswith("ISO") else list} if rows else set())
    assert result.fetchall() == []
    assert result.size is not None
    found = local.query_text("SELECT * FROM reply ORDER BY c1::int")
    assert found == [(str(n), "2001-02-03", "ü" * (n % 5)) for n in range(1, rows + 1)]
    local.execute("DROP TABLE reply")


@pytest.mark.parametrize("columns", [None, "a int, b date, c text"])
def test_results_of_other_kinds_are_passed_on(
    session: dblink.Session, local_session: dblink.Session, columns: str | None
) -> None:
    for one in (session, local_session):
        result = one.dblink("c", MANY.format(3), columns=columns)
        first = next(iter(result))
        assert first[0] == 1
        rest = [row for run in result.portable() if isinstance(run, list) for row in run]
        assert rest == [("2", "2001-02-03", "üü"), ("3", "2001-02-03", "üüü")]


def test_what_was_taken_over_is_passed_on(session: dblink.Session) -> None:
    result = session.dblink("c", MANY.format(50_000), columns=declared(INTEGER, DATE, TEXT))
    assert "streaming" in repr(result)
    session.dblink_exec("c", "SET work_mem = '1MB'")
    assert result.size is not None and result.size > 1024 * 1024
    sizes = [len(run) for run in result.portable() if isinstance(run, bytes)]
    assert sum(sizes) == result.size


def test_other_encodings_are_decoded(session: dblink.Session) -> None:
    session.dblink_exec("c", "SET client_encoding = 'LATIN1'")
    result = session.dblink("c", "SELECT 'ü'", columns=declared(TEXT))
    assert list(result.portable()) == [[("ü",)]]


def test_binary_values_are_decoded(session: dblink.Session) -> None:
    session.dblink_exec("c", "BEGIN; DECLARE b BINARY CURSOR FOR SELECT 'abc'::text")
    result = session.dblink("c", "FETCH 1 FROM b", columns=declared(TEXT))
    assert list(result.portable()) == [[("abc",)]]
    session.dblink_exec("c", "ROLLBACK")


def test_an_error_in_the_middle(session: dblink.Session, notices: list[pgwire.Diagnostics]) -> None:
    sql = "SELECT 1000 / (100000 - n), repeat('x', 50) FROM generate_series(1, 100000) AS n"
    columns = declared(INTEGER, TEXT)
    with raises("22012"):
        for _ in session.dblink("c", sql, columns=columns).portable():
            pass
    rows = sum(
        copy_data(run).count(b"x" * 50) if isinstance(run, bytes) else len(run)
        for run in session.dblink("c", sql, False, columns=columns).portable()
    )
    assert rows == 99_999
    assert notices[-1].sqlstate == "22012"


def test_passing_on_takes_little_memory(session: dblink.Session) -> None:
    sql = "SELECT n, repeat('x', 1000) FROM generate_series(1, 50000) AS n"
    with memory_below(8 * 1024 * 1024):
        size = sum(
            len(run)
            for run in session.dblink("c", sql, columns=declared(INTEGER, TEXT)).portable()
            if isinstance(run, bytes)
        )
    assert size > 50_000_000


# What is waited for.


def test_every_wait_is_told(remote: str) -> None:
    told: list[WaitEvent] = []
    with dblink.Session(privileged=True, on_wait=told.append) as session:

        def names() -> list[str]:
            found = [event.name for event in told[::2]]
            assert [e.name for e in told[1::2]] == found  # each has an end
            told.clear()
            return found

        session.dblink_connect("c", remote)
        assert names() == ["DblinkConnect"]
        session.dblink_open("c", "cur", "SELECT 1")
        assert names() == ["DblinkGetResult"]
        session.dblink_fetch("c", "cur", 1)
        assert names() == ["DblinkGetResult"]
        session.dblink_close("c", "cur")
        assert names() == ["DblinkGetResult"]
        session.columns_of("c", "SELECT 1")
        assert names() == ["DblinkGetResult"]
        result = session.dblink("c", MANY.format(50_000))
        assert names() == ["DblinkGetResult"]
        assert result.count() == 50_000
        assert set(names()) == {"DblinkGetResult"}
