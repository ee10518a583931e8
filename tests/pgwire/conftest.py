"""The real libpq as a fixture."""

from __future__ import annotations

import pytest

from tests.pgwire.libpq import LibPQ, find_libpq
from tests.pgwire.onloop import on_loop, runner

__all__ = ["on_loop", "runner"]  # fixtures


@pytest.fixture(scope="session")
def libpq() -> LibPQ:
    """A real libpq, or the test is skipped."""
    found = find_libpq()
    if found is None:
        pytest.skip("no libpq found: install one, or name one in PGWIRE_TEST_LIBPQ")
    return found


@pytest.fixture(scope="session")
def libpq18(libpq: LibPQ) -> LibPQ:
    """A libpq of at least 18, whose words ours are."""
    if libpq.version < 180000:
        pytest.skip("this libpq is older than 18: name a newer one in PGWIRE_TEST_LIBPQ")
    return libpq
