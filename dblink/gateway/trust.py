"""What a caller may do: as the side connection says, never as the caller says.

The login role is what the server tells of the session's process. The role that a call claims to
run as counts only if the login role could become it by SET ROLE. That is not enough for what only
a superuser may do: code of somebody else may run in a superuser's session, as that somebody. So
such a call brings a proof, made of a secret that only superusers and our functions' owner can read.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import Final

from dblink import messages
from dblink.gateway.calls import Call
from dblink.gateway.side import Registered, Side

_MAY_BECOME: Final = (
    "pg_catalog.pg_has_role({login}::pg_catalog.oid, {role},"
    " CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4"
    " OPERATOR(pg_catalog.>=) 160000 THEN 'SET' ELSE 'MEMBER' END)"
)

_EFFECTIVE: Final = (
    "SELECT r.rolname, r.rolsuper::pg_catalog.text FROM pg_catalog.pg_roles AS r"
    " WHERE (r.rolname OPERATOR(pg_catalog.=) $2 AND "
    + _MAY_BECOME.format(login="$1", role="r.oid")
    + ") OR r.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid"
    # The claimed one, if it is among them.
    " ORDER BY (r.rolname OPERATOR(pg_catalog.=) $2) DESC LIMIT 1"
)

_CONNECT_U: Final = (
    "SELECT o.rolname, o.rolsuper::pg_catalog.text FROM pg_catalog.pg_proc AS p"
    " JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) p.proowner"
    # Anybody may create a function of that name; this one is of those that `setup` has created.
    " JOIN pg_catalog.pg_namespace AS n ON n.nspowner OPERATOR(pg_catalog.=) p.proowner"
    " WHERE n.nspname OPERATOR(pg_catalog.=) 'dblink_gateway'"
    " AND p.proname OPERATOR(pg_catalog.=) 'dblink_connect_u' AND p.prosecdef"
    " AND p.pronargs OPERATOR(pg_catalog.=) $2::pg_catalog.int2"
    " AND EXISTS (SELECT FROM pg_catalog.pg_roles AS r"
    " WHERE " + _MAY_BECOME.format(login="$1", role="r.oid") + ""
    " AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')) LIMIT 1"
)

_MAY_USE: Final = """
SELECT (pg_catalog.has_server_privilege(r.oid, s.oid, 'USAGE')
        OR pg_catalog.has_server_privilege($2::pg_catalog.oid, s.oid, 'USAGE'))::pg_catalog.text
FROM pg_catalog.pg_foreign_server AS s, pg_catalog.pg_roles AS r
WHERE s.srvname OPERATOR(pg_catalog.=) $1 AND r.rolname OPERATOR(pg_catalog.=) $3
"""


class CallersPrivileges:
    """See `dblink.security.Privileges`: those of the session `registered`."""

    def __init__(self, side: Side, registered: Registered) -> None:
        self._side = side
        self._registered = registered
        self._login = registered.role_oid
        self._claimed = registered.role
        self._secret = ""
        self._number = ""
        self._proof = ""
        self._connect_u_owner: str | None = None

    def begin(self, call: Call) -> None:
        """A call begins, whose privileges count from now on."""
        # Most calls need no proof: it is looked at when one does, with the secret of this moment.
        self._secret = self._registered.secret
        self._number, self._proof = call.number, call.proof
        self._claimed = call.role
        self._connect_u_owner = None

    def effective(self) -> str:
        """The name of the role whose privileges count."""
        return self._effective()[0]

    def superuser(self) -> bool:
        """Whether that role is a superuser, and has proved it."""
        return self._proved() and self._effective()[1]

    def connect_u_owner(self, arguments: int) -> str | None:
        """Check EXECUTE on the dblink_connect_u of so many `arguments`, for the login role or one
        that it may become. Returns the owner, as whom the caller runs inside of it, which it has
        to prove. Raises 42501."""
        if not self._proved():
            raise messages.function_forbidden("dblink_connect_u")
        rows = self._side.query(_CONNECT_U, (self._login, str(arguments)))
        if not rows:
            raise messages.function_forbidden("dblink_connect_u")
        if rows[0][1] != "true":
            # It lifts the password rule, so that the connection is made as whoever the gateway is
            # to the remote server: that is not for everybody who may create functions to give away.
            raise messages.make(
                "42501",
                "permission denied for function dblink_connect_u",
                detail=f"Only a superuser's function lets others connect without a password; its"
                f' owner "{rows[0][0]}" is none.',
                hint="Use dblink_connect, with a password.",
            )
        self._connect_u_owner = rows[0][0]
        return self._connect_u_owner

    def may_use(self, server: str) -> bool:
        """Whether the caller may use a foreign server. One that the side does not see has been
        created in the caller's own transaction, which then has told all there is to know."""
        role = self._connect_u_owner or self.effective()
        rows = self._side.query(_MAY_USE, (server, self._login, role))
        return not rows or rows[0][0] == "true"

    def _proved(self) -> bool:
        proof = sha256((self._secret + self._number).encode()).hexdigest()
        return compare_digest(proof, self._proof)

    def _effective(self) -> tuple[str, bool]:
        rows = self._side.query(_EFFECTIVE, (self._login, self._claimed))
        if not rows:  # dropped in the middle of its session
            return self._registered.role, False
        return str(rows[0][0]), rows[0][1] == "true"
