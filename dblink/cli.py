"""The command `dblink`. What each of its commands does stands in `dblink.commands`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import pgwire
from dblink.commands import COMMANDS
from dblink.commands.common import CommandError
from dblink.tables import printable

FAILED = 1
INTERRUPTED = 128 + 2  # as the shell counts a program that SIGINT has ended
PIPE_CLOSED = 128 + 13  # and SIGPIPE


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
    for module in COMMANDS:
        module.add(commands)
    return parser


def _rendered(error: pgwire.Error, sql: str | None) -> str:
    """`error` in psql's style."""
    if error.message != error.diagnostics.message:
        return f"dblink: error: {error}"  # of connecting: it says where to
    text = error.diagnostics.render(sql)
    return text if error.severity is not None else f"ERROR:  {text}"


def _failed(text: str) -> int:
    with suppress(OSError):
        sys.stdout.flush()  # the rows that came before the error
    print(printable(text), file=sys.stderr)
    return FAILED


def _discard_output() -> None:
    """Keep Python from complaining, when it ends, that it cannot write what is left."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
