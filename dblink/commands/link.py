"""`dblink link`: links between databases of the catalogue's clusters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dblink.commands.catalogue import (
    add_catalogue_option,
    add_format_option,
    opened,
    secret_text,
    show,
)
from dblink.commands.common import CommandError, output

if TYPE_CHECKING:
    from dblink.commands.common import Commands
    from dblink.links import Health, Link

PASSWORD: Final = "DBLINK_TARGET_PASSWORD"


def add(commands: Commands) -> None:
    """Add the parsers."""
    link = commands.add_parser(
        "link",
        help="make, look after and delete links between databases",
        description="Links of the catalogue: the name of one is a connection name of dblink in its "
        "source database.",
    )
    actions = link.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser(
        "create",
        help="make a link",
        description="Make a link, when its target is proven to let the account in. The password of "
        f"the target's account comes from --password-file, the variable {PASSWORD} or a prompt; it "
        "is kept in the source database only.",
    )
    _add_name(create)
    create.add_argument("--database", required=True, metavar="DB", help="the source database")
    create.add_argument(
        "--target-cluster", metavar="ID", help="the target, if it is a cluster of the catalogue"
    )
    create.add_argument(
        "--target-ip", metavar="ADDRESS", help="the target, if it is a server of one's own"
    )
    create.add_argument("--target-port", metavar="PORT", type=int, help="the port of --target-ip")
    create.add_argument("--target-database", required=True, metavar="DB")
    create.add_argument("--target-account", required=True, metavar="ROLE")
    create.add_argument(
        "--password-file",
        metavar="FILE",
        help="its first line is the password; - for standard input",
    )
    # Else argparse would take it for the beginning of --password-file, and tell what no file is.
    create.add_argument("--password", action=_Refused, help=argparse.SUPPRESS)
    create.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="who may use the link, besides the maintenance role; PUBLIC for everybody; may be "
        "given several times (default: the cluster's)",
    )
    create.add_argument("--region", help="refuse to make it if the cluster is in another one")
    create.add_argument("--vpc", metavar="ID", help="the network of --target-ip, to be noted")
    create.add_argument("--resource-group", metavar="ID", help="to be noted")
    create.add_argument(
        "--client-token", metavar="TOKEN", help="makes it harmless to run the same command again"
    )
    create.set_defaults(run=_create)

    found = actions.add_parser("list", help="list the links")
    found.add_argument("cluster", metavar="CLUSTER", nargs="?", help="only those of this source")
    add_format_option(found)
    found.set_defaults(run=_list)

    one = actions.add_parser("show", help="show one link")
    _add_name(one)
    add_format_option(one)
    one.set_defaults(run=_show)

    test = actions.add_parser("test", help="test links: all, those of a source, or one")
    test.add_argument("cluster", metavar="CLUSTER", nargs="?", help="the source cluster")
    test.add_argument("link", metavar="LINK", nargs="?", help="the link")
    add_format_option(test)
    test.set_defaults(run=_test)

    restart = actions.add_parser(
        "restart", help="prove a link once more, and have it follow its target's address"
    )
    _add_name(restart)
    restart.set_defaults(run=_restart)

    delete = actions.add_parser("delete", help="undo a link")
    _add_name(delete)
    delete.add_argument(
        "--force",
        action="store_true",
        help="forget it even if the source database cannot be reached",
    )
    delete.set_defaults(run=_delete)

    page = actions.add_parser("page", help="write a page that shows clusters and links")
    page.add_argument("file", metavar="FILE", help="where to write the HTML; - for standard output")
    page.set_defaults(run=_page)

    for parser in (create, restart, test):
        add_catalogue_option(parser, allow=True)
    for parser in (found, one, delete, page):
        add_catalogue_option(parser)


class _Refused(argparse.Action):
    """A password as an argument."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: object,
        values: object,
        option: object = None,
    ) -> None:
        parser.error(
            "a password is no argument, since others can see a command line: use --password-file, "
            f"{PASSWORD} or the prompt"
        )


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cluster", metavar="CLUSTER", help="the source cluster")
    parser.add_argument("link", metavar="LINK", help="the name of the link")


def _create(options: argparse.Namespace) -> None:
    from dblink.links import Target

    password = secret_text(options.password_file, PASSWORD, "password of the target's account")
    with opened(options) as catalogue:
        link = catalogue.create_link(
            options.cluster,
            options.link,
            database=options.database,
            target=Target(
                database=options.target_database,
                account=options.target_account,
                cluster=options.target_cluster,
                address=options.target_ip,
                port=options.target_port,
                vpc=options.vpc,
            ),
            password=password,
            region=options.region,
            resource_group=options.resource_group,
            roles=options.role,
            client_token=options.client_token,
        )
    print(
        f"created {link.name}: SELECT * FROM dblink('{link.name}', '…') AS t(…) works in the "
        f"database {link.database} of {link.cluster}",
        file=output(exact=False),
    )


def _list(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        found = catalogue.links(options.cluster, unfinished=True)
    names = ("cluster", "link", "database", "target", "account", "roles", "state", "health")
    show(options, [_record(link) for link in found], (*names, "latency_ms"), right=("latency_ms",))


def _show(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        record = _record(catalogue.link(options.cluster, options.link))
    if options.format == "json":
        show(options, [record], ())
        return
    fields = [{"field": name.replace("_", " "), "value": value} for name, value in record.items()]
    show(options, fields, ("field", "value"))


def _test(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        if options.link is not None:
            names = [(options.cluster, options.link)]
        else:
            names = [(link.cluster, link.name) for link in catalogue.links(options.cluster)]
        records = [
            {"cluster": cluster, "link": name, **_tested(catalogue.test_link(cluster, name))}
            for cluster, name in names
        ]
    show(
        options,
        records,
        ("cluster", "link", "health", "latency_ms", "problem"),
        right=("latency_ms",),
    )
    failed = sum(record["health"] != "ok" for record in records)
    if failed:
        raise CommandError(f"{failed} of {len(records)} links failed")


def _restart(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        link = catalogue.restart_link(options.cluster, options.link)
    assert link.health is not None and link.health.latency is not None
    print(
        f"restarted {link.name}: ok, {link.health.latency * 1000:.1f} ms",
        file=output(exact=False),
    )


def _delete(options: argparse.Namespace) -> None:
    with opened(options) as catalogue:
        catalogue.delete_link(options.cluster, options.link, force=options.force)
    print(f"deleted {options.link}", file=output(exact=False))


def _page(options: argparse.Namespace) -> None:
    from dblink.links.page import page
    from dblink.links.records import now

    with opened(options) as catalogue:
        text = page(
            catalogue.settings(),
            catalogue.clusters(),
            catalogue.links(unfinished=True),
            catalogue.quota_used(),
            made=now(),
        )
    if options.file == "-":
        output(exact=True).write(text)
    else:
        Path(options.file).write_text(text, encoding="utf-8", newline="")


def _record(link: Link) -> dict[str, Any]:
    target = link.target
    where = target.cluster if target.cluster is not None else f"{target.address}:{target.port}"
    return {
        "cluster": link.cluster,
        "link": link.name,
        "database": link.database,
        "target": f"{where}/{target.database}",
        "account": target.account,
        "roles": list(link.roles),
        "state": link.state,
        "created": link.created.isoformat(timespec="seconds"),
        "resource_group": link.resource_group,
        "vpc": target.vpc,
        **_tested(link.health),
    }


def _tested(health: Health | None) -> dict[str, Any]:
    if health is None:
        return {"health": "never tested", "latency_ms": None, "checked": None, "problem": None}
    return {
        "health": "ok" if health.ok else "failed",
        "latency_ms": None if health.latency is None else round(health.latency * 1000, 2),
        "checked": health.checked.isoformat(timespec="seconds"),
        "problem": health.problem,
    }
