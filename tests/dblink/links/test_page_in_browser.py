"""The page of the catalogue in a real browser: that it looks as it should, and asks for nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.dblink.links.pages import HOSTILE, Catalogue, large, named, small

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic", "--window-size=1200,900"),
)

# Ratio of the luminances of text and of what is behind it, of all texts that are seen.
# WCAG 2.1, 1.4.3.
CONTRASTS = """
const channel = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
const colour = text => {
  const [r, g, b, a] = [...text.matchAll(/[\\d.]+/g)].map(Number);
  return text === "none" || a === 0 ? null : [r, g, b];
};
// What may lie behind a text: of what is drawn, boxes and lit rows; of all else, what it is in.
const behind = element => {
  const link = element.closest("a.link"), server = element.closest(".server");
  if (link?.matches(".lit")) return [colour(getComputedStyle(link.querySelector(".row")).fill)];
  const boxes = link ? document.querySelectorAll(".box") : server?.querySelectorAll(".box");
  if (boxes) return [...boxes].map(box => colour(getComputedStyle(box).fill));
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found) return [found];
  }
  return [[255, 255, 255]];
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + .05) / (dark + .05);
};
const found = {};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || element.closest("script, title, desc")) continue;
  const style = getComputedStyle(element);
  const text = colour(element instanceof SVGElement ? style.fill : style.color);
  const name = `${element.tagName}.${element.getAttribute("class")} ${element.textContent}`;
  found[name.slice(0, 60)] = Math.min(...behind(element).map(back => contrast(text, back)));
}
return found;
"""

# Texts of a picture that stand out of the boxes they are in.
TOO_WIDE = """
return [...document.querySelectorAll(".picture")].flatMap(picture => {
  const boxes = [...picture.querySelectorAll(".box")].map(box => box.getBBox());
  return [...picture.querySelectorAll("text")].filter(text => {
    const at = text.getBBox();
    return !boxes.some(box => box.x <= at.x && at.x + at.width <= box.x + box.width
      && box.y <= at.y && at.y + at.height <= box.y + box.height);
  }).map(text => text.textContent);
});
"""

# Texts of a picture that lie on each other.
ON_EACH_OTHER = """
return [...document.querySelectorAll(".picture")].flatMap(picture => {
  const texts = [...picture.querySelectorAll("text")].map(text => [text, text.getBBox()]);
  return texts.flatMap(([text, at], n) => texts.slice(n + 1).filter(([, other]) =>
    at.x < other.x + other.width && other.x < at.x + at.width
    && at.y + 3 < other.y + other.height && other.y + 3 < at.y + at.height
  ).map(([other]) => `${text.textContent} | ${other.textContent}`));
});
"""

FITS = "const page = document.documentElement; return page.scrollWidth === page.clientWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    pytest.importorskip("selenium", reason="selenium is not installed: the extra `browser`")
    from selenium import webdriver

    driver = shutil.which("chromedriver")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if driver is None or binary is None:
        pytest.skip("no chromedriver or no Chromium: install chromium-driver or the like")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path is given, so that nothing is looked for elsewhere.
    service = webdriver.ChromeService(executable_path=driver)
    chrome = webdriver.Chrome(options=options, service=service)
    chrome.set_page_load_timeout(20)
    chrome.set_script_timeout(20)
    yield chrome
    chrome.quit()


class Shown:
    """A page that the browser shows."""

    def __init__(self, browser: Chrome, file: Path, catalogue: Catalogue) -> None:
        self.browser = browser
        self.url = file.as_uri()
        file.write_text(catalogue.page(), "utf-8")
        self.emulate(scheme="light", width=1200)
        self.logged("performance")
        self.logged("browser")
        browser.get(self.url)

    def emulate(self, scheme: str, width: int, media: str = "") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", media=media, features=[feature])
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def command(self, name: str, **arguments: Any) -> Any:
        return self.browser.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """What was logged since this was asked last."""
        entries: list[dict[str, Any]] = self.browser.get_log(kind)
        return entries

    def style(self, selector: str, name: str) -> str:
        script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return str(self.run(script, selector, name))

    def lit(self) -> list[str]:
        """The IDs of what is lit."""
        return list(self.run("return [...document.querySelectorAll('.lit')].map(e => e.id)"))


@pytest.fixture
def shown(browser: Chrome, tmp_path: Path) -> Shown:
    return Shown(browser, tmp_path / "page.html", small())


def test_it_opens_without_an_error_and_asks_for_nothing(shown: Shown) -> None:
    messages = [json.loads(entry["message"])["message"] for entry in shown.logged("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [shown.url]
    assert shown.run("return performance.getEntriesByType('resource').length") == 0
    assert shown.logged("browser") == []


def test_the_policy_holds(shown: Shown) -> None:
    refused = shown.run(
        """
        const refused = [];
        addEventListener("securitypolicyviolation", e => refused.push(e.effectiveDirective));
        const image = document.createElement("img");
        image.src = "data:image/png;base64,AAAA";
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        const style = document.createElement("style");
        style.textContent = "body { display: none }";
        document.body.append(image, script, style);
        return new Promise(resolve => setTimeout(() => resolve([...refused, window.ran]), 100));
        """
    )
    assert sorted(filter(None, refused)) == ["img-src", "script-src-elem", "style-src-elem"]
    assert shown.style("body", "display") == "block"


def test_every_link_has_an_arrow_that_is_seen_and_says_its_health(shown: Shown) -> None:
    arrows = shown.run(
        """
        return [...document.querySelectorAll("a.link")].map(link => {
          const wire = link.querySelector(".wire"), style = getComputedStyle(wire);
          const state = link.querySelector(".state");
          return [
            wire.getTotalLength() > 50, style.stroke !== "none", style.markerEnd !== "none",
            state.getBoundingClientRect().width > 20, state.textContent,
          ];
        })
        """
    )
    words = ["failed", "ok, <0.1 ms", "ok, 4.2 ms", "ok, 12 ms", "never tested"]
    assert arrows == [[True, True, True, True, said] for said in words]
    strokes = {kind: shown.style(f".{kind} .wire", "stroke") for kind in ("ok", "failed")}
    dashes = {shown.style(f".{kind} .wire", "strokeDasharray") for kind in ("ok", "failed")}
    assert len(set(strokes.values())) == len(dashes) == 2


def test_the_quota_and_the_table_are_seen(shown: Shown) -> None:
    quotas = shown.run(
        """
        return [...document.querySelectorAll("text.quota")]
          .filter(text => text.getBoundingClientRect().width > 20).map(text => text.textContent)
        """
    )
    assert quotas == ["7 of 10", "10 of 10", "0 of 10"]
    assert shown.run("return document.querySelectorAll('tbody tr[id]').length") == 5
    assert shown.run("return document.querySelector('table').offsetHeight") > 150


def test_texts_have_room(browser: Chrome, tmp_path: Path) -> None:
    for catalogue in (small(), large(40, 200, 4), *map(named, [*HOSTILE, "W" * 130])):
        shown = Shown(browser, tmp_path / "page.html", catalogue)
        assert shown.run(TOO_WIDE) == []
        assert shown.run(ON_EACH_OTHER) == []
        assert shown.logged("browser") == []


def test_light_and_dark_can_be_read(shown: Shown) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        shown.emulate(scheme, 1200)
        backgrounds.append(shown.style("body", "backgroundColor"))
        contrasts = shown.run(CONTRASTS)
        assert len(contrasts) > 40
        assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
        # What is lit can be read, too.
        shown.run("document.querySelectorAll('[data-link]').forEach(e => e.classList.add('lit'))")
        contrasts = shown.run(CONTRASTS)
        assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
    assert len(set(backgrounds)) == 2


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_the_page_is_no_wider_than_the_screen(browser: Chrome, tmp_path: Path, width: int) -> None:
    shown = Shown(browser, tmp_path / "page.html", large(12, 40, 2))
    shown.emulate("light", width)
    # What is wider than the screen can be scrolled, each by itself.
    assert shown.run(FITS)
    assert shown.run("return innerWidth") == width
    scrolls = """
        const scroll = document.querySelector(".scroll:has(table)");
        scroll.scrollLeft = 9999;
        return scroll.scrollLeft + scroll.clientWidth >= scroll.scrollWidth - 1;
    """
    assert shown.run(scrolls)


def test_pointer_and_keyboard_light_an_arrow_with_its_row(shown: Shown) -> None:
    from selenium.webdriver import ActionChains, Keys

    row = shown.browser.find_element("id", "r2")
    ActionChains(shown.browser).move_to_element(row).perform()
    assert shown.lit() == ["a2", "r2"]
    assert shown.style("#a2 .wire", "strokeWidth") == "3px"
    assert shown.style("#a1 .wire", "opacity") == "0.3"
    hit = shown.browser.find_element("css selector", "#a1 .state")
    ActionChains(shown.browser).move_to_element(hit).perform()
    assert shown.lit() == ["a1", "r1"]
    heading = shown.browser.find_element("tag name", "h1")
    ActionChains(shown.browser).move_to_element(heading).perform()
    assert shown.lit() == []
    # The first thing that the tab key comes to is the first arrow; Enter leads on to its row.
    ActionChains(shown.browser).send_keys(Keys.TAB).perform()
    assert shown.lit() == ["a0", "r0"]
    ActionChains(shown.browser).send_keys(Keys.TAB).perform()
    assert shown.lit() == ["a1", "r1"]
    ActionChains(shown.browser).send_keys(Keys.ENTER).perform()
    assert shown.run("return document.querySelector(':target').id") == "r1"


def test_without_scripts_all_is_there(browser: Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        shown = Shown(browser, tmp_path / "page.html", small())
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.find_element("id", "a1").send_keys("\n")
    assert shown.run("return document.querySelector(':target').id") == "r1"
    assert shown.style("#r1", "outlineStyle") == "solid"
    assert shown.lit() == []


def test_names_for_those_who_do_not_see_it(shown: Shown) -> None:
    shown.command("Accessibility.enable")
    nodes = shown.command("Accessibility.getFullAXTree")["nodes"]
    said = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]
    assert ("group", "pc-shop, pc-stock, 10.20.0.9:5433 in cn-hangzhou") in said
    assert ("link", "orders: from shop on pc-shop to sales on pc-stock; ok, 4.2 ms") in said
    assert ("region", "All links") in said
    assert ("rowheader", "orders") in said and ("columnheader", "health") in said


def test_it_fits_on_paper(browser: Chrome, tmp_path: Path) -> None:
    shown = Shown(browser, tmp_path / "page.html", large(12, 40, 2))
    shown.emulate("dark", 700, media="print")
    assert shown.run(FITS)
    cut_off = """
        return [...document.querySelectorAll(".picture, table")]
          .filter(e => e.getBoundingClientRect().right > innerWidth).length
    """
    assert shown.run(cut_off) == 0
    # Paper is white, whatever the screen is.
    assert shown.style("body", "backgroundColor") == "rgb(255, 255, 255)"
    assert shown.style(".box", "fill") == "rgb(255, 255, 255)"
