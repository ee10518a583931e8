"""How much is measured."""

from __future__ import annotations

from typing import NamedTuple

#: The least of what a scaled-down run still needs to show that everything works; else 10.
_LEAST = {"wide_bytes": 1 << 10, "connections": 2, "queries_each": 2, "connects": 2}


class Sizes(NamedTuple):
    """Sizes at scale 1: those that the targets are for."""

    fixed_rows: int = 1_000_000
    mixed_rows: int = 500_000
    text_rows: int = 500_000
    wide_bytes: int = 64 << 20
    queries: int = 20_000
    inserted_rows: int = 20_000
    connections: int = 50
    queries_each: int = 400
    connects: int = 40
    calls: int = 2_000
    accounts: int = 100_000
    transactions: int = 10_000

    def scaled(self, scale: float) -> Sizes:
        """The same, times `scale`, and enough of everything to make sense."""
        scaled = {
            name: max(int(size * scale), _LEAST.get(name, 10))
            for name, size in self._asdict().items()
        }
        # Whole repetitions of the texts that setup.sql repeats.
        scaled["wide_bytes"] -= scaled["wide_bytes"] % 8
        return Sizes(**scaled)
