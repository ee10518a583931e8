"""What the page says of a link, and how any text gets onto a page unharmed."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Final, Literal
from unicodedata import combining, east_asian_width

from dblink.links.model import Health, Link, Target

Verdict = Literal["ok", "failed", "untested"]

WORDS: Final[dict[Verdict, str]] = {"ok": "ok", "failed": "failed", "untested": "never tested"}

NOTHING: Final = "—"
"""In the place of something that is not there."""

PROBLEM: Final = 600
"""Characters of a problem that are shown."""


def visible(text: str) -> str:
    """`text` with nothing in it that hides or moves other text: line breaks, controls, marks of
    direction and the like are written as `\\n`, `\\x1B` or `\\u202E`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def html(text: str) -> str:
    """`text` for the content of an element or an attribute: it shows as `visible` has it."""
    return escape(visible(text))


def cut(text: str, most: int) -> str:
    """`text` in no more than `most` characters. Its middle is left out, since names that are alike
    often differ at their ends only."""
    text = visible(text)
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def width(text: str) -> int:
    """How many characters of a fixed-width font `text` is wide."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def number(count: int, one: str) -> str:
    """`count` things, each of which is called `one`."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def verdict(health: Health | None) -> Verdict:
    """What came of the last test."""
    if health is None:
        return "untested"
    return "ok" if health.ok else "failed"


def latency(health: Health | None) -> str:
    """How long the last test took, in milliseconds."""
    if health is None or health.latency is None:
        return NOTHING
    milliseconds = health.latency * 1000
    if milliseconds < 0.1:
        return "<0.1 ms"
    return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"


def state(link: Link) -> str:
    """State, health and latency of a link, in a few words."""
    kind = verdict(link.health)
    words: list[str] = [] if link.state == "active" else [link.state]
    words.append(WORDS[kind])
    if kind == "ok":
        words.append(latency(link.health))
    return ", ".join(words)


def problem(health: Health | None, most: int = PROBLEM) -> str:
    """Why the last test failed, on one line; empty if it did not, or if there was none."""
    if health is None or health.problem is None:
        return ""
    line = " ".join(health.problem.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def place(target: Target) -> str:
    """The server that a link leads to: a cluster's ID, or address and port."""
    if target.cluster is not None:
        return target.cluster
    address = target.address or "?"
    shown = f"[{address}]" if ":" in address else address
    return shown if target.port is None else f"{shown}:{target.port}"


def moment(when: datetime) -> str:
    """A time as an element, in UTC. One that does not say its zone is in UTC already."""
    if when.tzinfo is not None:
        when = when.astimezone(UTC)
    iso = when.replace(tzinfo=None).isoformat(timespec="seconds")
    return f'<time datetime="{iso}Z">{iso.replace("T", " ")}Z</time>'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
