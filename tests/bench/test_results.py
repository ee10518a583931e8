"""Medians, ratios and verdicts; the tables that tell them; the pages that quote them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import publish as publishing
from bench import report
from bench.picture import bars
from bench.publish import PAGES, PARTS, filled
from bench.results import Measurement, Run, base_of, judge
from bench.workloads import CONTESTANTS, WORKLOADS, Target

ROOT = Path(__file__).resolve().parents[2]
TOPS = (ROOT, ROOT / "pgwire")


def measured(workload: str, contestant: str, *seconds: float, peak: float = 30.0) -> Measurement:
    kind = CONTESTANTS[contestant].kind
    return Measurement(workload, contestant, kind, list(seconds), [peak] * len(seconds))


@pytest.fixture
def run() -> Run:
    lacking = Measurement("a", "asyncpg", "C", missing="asyncpg is not installed")
    broken = Measurement("a", "psycopg2", "C", [0.01], failure="it broke")
    return Run(
        {"machine": "two cores"},
        3,
        1.0,
        [
            measured("a", "pgwire", 0.3, 9.0, 0.45),
            measured("a", "psycopg C text", 1.0, 1.0, 1.0),
            measured("a", "psycopg C binary", 0.5, 0.5, 0.4),
            lacking,
            broken,
            measured("a", "pg8000", 10.0, 9.0, 11.0),
            measured("a", "pypy:pgwire", 1.0, 1.0, 1.0),
            measured("a", "pypy:pg8000", 4.0, 4.0, 4.0),
            measured("j1", "dblink", 0.3, peak=26.0),
            measured("j1", "C dblink", 1.0),
        ],
    )


def test_the_base_is_the_best_in_c_that_did_not_fail(run: Run) -> None:
    assert base_of(run.of("a")) == 0.5
    assert base_of(run.of("a"), ("pg8000",)) == 10.0
    assert base_of(run.of("a"), ("asyncpg",)) is None


def test_the_order_is_that_of_the_medians(run: Run) -> None:
    assert [m.contestant for m in run.of("a")][:3] == [
        "pgwire",
        "psycopg C binary",
        "psycopg C text",
    ]
    assert [m.median for m in run.of("a")][-2:] == [None, None]
    assert run.workloads() == ["a", "j1"]


@pytest.mark.parametrize(
    ("target", "ratio", "word"),
    [
        (Target("pgwire", 0.95, 0.90), 0.9, "goal"),
        (Target("pgwire", 0.90, 0.70), 0.9, "must"),
        (Target("pgwire", 0.90, None), 0.9, "must"),
        (Target("pgwire", 0.89, 0.70), 0.9, "missed"),
        (Target("pgwire", 0.90, 0.90, peak=31), 0.9, "goal"),
        (Target("pgwire", 0.90, 0.90, peak=29), 0.9, "missed"),
        (Target("pypy:pgwire", 0.40, 0.28, base="pypy:pg8000"), 0.25, "goal"),
        (Target("pgwire", goal=0.9), 0.9, "goal"),
        (Target("pgwire", goal=0.89), 0.9, "missed"),
        (Target("pgwire", seconds=1.0), 0.9, "must"),
        (Target("pgwire", seconds=0.1), 0.9, "missed"),
        (Target("pgwire", seconds=1.0, base="asyncpg"), None, "must"),
        (Target("pgwire", 1.0, base="asyncpg"), None, "-"),
        (Target("psycopg2", 1.0), None, "-"),
    ],
)
def test_verdicts(run: Run, target: Target, ratio: float | None, word: str) -> None:
    verdict = judge(run.of("a"), target)
    assert verdict.ratio == (None if ratio is None else pytest.approx(ratio))
    assert verdict.word == word


def test_the_verdicts_of_a_run_are_those_of_who_took_part(run: Run) -> None:
    judged = {(v.workload, v.target.contestant): v.word for v in run.verdicts()}
    assert judged == {
        ("a", "pgwire"): "must",
        ("a", "pypy:pgwire"): "goal",
        # The ratio would do; the memory does not.
        ("j1", "dblink"): "missed",
    }


def test_a_run_survives_its_file(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "new" / "run.json")
    assert Run.load(tmp_path / "new" / "run.json") == run


def test_a_later_run_replaces_its_workloads(run: Run) -> None:
    later = Run({"machine": "three"}, 5, 1.0, [measured("j1", "dblink", 0.2)])
    merged = run.merged(later)
    assert merged.of("a") == run.of("a")
    assert [m.contestant for m in merged.of("j1")] == ["dblink"]
    # Where it was measured is told of each.
    (before,) = merged.earlier
    assert before.setting == run.setting and "j1" not in before.workloads
    assert before.workloads == [name for name in run.workloads() if name != "j1"]
    assert f"{', '.join(before.workloads)}:\n" in report.markdown_setting(merged)
    assert not later.merged(run).merged(later).merged(run).earlier


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.34, "12.3 s"),
        (1.0, "1.00 s"),
        (0.9996, "1.00 s"),
        (0.9994, "999 ms"),
        (0.25, "250 ms"),
        (0.0099999, "10.0 ms"),
        (0.0023, "2.30 ms"),
        (0.0000252, "25.2 µs"),
        (0.00000001, "0.0100 µs"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert report.seconds(value) == text


def test_the_tables(run: Run) -> None:
    rows = report.workload_rows(run.of("a"))
    assert rows[0] == ("pgwire", "450 ms", "300 ms … 9.00 s", "0.90", "30")
    assert ("asyncpg", "not available: asyncpg is not installed", "", "", "") in rows
    assert ("psycopg2", "failed: it broke", "", "", "") in rows
    shown = report.terminal(run, "a")
    assert shown.startswith("a · 1M rows of 5 fixed-width columns\n")
    assert "  asyncpg           not available: asyncpg is not installed" in shown.splitlines()
    assert report.markdown_table(("x", "y"), [("a", "1")], (1,)) == (
        "| x | y |\n| --- | ---: |\n| a | 1 |"
    )
    assert "| **0.90** | 0.04 |" in report.markdown_summary(run)
    assert "missed (26 of 25 MiB)" in report.targets(run)


def test_the_bars_are_those_with_a_ratio(run: Run) -> None:
    assert dict(bars(run, "a"))["pgwire"] == pytest.approx(0.9)
    assert "asyncpg" not in dict(bars(run, "a"))
    assert bars(Run({}, 1, 1.0, [measured("a", "pgwire", 1.0)]), "a") == []


def test_the_pages_are_filled(run: Run) -> None:
    page = "text\n<!-- bench:targets -->\nold\n<!-- /bench:targets -->\nmore\n"
    once = filled(page, run)
    assert once.startswith("text\n<!-- bench:targets -->\n\n| workload |")
    assert once.endswith("|\n\n<!-- /bench:targets -->\nmore\n")
    assert "old" not in once
    assert filled(once, run) == once


def test_publishing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Path, ...]] = []
    monkeypatch.setattr(publishing, "draw", lambda *paths: drawn.append(paths))
    (tmp_path / "docs").mkdir()
    for name in PAGES:
        (tmp_path / name).write_text("<!-- bench:setting -->\n<!-- /bench:setting -->\n")
    publishing.publish(run, tmp_path, Path("python"))
    assert Run.load(tmp_path / publishing.RESULT) == run
    assert drawn == [(tmp_path / publishing.RESULT, tmp_path / publishing.PICTURE, Path("python"))]
    for name in PAGES:
        assert "* machine: two cores\n" in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    "part", ["<!-- bench:targets -->\n", "<!-- bench:x -->\n<!-- /bench:x -->"]
)
def test_a_wrong_part_is_refused(run: Run, part: str) -> None:
    with pytest.raises(ValueError, match="bench:"):
        filled(part, run)


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_have_their_parts(name: str, run: Run) -> None:
    page = (ROOT / name).read_text("utf-8")
    assert "<!-- bench:" in page
    filled(page, run)


def test_every_part_is_somewhere() -> None:
    pages = "".join((ROOT / name).read_text("utf-8") for name in PAGES)
    assert all(f"<!-- bench:{part} -->" in pages for part in PARTS)


def test_the_page_tells_of_every_workload() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    section = page.partition("## What was measured")[2].partition("## Targets")[0]
    told = [row.partition("|")[0] for row in section.split("\n| ")[1:]]
    named = {name.strip() for cell in told for name in cell.split(",")}
    assert all(name in named or name[0] in named for name in WORKLOADS)


def test_the_page_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_/]+(?:\.py|\.sql|/))`", page))
    assert len(named) > 10
    missing = [name for name in named if not any((top / name).exists() for top in TOPS)]
    # What `make bench` writes.
    assert [name for name in missing if not name.startswith("build/")] == []


@pytest.mark.parametrize(
    ("others", "compared"),
    [
        ({"directly": 0.1, "PgBouncer": 0.2}, "PgBouncer 200 ms | **1.50**"),
        ({"directly": 0.1}, "directly 100 ms | **3.00**"),
    ],
)
def test_a_relay_is_compared_with_the_other_one_where_that_is(
    others: dict[str, float], compared: str
) -> None:
    ours = measured("m1", "through the gateway", 0.3)
    run = Run({}, 1, 1.0, [ours, *(measured("m1", who, time) for who, time in others.items())])
    assert f"| 300 ms | {compared} |" in report.markdown_summary(run)
    assert report.verdict_rows(run)[0][2:5] == (
        "PgBouncer",
        "1.50" if "PgBouncer" in others else "-",
        "",
    )


def test_a_time_may_be_what_must_be_reached() -> None:
    run = Run({}, 1, 1.0, [measured("l1", "gateway", 0.0009), measured("l1", "C dblink", 0.0001)])
    (row,) = report.verdict_rows(run)
    assert row[2:] == ("C dblink", "9.00", "1.00 ms", "", "", "must")
