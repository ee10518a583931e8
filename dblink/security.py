"""Who may connect where. Contract: contrib/dblink's rules; manual: dblink_connect, Notes.

An unprivileged caller must bring a password, and the server must have asked for it: otherwise
dblink would lend out the identity of the process it runs in. That process's own secrets (password
file, environment, service file) are out of such a caller's reach.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from dblink import messages
from dblink.local import Local
from pgwire import conninfo, errors

# Options that a caller of dblink may set, whoever it is: those of the release that introduced the
# check. What is missing makes the process write files or talk to third parties.
ALLOWED_OPTIONS = frozenset(
    (
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "options",
        "passfile",
        "password",
        "port",
        "replication",
        "require_auth",
        "requirepeer",
        "scram_client_key",
        "scram_server_key",
        "service",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    )
)

# Options that name files of this process: of a certificate, a password, or anything at all, since a
# file that is no certificate is read, too.
_FILE_OPTIONS = frozenset(
    (
        "passfile",
        "service",
        "sslcert",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslrootcert",
    )
)

# Environment variables that carry, or lead to, a secret of the process.
_SECRET_VARIABLES = frozenset(
    (
        "PGPASSWORD",
        "PGPASSFILE",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSYSCONFDIR",
        "PGSSLCERT",
        "PGSSLKEY",
        "PGGSSLIB",
        "PGGSSDELEGATION",
        "KRB5CCNAME",
    )
)


def check_before_connecting(text: str, privileged: bool, *, secrets: bool = True) -> None:
    """Refuse a connection string that its caller may not use, before anything is dialled.

    Raises 2F003 if an unprivileged caller brings no password (a string that cannot be parsed
    counts as that), 42501 for an option that nobody may set, and, unless the process lends its
    `secrets` to anybody, for one that names a file.
    """
    try:
        options = conninfo.parse(text)
    except errors.ConninfoError:
        if not privileged:
            raise messages.password_required() from None
        return  # connecting tells what is wrong with it
    if not privileged and not options.get("password"):
        raise messages.password_required()
    for keyword in options:
        if keyword not in ALLOWED_OPTIONS:
            raise messages.option_forbidden(keyword)
        if not secrets and keyword in _FILE_OPTIONS:
            if (keyword, options[keyword]) == ("sslrootcert", "system"):
                continue
            raise messages.file_forbidden(keyword)


def environment(privileged: bool) -> Mapping[str, str]:
    """The environment variables that count for the caller's connection."""
    if privileged:
        return os.environ
    kept = {name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES}
    # The certificate in the process's home directory is one of its secrets too. A caller who
    # brings one of his own says so by sslcertmode=allow.
    return {**kept, "PGSSLCERTMODE": "disable"}


class Privileges(Protocol):
    """What a session asks about its caller, whenever a connection is to be opened."""

    def superuser(self) -> bool:
        """Whether the effective user of this moment is a superuser."""
        ...

    def connect_u_owner(self, arguments: int) -> str | None:
        """Check EXECUTE on the dblink_connect_u of so many `arguments`. Returns the role that owns
        the function, as whom it runs, or None where that does not matter. Raises 42501 if the
        caller may not call it."""
        ...


class LocalPrivileges:
    """The privileges of the local database's current user."""

    def __init__(self, local: Local | None, privileged: bool | None) -> None:
        """`privileged` is the session's explicit word; None: ask the local database, and without
        one the answer is no."""
        self._local = local
        self._word = privileged

    def superuser(self) -> bool:
        """See `Privileges.superuser`."""
        if self._word is not None:
            return self._word
        if self._local is None:
            return False
        rows = self._local.query(
            "SELECT rolsuper FROM pg_catalog.pg_roles"
            " WHERE rolname OPERATOR(pg_catalog.=) current_user"
        )
        return rows == [("t",)]

    def connect_u_owner(self, arguments: int) -> str | None:
        """See `Privileges.connect_u_owner`."""
        if self._word is None and self._local is not None:
            # Only a superuser's function lifts the password rule: anybody may create one of that
            # name, and so become its owner.
            rows = self._local.query(
                "SELECT r.rolname, pg_catalog.has_function_privilege(p.oid, 'EXECUTE')"
                " FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_roles AS r"
                " ON r.oid OPERATOR(pg_catalog.=) p.proowner"
                " WHERE p.proname OPERATOR(pg_catalog.=) 'dblink_connect_u' AND p.prosecdef"
                " AND r.rolsuper"
                " AND p.pronargs OPERATOR(pg_catalog.=) $1::pg_catalog.int2"
                " ORDER BY 2 DESC LIMIT 1",
                (str(arguments),),
            )
            if rows and rows[0][1] == "t":
                return rows[0][0]
        if self.superuser():
            return None
        raise messages.function_forbidden("dblink_connect_u")
