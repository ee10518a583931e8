"""Where a face differs from C dblink although the engine alone does not: keys in
docs/differences.md, steps of scenarios, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.dblink.differential.steps import Expected


@dataclass(frozen=True)
class Listed:
    """`key` in docs/differences.md; `steps` of a scenario, counted from 1, and what they come to:
    None where the face is as C dblink, although the engine alone is not."""

    key: str
    steps: Mapping[int, Expected | None]


_FORBIDDEN = Expected(sqlstate="42501")
_TOO_LONG = Expected(sqlstate="22001")
_PADDED = Expected(rows=[("CREATE TABLE        ",)])
_NO_NUMBER = Expected(sqlstate="22P02")
_TOO_LARGE = Expected(sqlstate="22003")

_EVERYWHERE = {
    "security: foreign server": Listed("owners-mapping", {28: None}),
    "queries: columns that do not fit": Listed(
        "status-modifier",
        {**dict.fromkeys((31, 32, 34), _TOO_LONG), **dict.fromkeys((39, 40, 42), _PADDED)},
    ),
    "keys: keys and the order of the checks": Listed(
        "internal-query",
        {
            **dict.fromkeys((97, 98, 105, 106), _NO_NUMBER),
            **dict.fromkeys((101, 102), _TOO_LARGE),
        },
    ),
}

SCENARIOS: dict[tuple[str, str], Listed] = {
    ("gateway", "connections: failure: service=nosuch"): Listed(
        "own-files", dict.fromkeys((1, 2, 3), _FORBIDDEN)
    ),
    ("gateway", "security: unprivileged: <remote> password=x passfile=/etc/passwd"): Listed(
        "own-files", dict.fromkeys((1, 2, 3), _FORBIDDEN)
    ),
    **{
        (face, name): listed
        for face in ("gateway", "plpython")
        for name, listed in _EVERYWHERE.items()
    },
}
"""By face and scenario, as `module: name`."""

KEYS = frozenset(
    (
        "record-in-target-list",
        "handler-context",
        "context",
        "parallel-unsafe",
        "nested-conversion",
        "standby",
        "untranslatable",
    )
)
"""The keys of differences that tests show which run no scenario."""
