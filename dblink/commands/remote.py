"""`dblink query` and `dblink exec`: a remote query or command for one-off use.

Who calls them owns the process and its secrets: the session is privileged.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import pgwire
from dblink.commands.common import output, seconds
from dblink.exports import write_csv, write_json
from dblink.session import Session
from dblink.tables import print_result, printable

if TYPE_CHECKING:
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the parsers of both commands."""
    query = commands.add_parser("query", help="run a query and print its rows")
    _add_arguments(query)
    query.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="how to print: csv and json print each row as it comes (default: table)",
    )
    query.set_defaults(run=_query)

    command = commands.add_parser("exec", help="run a command and print its command tag")
    _add_arguments(command)
    command.set_defaults(run=_exec)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
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
        type=seconds,
        metavar="SECONDS",
        help="cancel the statement when it takes longer",
    )


def _query(options: argparse.Namespace) -> None:
    with _session() as session:
        result = session.dblink(
            options.connstr, options.sql, params=options.param, timeout=options.timeout
        )
        if options.format == "csv":
            write_csv(result.columns, result.text_rows(), output(exact=True))
        elif options.format == "json":
            write_json(result.columns, result.text_rows(), output(exact=True))
        else:
            print_result(result, output(exact=False))


def _exec(options: argparse.Namespace) -> None:
    with _session() as session:
        tag = session.dblink_exec(
            options.connstr, options.sql, params=options.param, timeout=options.timeout
        )
    print(tag, file=output(exact=False))


def _session() -> Session:
    return Session(privileged=True, on_remote_notice=_tell_notice)


def _tell_notice(notice: pgwire.Diagnostics, connection: str | None) -> None:
    print(printable(notice.render()), file=sys.stderr)
