"""Real servers for the tests, Hypothesis profiles, and the rule that CI skips nothing in silence.

Environment:
    PGWIRE_PG_BIN: the folder of the server that most tests run against; else one is found.
    PGWIRE_TEST_SERVERS: folders of full servers (TLS, C dblink), separated by ``:``. Every test
        that needs such a server runs against each of them.
    PGWIRE_REQUIRE_SERVERS: ``1`` turns a skipped ``differential``, ``tls``, ``clients``,
        ``api``, ``browser``, ``plpython`` or ``uvloop`` test into a failed one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from glob import glob
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from pgwire.testing.binaries import (
    INSTALLED,
    Binaries,
    BinariesNotFoundError,
    find_binaries,
)
from pgwire.testing.cluster import Cluster

# A fixture that needs a full server, or another original, marks the tests that use it.
MARKERS = {
    "contrib_binaries": "differential",
    "contrib_cluster": "differential",
    "libpq": "differential",
    "plpython_binaries": "plpython",
    "tls_binaries": "tls",
}

# Marks of tests that may be skipped on a machine that has not what they need, and nowhere else.
REQUIRED = sorted({*MARKERS.values(), "api", "browser", "clients", "uvloop"})

# Fixtures that bring what differs from one surroundings to another. A test that has none of them,
# and none of those marks, gives the same answer with every server: CI runs it with one.
SURROUNDINGS = {"binaries", *MARKERS}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in what a shell runs in the background; but some tests press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

PYPY = sys.implementation.name == "pypy"

settings.register_profile(
    "dev",
    # PyPy needs a few hundred calls before it compiles anything: fewer examples take as long there.
    max_examples=20 if PYPY else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "ci",
    parent=settings.get_profile("dev"),
    # A red run must be red again: the same examples each time. `make fuzz` is where new ones are
    # sought.
    derandomize=True,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def _full_servers(fits: Callable[[Binaries], bool]) -> list[Binaries]:
    named = os.environ.get("PGWIRE_TEST_SERVERS")
    if named:
        # A folder that is named and holds no server is an error here, not a test less.
        return [b for b in map(Binaries, filter(None, named.split(":"))) if fits(b)]
    try:
        found = find_binaries()
    except BinariesNotFoundError:
        return []
    return [found] if fits(found) else []


def _has_dblink(binaries: Binaries) -> bool:
    return binaries.has_contrib("dblink")


def _has_tls(binaries: Binaries) -> bool:
    return binaries.has_tls


def _parameters(fits: Callable[[Binaries], bool]) -> list[Any]:
    servers = _full_servers(fits)
    # One parameter, None, if there are none: such a test appears, as skipped.
    return [pytest.param(b, id=f"pg{b.major}") for b in servers] or [pytest.param(None, id="none")]


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The server installation that most tests run against."""
    return find_binaries()


@pytest.fixture(scope="session")
def cluster(binaries: Binaries) -> Iterator[Cluster]:
    """One server for the whole run, which lets everybody in over TCP and the Unix-domain socket.

    Tests share it: what a test creates in it, it removes or names uniquely; its settings and its
    ``pg_hba.conf`` stay as they are. A test that needs another kind of server starts one.
    """
    with Cluster(binaries) as server:
        yield server


@pytest.fixture(scope="session", params=_parameters(_has_dblink))
def contrib_binaries(request: pytest.FixtureRequest) -> Binaries:
    """An installation with the C dblink; a test that uses it runs once for each there is."""
    if request.param is None:
        pytest.skip("no server with contrib/dblink: set PGWIRE_TEST_SERVERS")
    chosen: Binaries = request.param
    return chosen


@pytest.fixture(scope="session")
def contrib_cluster(contrib_binaries: Binaries) -> Iterator[Cluster]:
    """A running server with the C dblink, one for the whole run for each there is."""
    with Cluster(contrib_binaries) as server:
        yield server


@pytest.fixture(scope="session", params=_parameters(_has_tls))
def tls_binaries(request: pytest.FixtureRequest) -> Binaries:
    """An installation with TLS; a test that uses it runs once for each there is."""
    if request.param is None:
        pytest.skip("no server with TLS: set PGWIRE_TEST_SERVERS")
    chosen: Binaries = request.param
    return chosen


@pytest.fixture(scope="session")
def plpython_binaries() -> Binaries:
    """The newest server of the system that has PL/Python."""
    if PYPY:
        pytest.skip("what runs in the server is the server's own Python")
    found = []
    for folder in [folder for pattern in INSTALLED for folder in glob(pattern)]:
        with suppress(BinariesNotFoundError):  # client programs without a server
            found.append(Binaries(folder))
    found = [binaries for binaries in found if binaries.has_contrib("plpython3u")]
    if not found:
        pytest.skip("no server with PL/Python: install postgresql-plpython3-15 or the like")
    return max(found, key=lambda b: b.version)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `make test` runs the tests in: many of them wait for a server."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for fixture in fixtures & MARKERS.keys():
            item.add_marker(MARKERS[fixture])
        if not fixtures & SURROUNDINGS and not any(map(item.get_closest_marker, REQUIRED)):
            item.add_marker("anywhere")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("PGWIRE_REQUIRE_SERVERS") == "1":
        required = [name for name in REQUIRED if item.get_closest_marker(name)]
        if required and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            report.outcome = "failed"
            report.longrepr = (
                f"skipped, but PGWIRE_REQUIRE_SERVERS=1 and marked {required[0]}: {reason}"
            )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and os.environ.get("PGWIRE_REQUIRE_SERVERS") == "1":
        # Whatever marks its tests have: nobody will see them.
        report.outcome = "failed"
        report.longrepr = f"skipped as a whole, but PGWIRE_REQUIRE_SERVERS=1: {report.longrepr}"
    return report


def pytest_report_header() -> list[str]:
    try:
        main = repr(find_binaries())
    except BinariesNotFoundError as error:
        main = str(error)
    full = {repr(b): None for fits in (_has_dblink, _has_tls) for b in _full_servers(fits)}
    return [f"server: {main}", f"full servers: {', '.join(full) or 'none'}"]
