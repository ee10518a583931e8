"""What the TLS tests share: servers whose certificates change, and outcomes that compare."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pgwire
from pgwire import errors
from pgwire.testing.cluster import Cluster, Setting
from tests.pgwire.libpq import LibPQ
from tests.pgwire.tls.certificates import Identity

HOST = "db.example.test"
LOCAL = "127.0.0.1"

# How hosts may connect; the Unix-domain socket stays open for the test itself.
HBA = {
    "trust": ["local all all trust", "host all all 127.0.0.1/32 trust"],
    "hostssl": ["local all all trust", "hostssl all all 127.0.0.1/32 trust"],
    "hostnossl": ["local all all trust", "hostnossl all all 127.0.0.1/32 trust"],
    "scram": ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"],
    "cert": ["local all all trust", "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca"],
}


class TLSServer:
    """A running server whose certificate, key, authorities and rules can be exchanged."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._state: object = None

    def use(
        self,
        identity: Identity | None,
        *,
        hba: str = "trust",
        chain: bool = True,
        authority: str | None = None,
        **settings: Setting,
    ) -> None:
        """Serve as `identity` (None: without TLS), its `chain` included, asking for certificates
        of clients if there is an `authority`."""
        wanted = (identity, hba, chain, authority, settings)
        if wanted == self._state:
            return
        self._state = None
        own: dict[str, Setting] = {"ssl": identity is not None, **settings}
        if identity is not None:
            self.cluster.write_file("server.crt", identity.pem if chain else identity.alone)
            self.cluster.write_file("server.key", identity.key_pem())
        own["ssl_ca_file"] = ""
        if authority is not None:
            self.cluster.write_file("clients.crt", authority)
            own["ssl_ca_file"] = "clients.crt"
        self.cluster.settings.clear()
        self.cluster.settings.update(own)
        self.cluster.write_hba(HBA[hba])
        self._state = wanted

    def conninfo(self, **options: str | int | None) -> str:
        """A connection string over TCP."""
        return self.cluster.conninfo(**{"host": HOST, "hostaddr": LOCAL, **options})  # type: ignore[arg-type]


def ours(conninfo: str, environ: Mapping[str, str] | None = None, **options: object) -> str:
    """What comes of connecting: `TLS`, `plain`, or the error."""
    try:
        connection = pgwire.connect(conninfo, environ=environ or {}, **options)  # type: ignore[arg-type]
    except errors.Error as error:
        return alike(error.message)
    with connection:
        (told,) = connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert told[0] is (connection.info.tls_version is not None)
        return "TLS" if told[0] else "plain"


def theirs(libpq: LibPQ, conninfo: str) -> str:
    """The same of libpq."""
    attempt = libpq.connect(conninfo)
    if attempt.error:
        return alike(attempt.error)
    return "TLS" if attempt.encrypted else "plain"


def alike(message: str) -> str:
    """`message` without what differs between builds of OpenSSL, and libpq's GSS remarks."""
    for pattern, instead in _DIFFERENCES:
        message = re.sub(pattern, instead, message)
    return message


# The documented differences between messages. Everything else is equal, line by line.
_DIFFERENCES = [
    # Why a file cannot be read, OpenSSL says in a queue of errors, of which Python's `ssl` takes
    # one and libpq another.
    (r'(could not (?:read|load) [a-z ]+ file "[^"\n]*"): .*', r"\1"),
    # OpenSSL before 3 knew no such error: to it, it was a failed system call.
    ("SSL SYSCALL error: EOF detected", "SSL error: unexpected eof while reading"),
    # The names of alerts have changed between versions of OpenSSL.
    (r"(SSL error: )(?:sslv3|ssl/tls|tlsv1|tlsv13) alert", r"\1alert"),
]
