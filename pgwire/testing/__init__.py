"""A kit for tests that need a PostgreSQL server, or a peer that behaves as no real one would."""

from __future__ import annotations

from pgwire.testing.binaries import Binaries, BinariesNotFoundError, find_binaries, find_program
from pgwire.testing.cluster import Cluster, ClusterError

__all__ = [
    "Binaries",
    "BinariesNotFoundError",
    "Cluster",
    "ClusterError",
    "find_binaries",
    "find_program",
]
