"""Our dblink: a session in the client."""

from __future__ import annotations

import dblink
from bench.address import Server
from bench.drivers import Clock


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._session = dblink.Session(privileged=True)
        for name in ("source", "target"):
            self._session.dblink_connect(name, server.conninfo())

    def remote_insert(self, clock: Clock, sql: str, columns: str, table: str) -> None:
        with clock:
            self._session.dblink_copy("source", sql, "target", table)

    def remote_count(self, clock: Clock, sql: str, columns: str) -> int:
        with clock:
            return self._session.dblink("source", sql).count()
