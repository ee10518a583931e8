"""`dblink cluster`: the clusters of the link catalogue, and what holds for all of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dblink.commands.catalogue import (
    add_catalogue_option,
    add_format_option,
    opened,
    refuse_password,
    secret_text,
    show,
)
from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands


def add(commands: Commands) -> None:
    """Add the parsers."""
    cluster = commands.add_parser(
        "cluster",
        help="register clusters, between whose databases links lead",
        description="Clusters of the link catalogue: PostgreSQL servers, each with the connection "
        "string of a maintenance role, which makes links in their databases.",
    )
    actions = cluster.add_subparsers(title="actions", metavar="ACTION", required=True)

    new = actions.add_parser("add", help="register a cluster")
    new.add_argument("cluster", metavar="ID", help="its ID")
    new.add_argument("--region", required=True, help="one of the catalogue's regions")
    new.add_argument("--account", required=True, help="whom it belongs to")
    _add_connection(new, required=True)
    new.set_defaults(run=_add)

    change = actions.add_parser("change", help="change how a cluster is reached, or its roles")
    change.add_argument("cluster", metavar="ID", help="its ID")
    _add_connection(change, required=False)
    change.set_defaults(run=_change)

    found = actions.add_parser("list", help="list the clusters")
    found.add_argument("--account", help="only those of this account")
    add_format_option(found)
    found.set_defaults(run=_list)

    remove = actions.add_parser("remove", help="forget a cluster that has no links")
    remove.add_argument("cluster", metavar="ID", help="its ID")
    remove.set_defaults(run=_remove)

    settings = actions.add_parser(
        "settings", help="show or change what holds for all: the quota of links, the regions"
    )
    settings.add_argument("--quota", type=int, metavar="N", help="links a cluster")
    for option, what in (("--add-region", "add"), ("--remove-region", "take out")):
        settings.add_argument(
            option,
            action="append",
            default=[],
            metavar="REGION",
            help=f"{what} a region; may be given several times",
        )
    settings.set_defaults(run=_settings)

    for parser in (new, change, found, remove, settings):
        add_catalogue_option(parser)


def _add_connection(parser: argparse.ArgumentParser, *, required: bool) -> None:
    connection = parser.add_mutually_exclusive_group(required=required)
    connection.add_argument(
        "--conninfo",
        help="connection string of the maintenance role; it names the host, as others reach it, "
        "and has no password in it",
    )
    connection.add_argument(
        "--conninfo-file",
        metavar="FILE",
        help="a file with the connection string, - for standard input; it may have a password",
    )
    parser.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="a role that links are for, unless they say so themselves; may be given several times",
    )


def _conninfo(options: argparse.Namespace) -> str | None:
    if options.conninfo_file is not None:
        return secret_text(options.conninfo_file, "", "")
    if options.conninfo is not None:
        refuse_password(options.conninfo, "--conninfo")
    given: str | None = options.conninfo
    return given


def _add(options: argparse.Namespace) -> None:
    conninfo = _conninfo(options)
    assert conninfo is not None
    with opened(options) as catalogue:
        catalogue.add_cluster(
            options.cluster,
            region=options.region,
            account=options.account,
            conninfo=conninfo,
            roles=options.role or (),
        )
    print(f"registered {options.cluster}", file=output(exact=False))


def _change(options: argparse.Namespace) -> None:
    conninfo = _conninfo(options)
    if conninfo is None and options.role is None:
        raise CommandError("say what to change: --conninfo, --conninfo-file or --role")
    with opened(options) as catalogue:
        catalogue.change_cluster(options.cluster, conninfo=conninfo, roles=options.role)
        leading = [link for link in catalogue.links() if link.target.cluster == options.cluster]
    print(f"changed {options.cluster}", file=output(exact=False))
    if conninfo is not None:
        for link in leading:
            print(
                f"to have it follow: dblink link restart {link.cluster} {link.name}",
                file=output(exact=False),
            )


def _list(options: argparse.Namespace) -> None:
    from pgwire.conninfo import redact

    with opened(options) as catalogue:
        quota, used = catalogue.settings().quota, catalogue.quota_used()
        records: list[dict[str, Any]] = [
            {
                "cluster": cluster.id,
                "region": cluster.region,
                "account": cluster.account,
                "connection": redact(cluster.conninfo),
                "roles": list(cluster.roles),
                "links": used.get(cluster.id, 0),
                "quota": quota,
            }
            for cluster in catalogue.clusters(options.account)
        ]
    names = ("cluster", "region", "account", "connection", "roles", "links", "quota")
    show(options, records, names, right=("links", "quota"))


def _remove(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        catalogue.remove_cluster(options.cluster)
    print(f"removed {options.cluster}", file=output(exact=False))


def _settings(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        if options.quota is None and not options.add_region and not options.remove_region:
            settings = catalogue.settings()
        else:
            settings = catalogue.configure(
                quota=options.quota,
                add_regions=options.add_region,
                remove_regions=options.remove_region,
            )
    out = output(exact=False)
    print(f"quota: {settings.quota} links a cluster", file=out)
    print(f"regions: {', '.join(settings.regions)}", file=out)
