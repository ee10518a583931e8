"""Writes the table of options in docs/connecting.md from the table that the code reads.

    python tools/document_options.py [--check]

With --check nothing is written and the exit status says whether the table is up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pgwire.conninfo import OPTIONS, Option  # noqa: E402

TARGET = ROOT / "docs" / "connecting.md"
BEGIN = "<!-- options: written by tools/document_options.py -->"
END = "<!-- end of options -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    arguments = parser.parse_args()
    text = TARGET.read_text(encoding="utf-8")
    wanted = with_table(text)
    if arguments.check:
        if text != wanted:
            print(f"{TARGET} is out of date: run {Path(__file__).name}", file=sys.stderr)
        return int(text != wanted)
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


def with_table(text: str) -> str:
    """`text` with the table of today between the two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{TARGET} has no place for the table")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """The options in the order of the manual."""
    head = ["| option | what it says | default | environment | what pgwire does |"]
    return "\n".join([*head, "|---|---|---|---|---|", *map(_row, OPTIONS.values())])


def _row(option: Option) -> str:
    values = ", ".join(f"`{value}`" for value in option.values or () if value)
    since = f" (since {option.since})" if option.since else ""
    cells = (
        f"`{option.keyword}`{since}",
        option.description + (f" Values: {values}." if values else ""),
        f"`{option.default}`" if option.default else "",
        f"`{option.environment}`" if option.environment else "",
        option.honoured,
    )
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
