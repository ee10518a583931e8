"""`dblink setup`: creates dblink's functions in a database, for sessions behind `dblink serve`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "setup",
        help="create dblink's functions in a database, for use behind `dblink serve`",
        description="Create dblink's functions in a database, as plain PL/pgSQL: no extension is "
        "needed, and a superuser only for the foreign-data wrapper. Sessions that connect through "
        "`dblink serve` can use them. To do it again brings them up to date.",
    )
    parser.add_argument("--local", metavar="CONNINFO", help="connection string of the database")
    parser.add_argument(
        "--schema", default="public", help="where the functions are to be (default: public)"
    )
    parser.add_argument(
        "--role",
        metavar="SERVICE_ROLE",
        help="the role of `dblink serve --side`, if it is another than that of --local: gets the "
        "rights that it needs, and no others",
    )
    parser.add_argument("--remove", action="store_true", help="drop all that was created")
    parser.add_argument(
        "--cascade", action="store_true", help="with --remove: and what depends on it"
    )
    parser.add_argument(
        "--print-sql",
        action="store_true",
        help="print the SQL, as a script for psql, and run nothing",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import pgwire
    from dblink import shells

    if options.cascade and not options.remove:
        raise CommandError("--cascade goes with --remove")
    if options.print_sql:
        text = (
            shells.removal_script(cascade=options.cascade)
            if options.remove
            else shells.script(options.schema, options.role)
        )
        output(exact=True).write(text)
        return
    if options.local is None:
        raise CommandError("name the database: --local CONNINFO, or use --print-sql")
    with pgwire.connect(options.local) as connection:
        report = (
            shells.remove(connection, cascade=options.cascade)
            if options.remove
            else shells.setup(connection, schema=options.schema, role=options.role)
        )
    print(report, file=output(exact=False))
