"""Foreign servers as connection names. Manual: dblink_connect, CREATE SERVER, CREATE USER MAPPING.

A server of any foreign-data wrapper will do: dblink takes of its options, and of the user
mapping's, those that are connection options at their level, and leaves the others alone.
"""

from __future__ import annotations

from dblink import messages
from dblink.local import Local
from pgwire import conninfo

MAPPING_OPTIONS = frozenset(("user", "password", "sslpassword"))
"""Connection options that belong to a user mapping; all others belong to the server."""

# Connection options that neither level may have: they are libpq's debug options, or would let a
# server's owner name tokens and keys.
_NEVER = frozenset(("client_encoding", "replication", "sslkeylogfile"))
_NEVER_PREFIXES = ("oauth_", "scram_")

SERVER_OPTIONS = tuple(
    keyword
    for keyword in conninfo.OPTIONS
    if keyword not in MAPPING_OPTIONS
    and keyword not in _NEVER
    and not keyword.startswith(_NEVER_PREFIXES)
)
"""Connection options that a server may have, in libpq's order."""

LOOK_UP = """
SELECT s.oid::pg_catalog.text, s.srvname,
       pg_catalog.has_server_privilege(u.name, s.oid, 'USAGE')::pg_catalog.text,
       m.umid::pg_catalog.text, pg_catalog.to_json(s.srvoptions)::pg_catalog.text,
       pg_catalog.to_json(m.umoptions)::pg_catalog.text, u.name,
       p.umid::pg_catalog.text, pg_catalog.to_json(p.umoptions)::pg_catalog.text
FROM pg_catalog.pg_foreign_server AS s
CROSS JOIN (SELECT COALESCE($2, CURRENT_USER::pg_catalog.text)) AS u(name)
LEFT JOIN pg_catalog.pg_user_mappings AS m
  ON m.srvid OPERATOR(pg_catalog.=) s.oid AND m.umuser OPERATOR(pg_catalog.<>) 0
  AND m.usename OPERATOR(pg_catalog.=) u.name
LEFT JOIN pg_catalog.pg_user_mappings AS p
  ON p.srvid OPERATOR(pg_catalog.=) s.oid AND p.umuser OPERATOR(pg_catalog.=) 0
WHERE s.srvname OPERATOR(pg_catalog.=) $1
"""


def foreign_server_conninfo(local: Local | None, name: str, user: str | None) -> str | None:
    """The connection string of the foreign server `name`, as `user` (None: the current one).

    Returns None if there is no server of that name. Raises 42704 if the user has no mapping,
    then 42501 without USAGE on the server, or where PostgreSQL hides the mapping's options.
    """
    if local is None or "\0" in name:
        return None
    rows = local.query(LOOK_UP, (name, user))
    if not rows:
        return None
    _, server, usage, own, server_options, own_options, user, public, public_options = rows[0]
    if own is None and public is None:
        raise messages.make("42704", f'user mapping not found for user "{user}", server "{server}"')
    if usage != "true":
        raise messages.make("42501", f"permission denied for foreign server {server}")
    mapping = _options(own_options if own is not None else public_options)
    if mapping is None:
        # An empty mapping shows as NULL too: only a wrong guess is an error, and connecting
        # without the mapping's password would be one that nobody could explain.
        mapping = _hidden_mapping(local, own if own is not None else public, server or name)
    pairs = [(k, v) for k, v in _options(server_options) or [] if k in SERVER_OPTIONS]
    pairs += [(k, v) for k, v in mapping if k in MAPPING_OPTIONS]
    return "".join(f"{keyword}='{_escape(value)}' " for keyword, value in pairs)


def _hidden_mapping(local: Local, mapping: str | None, server: str) -> list[tuple[str, str]]:
    rows = local.query(
        "SELECT pg_catalog.pg_has_role(s.srvowner, 'USAGE') OR r.rolsuper OR"
        " (m.umuser OPERATOR(pg_catalog.=) r.oid)"
        " FROM pg_catalog.pg_user_mappings AS m"
        " JOIN pg_catalog.pg_foreign_server AS s ON s.oid OPERATOR(pg_catalog.=) m.srvid"
        " JOIN pg_catalog.pg_roles AS r ON r.rolname OPERATOR(pg_catalog.=) CURRENT_USER"
        " WHERE m.umid OPERATOR(pg_catalog.=) $1::pg_catalog.oid",
        (mapping,),
    )
    if rows == [("t",)]:
        return []
    raise messages.make(
        "42501",
        f'the options of the user mapping for server "{server}" are hidden from the current user',
        detail="PostgreSQL shows the options of a mapping to the user it is for, and those of "
        "PUBLIC's mapping only to the server's owner and to superusers.",
    )


def _options(text: str | None) -> list[tuple[str, str]] | None:
    """The (keyword, value) pairs of an options array, in their order."""
    if text is None:
        return None
    import json

    return [tuple(item.split("=", 1)) for item in json.loads(text)]


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
