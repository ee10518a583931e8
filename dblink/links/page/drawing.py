"""The pictures of a region as SVG: one for each group of servers that links connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from dblink.links.model import Link
from dblink.links.page import text
from dblink.links.page.graph import Wire, groups
from dblink.links.page.layout import HEAD, ROW, Box, Layout, Route, lay_out, row_y
from dblink.links.page.regions import Region, Server

NAME: Final = 36
"""Characters of a name that a box shows; the table, and the title of the box, have all of them."""
SIDE: Final = 17
"""Characters of either name in "link from cluster", where a link comes in."""

_NAME_EM: Final = 7.4
_NOTE_EM: Final = 6.7
"""How wide a character of the fixed-width fonts is at most, at the sizes that page.css has."""
_INSET: Final = 12
_MARK: Final = 20
_BAR: Final = 64
_LEAST: Final = 210
_CORNER: Final = 8


def pictures(region: Region) -> Iterator[str]:
    """The pictures of a region, those with the most links first."""
    for place, members in enumerate(groups(len(region.servers), region.wires)):
        here = {server: number for number, server in enumerate(members)}
        links = [
            (region.first + number, region.links[number], Wire(here[source], here[target]))
            for number, (source, target) in enumerate(region.wires)
            if source in here
        ]
        servers = [region.servers[server] for server in members]
        yield _picture(f"{region.first}-{place}-{members[0]}", region.name, servers, links)


_Drawn = tuple[int, Link, Wire]


def _picture(name: str, region: str, servers: Sequence[Server], links: Sequence[_Drawn]) -> str:
    widths = [_head_width(server) for server in servers]
    for _, link, (source, target) in links:
        widths[source] = max(widths[source], _leaving_width(link))
        widths[target] = max(widths[target], _coming_width(link))
    layout = lay_out(widths, [wire for _, _, wire in links])
    named = ", ".join(text.cut(server.name, NAME) for server in servers[:5])
    more = f" and {len(servers) - 5} more" if len(servers) > 5 else ""
    where = f" in {region}" if region else ""
    return "\n".join(
        [
            f'<svg class="picture" viewBox="0 0 {layout.width} {layout.height}"'
            f' width="{layout.width}" height="{layout.height}" role="group"'
            f' aria-labelledby="t{name}" aria-describedby="d{name}">',
            f'<title id="t{name}">{text.html(f"{named}{more}{where}")}</title>',
            f'<desc id="d{name}">{_description(len(servers), len(links))}</desc>',
            *map(_box, servers, layout.boxes),
            *_arrows(layout, links),
            "</svg>",
        ]
    )


def _description(servers: int, links: int) -> str:
    if not links:
        return "A cluster without links."
    return (
        f"{text.number(servers, 'server')} as boxes, {text.number(links, 'link')} as arrows from "
        "the cluster that has the link to its target. The table below says the same."
    )


def _head_width(server: Server) -> int:
    second = text.width(text.cut(server.note, NAME)) * _NOTE_EM
    if server.used is not None:
        second += _BAR + 8 + 16 + len(_quota(server)) * _NOTE_EM
    name = text.width(text.cut(server.name, NAME)) * _NAME_EM
    return max(_LEAST, round(max(name, second) + 2 * _INSET))


def _leaving_width(link: Link) -> int:
    name = text.width(text.cut(link.name, NAME)) * _NAME_EM
    return round(2 * _INSET + _MARK + name + 14 + len(text.state(link)) * _NOTE_EM)


def _coming_width(link: Link) -> int:
    return round(2 * _INSET + _MARK + text.width(_origin(link)) * _NOTE_EM)


def _quota(server: Server) -> str:
    return f"{server.used} of {server.quota}"


def _origin(link: Link) -> str:
    return f"{text.cut(link.name, SIDE)} from {text.cut(link.cluster, SIDE)}"


def _box(server: Server, box: Box) -> str:
    x, y, width, height = box
    kind = "cluster" if server.used is not None else "other"
    parts = [
        f'<g class="server {kind}"><title>{text.html(server.name)}</title>',
        f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>',
        _text(x + _INSET, y + 20, text.cut(server.name, NAME), "name", _NAME_EM),
    ]
    note = text.cut(server.note, NAME)
    if server.used is None:
        parts.append(_text(x + _INSET, y + 38, note, "note", _NOTE_EM))
    else:
        parts.append(_bar(server, x + _INSET, y + 31))
        quota = _text(x + _INSET + _BAR + 8, y + 38, _quota(server), "note quota", _NOTE_EM)
        parts.append(quota)
        parts.append(_text(x + width - _INSET, y + 38, note, "note end", _NOTE_EM))
    if height > HEAD:
        parts.append(f'<path class="rule" d="M{x} {y + HEAD - 2}h{width}"/>')
    return "".join([*parts, "</g>"])


def _bar(server: Server, x: int, y: int) -> str:
    """How much of the quota is used."""
    used, quota = server.used or 0, server.quota
    filled = _BAR if used >= quota else round(_BAR * used / quota)
    kind = "full" if used >= quota else "used"
    return (
        f'<rect class="bar" x="{x}" y="{y}" width="{_BAR}" height="7" rx="2"/>'
        f'<rect class="{kind}" x="{x}" y="{y}" width="{filled}" height="7" rx="2"/>'
    )


def _arrows(layout: Layout, links: Sequence[_Drawn]) -> Iterator[str]:
    ends: list[list[tuple[int, int]]] = [[(0, 0), (0, 0)] for _ in links]
    for server, rows in enumerate(layout.rows):
        for place, row in enumerate(rows):
            ends[row.wire][0 if row.leaves else 1] = (server, place)
    for (number, link, _), route, (start, end) in zip(links, layout.routes, ends, strict=True):
        kind = text.verdict(link.health)
        path = _path(route)
        from_box, to_box = layout.boxes[start[0]], layout.boxes[end[0]]
        leaves, comes = row_y(from_box, start[1]), row_y(to_box, end[1])
        yield (
            f'<a class="link {kind}" id="a{number}" href="#r{number}" data-link="{number}">'
            f"<title>{_title(link)}</title>"
            f"{_row(from_box, leaves)}{_row(to_box, comes)}"
            f'<path class="hit" d="{path}"/><path class="wire" d="{path}"/>'
            f'<use href="#mark-{kind}" x="{from_box.x + _INSET}" y="{leaves - 6}" width="12"'
            ' height="12"/>'
            + _text(
                from_box.x + _INSET + _MARK,
                leaves + 4,
                text.cut(link.name, NAME),
                "name",
                _NAME_EM,
            )
            + _text(
                from_box.x + from_box.width - _INSET,
                leaves + 4,
                text.state(link),
                "state end",
                _NOTE_EM,
            )
            + _text(to_box.x + _INSET + _MARK, comes + 4, _origin(link), "note", _NOTE_EM)
            + "</a>"
        )


def _title(link: Link) -> str:
    """What is shown beside the pointer, and said by a screen reader."""
    target = text.place(link.target)
    line = f"{link.name}: from {link.database} on {link.cluster} to {link.target.database} on "
    said = f"{line}{target}; {text.state(link)}"
    problem = text.problem(link.health, 160)
    return text.html(f"{said}: {problem}" if problem else said)


def _row(box: Box, y: int) -> str:
    return (
        f'<rect class="row" x="{box.x + 4}" y="{y - ROW // 2 + 1}" width="{box.width - 8}"'
        f' height="{ROW - 2}" rx="4"/>'
    )


def _text(x: int, y: int, content: str, kind: str, em: float) -> str:
    # Only of ASCII is it known how wide it is in any font. The rest is made to fit.
    fit = "" if content.isascii() else _fit(content, em)
    return f'<text class="{kind}" x="{x}" y="{y}"{fit}>{text.html(content)}</text>'


def _fit(content: str, em: float) -> str:
    wide = f"{text.width(content) * em:.0f}"
    return f' textLength="{wide}" lengthAdjust="spacingAndGlyphs"'


def _path(route: Route) -> str:
    x, y, lane, end_y, end_x = route
    if y == end_y:
        return f"M{x} {y}H{end_x}"
    r = min(_CORNER, abs(end_y - y) // 2)
    first, last = (1 if lane > x else -1), (1 if end_x > lane else -1)
    down = 1 if end_y > y else -1
    return (
        f"M{x} {y}H{lane - first * r}q{first * r} 0 {first * r} {down * r}"
        f"V{end_y - down * r}q0 {down * r} {last * r} {down * r}H{end_x}"
    )
