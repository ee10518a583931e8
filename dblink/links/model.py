"""What a catalogue keeps: clusters, links, access keys. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

State = Literal["creating", "active", "deleting"]
"""`creating` and `deleting`: a request is at work on the link, or was interrupted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole catalogue.

    Attributes:
        regions: IDs of the regions that clusters may be in.
        quota: links a cluster, as source and as target.
    """

    regions: tuple[str, ...]
    quota: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL server, or group of servers, between whose databases links lead.

    Attributes:
        id: its ID, unique in the catalogue.
        region: where it is.
        account: whom it belongs to.
        conninfo: connection string of the maintenance role, which creates links in its databases.
            It may hold a password, so no repr shows it.
        roles: who may use a link that is made without saying who, besides the maintenance role.
    """

    id: str
    region: str
    account: str
    conninfo: str = field(repr=False)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads.

    Attributes:
        database: the database there.
        account: the role that is logged in as.
        cluster: ID of a cluster of the catalogue; None for a server of one's own.
        address: IP address of a server of one's own.
        port: its port.
        vpc: the network that it is in, for information only.
    """

    database: str
    account: str
    cluster: str | None = None
    address: str | None = None
    port: int | None = None
    vpc: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What came of the last test of a link.

    Attributes:
        checked: when (UTC).
        latency: seconds that `SELECT 1` took on the target, once connected; None if it failed.
        problem: why it failed; None if it did not. Holds no password.
    """

    checked: datetime
    latency: float | None
    problem: str | None

    @property
    def ok(self) -> bool:
        """Whether the link worked."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Link:
    """A link: a foreign server with user mappings in the source database, known to the catalogue.

    Attributes:
        id: unique for all time; the foreign server's comment holds it.
        cluster: ID of the source cluster.
        name: unique in the source cluster; the name by which dblink connects.
        database: the source database.
        target: where it leads.
        roles: who may use it, besides the maintenance role; `PUBLIC` is everybody.
        state: whether it is there.
        created: when (UTC).
        resource_group: for information only.
        health: of its last test.
    """

    id: str
    cluster: str
    name: str
    database: str
    target: Target
    roles: tuple[str, ...]
    state: State
    created: datetime
    resource_group: str | None = None
    health: Health | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What a caller of the API signs with.

    Attributes:
        id: its ID, which requests name.
        secret: what signatures are made with. No repr shows it.
        account: whose clusters it can see.
        policies: policy documents, as parsed JSON. See `dblink.links.policy`.
        active: whether it can be used.
        created: when (UTC).
        note: whose it is, for people.
    """

    id: str
    secret: str = field(repr=False)
    account: str
    policies: tuple[Mapping[str, Any], ...]
    active: bool
    created: datetime
    note: str = ""
