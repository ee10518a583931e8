from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pgwire
from dblink import cli, demo
from dblink.cli import main
from pgwire.testing.binaries import BinariesNotFoundError
from tests.dblink.kit import PATIENCE, eventually, running

TOP = Path(__file__).resolve().parents[2]

MANY = "generate_series(1, 1000000000)"
"""Among the columns, where the server gives each row at once; after FROM it would store them."""


class Outcome:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def dblink(capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> Outcome:
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


def start(*arguments: str, **options) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dblink", *arguments],
        cwd=TOP,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# What it prints.


def test_a_query_prints_a_table(dblink, remote: str) -> None:
    done = dblink("query", remote, "SELECT f1, f2, NULL AS none FROM foo WHERE f1 < 2")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        " f1 | f2 | none",
        "----+----+------",
        "  0 | a  | NULL",
        "  1 | b  | NULL",
        "(2 rows)",
    ]


def test_csv(dblink, remote: str) -> None:
    done = dblink("query", remote, "SELECT 1 AS a, NULL AS b, '' AS c", "--format", "csv")
    assert (done.code, done.out) == (0, 'a,b,c\n1,,""\n')


def test_json(dblink, remote: str) -> None:
    done = dblink("query", remote, "SELECT f1, f2 FROM foo WHERE f1 < 2", "--format", "json")
    assert done.code == 0
    assert json.loads(done.out) == [{"f1": 0, "f2": "a"}, {"f1": 1, "f2": "b"}]


def test_a_query_may_be_a_command(dblink, remote: str) -> None:
    done = dblink("query", remote, "CREATE TEMP TABLE cli_t (a int)")
    assert done.out.splitlines() == [" status", "--------------", " CREATE TABLE", "(1 row)"]


def test_exec_prints_the_tag(dblink, remote: str) -> None:
    sql = "CREATE TEMP TABLE cli_t (a int); INSERT INTO cli_t VALUES (1), (2)"
    done = dblink("exec", remote, sql)
    assert (done.code, done.out, done.err) == (0, "INSERT 0 2\n", "")


@pytest.mark.parametrize("command", ["query", "exec"])
def test_parameters(dblink, remote: str, command: str) -> None:
    if command == "query":
        done = dblink("query", remote, "SELECT $1::int + $2", "--param", "40", "--param=-2")
        assert "       38" in done.out
    else:
        sql = "SELECT f1 FROM foo WHERE f2 = $1"  # rows: exec refuses them, after it has bound $1
        assert "returning results" in dblink("exec", remote, sql, "--param", "'; DROP").err


def test_sql_from_standard_input(dblink, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 'from stdin'"))
    assert "from stdin" in dblink("query", remote, "-").out


def test_programs_get_utf_8_and_people_what_their_terminal_can_show(remote: str) -> None:
    sql = "SELECT U&'\\20AC\\00E9' AS v"
    with start("query", remote, sql, "--format", "csv", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.buffer.read() == "v\n\u20ac\u00e9\n".encode()
    with start("query", remote, sql, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"\n \\u20ac\xe9\n" in process.stdout.buffer.read()


def test_notices_of_the_server_go_to_standard_error(dblink, remote: str) -> None:
    done = dblink("exec", remote, "DO $$ BEGIN RAISE WARNING E'careful \\x1b[0m'; END $$")
    assert (done.code, done.out) == (0, "DO\n")
    assert done.err.splitlines()[0] == "WARNING:  careful \\x1B[0m"


# What goes wrong.


def test_an_error_is_told_as_psql_does(dblink, remote: str) -> None:
    done = dblink("query", remote, "SELECT nothing\nFROM foo")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        'ERROR:  column "nothing" does not exist',
        "LINE 1: SELECT nothing",
        "               ^",
        "CONTEXT:  while executing query on unnamed dblink connection",
    ]


def test_rows_before_an_error_are_printed(remote: str) -> None:
    sql = "SELECT 1 / (300000 - n) FROM generate_series(1, 300000) AS n"
    with start("query", remote, sql, "--format", "csv", stdout=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert out.startswith("?column?\n0\n0\n")
    assert err.startswith("ERROR:  division by zero\n")


def test_no_connection_and_no_secret(dblink) -> None:
    done = dblink("query", "host=/nonexistent password=sesame user=me", "SELECT 1")
    assert done.code == 1
    assert done.err.startswith("ERROR:  could not establish connection\nDETAIL:  ")
    assert dblink("query", "host=h passwort=sesame", "SELECT 1").code == 1
    assert dblink("query", "postgresql://me:sesame@[broken/db", "SELECT 1").code == 1


@pytest.mark.parametrize(
    "connstr",
    [
        "host=/nonexistent password=sesame user=me",
        "host=/nonexistent passwort=sesame",
        "host=/nonexistent password='sesame",
        "postgresql://me:sesame@[broken/db",
        "postgresql://me:sesame@/db?host=/nonexistent",
    ],
)
def test_a_password_is_never_told(dblink, connstr: str) -> None:
    done = dblink("query", connstr, "SELECT 1")
    assert done.code == 1
    assert "sesame" not in done.out + done.err


def test_the_timeout_cancels(dblink, remote: str, admin: pgwire.Connection) -> None:
    done = dblink("query", remote, "SELECT pg_sleep(60), 'cli timeout'", "--timeout", "0.05")
    assert done.code == 1
    assert done.err == "ERROR:  timeout expired\n" or "within 0.05 seconds" in done.err
    eventually(lambda: not running(admin, "cli timeout"))


def test_a_server_that_is_not_there_is_named(dblink) -> None:
    done = dblink("setup", "--local", "host=127.0.0.1 port=1")
    assert (done.code, done.out) == (1, "")
    told = 'dblink: error: connection to server at "127.0.0.1", port 1 failed: '
    assert done.err.startswith(told)


def test_no_server_for_the_demo(dblink, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(out: object) -> None:
        raise BinariesNotFoundError("no PostgreSQL server found: install one")

    monkeypatch.setattr(demo, "run", fail)
    done = dblink("demo")
    assert (done.code, done.out) == (1, "")
    assert done.err == "dblink: error: no PostgreSQL server found: install one\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("query", "dbname=x"),
        ("query", "dbname=x", "SELECT 1", "--format", "xml"),
        ("query", "dbname=x", "SELECT 1", "--timeout", "soon"),
        ("query", "dbname=x", "SELECT 1", "--timeout", "0"),
        ("exec", "dbname=x", "SELECT 1", "--format", "csv"),
    ],
)
def test_wrong_usage(dblink, arguments: tuple[str, ...]) -> None:
    done = dblink(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: dblink")


def test_version(dblink) -> None:
    done = dblink("--version")
    assert (done.code, done.out) == (0, f"dblink {pgwire.__version__}\n")


# How it is ended.


def test_an_interrupt_cancels_the_remote_query(remote: str, admin: pgwire.Connection) -> None:
    with start("query", remote, "SELECT pg_sleep(60), 'cli interrupt'") as process:
        eventually(lambda: running(admin, "cli interrupt"), "the query")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "")
    eventually(lambda: not running(admin, "cli interrupt"), "its cancellation")


def test_an_interrupt_between_rows(remote: str, admin: pgwire.Connection) -> None:
    sql = f"SELECT 'cli rows', {MANY}"
    with start("query", remote, sql, "--format", "json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[\n"  # and it stays blocked: nobody reads on
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(PATIENCE) in (130, 141)
        assert process.stderr is not None and process.stderr.read() == ""
    eventually(lambda: not running(admin, "cli rows"), "the end of the query")


def test_a_reader_who_has_enough(remote: str, admin: pgwire.Connection) -> None:
    sql = f"SELECT 'cli pipe', {MANY}"
    for form in ("csv", "json", "table"):
        with start("query", remote, sql, "--format", form, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
            assert process.wait(PATIENCE) == 141
    eventually(lambda: not running(admin, "cli pipe"), "the end of the queries")


def test_a_full_disk(remote: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full, start("query", remote, "SELECT 1", stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("dblink: error: ") and len(err.splitlines()) == 1


def test_the_demo_is_imported_only_when_it_is_wanted() -> None:
    program = "import sys, dblink.cli; print('pgwire.testing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_exit_codes_are_those_of_the_shell() -> None:
    assert cli.INTERRUPTED == 128 + signal.SIGINT
    assert cli.PIPE_CLOSED == 128 + signal.SIGPIPE
