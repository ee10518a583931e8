"""The links as a table: all that the pictures say, and what they have no room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dblink.links.model import Link, Target
from dblink.links.page import text
from dblink.links.page.regions import Region

COLUMNS = (
    "cluster",
    "link",
    "source database",
    "target",
    "account",
    "roles",
    "state",
    "health",
    "latency",
    "tested (UTC)",
)


def table(regions: Sequence[Region]) -> str:
    """The table, a body for each region."""
    header = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    return "\n".join(
        [
            '<table><caption id="all">All links</caption>',
            f"<thead><tr>{header}</tr></thead>",
            *(_body(region) for region in regions if region.links),
            "</table>",
        ]
    )


def region_name(region: Region) -> str:
    """What a region is called, safe in HTML."""
    return text.html(region.name) if region.name else "not registered"


def _body(region: Region) -> str:
    head = f'<th scope="rowgroup" colspan="{len(COLUMNS)}">{region_name(region)}</th>'
    rows = _rows(region)
    return "\n".join([f'<tbody><tr class="region">{head}</tr>', *rows, "</tbody>"])


def _rows(region: Region) -> Iterator[str]:
    for number, link in enumerate(region.links, region.first):
        name = f'<a href="#a{number}">{_code(link.name)}</a>'
        cells = (
            _code(link.database),
            _target(link.target),
            _code(link.target.account),
            ", ".join(map(_code, link.roles)) or text.NOTHING,
            link.state,
        )
        kind = text.verdict(link.health)
        problem = text.problem(link.health)
        yield (
            f'<tr id="r{number}" data-link="{number}" class="{kind}"><td>{_code(link.cluster)}</td>'
            f'<th scope="row">{name}</th>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + f'<td class="health">{mark(kind)}{text.WORDS[kind]}'
            + (f"<small>{text.html(problem)}</small>" if problem else "")
            + f'</td><td class="number">{text.html(text.latency(link.health))}</td>'
            + f"<td>{_tested(link)}</td></tr>"
        )


def mark(kind: text.Verdict) -> str:
    """The sign of a verdict, beside its word."""
    return f'<svg class="mark {kind}" aria-hidden="true"><use href="#mark-{kind}"/></svg>'


def _target(target: Target) -> str:
    vpc = f" in {_code(target.vpc)}" if target.vpc else ""
    return f"{_code(target.database)} on {_code(text.place(target))}{vpc}"


def _tested(link: Link) -> str:
    return text.NOTHING if link.health is None else text.moment(link.health.checked)


def _code(name: str) -> str:
    return f"<code>{text.html(name)}</code>"
