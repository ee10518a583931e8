"""The command `dblink`: a demonstration, and remote queries and commands for one-off use."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import pgwire
from dblink.exports import write_csv, write_json
from dblink.session import Session
from dblink.tables import print_result, printable

FAILED = 1
INTERRUPTED = 128 + 2  # as the shell counts a program that SIGINT has ended
PIPE_CLOSED = 128 + 13  # and SIGPIPE


class CommandError(Exception):
    """A command cannot do its work, for a reason that has nothing to do with a query."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: those of the command line; by default of this process.

    Returns its exit code: 0; 1 after an error, which has been told on standard error; 130 if it was
    interrupted; 141 if nobody reads its output any more. Raises SystemExit for `--help`,
    `--version` (0) and wrong usage (2).
    """
    options = _parser().parse_args(arguments)
    try:
        if getattr(options, "sql", None) == "-":
            options.sql = sys.stdin.read()
        options.run(options)
        sys.stdout.flush()
    except pgwire.Error as error:
        return _failed(_rendered(error, getattr(options, "sql", None)))
    except KeyboardInterrupt:
        return INTERRUPTED  # whatever was running has been cancelled on its way up to here
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except (CommandError, OSError, UnicodeError) as error:
        return _failed(f"dblink: error: {error}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dblink", description="Query other PostgreSQL databases. Manual: F.12 dblink."
    )
    parser.add_argument("--version", action="version", version=f"dblink {pgwire.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo", help="call every documented function, on a server of its own"
    )
    demo.set_defaults(run=_demo)

    query = commands.add_parser("query", help="run a query and print its rows")
    _add_remote_arguments(query)
    query.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="how to print: csv and json print each row as it comes (default: table)",
    )
    query.set_defaults(run=_query)

    command = commands.add_parser("exec", help="run a command and print its command tag")
    _add_remote_arguments(command)
    command.set_defaults(run=_exec)
    return parser


def _add_remote_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "connstr",
        metavar="CONNSTR",
        help="connection string, key=value or URI; better without the password: others can see a "
        "command line. What it leaves out comes from PGHOST, PGPASSWORD, …, as with psql",
    )
    parser.add_argument("sql", metavar="SQL", help="the statement; - reads it from standard input")
    parser.add_argument(
        "--param",
        action="append",
        metavar="VALUE",
        help="the value of $1 in SQL; the next one is that of $2, and so on",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="cancel the statement when it takes longer",
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise ValueError(text)
    return seconds


_seconds.__name__ = "number of seconds"  # argparse: "invalid number of seconds value: 'x'"


# The commands. Who calls them owns the process and its secrets: the session is privileged.


def _demo(options: argparse.Namespace) -> None:
    from dblink.demo import run  # brings the test kit, with which servers are started

    try:
        run(_output(exact=False))
    except RuntimeError as error:  # the kit's: there is no server to start, or it does not start
        raise CommandError(error) from error


def _query(options: argparse.Namespace) -> None:
    with _session() as session:
        result = session.dblink(
            options.connstr, options.sql, params=options.param, timeout=options.timeout
        )
        if options.format == "csv":
            write_csv(result.columns, result.text_rows(), _output(exact=True))
        elif options.format == "json":
            write_json(result.columns, result.text_rows(), _output(exact=True))
        else:
            print_result(result, _output(exact=False))


def _exec(options: argparse.Namespace) -> None:
    with _session() as session:
        tag = session.dblink_exec(
            options.connstr, options.sql, params=options.param, timeout=options.timeout
        )
    print(tag, file=_output(exact=False))


def _session() -> Session:
    return Session(privileged=True, on_remote_notice=_tell_notice)


def _tell_notice(notice: pgwire.Diagnostics, connection: str | None) -> None:
    print(printable(notice.render()), file=sys.stderr)


# What is said, and where.


def _rendered(error: pgwire.Error, sql: str | None) -> str:
    """`error` in psql's style."""
    text = error.diagnostics.render(sql)
    return text if error.severity is not None else f"ERROR:  {text}"


def _failed(text: str) -> int:
    with suppress(OSError):
        sys.stdout.flush()  # the rows that came before the error
    print(printable(text), file=sys.stderr)
    return FAILED


def _output(*, exact: bool) -> TextIO:
    """Standard output; `exact`: for programs, as UTF-8 with nothing changed, else for people."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        if exact:
            out.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
        else:
            out.reconfigure(errors="backslashreplace")
    return out


def _discard_output() -> None:
    """Keep Python from complaining, when it ends, that it cannot write what is left."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
