"""What is to be seen, sorted: the regions, the servers in each, and the links between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dblink.links.model import Cluster, Link, Settings
from dblink.links.page import text
from dblink.links.page.graph import Wire

UNKNOWN: Final = ""
"""The region of what is in no region: the source of a link that the catalogue does not know."""


@dataclass(frozen=True, slots=True)
class Server:
    """A box of the picture.

    Attributes:
        name: a cluster's ID, or address and port.
        note: more about it; for a cluster, whom it belongs to.
        used: links of a cluster of this region; None for any other server.
        quota: how many it may have.
    """

    name: str
    note: str
    used: int | None = None
    quota: int = 0


@dataclass(slots=True)
class Region:
    """A region with what is shown in it.

    Attributes:
        name: its ID.
        servers: clusters by ID, then the other servers that links lead to.
        links: whose source is in it, by source and name.
        wires: the servers of each link, by their numbers.
        first: number of the first link, counted over all regions.
    """

    name: str
    servers: list[Server] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    first: int = 0

    @property
    def clusters(self) -> int:
        """How many of the servers are clusters of this region."""
        return sum(server.used is not None for server in self.servers)


def regions(
    settings: Settings,
    clusters: Sequence[Cluster],
    links: Sequence[Link],
    used: Mapping[str, int],
) -> list[Region]:
    """The regions that have something, in the order of the settings and then by name.

    A server of one's own is in the region of the links that lead to it. So is a cluster of another
    region, or one that the catalogue does not know: a box apart, without a quota.
    """
    home = {cluster.id: cluster.region for cluster in clusters}
    order = {name: place for place, name in enumerate(settings.regions)}
    found: dict[str, Region] = {}
    numbers: defaultdict[str, dict[Server | str, int]] = defaultdict(dict)

    def number(region: Region, key: Server | str, server: Server) -> int:
        known = numbers[region.name]
        if key not in known:
            known[key] = len(region.servers)
            region.servers.append(server)
        return known[key]

    def named(name: str) -> Region:
        return found.setdefault(name, Region(name))

    for cluster in sorted(clusters, key=lambda cluster: cluster.id):
        box = Server(cluster.id, cluster.account, used.get(cluster.id, 0), settings.quota)
        number(named(cluster.region), cluster.id, box)
    for link in sorted(links, key=lambda link: (link.cluster, link.name, link.id)):
        region = named(home.get(link.cluster, UNKNOWN))
        source = number(region, link.cluster, Server(link.cluster, "not registered"))
        target = _target(link, region.name, home)
        region.links.append(link)
        key = target if link.target.cluster is None else target.name
        region.wires.append(Wire(source, number(region, key, target)))
    result = sorted(
        found.values(),
        key=lambda region: (
            region.name == UNKNOWN,
            order.get(region.name, len(order)),
            region.name,
        ),
    )
    first = 0
    for region in result:
        region.first = first
        first += len(region.links)
    return result


def _target(link: Link, region: str, home: Mapping[str, str]) -> Server:
    """The box of a target, should it not be there yet."""
    target = link.target
    name = text.place(target)
    if target.cluster is None:
        # The same address in two networks is two servers.
        return Server(name, f"in {target.vpc}" if target.vpc else "self-managed")
    elsewhere = home.get(target.cluster)
    if elsewhere is None:
        return Server(name, "not registered")
    return Server(name, f"in {elsewhere}" if elsewhere != region else "")
