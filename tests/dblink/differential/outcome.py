"""What a step came to, in a form in which two runs can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pgwire

FIELDS = ("sqlstate", "message", "detail", "hint", "context")

Report = dict[str, str | None]


@dataclass
class Outcome:
    """A value, rows or an error, and the notices that came with it."""

    value: object = None
    rows: list[tuple[object, ...]] | None = None
    error: Report | None = None
    notices: list[Report] = field(default_factory=list)

    def comparable(self, *, ordered: bool) -> Outcome:
        """With values told apart by type too (1, True, 1.0), and in an order of our own if theirs
        is left open."""
        rows = None if self.rows is None else [tuple(map(repr, row)) for row in self.rows]
        value = self.value
        if not ordered:
            rows = None if rows is None else sorted(rows)
            value = sorted(value) if isinstance(value, list) else value
        return replace(self, value=repr(value), rows=rows)  # type: ignore[arg-type]


def report_of(diagnostics: pgwire.Diagnostics, *, severity: bool = False) -> Report:
    names = ("severity", *FIELDS) if severity else FIELDS
    return {name: getattr(diagnostics, name) for name in names}


class ProcessIds:
    """Names process ids by the order in which they appear in one run."""

    def __init__(self) -> None:
        self._seen: dict[object, str] = {}

    def rename(
        self, rows: Iterable[tuple[object, ...]], columns: tuple[int, ...]
    ) -> list[tuple[object, ...]]:
        return [
            tuple(
                self._seen.setdefault(str(value), f"process {len(self._seen) + 1}")
                if number in columns
                else value
                for number, value in enumerate(row)
            )
            for row in rows
        ]
