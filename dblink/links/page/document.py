"""The page around pictures and table: one file that asks for nothing else, and forbids it."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from string import Template

from dblink.links.model import Cluster, Link, Settings
from dblink.links.page import text
from dblink.links.page.drawing import pictures
from dblink.links.page.regions import Region, regions
from dblink.links.page.table import mark, region_name, table


def page(
    settings: Settings,
    clusters: Sequence[Cluster],
    links: Sequence[Link],
    used: Mapping[str, int],
    *,
    made: datetime,
) -> str:
    """A catalogue as an HTML page, complete in itself.

    The same catalogue gives the same page. No connection string is read for it.

    Args:
        settings: regions, in their order, and the quota.
        clusters: those to show.
        links: those to show.
        used: how many links each cluster has, by its ID: as source and as target.
        made: the time to which all this belongs.
    """
    style, script = _resource("page.css"), _resource("page.js")
    found = regions(settings, clusters, links, used)
    return Template(_resource("page.html")).substitute(
        # Nothing is allowed but this very style and this very script.
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
        " base-uri 'none'; form-action 'none'",
        style=style,
        script=script,
        made=text.moment(made),
        summary=_summary(clusters, links),
        body="\n".join(_body(found)),
    )


def _body(found: Sequence[Region]) -> list[str]:
    if not found:
        return [_NO_CLUSTER]
    parts = [_section(number, region) for number, region in enumerate(found)]
    if not any(region.links for region in found):
        return [*parts, _NO_LINK]
    scroller = '<div class="scroll" role="region" aria-labelledby="all" tabindex="0">'
    return [_LEGEND, *parts, f"{scroller}\n{table(found)}\n</div>"]


def _summary(clusters: Sequence[Cluster], links: Sequence[Link]) -> str:
    parts = [text.number(len(clusters), "cluster"), text.number(len(links), "link")]
    counted = Counter(text.verdict(link.health) for link in links)
    verdicts = [
        f'<b class="{kind}">{counted[kind]} {word}</b>'
        for kind, word in text.WORDS.items()
        if counted[kind]
    ]
    return ", ".join(parts) + (f": {', '.join(verdicts)}" if verdicts else "")


def _section(number: int, region: Region) -> str:
    counts = f"{text.number(region.clusters, 'cluster')}, {text.number(len(region.links), 'link')}"
    return "\n".join(
        [
            f'<section aria-labelledby="g{number}">',
            f'<h2 id="g{number}">{region_name(region)} <small>{counts}</small></h2>',
            '<div class="pictures">',
            *(f'<div class="scroll">{picture}</div>' for picture in pictures(region)),
            "</div>",
            "</section>",
        ]
    )


def _resource(name: str) -> str:
    return files("dblink.links.page").joinpath(name).read_text("utf-8")


def _hash(content: str) -> str:
    """What the policy knows a style or a script by."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


_LEGEND = (
    '<ul class="legend">'
    + "".join(f"<li>{mark(kind)}{word}</li>" for kind, word in text.WORDS.items())
    + "</ul>"
)

_NO_CLUSTER = """<div class="empty">
<p>No cluster is registered yet.</p>
<ol>
<li>Register two of them: <code>dblink cluster add …</code></li>
<li>Create a link from one to the other: <code>dblink link create …</code></li>
<li>Write this page again: <code>dblink link page …</code></li>
</ol>
<p>Each command says with <code>--help</code> what it takes.</p>
</div>"""

_NO_LINK = """<div class="empty">
<p>There is no link yet. Create one: <code>dblink link create …</code></p>
</div>"""
