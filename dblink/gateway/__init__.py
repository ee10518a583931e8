"""dblink in SQL without an extension: a relay in front of a PostgreSQL server. See docs/sql.md."""

from dblink.gateway.gateway import Gateway
from dblink.gateway.running import Running, running
from dblink.gateway.tls import TlsFiles

__all__ = ["Gateway", "Running", "TlsFiles", "running"]
