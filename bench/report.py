"""The table, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.results import Earlier, Measurement, Run, base_of
from bench.workloads import WORKLOADS, Target

_HEAD = ("who", "median", "least … most", "ratio", "peak MiB")


def seconds(value: float) -> str:
    """With three significant digits and a fitting unit."""
    unit, scaled = "s", value
    for smaller in ("ms", "µs"):
        if scaled >= 0.9995:
            break
        unit, scaled = smaller, scaled * 1000
    return f"{scaled:#.3g}".rstrip(".") + f" {unit}"


def workload_rows(measured: Sequence[Measurement]) -> list[tuple[str, ...]]:
    """The cells of one workload's table, a row per contestant."""
    base = base_of(measured, WORKLOADS[measured[0].workload].base)
    rows: list[tuple[str, ...]] = []
    for one in measured:
        if one.missing or one.failure or one.median is None:
            said = f"failed: {one.failure}" if one.failure else f"not available: {one.missing}"
            rows.append((one.contestant, said, "", "", ""))
            continue
        rows.append(
            (
                one.contestant,
                seconds(one.median),
                f"{seconds(min(one.seconds))} … {seconds(max(one.seconds))}",
                "" if base is None else f"{one.median / base:.2f}",
                "" if one.peak is None else f"{one.peak:.0f}",
            )
        )
    return rows


def title(name: str) -> str:
    """What heads the table of a workload."""
    workload = WORKLOADS[name]
    return f"{name} · {workload.title}" + (f", {workload.unit}" if workload.unit else "")


def terminal(run: Run, name: str) -> str:
    """The table of one workload, for a terminal."""
    rows = [_HEAD, *workload_rows(run.of(name))]
    # What is said instead of figures may be as long as it likes.
    figures = [row for row in rows if row[2]]
    widths = [max(len(row[0]) for row in rows)]
    widths += [max(len(row[i]) for row in figures) for i in range(1, len(_HEAD))]
    lines = [title(name)]
    for row in rows:
        if row[2]:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        else:
            cells = [row[0].ljust(widths[0]), row[1]]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def verdict_rows(run: Run) -> list[tuple[str, ...]]:
    """A row per target: what, who, ratio to whom, must, goal, prototype, what became of it."""
    rows: list[tuple[str, ...]] = []
    for verdict in run.verdicts():
        target = verdict.target
        rows.append(
            (
                title(verdict.workload),
                target.contestant,
                target.base or " or ".join(WORKLOADS[verdict.workload].base) or "best in C",
                "-" if verdict.ratio is None else f"{verdict.ratio:.2f}",
                _must(target),
                "" if target.goal is None else f"{target.goal:.2f}",
                "" if target.prototype is None else f"{target.prototype:.2f}",
                verdict.word + _memory(verdict.peak, target.peak),
            )
        )
    return rows


VERDICT_HEAD = ("workload", "who", "to", "ratio", "must", "goal", "prototype", "reached")


SUMMARY_HEAD = ("", "pgwire or dblink", "compared with", "ratio", "to pg8000")

#: Of ours, which stand in the summary; of each workload there is one.
_OURS = ("pgwire", "dblink", "gateway", "through the gateway")


def _must(target: Target) -> str:
    """A ratio, a time, or nothing where there is only a goal."""
    if target.seconds is not None:
        return seconds(target.seconds)
    return "" if target.must is None else f"{target.must:.2f}"


def _memory(peak: float | None, limit: float | None) -> str:
    return "" if peak is None or limit is None else f" ({peak:.0f} of {limit:.0f} MiB)"


def targets(run: Run) -> str:
    """The targets and what became of them, for a terminal."""
    rows = [VERDICT_HEAD, *verdict_rows(run)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(VERDICT_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 3 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    """A Markdown table; `right` names the columns of figures."""
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def markdown_setting(run: Run) -> str:
    """Where it was measured, as a list; of what was measured elsewhere, a list of its own."""
    before = {name for one in run.earlier for name in one.workloads}
    own = [name for name in run.workloads() if name not in before]
    lists = []
    for one in (*run.earlier, Earlier(own, run.setting, run.rounds, run.scale)):
        said = [f"* {name}: {what}" for name, what in one.setting.items()]
        said.append(f"* rounds: {one.rounds}, scale: {one.scale:g}")
        if run.earlier:
            said[:0] = [f"{', '.join(one.workloads)}:", ""]
        lists.append("\n".join(said))
    return "\n\n".join(lists)


def markdown_summary(run: Run) -> str:
    """A row per workload, as Markdown: ours, the best of those it is compared with, pg8000."""
    rows = []
    for name in run.workloads():
        measured = [m for m in run.of(name) if m.median is not None]
        ours = [m for m in measured if m.contestant in _OURS]
        bases = {t.base for t in WORKLOADS[name].targets if t.contestant in _OURS and t.base}
        base = base_of(measured, bases) if bases else None
        if base is None:
            base = base_of(measured, WORKLOADS[name].base)
        if not ours or base is None:
            continue
        (own,) = ours
        best = next(m for m in measured if m.median == base)
        plain = [m for m in measured if m.contestant == "pg8000"]
        cells = [title(name), seconds(own.median or 0.0)]
        cells += [f"{best.contestant} {seconds(base)}", f"**{(own.median or 0.0) / base:.2f}**"]
        cells.append(f"{(own.median or 0.0) / (plain[0].median or 1.0):.2f}" if plain else "")
        rows.append(cells)
    return markdown_table(SUMMARY_HEAD, rows, (1, 2, 3, 4))


def markdown_targets(run: Run) -> str:
    """The targets and what became of them, as Markdown."""
    return markdown_table(VERDICT_HEAD, verdict_rows(run), (3, 4, 5, 6))


def markdown_workloads(run: Run) -> str:
    """All tables, one after the other, as Markdown."""
    parts = []
    for name in run.workloads():
        table = markdown_table(_HEAD, workload_rows(run.of(name)), (1, 2, 3, 4))
        parts.append(f"### {title(name)}\n\n{table}")
    return "\n\n".join(parts)


def markdown(run: Run) -> str:
    """The whole run, as a page of Markdown."""
    parts = [markdown_setting(run), markdown_targets(run), markdown_workloads(run)]
    return "\n\n".join(["# Benchmark", *parts, ""])
