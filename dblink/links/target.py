"""Where a link leads: the options of its foreign server, and the proof that it is let in."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Final

import pgwire
from dblink.links.errors import LinkError
from dblink.links.model import Cluster, Health, Target
from dblink.links.records import now
from dblink.remotes import Remotes
from pgwire import conninfo, errors
from pgwire.conninfo.redaction import without_secrets

_TIMEOUT: Final = 10
"""Seconds for logging in on a target, and for an answer of it."""

_PASSED_ON: Final = (
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "channel_binding",
    "require_auth",
    "target_session_attrs",
    "load_balance_hosts",
)
"""Of a cluster's connection string: how it is to be connected to, by whomever. Each of them makes a
connection stricter than it would be, so none may be dropped."""


def server_options(target: Target, cluster: Cluster | None) -> dict[str, str]:
    """The options of the foreign server of a link to `target`, which is in `cluster` or a server of
    one's own. Raises InvalidConnectionString if the cluster's names no host."""
    if cluster is None:
        assert target.address is not None
        return {"host": target.address, "port": str(target.port), "dbname": target.database}
    try:
        explicit = conninfo.parse(cluster.conninfo)
        resolved = conninfo.resolve(cluster.conninfo)
    except errors.ConninfoError as error:
        reason = without_secrets(error.message, cluster.conninfo)
        raise LinkError("InvalidConnectionString", reason=reason) from None
    options = {
        keyword: resolved[keyword]
        for keyword in ("host", "hostaddr", "port")
        if resolved.get(keyword)
    }
    if "host" not in options and "hostaddr" not in options:
        raise LinkError("InvalidConnectionString", reason="it must name the host")
    options |= {keyword: explicit[keyword] for keyword in _PASSED_ON if keyword in explicit}
    return {**options, "dbname": target.database}


def connection_string(options: Mapping[str, str], target: Target, password: str) -> str:
    """The connection string of a link that has these options."""
    return conninfo.make(None, **{**options, "user": target.account, "password": password})


def check_allowed(target: Target, remotes: Remotes) -> None:
    """Raises InvalidTarget.Forbidden if the target is a server of one's own to which no link may
    lead. Clusters are registered by whoever runs the catalogue, other targets named by anybody."""
    if target.address is None:
        return
    one = conninfo.Target(target.address, "", str(target.port))
    refused = remotes.refused(one, target.address)
    if refused is not None:
        raise LinkError("InvalidTarget.Forbidden", reason=refused.rstrip(","))


def health(where: str) -> Health:
    """Log in by a connection string of a link, with its password, and have a query answered."""
    try:
        with pgwire.connect(
            where,
            ambient=False,
            connect_timeout=_TIMEOUT,
            fallback_application_name="dblink links",
        ) as connection:
            begun = perf_counter()
            connection.query("SELECT 1", timeout=_TIMEOUT)
            return Health(now(), perf_counter() - begun, None)
    except errors.Error as error:
        return Health(now(), None, error.message)


def proven(where: str) -> Health:
    """As `health`, for a link that is to work. Raises InvalidTarget.Refused."""
    found = health(where)
    check(found)
    return found


def check(found: Health) -> None:
    """Raises InvalidTarget.Refused if a link did not work."""
    if found.problem is not None:
        raise LinkError("InvalidTarget.Refused", reason=found.problem)
