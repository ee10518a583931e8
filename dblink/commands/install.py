"""`dblink install` and `dblink uninstall`: the functions inside a server, in PL/Python."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands

_CONNSTR_HELP = (
    "connection string of the database, key=value or URI, with a superuser; what it leaves out "
    "comes from PGHOST, PGPASSWORD, …, as with psql"
)


def add(commands: Commands) -> None:
    """Add the parsers of both commands."""
    install = commands.add_parser(
        "install",
        help="create dblink's functions inside a server, in PL/Python",
        description="Create dblink's functions in a database, in PL/Python: its server's Python "
        "imports this package, in the same version. Can be repeated, to bring an installation up "
        "to date.",
    )
    install.add_argument("--into", required=True, metavar="CONNINFO", help=_CONNSTR_HELP)
    install.add_argument(
        "--schema", default="public", help="where to create the functions (default: public)"
    )
    install.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder on the server's machine that holds this package, where the server's Python "
        "does not find it by itself; may be given several times",
    )
    install.set_defaults(run=_install)

    uninstall = commands.add_parser(
        "uninstall", help="remove what `dblink install` has created in a database"
    )
    uninstall.add_argument(
        "--from", dest="conninfo", required=True, metavar="CONNINFO", help=_CONNSTR_HELP
    )
    uninstall.add_argument(
        "--cascade",
        action="store_true",
        help="also remove what depends on the functions: views, foreign servers, …",
    )
    uninstall.set_defaults(run=_uninstall)


def _install(options: argparse.Namespace) -> None:
    import pgwire
    from dblink.plpython import InstallError, install

    for folder in options.path:
        if not os.path.isabs(folder):
            raise CommandError(f"--path {folder}: the server needs the folder's whole path")
    with pgwire.connect(options.into) as connection:
        try:
            report = install(connection, schema=options.schema, folders=options.path)
        except InstallError as error:
            raise CommandError(error) from error
    _tell(report)


def _uninstall(options: argparse.Namespace) -> None:
    import pgwire
    from dblink.plpython import InstallError, uninstall

    with pgwire.connect(options.conninfo) as connection:
        try:
            report = uninstall(connection, cascade=options.cascade)
        except InstallError as error:
            raise CommandError(error) from error
    _tell(report)


def _tell(report: list[str]) -> None:
    out = output(exact=False)
    for line in report:
        print(line, file=out)
