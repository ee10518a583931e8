"""dblink as SQL, wherever its functions come from: the extension, or a gateway on the way."""

from __future__ import annotations

from pathlib import Path

import pgwire
from bench.address import Server
from bench.drivers import Clock, NotAvailableError


class Driver:
    def __init__(self, server: Server, *, connect: bool = True) -> None:
        self._connection = pgwire.connect(server.conninfo())
        found = self._connection.query("select 1 from pg_proc where proname = 'dblink_exec'")
        if not found.rows:
            raise NotAvailableError("this server has no C dblink")
        # The tables are in the first database of that server, whichever way it was reached.
        port = self._connection.query("select inet_server_port()").scalar()
        source = Server(port, user=server.user, password=server.password)
        self._connection.query("select dblink_connect('source', $1)", [source.conninfo()])

    def remote_insert(self, clock: Clock, sql: str, columns: str, table: str) -> None:
        insert = f"insert into {table} select * from dblink('source', '{sql}') as t({columns})"
        with clock:
            self._connection.execute(insert)

    def remote_count(self, clock: Clock, sql: str, columns: str) -> int:
        counting = f"select count(*) from dblink('source', '{sql}') as t({columns})"
        with clock:
            count = self._connection.query(counting, ()).scalar()
        assert isinstance(count, int)
        return count

    def scalar_calls(self, clock: Clock, level: str, count: int) -> None:
        self._calls(clock, level, count, "select dblink_exec('source', 'set work_mem = ''4MB''')")

    def row_calls(self, clock: Clock, level: str, count: int) -> None:
        self._calls(clock, level, count, "select a from dblink('source', 'select 1') as t(a int)")

    def _calls(self, clock: Clock, level: str, count: int, sql: str) -> None:
        query = self._connection.query
        self._connection.execute(f"begin isolation level {level}")
        with clock:
            for _ in range(count):
                query(sql, ())
        self._connection.execute("commit")

    def peak_memory(self) -> float | None:
        """MiB of memory of its own that the backend has had at most: the extension works there."""
        pid = self._connection.query("select pg_backend_pid()").scalar()
        try:
            status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
        except OSError:  # another system, or another machine's server
            return None
        lines = dict(line.split(":", 1) for line in status.splitlines())
        # What of the shared buffers it has touched is not its own.
        return (int(lines["VmHWM"].split()[0]) - int(lines["RssShmem"].split()[0])) / 1024
