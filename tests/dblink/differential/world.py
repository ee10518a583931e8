"""The server of the suite: a local and a remote database, roles, and who must give a password."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pgwire
from pgwire.testing.binaries import Binaries
from pgwire.testing.cluster import Cluster

HBA = (
    "local all all trust",
    "host all scram_user 127.0.0.1/32 scram-sha-256",
    "host all md5_user 127.0.0.1/32 md5",
    "host all clear_user 127.0.0.1/32 password",
    "host all nobody 127.0.0.1/32 reject",
    "host all all 127.0.0.1/32 trust",
)

ROLES = """
CREATE ROLE plain LOGIN PASSWORD 'secret';
CREATE ROLE other LOGIN PASSWORD 'secret';
SET password_encryption = 'scram-sha-256';
CREATE ROLE scram_user LOGIN PASSWORD 'secret';
CREATE ROLE clear_user LOGIN PASSWORD 'secret';
CREATE ROLE nobody LOGIN PASSWORD 'secret';
SET password_encryption = 'md5';
CREATE ROLE md5_user LOGIN PASSWORD 'secret';
RESET password_encryption;
"""

_FOO = """
CREATE TABLE foo(f1 int, f2 text, f3 text[], PRIMARY KEY (f1, f2));
INSERT INTO foo SELECT n, chr(97 + n), ARRAY['a' || n, 'b' || n, 'c' || n]
  FROM generate_series(0, 9) AS n;
GRANT ALL ON foo TO PUBLIC;
"""

_FRESH_SCHEMA = """
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS public CASCADE;
CREATE SCHEMA public;
GRANT ALL ON SCHEMA public TO PUBLIC;
"""

_RESET_LOCAL = (
    """
SET client_min_messages = warning;
DO $$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('DROP FOREIGN DATA WRAPPER %I CASCADE', fdwname) FROM pg_foreign_data_wrapper
      WHERE fdwname NOT IN ('dblink_fdw', 'postgres_fdw')
    UNION ALL SELECT format('DROP SERVER IF EXISTS %I CASCADE', srvname) FROM pg_foreign_server
    UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_|^(public|ext|information_schema|dblink_gateway|dblink_python)$'
  LOOP EXECUTE statement; END LOOP;
END $$;
REVOKE ALL ON FUNCTION ext.dblink_connect_u(text), ext.dblink_connect_u(text, text) FROM plain;
"""
    + _FRESH_SCHEMA
    + _FOO
)

TERMINATE = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = 'remote' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

SLEEPING = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'remote' AND wait_event = 'PgSleep')
"""


def prepare_local(admin: pgwire.Connection, install: Callable[[], object]) -> None:
    """Make a new database the local one; `install` puts the functions of dblink, and the wrapper
    dblink_fdw, into its schema ext."""
    admin.query_all("CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC")
    install()
    admin.query_all(
        "CREATE EXTENSION postgres_fdw SCHEMA ext;"
        "ALTER DATABASE local SET search_path = public, ext;"
        "GRANT USAGE ON FOREIGN DATA WRAPPER dblink_fdw, postgres_fdw TO PUBLIC"
    )


def reset_local(admin: pgwire.Connection) -> None:
    """Make the local database of `admin` what it was at the beginning."""
    admin.query_all(_RESET_LOCAL)


class World:
    """One server, with what the scenarios need; both runs of a scenario begin with `reset`."""

    def __init__(self, binaries: Binaries) -> None:
        self.major = binaries.major
        self._cluster = Cluster(binaries, hba=HBA, settings={"max_connections": 40})

    def __enter__(self) -> Self:
        self._cluster.start()
        try:
            self._prepare()
        except BaseException:
            self._cluster.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self.admin, self.remote_admin:
            connection.close()
        self._cluster.close()

    def _prepare(self) -> None:
        cluster = self._cluster
        with pgwire.connect(cluster.conninfo()) as first:
            first.execute("CREATE DATABASE local")
            first.execute("CREATE DATABASE remote")
            first.query_all(ROLES)
        self.admin = pgwire.connect(cluster.conninfo("local"))
        self.remote_admin = pgwire.connect(cluster.conninfo("remote"))
        prepare_local(
            self.admin, lambda: self.admin.query_all("CREATE EXTENSION dblink SCHEMA ext")
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._closed = probe.getsockname()[1]
        port = cluster.port
        address = f"host=127.0.0.1 port={port} dbname=remote"
        self.names = {
            "<remote>": f"{address} user=postgres",
            "<address>": address,
            "<uri>": f"postgresql://postgres@127.0.0.1:{port}/remote",
            "<socket>": cluster.host,
            "<port>": str(port),
            "<closed>": str(self._closed),
        }

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens."""
        return self._cluster.tcp_host, self._cluster.port

    def conninfo(self, role: str, dbname: str = "local") -> str:
        """A connection string for a session of `role` in the local database, or another one."""
        return self._cluster.conninfo(dbname, user=role)

    def connect(
        self, role: str, on_notice: Callable[[pgwire.Diagnostics], None]
    ) -> pgwire.Connection:
        """A session of `role` in the local database; it lets no statement run for long."""
        return pgwire.connect(
            self._cluster.conninfo("local", user=role, options="-c statement_timeout=20s"),
            on_notice=on_notice,
        )

    def reset(self) -> None:
        """Make both databases what they were at the beginning."""
        self.reset_remote()
        reset_local(self.admin)

    def reset_remote(self) -> None:
        """Make the remote database what it was, and end its sessions."""
        self.remote_admin.query_all(TERMINATE)
        self.remote_admin.query_all(_FRESH_SCHEMA + _FOO)

    def fill_in(self, text: str) -> str:
        """`text` with the names in angle brackets replaced."""
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text
