"""Where the server is. Light, since it is in the memory of every driver that is measured."""

from __future__ import annotations

from typing import Any, NamedTuple


class Server(NamedTuple):
    """Where it is, and who we are there. All drivers go there over TCP without TLS."""

    port: int
    host: str = "127.0.0.1"
    dbname: str = "postgres"
    user: str = "bench"
    password: str = "bench"

    def as_dict(self) -> dict[str, Any]:
        """Its fields by name, which are those of a connection string."""
        return self._asdict()

    def conninfo(self) -> str:
        """As a connection string."""
        return " ".join(f"{name}={value}" for name, value in self.as_dict().items())
