"""Servers with TLS, for what is reached through tunnels."""

from __future__ import annotations

from tests.pgwire.tls.conftest import home, tls_server, world

__all__ = ["home", "tls_server", "world"]
