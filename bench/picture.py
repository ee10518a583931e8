"""The picture of a run: `python -m bench.picture RESULT.json PICTURE.svg`.

Bars per workload: the ratio of each contestant's median to the best driver in C, from 1 to the left
or to the right on a logarithmic axis, so that twice as fast is as long a bar as twice as slow.
Needs matplotlib, which the environment of the other drivers has.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.report import title
from bench.results import Run, base_of
from bench.workloads import CONTESTANTS, WORKLOADS

#: A colour per kind; ours stand out, those in C and those in Python recede.
_COLOURS = {"ours": "#0b6e4f", "C": "#8d99ae", "Python": "#d9a65b"}
_PYPY_HATCH = "////"
#: Bars longer than this are cut, and their figure tells.
_LEAST, _MOST = 0.05, 30.0


#: Workloads with their bars.
Column = list[tuple[str, list[tuple[str, float]]]]


def bars(run: Run, name: str) -> list[tuple[str, float]]:
    """The contestants of a workload that have a ratio, the fastest first."""
    measured = run.of(name)
    base = base_of(measured, WORKLOADS[name].base)
    if base is None:
        return []
    return [(m.contestant, m.median / base) for m in measured if m.median is not None]


def draw(run: Run, path: Path) -> None:
    """Draw it; the name of the file says in which format.

    Raises ValueError if the run has no ratio at all.
    """
    import matplotlib

    matplotlib.use("Agg")
    # The same run gives the same file.
    matplotlib.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    drawn = [(name, bars(run, name)) for name in run.workloads()]
    drawn = [(name, rows) for name, rows in drawn if rows]
    if not drawn:
        raise ValueError("nothing to draw: no workload has a driver to compare with")
    columns = [column for column in _halves(drawn) if column]
    height = max(map(_height, columns))
    figure, axes = pyplot.subplots(
        1, len(columns), figsize=(6.2 * len(columns), 0.2 * height + 0.9), squeeze=False
    )
    for axis, column in zip(axes[0], columns, strict=True):
        _panel(axis, column, height)
    legend = [Patch(color=colour, label=kind) for kind, colour in _COLOURS.items()]
    legend.append(Patch(facecolor="white", edgecolor="grey", hatch=_PYPY_HATCH, label="on PyPy"))
    figure.legend(handles=legend, loc="lower center", ncols=4, frameon=False, fontsize=8)
    figure.suptitle(
        "Time relative to the best driver in C: left of 1 is faster, red is what must be reached",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _height(column: Column) -> int:
    return sum(len(rows) + 2 for _, rows in column)


def _halves(drawn: Column) -> tuple[Column, Column]:
    """Two columns, so that it fits on a page, as alike in height as their order allows."""
    cut = min(
        range(len(drawn) + 1), key=lambda cut: max(_height(drawn[:cut]), _height(drawn[cut:]))
    )
    return drawn[:cut], drawn[cut:]


def _panel(axis: Any, column: Column, height: int) -> None:
    y = 0.0
    axis.axvline(1.0, color="black", linewidth=0.8, zorder=3)
    for name, rows in column:
        backed = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axis.text(_LEAST, y, title(name), fontsize=8, fontweight="bold", va="center", bbox=backed)
        y += 1
        targets = {target.contestant: target for target in WORKLOADS[name].targets}
        for contestant, ratio in rows:
            one = CONTESTANTS[contestant]
            shown = min(max(ratio, _LEAST), _MOST)
            axis.barh(
                y,
                shown - 1.0,
                left=1.0,
                height=0.8,
                color=_COLOURS[one.kind],
                hatch=_PYPY_HATCH if one.interpreter == "pypy" else None,
                edgecolor="white",
                linewidth=0,
            )
            side = "left" if shown >= 1 else "right"
            beside = shown * (1.05 if shown >= 1 else 0.95)
            axis.text(beside, y, f"{ratio:.2f}", fontsize=6.5, va="center", ha=side)
            axis.text(_LEAST * 0.95, y, contestant, fontsize=7, va="center", ha="right")
            target = targets.get(contestant)
            if target is not None and target.must is not None and target.base is None:
                axis.plot([target.must] * 2, [y - 0.4, y + 0.4], color="#c1121f", linewidth=1.2)
            y += 1
        y += 1
    axis.set_xscale("log")
    axis.set_xlim(_LEAST, _MOST * 1.6)
    axis.set_ylim(height - 0.5, -0.8)
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
    axis.minorticks_off()
    axis.set_yticks([])
    axis.grid(axis="x", linewidth=0.3)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python -m bench.picture RESULT.json PICTURE.svg")
    try:
        draw(Run.load(Path(sys.argv[1])), Path(sys.argv[2]))
    except (ModuleNotFoundError, ValueError) as error:
        sys.exit(f"no picture: {error}")


if __name__ == "__main__":
    main()
