"""Where a face differs from C dblink although the engine alone does not: keys in
docs/differences.md, steps of scenarios, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.dblink.differential.steps import Expected


@dataclass(frozen=True)
class Listed:
    """`key` in docs/differences.md; `steps` of a scenario, counted from 1, and their outcomes."""

    key: str
    steps: Mapping[int, Expected]


SCENARIOS: dict[tuple[str, str], Listed] = {}
"""By face and scenario, as `module: name`."""

KEYS: frozenset[str] = frozenset()
"""The keys of differences that tests show which run no scenario."""
