"""Writes a run into the pages that quote it: `python -m bench.publish RESULT.json …`.

Between a pair of comments such as `<!-- bench:targets -->` and `<!-- /bench:targets -->` a page has
what the run says, and nothing else; so no figure is typed. The run itself goes to
docs/performance.json and its picture to docs/performance.svg.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from bench import report
from bench.environments import TOP, EnvironmentFailedError, draw, prepared
from bench.results import Run

#: Where figures stand, below the top of the project.
PAGES = ("README.md", "docs/performance.md")
RESULT = "docs/performance.json"
PICTURE = "docs/performance.svg"

#: What stands between the comments of a name.
PARTS: dict[str, Callable[[Run], str]] = {
    "setting": report.markdown_setting,
    "summary": report.markdown_summary,
    "targets": report.markdown_targets,
    "workloads": report.markdown_workloads,
}

_PART = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench:\2 -->)", re.DOTALL)


def filled(page: str, run: Run) -> str:
    """The text of a page with the parts of a run in it.

    Raises ValueError for a part that is not known, or whose end is missing.
    """

    def part(match: re.Match[str]) -> str:
        if match[2] not in PARTS:
            raise ValueError(f"bench:{match[2]} is none of {', '.join(PARTS)}")
        return f"{match[1]}\n{PARTS[match[2]](run)}\n\n{match[3]}"

    text, count = _PART.subn(part, page)
    if count != page.count("<!-- bench:"):
        raise ValueError("a part has no end: after <!-- bench:… --> comes <!-- /bench:… -->")
    return text


def publish(run: Run, top: Path, python: Path) -> None:
    """Write result, picture and pages below `top`.

    Args:
        python: an interpreter with matplotlib, which draws.

    Raises ValueError for a page with a wrong part, EnvironmentFailedError if nothing is drawn.
    """
    run.save(top / RESULT)
    draw(top / RESULT, top / PICTURE, python)
    for name in PAGES:
        page = top / name
        page.write_text(filled(page.read_text("utf-8"), run), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.publish", description=__doc__)
    parser.add_argument("result", type=Path, nargs="+", help="later ones replace workloads")
    parser.add_argument("--python", type=Path, help="one that has matplotlib; else it is installed")
    options = parser.parse_args()
    run = Run.load(options.result[0])
    for path in options.result[1:]:
        run = run.merged(Run.load(path))
    try:
        publish(run, TOP, options.python or prepared(sys.executable).python)
    except (EnvironmentFailedError, ValueError) as error:
        sys.exit(f"bench.publish: {error}")


if __name__ == "__main__":
    main()
