"""What stands in a store: each statement once, and the way from rows to the model and back.

All functions take a transaction; none of them knows which kind of store it is in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dblink.links.model import AccessKey, Cluster, Health, Link, Settings, Target
from dblink.links.rules import QUOTA, REGIONS
from dblink.links.store import Transaction

_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"

_CLUSTER: Final = "SELECT id, region, account, conninfo, roles FROM cluster"
_LINK: Final = (
    "SELECT id, cluster, name, source_db, target_db, target_account, target_cluster,"
    " target_address, target_port, target_vpc, roles, state, created, resource_group, checked,"
    " latency, problem FROM link"
)
_KEY: Final = "SELECT id, secret, account, policies, active, created, note FROM access_key"


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def time_text(moment: datetime) -> str:
    """A time as it stands in a store: in UTC, of one length, so that text sorts as times do."""
    return moment.astimezone(UTC).strftime(_TIME)


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


# Settings.


def settings(store: Transaction) -> Settings:
    """What holds for the whole catalogue."""
    found = dict(store.query("SELECT name, value FROM setting"))
    regions = json.loads(found["regions"]) if "regions" in found else REGIONS
    return Settings(tuple(regions), int(found.get("quota", QUOTA)))


def save_settings(store: Transaction, new: Settings) -> None:
    """Keep other settings."""
    for name, value in (("regions", json.dumps(new.regions)), ("quota", str(new.quota))):
        store.query(
            "INSERT INTO setting (name, value) VALUES ($1, $2)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


# Clusters.


def clusters(store: Transaction, account: str | None = None) -> list[Cluster]:
    """The clusters, or those of one account, by ID."""
    if account is None:
        rows = store.query(f"{_CLUSTER} ORDER BY id")
    else:
        rows = store.query(f"{_CLUSTER} WHERE account = $1 ORDER BY id", (account,))
    return [_cluster(row) for row in rows]


def cluster(store: Transaction, name: str) -> Cluster | None:
    """The cluster of this ID."""
    rows = store.query(f"{_CLUSTER} WHERE id = $1", (name,))
    return _cluster(rows[0]) if rows else None


def add_cluster(store: Transaction, new: Cluster) -> None:
    """Keep a cluster."""
    store.query(
        "INSERT INTO cluster (id, region, account, conninfo, roles) VALUES ($1, $2, $3, $4, $5)",
        (new.id, new.region, new.account, new.conninfo, json.dumps(new.roles)),
    )


def change_cluster(store: Transaction, name: str, conninfo: str, roles: Sequence[str]) -> None:
    """Keep another connection string, and other roles, of a cluster."""
    store.query(
        "UPDATE cluster SET conninfo = $2, roles = $3 WHERE id = $1",
        (name, conninfo, json.dumps(list(roles))),
    )


def remove_cluster(store: Transaction, name: str) -> None:
    """Forget a cluster."""
    store.query("DELETE FROM cluster WHERE id = $1", (name,))


def _cluster(row: tuple[Any, ...]) -> Cluster:
    name, region, account, conninfo, roles = row
    return Cluster(name, region, account, conninfo, tuple(json.loads(roles)))


# Links.


def links(store: Transaction, source: str | None = None) -> list[Link]:
    """The links, or those of one source cluster, by cluster and name."""
    if source is None:
        rows = store.query(f"{_LINK} ORDER BY cluster, name")
    else:
        rows = store.query(f"{_LINK} WHERE cluster = $1 ORDER BY name", (source,))
    return [_link(row) for row in rows]


def link(store: Transaction, source: str, name: str) -> Link | None:
    """The link of this name."""
    rows = store.query(f"{_LINK} WHERE cluster = $1 AND name = $2", (source, name))
    return _link(rows[0]) if rows else None


def link_by_id(store: Transaction, key: str) -> Link | None:
    """The link of this ID."""
    rows = store.query(f"{_LINK} WHERE id = $1", (key,))
    return _link(rows[0]) if rows else None


def unfinished(store: Transaction) -> list[Link]:
    """The links that a request is at work on, or was when it was interrupted."""
    return [_link(row) for row in store.query(f"{_LINK} WHERE state <> 'active' ORDER BY created")]


def links_of(store: Transaction, name: str) -> list[Link]:
    """The links of which a cluster is the source or the target, each once."""
    rows = store.query(
        f"{_LINK} WHERE cluster = $1 OR target_cluster = $1 ORDER BY cluster, name", (name,)
    )
    return [_link(row) for row in rows]


def used(store: Transaction, name: str) -> int:
    """How many links a cluster has of its quota, whatever their state."""
    found = store.query(
        "SELECT count(*) FROM link WHERE cluster = $1 OR target_cluster = $1", (name,)
    )
    return int(found[0][0])


def add_link(store: Transaction, new: Link) -> None:
    """Keep a link."""
    target = new.target
    store.query(
        "INSERT INTO link (id, cluster, name, source_db, target_db, target_account,"
        " target_cluster, target_address, target_port, target_vpc, roles, state, created,"
        " resource_group)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        (
            *(new.id, new.cluster, new.name, new.database),
            *(target.database, target.account, target.cluster),
            *(target.address, target.port, target.vpc),
            *(json.dumps(new.roles), new.state, time_text(new.created), new.resource_group),
        ),
    )


def change_state(store: Transaction, key: str, state: str) -> None:
    """Keep another state of a link."""
    store.query("UPDATE link SET state = $2 WHERE id = $1", (key, state))


def save_health(store: Transaction, key: str, health: Health) -> None:
    """Keep what came of a test of a link."""
    store.query(
        "UPDATE link SET checked = $2, latency = $3, problem = $4 WHERE id = $1",
        (key, time_text(health.checked), health.latency, health.problem),
    )


def remove_link(store: Transaction, key: str) -> None:
    """Forget a link."""
    store.query("DELETE FROM link WHERE id = $1", (key,))


def _link(row: tuple[Any, ...]) -> Link:
    key, source, name, database, target_db, account, target, address, port, vpc, *rest = row
    roles, state, created, resource_group, checked, latency, problem = rest
    return Link(
        id=key,
        cluster=source,
        name=name,
        database=database,
        target=Target(target_db, account, target, address, port, vpc),
        roles=tuple(json.loads(roles)),
        state=state,
        created=_time(created),
        resource_group=resource_group,
        health=None if checked is None else Health(_time(checked), latency, problem),
    )


# Client tokens.


def token(store: Transaction, account: str, name: str) -> tuple[str, str] | None:
    """The request that came with a client token, and the ID of the link that it made."""
    rows = store.query(
        "SELECT request, link FROM client_token WHERE account = $1 AND token = $2", (account, name)
    )
    return (rows[0][0], rows[0][1]) if rows else None


def add_token(
    store: Transaction, account: str, name: str, request: str, key: str, made: datetime
) -> None:
    """Keep the client token of a request."""
    store.query(
        "INSERT INTO client_token (account, token, request, link, made)"
        " VALUES ($1, $2, $3, $4, $5)",
        (account, name, request, key, time_text(made)),
    )


def remove_token_of(store: Transaction, key: str) -> None:
    """Forget the client token of a link that was not made: a retry begins anew."""
    store.query("DELETE FROM client_token WHERE link = $1", (key,))


def forget_tokens(store: Transaction, before: datetime) -> None:
    """Forget client tokens that nobody will send again."""
    store.query("DELETE FROM client_token WHERE made < $1", (time_text(before),))


# Access keys.


def access_keys(store: Transaction) -> list[AccessKey]:
    """The access keys, by account and time."""
    return [_key(row) for row in store.query(f"{_KEY} ORDER BY account, created, id")]


def access_key(store: Transaction, name: str) -> AccessKey | None:
    """The access key of this ID."""
    rows = store.query(f"{_KEY} WHERE id = $1", (name,))
    return _key(rows[0]) if rows else None


def add_access_key(store: Transaction, new: AccessKey) -> None:
    """Keep an access key."""
    store.query(
        "INSERT INTO access_key (id, secret, account, policies, active, created, note)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        (
            *(new.id, new.secret, new.account, json.dumps(new.policies)),
            *(int(new.active), time_text(new.created), new.note),
        ),
    )


def change_access_key(
    store: Transaction, name: str, *, active: bool, policies: Sequence[Any]
) -> None:
    """Keep whether an access key can be used, and for what."""
    store.query(
        "UPDATE access_key SET active = $2, policies = $3 WHERE id = $1",
        (name, int(active), json.dumps(list(policies))),
    )


def remove_access_key(store: Transaction, name: str) -> None:
    """Forget an access key, and what was signed with it."""
    store.query("DELETE FROM nonce WHERE access_key = $1", (name,))
    store.query("DELETE FROM access_key WHERE id = $1", (name,))


def _key(row: tuple[Any, ...]) -> AccessKey:
    name, secret, account, policies, active, created, note = row
    return AccessKey(
        name, secret, account, tuple(json.loads(policies)), bool(active), _time(created), note
    )


def use_nonce(store: Transaction, key: str, nonce: str, until: datetime, moment: datetime) -> bool:
    """Whether a nonce comes for the first time; it is kept `until` nobody can use it any more."""
    store.query("DELETE FROM nonce WHERE until < $1", (time_text(moment),))
    if store.query("SELECT 1 FROM nonce WHERE access_key = $1 AND nonce = $2", (key, nonce)):
        return False
    store.query(
        "INSERT INTO nonce (access_key, nonce, until) VALUES ($1, $2, $3)",
        (key, nonce, time_text(until)),
    )
    return True
