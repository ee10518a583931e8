"""`dblink demo`: every documented function, on a server of its own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "demo", help="call every documented function, on a server of its own"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from dblink.demo import run  # brings the test kit, with which servers are started

    try:
        run(output(exact=False))
    except RuntimeError as error:  # the kit's: there is no server to start, or it does not start
        raise CommandError(error) from error
