"""Authorities, and one server with TLS for each installation there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster
from tests.pgwire.tls.certificates import Authority, Identity, write
from tests.pgwire.tls.kit import HOST, LOCAL, TLSServer


class World(NamedTuple):
    """Who signs for whom, and where the files are."""

    folder: Path
    root: Authority
    intermediate: Authority
    other: Authority
    server: Identity

    def file(self, name: str, content: str | bytes, mode: int = 0o600) -> str:
        """Write a file of that name and return its path."""
        return write(self.folder, name, content, mode)

    @property
    def root_file(self) -> str:
        """The file of the root that has signed `server`."""
        return str(self.folder / "root.crt")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tls")
    root = Authority("Root")
    write(folder, "root.crt", root.pem)
    return World(
        folder,
        root,
        Authority("Intermediate", parent=root),
        Authority("Other"),
        root.issue(HOST, dns=[HOST, "*.wild.example.test"], ips=[LOCAL]),
    )


@pytest.fixture(scope="session")
def tls_server(tls_binaries: Binaries) -> Iterator[TLSServer]:
    with Cluster(tls_binaries) as cluster:
        yield TLSServer(cluster)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, libpq's too: there are no default files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    return tmp_path
