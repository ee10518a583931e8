from __future__ import annotations

import pytest

from pgwire.protocol import backend, frontend
from pgwire.protocol.constants import BACKEND_LIMITS, FRONTEND_LIMITS, server_version_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18.0", 180000),
        ("15.20 (Debian 15.20-1.pgdg12+1)", 150020),
        ("18beta1", 180000),
        ("19devel", 190000),
        ("10.23", 100023),
        ("9.6.24", 90624),
        ("9.6", 90600),
        ("9.6beta4", 90600),
        ("8.4.22", 80422),
        ("16", 160000),
        ("14.2rc1.7", 140002),
        ("CockroachDB", 0),
        ("", 0),
    ],
)
def test_server_version_number(text: str, number: int) -> None:
    assert server_version_number(text) == number


def test_every_type_has_a_limit_and_a_class() -> None:
    assert set(BACKEND_LIMITS) == set(backend.BACKEND)
    assert set(FRONTEND_LIMITS) == set(frontend.FRONTEND)
    for kind, message in backend.BACKEND.items():
        assert message.limit == BACKEND_LIMITS[kind] or kind in b"dc"
    for kind, message in frontend.FRONTEND.items():
        assert message.limit == FRONTEND_LIMITS[kind]
