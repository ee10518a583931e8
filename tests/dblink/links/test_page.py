"""The page of the catalogue, as text: what is on it, and what is not.

See test_page_layout.py for where it is, and test_page_in_browser.py for how it looks."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import time
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import cast
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.links.model import Cluster, Health, Settings, Target
from dblink.links.page import page
from dblink.links.page.text import WORDS, cut, latency, moment, visible
from tests.dblink.links.pages import (
    CONNINFO,
    HOSTILE,
    MADE,
    REGIONS,
    Parsed,
    large,
    link,
    named,
    small,
)


def rows(parsed: Parsed) -> list[list[str]]:
    """The cells of the table's rows that are links."""
    found: list[list[str]] = []
    cells: list[str] = []
    for element in parsed.elements:
        if element.tag in ("td", "th"):
            cells.append(element.text)
        elif element.tag == "tr":
            if "id" in element.attributes:
                found.append(cells)
            cells = []
    return found


# What is on it.


def test_the_table_says_everything() -> None:
    parsed = Parsed(small().page())
    header = [e.text for e in parsed.all("th") if e.attributes.get("scope") == "col"]
    assert header == [
        *("cluster", "link", "source database", "target", "account", "roles", "state", "health"),
        *("latency", "tested (UTC)"),
    ]
    tested = "2026-03-04 05:01:07Z"
    problem = 'failedconnection to "10.20.0.9" failed: Connection refused'
    common = ("reader", "PUBLIC", "active")
    stock, own = "sales on pc-stock", "crm on 10.20.0.9:5433 in vpc-7"
    shop = "sales on pc-shop"
    assert rows(parsed) == [
        ["pc-shop", "crm", "shop", own, *common, problem, "—", tested],
        ["pc-shop", "itself", "shop", shop, *common, "ok", "<0.1 ms", tested],
        ["pc-shop", "orders", "shop", stock, *common, "ok", "4.2 ms", tested],
        ["pc-shop", "orders_again", "shop", stock, *common, "ok", "12 ms", tested],
        ["pc-stock", "back", "shop", shop, *common, "never tested", "—", "—"],
    ]


def test_every_link_is_an_arrow_with_name_health_and_latency() -> None:
    parsed = Parsed(small().page())
    arrows = {e.attributes["id"]: e for e in parsed.all("a", "link")}
    assert [arrow.classes[1] for arrow in arrows.values()] == [
        *("failed", "ok", "ok", "ok", "untested"),
    ]
    said = [
        "crmfailedcrm from pc-shop",
        "itselfok, <0.1 ms",
        "ordersok, 4.2 ms",
        "orders_againok, 12 ms",
        "backnever tested",
    ]
    for arrow, text in zip(arrows.values(), said, strict=True):
        assert text in arrow.text
    # An arrow leads to its row, and the row back to its arrow.
    table = {e.attributes["id"] for e in parsed.all("tr") if "id" in e.attributes}
    assert {arrow.attributes["href"].removeprefix("#") for arrow in arrows.values()} == table
    back = {e.attributes["href"].removeprefix("#") for e in parsed.all("a") if not e.classes}
    assert back == set(arrows)


def test_clusters_are_in_their_regions_with_their_quota() -> None:
    source = small().page()
    parsed = Parsed(source)
    assert [e.text for e in parsed.all("h2")] == [
        "cn-hangzhou 2 clusters, 5 links",
        "cn-shanghai 1 cluster, 0 links",
    ]
    boxes = [e.text for e in parsed.all("g", "cluster")]
    assert boxes == [
        "pc-shoppc-shop7 of 10acme",
        "pc-stockpc-stock10 of 10acme",
        "pc-lonelypc-lonely0 of 10other",
    ]
    assert len(parsed.all("rect", "full")) == 1  # pc-stock
    assert [e.text for e in parsed.all("g", "other")] == ["10.20.0.9:543310.20.0.9:5433in vpc-7"]
    assert (
        "3 clusters, 5 links: 3 ok, 1 failed, 1 never tested as of" in parsed.all("header")[0].text
    )


@pytest.mark.parametrize(("used", "quota"), [(0, 0), (3, 0), (12, 10), (10_000, 10_000)])
def test_any_quota_can_be_shown(used: int, quota: int) -> None:
    clusters = [Cluster("pc-a", "r", "acme", "")]
    source = page(Settings((), quota), clusters, [], {"pc-a": used}, made=MADE)
    assert [e.text for e in Parsed(source).all("text", "quota")] == [f"{used} of {quota}"]
    assert all(0 <= int(e.attributes["width"]) <= 64 for e in Parsed(source).all("rect", "full"))


def test_an_empty_catalogue_says_what_to_do() -> None:
    source = page(Settings(REGIONS, 10), [], [], {}, made=MADE)
    assert Parsed(source).all("code")[0].text == "dblink cluster add …"
    assert "<table" not in source


def test_clusters_without_links_say_what_to_do() -> None:
    settings, clusters, _, _ = small()
    source = page(settings, clusters, [], {}, made=MADE)
    assert [e.text for e in Parsed(source).all("code")] == ["dblink link create …"]
    assert len(Parsed(source).all("g", "cluster")) == 3


def test_regions_come_as_the_settings_have_them_and_unknown_ones_after() -> None:
    clusters = [Cluster(f"pc-{n}", name, "a", "") for n, name in enumerate("zbac")]
    source = page(Settings(("c", "b"), 10), clusters, [], {}, made=MADE)
    assert [e.text[0] for e in Parsed(source).all("h2")] == ["c", "b", "a", "z"]


def test_ends_that_the_catalogue_does_not_know_are_shown_as_such() -> None:
    settings, clusters, _, used = small()
    links = [
        link("a", "pc-shop", "pc-lonely"),
        link("b", "pc-shop", "pc-gone"),
        link("c", "pc-gone", "pc-shop"),
        link("d", "pc-shop", Target("d", "r", address="::1", port=1)),
        link("e", "pc-stock", Target("d", "r", address="::1", port=1)),
        link("f", "pc-stock", Target("d", "r", address="::1", port=1, vpc="v")),
    ]
    parsed = Parsed(page(settings, clusters, links, used, made=MADE))
    assert [e.text for e in parsed.all("h2")][-1] == "not registered 0 clusters, 1 link"
    assert sorted(e.text for e in parsed.all("g", "other")) == [
        "[::1]:1[::1]:1in v",
        "[::1]:1[::1]:1self-managed",
        "pc-gonepc-gonenot registered",
        "pc-gonepc-gonenot registered",
        "pc-lonelypc-lonelyin cn-shanghai",
        "pc-shoppc-shopin cn-hangzhou",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "<0.1 ms"),
        (0.0001, "0.1 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (1.5, "1500 ms"),
    ],
)
def test_latency_is_in_milliseconds(seconds: float, said: str) -> None:
    assert latency(Health(MADE, seconds, None)) == said


def test_times_are_in_utc() -> None:
    there = MADE.astimezone(timezone(timedelta(hours=8)))
    said = '<time datetime="2026-03-04T05:06:07Z">2026-03-04 05:06:07Z</time>'
    assert moment(there) == moment(MADE) == moment(MADE.replace(tzinfo=None)) == said
    assert moment(datetime(33, 1, 2)).endswith("0033-01-02 00:00:00Z</time>")


# What is not on it.


class Guarded:
    """A cluster whose connection string must not be looked at."""

    id, region, account, roles = "pc-shop", REGIONS[0], "acme", ()

    @property
    def conninfo(self) -> str:
        raise AssertionError("the connection string was read")


def test_connection_strings_are_not_even_read() -> None:
    settings, clusters, links, used = small()
    guarded = [cast(Cluster, Guarded()), *clusters[1:]]
    source = page(settings, guarded, links, used, made=MADE)
    assert source == small().page()
    assert "hunter2" not in source and CONNINFO not in source


def test_nothing_is_asked_for_and_the_policy_forbids_it() -> None:
    source = small().page()
    parsed = Parsed(source)
    for element in parsed.elements:
        assert element.tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        for name, value in element.attributes.items():
            # Handlers and styles in attributes are what the policy does not let through.
            assert not name.startswith("on") and name not in ("style", "src", "srcset", "action")
            assert name not in ("href", "xlink:href") or value.startswith("#")
    assert "//" not in re.sub(r"^// .*$", "", source, flags=re.MULTILINE)
    assert set(re.findall(r"url\((.)", source)) == {"#"} and "@import" not in source
    policies = [
        e.attributes["content"]
        for e in parsed.all("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style, script = (
        base64.b64encode(hashlib.sha256(parsed.all(tag)[0].text.encode()).digest()).decode()
        for tag in ("style", "script")
    )
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}';"
        " base-uri 'none'; form-action 'none'"
    ]


# Names.


def check_names(name: str) -> None:
    source = named(name).page()
    source.encode("utf-8")
    for character in set(source) - {"\n"}:
        # No controls, no marks of direction, no separators, no surrogates: they are written out.
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), character
    parsed = Parsed(source)
    # The same elements, whatever they are called.
    harmless = Parsed(named("harmless").page())
    assert [e.tag for e in parsed.elements] == [e.tag for e in harmless.elements]
    for cells in rows(parsed):
        assert cells[0] == cells[1] == cells[4] == visible(name)
    for picture in re.findall(r'<svg class="picture".*?</svg>', source, re.DOTALL):
        ElementTree.fromstring(picture)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_no_harm(name: str) -> None:
    check_names(name)


@given(st.text(st.characters(), min_size=1, max_size=130))
def test_any_names_do_no_harm(name: str) -> None:
    # A name of spaces alone is cut off from a problem, which is put on one line.
    check_names(f"a{name}")


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\n\x1b\u202e\u2028\U000e0001\ud800é") == (
        r"a\n\x1B\u202E\u2028\U000E0001\uD800é"
    )


@given(st.text(), st.integers(5, 40))
def test_names_that_are_cut_keep_both_ends(name: str, most: int) -> None:
    short, whole = cut(name, most), visible(name)
    assert len(short) <= most
    start, _, end = short.partition("…") if short != whole else (whole, "", "")
    assert whole.startswith(start) and whole.endswith(end)


# Whatever the order in which the store has them, and how many there are.


def test_the_same_catalogue_gives_the_same_page() -> None:
    settings, clusters, links, used = large(30, 100, 3)
    expected = page(settings, clusters, links, used, made=MADE)
    for seed in range(3):
        chance = random.Random(seed)
        chance.shuffle(clusters)
        chance.shuffle(links)
        shuffled = dict(sorted(used.items(), key=lambda item: chance.random()))
        assert page(settings, clusters, links, shuffled, made=MADE) == expected


@pytest.mark.parametrize("regions", [1, 20])
def test_a_big_catalogue_is_quick_and_not_too_large(regions: int) -> None:
    catalogue = large(200, 1000, regions)
    start = time.process_time()
    source = catalogue.page()
    assert time.process_time() - start < 2
    assert len(source.encode()) < 2_000_000
    parsed = Parsed(source)
    assert len(parsed.all("a", "link")) == len(rows(parsed)) == 1000
    assert len(parsed.all("g", "cluster")) == 200
    identified = [e.attributes["id"] for e in parsed.elements if "id" in e.attributes]
    assert len(identified) == len(set(identified))


# Pictures.


def test_the_picture_is_what_was_laid_out() -> None:
    source = large(12, 40, 2).page()
    paths = [e.attributes["d"] for e in Parsed(source).all("path", "wire")]
    assert len(paths) == 40
    pictures = re.findall(r'<svg class="picture".*?</svg>', source, re.DOTALL)
    drawn = [re.findall(r'<path class="wire" d="([^"]*)"', picture) for picture in pictures]
    assert all(len(set(found)) == len(found) for found in drawn)
    assert sum(map(len, drawn)) == 40


def test_every_verdict_has_a_shape_and_a_word_of_its_own() -> None:
    source = small().page()
    shapes = re.findall(r'<symbol id="mark-(\w+)".*?>(.*?)</symbol>', source, re.DOTALL)
    assert dict(shapes).keys() == WORDS.keys() and len(set(dict(shapes).values())) == 3
    dashes = re.findall(r"\.(\w+) \.wire \{ stroke-dasharray: ([^;]*)", source)
    assert dict(dashes).keys() == {"failed", "untested"} and len(set(dict(dashes).values())) == 2
    legend = Parsed(source).all("ul", "legend")[0]
    assert legend.text == "".join(WORDS.values())
