"""`dblink key`: access keys, with which requests to `dblink api` are signed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dblink.commands.catalogue import add_catalogue_option, add_format_option, opened, show
from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the parsers."""
    key = commands.add_parser(
        "key",
        help="make and withdraw access keys for `dblink api`",
        description="Access keys of the link catalogue. What one may be used for, its policy "
        "documents say; without one, it may be used for nothing.",
    )
    actions = key.add_subparsers(title="actions", metavar="ACTION", required=True)

    create = actions.add_parser("create", help="make an access key, and print it with its secret")
    create.add_argument("--account", required=True, help="whose clusters it can see")
    create.add_argument("--note", default="", help="whose it is")
    create.set_defaults(run=_create)

    found = actions.add_parser("list", help="list the access keys, without secrets")
    add_format_option(found)
    found.set_defaults(run=_list)

    change = actions.add_parser("change", help="disable or enable a key, or give it other policies")
    change.add_argument("key", metavar="ID", help="the ID of the access key")
    state = change.add_mutually_exclusive_group()
    state.add_argument("--disable", action="store_const", const=False, dest="active")
    state.add_argument("--enable", action="store_const", const=True, dest="active")
    change.set_defaults(run=_change, active=None)

    delete = actions.add_parser("delete", help="withdraw an access key")
    delete.add_argument("key", metavar="ID", help="the ID of the access key")
    delete.set_defaults(run=_delete)

    for parser in (create, change):
        parser.add_argument(
            "--policy",
            action="append",
            metavar="FILE",
            help="a file with a policy document in JSON, - for standard input; may be given "
            "several times",
        )
    for parser in (create, found, change, delete):
        add_catalogue_option(parser)


def _create(options: argparse.Namespace) -> None:
    policies = _policies(options.policy or [])
    with opened(options) as catalogue:
        key = catalogue.add_access_key(options.account, policies=policies, note=options.note)
    out = output(exact=False)
    print(f"AccessKeyId: {key.id}", file=out)
    print(f"AccessKeySecret: {key.secret}", file=out)
    if not policies:
        print(f"It allows nothing yet: dblink key change {key.id} --policy FILE", file=sys.stderr)


def _list(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        records = [
            {
                "key": key.id,
                "account": key.account,
                "active": key.active,
                "created": key.created.isoformat(timespec="seconds"),
                "note": key.note,
                "policies": list(key.policies),
            }
            for key in catalogue.access_keys()
        ]
    if options.format == "table":
        for record in records:
            record["active"] = "yes" if record["active"] else "no"
            record["policies"] = json.dumps(record["policies"], ensure_ascii=False)
    show(options, records, ("key", "account", "active", "created", "note", "policies"))


def _change(options: argparse.Namespace) -> None:
    policies = None if options.policy is None else _policies(options.policy)
    if options.active is None and policies is None:
        raise CommandError("say what to change: --disable, --enable or --policy")
    with opened(options) as catalogue:
        catalogue.change_access_key(options.key, active=options.active, policies=policies)
    print(f"changed {options.key}", file=output(exact=False))


def _delete(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        catalogue.remove_access_key(options.key)
    print(f"deleted {options.key}", file=output(exact=False))


def _policies(files: list[str]) -> list[Mapping[str, Any]]:
    from dblink.links import LinkError, policy

    found: list[Mapping[str, Any]] = []
    for file in files:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        try:
            found.append(policy.parse(text))
        except LinkError as error:
            raise CommandError(f"{file}: {error}") from error
    return found
