"""The table of connection options: libpq 18's, in its order. Manual: 32.1.2, 32.15.

Everything that is known of an option stands here once: the parser, the defaults, the checks, the
refusals and the documentation read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["OPTIONS", "STARTUP_ENVIRONMENT", "Option"]


class Option:
    """One connection option.

    Attributes:
        keyword: its name in connection strings.
        description: one sentence.
        environment: the environment variable that gives it, or None.
        default: its value if nothing else gives one; None if it is then unset, or derived from
            others.
        values: the values that are allowed, if they are a fixed set.
        since: the first version of PostgreSQL's libpq that had it, "" if it was always there.
        display: libpq's hint for dialogs: "*" hides what is typed, "D" shows it to experts only.
        secret: whether its value must never be shown.
        honoured: what this version of pgwire does with it.
        refused: values that demand what this version cannot do -> why.
    """

    __slots__ = (
        "default",
        "description",
        "display",
        "environment",
        "honoured",
        "keyword",
        "refused",
        "secret",
        "since",
        "values",
    )

    def __init__(
        self,
        keyword: str,
        description: str,
        *,
        environment: str | None = None,
        default: str | None = None,
        values: tuple[str, ...] | None = None,
        since: str = "",
        display: str = "",
        secret: bool = False,
        honoured: str = "yes",
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self.keyword = keyword
        self.description = description
        self.environment = environment
        self.default = default
        self.values = values
        self.since = since
        self.display = display
        self.secret = secret
        self.honoured = honoured
        self.refused: Mapping[str, str] = refused if refused is not None else {}

    def __repr__(self) -> str:
        return f"<Option {self.keyword}>"


_OAUTH = "handed to the function `oauth_token`"
_NO_CERTIFICATE_REQUEST = (
    "Python's ssl module does not tell whether the server asked for a certificate"
)
_NO_GSS = "accepted; without effect, as pgwire has no GSSAPI"
_TLS_VERSIONS = ("", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_PROTOCOL_VERSIONS = ("3.0", "3.2", "latest")
_SESSION_KINDS = ("read-write", "read-only", "primary", "standby", "prefer-standby")

_TABLE = (
    Option(
        "service",
        "Name of a section of the connection service file that gives further options.",
        environment="PGSERVICE",
        since="7.1",
    ),
    Option(
        "user",
        "Name of the role to connect as; by default the name of the operating system's user.",
        environment="PGUSER",
    ),
    Option(
        "password",
        "Password, if the server asks for one.",
        environment="PGPASSWORD",
        display="*",
        secret=True,
    ),
    Option(
        "passfile",
        "File with passwords, by default ~/.pgpass; not read if a password is given.",
        environment="PGPASSFILE",
        since="10",
    ),
    Option(
        "channel_binding",
        "Whether SCRAM must be bound to the TLS connection.",
        environment="PGCHANNELBINDING",
        default="prefer",
        values=("disable", "prefer", "require"),
        since="13",
    ),
    Option(
        "connect_timeout",
        "Seconds to wait for a connection to each address; 0, negative or unset: for ever.",
        environment="PGCONNECT_TIMEOUT",
        since="7.3",
    ),
    Option(
        "dbname",
        "Name of the database; by default the name of the role.",
        environment="PGDATABASE",
    ),
    Option(
        "host",
        "Host names, directories of Unix-domain sockets (with a leading /) or abstract sockets "
        "(@), separated by commas; tried in order.",
        environment="PGHOST",
    ),
    Option(
        "hostaddr",
        "Numeric addresses to connect to instead of looking up `host`, separated by commas.",
        environment="PGHOSTADDR",
        since="7.0",
    ),
    Option(
        "port",
        "Port of every host, or ports separated by commas.",
        environment="PGPORT",
        default="5432",
    ),
    Option(
        "client_encoding",
        "Encoding of the session, or auto for the locale's.",
        environment="PGCLIENTENCODING",
        since="9.1",
    ),
    Option(
        "options",
        "Command-line options for the server process, such as -c name=value.",
        environment="PGOPTIONS",
        default="",
    ),
    Option(
        "application_name",
        "Name shown in pg_stat_activity and in the server's log.",
        environment="PGAPPNAME",
        since="9.0",
    ),
    Option(
        "fallback_application_name",
        "What application_name is if nothing gives it.",
        since="9.0",
    ),
    Option(
        "keepalives",
        "0 turns TCP keepalives off.",
        since="9.0",
    ),
    Option(
        "keepalives_idle",
        "Seconds without traffic before a keepalive is sent.",
        since="9.0",
    ),
    Option(
        "keepalives_interval",
        "Seconds before an unanswered keepalive is sent again.",
        since="9.0",
    ),
    Option(
        "keepalives_count",
        "How many keepalives may be lost.",
        since="9.0",
    ),
    Option(
        "tcp_user_timeout",
        "Milliseconds that sent data may stay unacknowledged.",
        since="12",
    ),
    Option(
        "sslmode",
        "Whether the connection is encrypted with TLS, and what is verified.",
        environment="PGSSLMODE",
        default="prefer",
        values=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        since="7.4",
        honoured="no TLS on Unix-domain sockets, as in libpq",
    ),
    Option(
        "sslnegotiation",
        "Whether TLS starts after a question to the server or directly.",
        environment="PGSSLNEGOTIATION",
        default="postgres",
        values=("postgres", "direct"),
        since="17",
    ),
    Option(
        "sslcompression",
        "Whether TLS compresses; TLS of today never does.",
        environment="PGSSLCOMPRESSION",
        default="0",
        since="9.2",
        honoured="accepted; without effect",
    ),
    Option(
        "sslcert",
        "File with the client's certificate.",
        environment="PGSSLCERT",
        since="8.4",
    ),
    Option(
        "sslkey",
        "File with the client's private key.",
        environment="PGSSLKEY",
        since="8.4",
    ),
    Option(
        "sslcertmode",
        "Whether the client's certificate may or must be sent.",
        environment="PGSSLCERTMODE",
        values=("disable", "allow", "require"),
        since="16",
        honoured=f"disable and allow; require is an error: {_NO_CERTIFICATE_REQUEST}",
        refused={"require": _NO_CERTIFICATE_REQUEST},
    ),
    Option(
        "sslpassword",
        "Passphrase of the private key.",
        since="13",
        display="*",
        secret=True,
    ),
    Option(
        "sslrootcert",
        "File with the certificates to trust, or system for those of the operating system.",
        environment="PGSSLROOTCERT",
        since="8.4",
        honoured="`system` stands for the trusted roots of the system, and asks for "
        "sslmode=verify-full",
    ),
    Option(
        "sslcrl",
        "File with revoked certificates.",
        environment="PGSSLCRL",
        since="8.4",
    ),
    Option(
        "sslcrldir",
        "Directory with revoked certificates.",
        environment="PGSSLCRLDIR",
        since="14",
    ),
    Option(
        "sslsni",
        "1 to tell the server in TLS under which name it was reached.",
        environment="PGSSLSNI",
        default="1",
        since="14",
    ),
    Option(
        "requirepeer",
        "The operating system's user that the server must run as; Unix-domain sockets only.",
        environment="PGREQUIREPEER",
        since="9.1",
    ),
    Option(
        "require_auth",
        "Ways of authentication that are acceptable, or with ! those that are not.",
        environment="PGREQUIREAUTH",
        since="16",
        honoured="yes, but an empty list is none; without any, a cleartext password still goes "
        "only where nobody can listen",
    ),
    Option(
        "min_protocol_version",
        "The oldest protocol version to accept.",
        environment="PGMINPROTOCOLVERSION",
        values=_PROTOCOL_VERSIONS,
        since="18",
    ),
    Option(
        "max_protocol_version",
        "The newest protocol version to ask for; 3.0 unless the minimum is above it.",
        environment="PGMAXPROTOCOLVERSION",
        values=_PROTOCOL_VERSIONS,
        since="18",
    ),
    Option(
        "ssl_min_protocol_version",
        "The oldest version of TLS to accept.",
        environment="PGSSLMINPROTOCOLVERSION",
        default="TLSv1.2",
        values=_TLS_VERSIONS,
        since="13",
    ),
    Option(
        "ssl_max_protocol_version",
        "The newest version of TLS to accept.",
        environment="PGSSLMAXPROTOCOLVERSION",
        values=_TLS_VERSIONS,
        since="13",
    ),
    Option(
        "gssencmode",
        "Whether the connection is encrypted with GSSAPI.",
        environment="PGGSSENCMODE",
        default="disable",
        values=("disable", "prefer", "require"),
        since="12",
        honoured="disable and prefer, both without GSSAPI; require is an error",
    ),
    Option(
        "krbsrvname",
        "Kerberos service name of the server.",
        environment="PGKRBSRVNAME",
        default="postgres",
        since="8.1",
        honoured=_NO_GSS,
    ),
    Option(
        "gsslib",
        "Which library to use for GSSAPI, on Windows.",
        environment="PGGSSLIB",
        since="8.3",
        honoured=_NO_GSS,
    ),
    Option(
        "gssdelegation",
        "1 to forward the GSSAPI credentials to the server.",
        environment="PGGSSDELEGATION",
        default="0",
        since="16",
        honoured=_NO_GSS,
    ),
    Option(
        "replication",
        "Ask for a replication session: true, database, or false.",
        since="9.0",
        display="D",
    ),
    Option(
        "target_session_attrs",
        "The kind of session that a server must offer to be taken.",
        environment="PGTARGETSESSIONATTRS",
        default="any",
        values=("any", *_SESSION_KINDS),
        since="10",
    ),
    Option(
        "load_balance_hosts",
        "random to try the hosts in random order.",
        environment="PGLOADBALANCEHOSTS",
        default="disable",
        values=("disable", "random"),
        since="16",
    ),
    Option(
        "scram_client_key",
        "SCRAM's ClientKey in base64, used instead of a password.",
        since="18",
        display="D",
        secret=True,
    ),
    Option(
        "scram_server_key",
        "SCRAM's ServerKey in base64, to verify the server without a password.",
        since="18",
        display="D",
        secret=True,
    ),
    Option(
        "oauth_issuer",
        "The only OAuth issuer to be trusted: its identifier, or the address of its discovery "
        "document.",
        since="18",
        honoured=_OAUTH,
    ),
    Option("oauth_client_id", "OAuth client identifier.", since="18", honoured=_OAUTH),
    Option(
        "oauth_client_secret",
        "OAuth client secret.",
        since="18",
        display="*",
        secret=True,
        honoured=_OAUTH,
    ),
    Option(
        "oauth_scope",
        "OAuth scopes to ask for, instead of those that the server names.",
        since="18",
        honoured=_OAUTH,
    ),
    Option(
        "sslkeylogfile",
        "File to which the keys of the TLS session are appended.",
        since="18",
        display="D",
    ),
)

OPTIONS: Final[Mapping[str, Option]] = MappingProxyType(
    {option.keyword: option for option in _TABLE}
)
"""Keyword -> option, in the order of PQconndefaults."""

STARTUP_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {"PGDATESTYLE": "datestyle", "PGTZ": "timezone", "PGGEQO": "geqo"}
)
"""Environment variables that set a run-time parameter of the session -> that parameter."""
