"""What the commands on the link catalogue share: which one, how secrets come in, rows go out."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dblink.commands.common import CommandError, output
from dblink.tables import print_table, printable

if TYPE_CHECKING:
    from dblink.links import LinkCatalogue, Repair

VARIABLE: Final = "DBLINK_CATALOGUE"


def add_catalogue_option(parser: argparse.ArgumentParser, *, allow: bool = False) -> None:
    """Add `--catalogue`, and, for commands that connect to targets, `--allow`."""
    parser.add_argument(
        "--catalogue",
        metavar="STORE",
        help="where the catalogue is kept: a file, or the connection string of a database "
        f"(default: that of the variable {VARIABLE}, else {_default()})",
    )
    if allow:
        parser.add_argument(
            "--allow",
            action="append",
            default=[],
            metavar="REMOTE",
            help="a server of one's own that links may lead to, as host:port or network, * for "
            "any; may be given several times (default: all addresses but link-local ones and those "
            "of metadata services)",
        )


def add_format_option(parser: argparse.ArgumentParser) -> None:
    """Add `--format`."""
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="how to print (default: table)"
    )


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[LinkCatalogue]:
    """The catalogue that the options name, with what was interrupted put in order. What it raises
    becomes a CommandError."""
    from dblink.links import LinkCatalogue, LinkError, StoreError

    where = options.catalogue
    if where is not None:
        refuse_password(where, "--catalogue")
    else:
        where = os.environ.get(VARIABLE) or _default()
    try:
        with LinkCatalogue(where, allow=getattr(options, "allow", ())) as catalogue:
            for repair in catalogue.reconcile():
                print(printable(told(repair)), file=sys.stderr)
            yield catalogue
    except (LinkError, StoreError, ValueError) as error:  # the last one of --allow
        raise CommandError(error) from error


def told(repair: Repair) -> str:
    """What became of an interrupted link, as a line."""
    link = repair.link
    because = "" if repair.reason is None else f": {repair.reason}"
    return f"dblink: interrupted link {link.name} of {link.cluster}: {repair.outcome}{because}"


def refuse_password(text: str, option: str) -> None:
    """Raises CommandError if `text` is a connection string with a password: others can see the
    arguments of a command."""
    from dblink.links.store import is_conninfo
    from pgwire import conninfo

    if not is_conninfo(text):
        return
    secret = {keyword for keyword, known in conninfo.OPTIONS.items() if known.secret}
    try:
        given = conninfo.parse(text)
    except conninfo.ConninfoError:
        return  # whoever uses it tells what is wrong with it
    if secret & given.keys():
        raise CommandError(
            f"{option} must not hold a password, since others can see a command line: use a "
            f"password file, a service file, PGPASSWORD or, for a cluster, --conninfo-file"
        )


def secret_text(file: str | None, variable: str, prompt: str) -> str:
    """A secret: the first line of a file (`-`: of standard input), else the value of an
    environment variable, else what is typed at a prompt. Raises CommandError if there is none."""
    if file is not None:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        return text.split("\n", 1)[0].removesuffix("\r")
    if variable in os.environ:
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise CommandError(f"there is no terminal to ask for it: {prompt} by file or {variable}")
    return getpass.getpass(f"{prompt}: ")


def show(
    options: argparse.Namespace,
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    *,
    right: Sequence[str] = (),
) -> None:
    """Print records: as a table of the fields `names`, or whole, as JSON."""
    if options.format == "json":
        json.dump(records, output(exact=True), ensure_ascii=False, indent=2)
        print(file=sys.stdout)
        return
    rows = [[_cell(record[name]) for name in names] for record in records]
    headings = [name.replace("_", " ") for name in names]
    print_table(headings, rows, output(exact=False), right=[names.index(name) for name in right])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _default() -> str:
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return os.path.expanduser(f"{home}/dblink/links.db")
