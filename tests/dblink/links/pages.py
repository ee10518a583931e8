"""Catalogues for the tests of the page, made up without a server, and the page taken apart."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import NamedTuple

from dblink.links.model import Cluster, Health, Link, Settings, Target
from dblink.links.page import page

MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CONNINFO = "host=10.9.8.7 user=keeper password=hunter2"
PROBLEM = 'connection to "10.20.0.9" failed:\nConnection refused'
REGIONS = ("cn-hangzhou", "cn-shanghai", *(f"eu-{number}" for number in range(18)))

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "a&amp;b&#60;",
    "two\nlines\r\tand a tab",
    "\x00\x1b[31m\x7f\x85",
    "\u202eevil\u2066\u200f",
    "a\u2028b\u2029c\ufeff",
    "\ud800 lone",
    "]]>--><!--",
    "$body ${style} %s {made}",
    "</title></svg></style>",
    "\N{HEBREW LETTER ALEF}1\N{ARABIC LETTER ALEF}\u3000\U0001f9c0",
]


class Catalogue(NamedTuple):
    """What a page is made of."""

    settings: Settings
    clusters: list[Cluster]
    links: list[Link]
    used: dict[str, int]

    def page(self) -> str:
        return page(*self, made=MADE)


def link(name: str, source: str, target: Target | str, health: Health | None = None) -> Link:
    if isinstance(target, str):
        target = Target("sales", "reader", cluster=target)
    return Link(name, source, name, "shop", target, ("PUBLIC",), "active", MADE, None, health)


def health(milliseconds: float | None) -> Health:
    """That of a link that answered after so long; None: that failed."""
    checked = MADE - timedelta(minutes=5)
    if milliseconds is None:
        return Health(checked, None, PROBLEM)
    return Health(checked, milliseconds / 1000, None)


def small() -> Catalogue:
    """Three clusters and one server of one's own: of everything one."""
    own = Target("crm", "reader", address="10.20.0.9", port=5433, vpc="vpc-7")
    clusters = [
        Cluster("pc-shop", REGIONS[0], "acme", CONNINFO),
        Cluster("pc-stock", REGIONS[0], "acme", CONNINFO),
        Cluster("pc-lonely", REGIONS[1], "other", CONNINFO),
    ]
    links = [
        link("orders", "pc-shop", "pc-stock", health(4.2)),
        link("orders_again", "pc-shop", "pc-stock", health(12.4)),
        link("back", "pc-stock", "pc-shop"),
        link("itself", "pc-shop", "pc-shop", health(0.02)),
        link("crm", "pc-shop", own, health(None)),
    ]
    used = {"pc-shop": 7, "pc-stock": 10}
    return Catalogue(Settings(REGIONS, 10), clusters, links, used)


def large(clusters: int, links: int, regions: int) -> Catalogue:
    """A catalogue of that size; the same at every call."""
    chance = random.Random(clusters + links)
    made = [Cluster(f"pc-{n:03}", REGIONS[n % regions], "acme", CONNINFO) for n in range(clusters)]
    found = []
    for n in range(links):
        source = chance.choice(made)
        near = [cluster.id for cluster in made if cluster.region == source.region]
        state = chance.choice([None, health(None), health(3), health(40), health(1234)])
        found.append(link(f"link_number_{n}", source.id, chance.choice(near), state))
    used: dict[str, int] = {}
    for one in found:
        for cluster in (one.cluster, one.target.cluster):
            used[str(cluster)] = used.get(str(cluster), 0) + 1
    return Catalogue(Settings(REGIONS, 10), made, found, used)


def named(name: str) -> Catalogue:
    """A catalogue in which everything that has a name has this one."""
    own = Target(name, name, address=name, port=5432, vpc=name)
    itself = link(name, name, Target(name, name, cluster=name), Health(MADE, None, name))
    links = [
        replace(itself, id="1", database=name),
        replace(link(name, name, own), id="2", database=name, roles=(name, name)),
    ]
    return Catalogue(Settings((name,), 10), [Cluster(name, name, name, "")], links, {name: 3})


class Element(NamedTuple):
    """An element of a page, with all text in it."""

    tag: str
    attributes: dict[str, str]
    text: str

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class Parsed(HTMLParser):
    """The elements of a page in the order of their ends. Tags that do not match fail."""

    VOID = frozenset({"meta"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag} {attrs}"
        attributes = {name: value or "" for name, value in attrs}
        if tag in self.VOID:
            self.elements.append(Element(tag, attributes, ""))
        else:
            self._open.append((tag, attributes, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        opened, attributes, text = self._open.pop()
        assert opened == tag
        self.elements.append(Element(tag, attributes, "".join(text)))
        if self._open:
            self._open[-1][2].extend(text)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def all(self, tag: str, kind: str | None = None) -> list[Element]:
        """The elements of a tag, and of a class."""
        return [e for e in self.elements if e.tag == tag and (kind is None or kind in e.classes)]
