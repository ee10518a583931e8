"""`LinkCatalogue`: clusters, the links between them, and who may ask for them over HTTP."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from dblink.links import policy, records, rules
from dblink.links.errors import LinkError
from dblink.links.lifecycle import Lifecycle, Repair
from dblink.links.model import AccessKey, Cluster, Health, Link, Settings, Target
from dblink.links.store import Store, Transaction, open_store
from dblink.remotes import Remotes
from pgwire import conninfo, errors
from pgwire.conninfo.redaction import without_secrets

_KEY_ID: Final = 20
_SECRET: Final = 30
_LETTERS: Final = string.ascii_letters + string.digits
"""As long as those of the service, and of the same characters."""


class LinkCatalogue:
    """Clusters and the links between their databases.

    A link is a foreign server with user mappings in the source database: its name is a connection
    name of dblink there. What the catalogue keeps of it, and of the clusters, is in a store. Any
    number of threads and processes may use the same store at once.

    Whoever was interrupted in the middle of a request leaves a link that is neither there nor not:
    call `reconcile` when a program begins.

    Every method that looks at the store raises `dblink.links.StoreError` if it cannot, and
    `LinkError`, with a code of `FAILURES`, for what cannot be done.
    """

    def __init__(self, store: str | Path | Store, *, allow: Sequence[str] = ()) -> None:
        """
        Args:
            store: the path of a SQLite file, which is made if it does not exist; or the connection
                string of a PostgreSQL database.
            allow: which servers of one's own links may lead to, see `dblink.remotes`; by default
                all but link-local addresses and those of metadata services.

        Raises StoreError, and ValueError for what is no pattern in `allow`.
        """
        remotes = Remotes(allow)
        self._store = open_store(store)
        self._lifecycle = Lifecycle(self._store, remotes)

    def __repr__(self) -> str:
        return f"<LinkCatalogue in {self._store!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    # Settings.

    def settings(self) -> Settings:
        """Regions and quota; those of the service in a new catalogue."""
        with self._store.transaction() as store:
            return records.settings(store)

    def configure(
        self,
        *,
        quota: int | None = None,
        add_regions: Iterable[str] = (),
        remove_regions: Collection[str] = (),
    ) -> Settings:
        """Change what holds for the whole catalogue, and return it.

        Args:
            quota: links a cluster, as source and as target, 0 to 10000. Links that exist stay.
            add_regions: IDs of more regions.
            remove_regions: of regions that no cluster is in.
        """
        with self._store.transaction() as store:
            settings = records.settings(store)
            for region in remove_regions:
                _check_region(settings, region)
                inside = [c.id for c in records.clusters(store) if c.region == region]
                if inside:
                    raise LinkError(
                        "InvalidRegionId.InUse", region=region, clusters=", ".join(inside)
                    )
            kept = [region for region in settings.regions if region not in remove_regions]
            added = map(rules.check_region, add_regions)
            settings = Settings(
                tuple(dict.fromkeys([*kept, *added])),
                settings.quota if quota is None else rules.check_quota(quota),
            )
            records.save_settings(store, settings)
            return settings

    # Clusters.

    def clusters(self, account: str | None = None) -> list[Cluster]:
        """The clusters, or those of one account, by ID."""
        with self._store.transaction() as store:
            return records.clusters(store, account)

    def cluster(self, name: str, *, account: str | None = None) -> Cluster:
        """The cluster of this ID. Raises InvalidDBClusterId.NotFound, also if it does not belong
        to the `account`."""
        with self._store.transaction() as store:
            return _cluster(store, name, account)

    def add_cluster(
        self, name: str, *, region: str, account: str, conninfo: str, roles: Sequence[str] = ()
    ) -> Cluster:
        """Register a cluster.

        Args:
            name: its ID.
            region: one of the catalogue's regions.
            account: whom it belongs to.
            conninfo: connection string of its maintenance role, which must name the host: links to
                the cluster take host, port and TLS options from it. The database is that of each
                link. A password in it is kept in the store; a password file or a certificate of
                whoever uses the catalogue is as good.
            roles: whom links are for that are made without saying so, besides the maintenance role.
        """
        new = Cluster(
            rules.check_cluster_id(name),
            region,
            rules.check_account(account),
            _checked_conninfo(conninfo),
            _checked_roles(roles),
        )
        with self._store.transaction() as store:
            _check_region(records.settings(store), region)
            if records.cluster(store, name) is not None:
                raise LinkError("InvalidDBClusterId.Duplicate", cluster=name)
            records.add_cluster(store, new)
        return new

    def change_cluster(
        self, name: str, *, conninfo: str | None = None, roles: Sequence[str] | None = None
    ) -> Cluster:
        """Give a cluster another connection string, or other roles. Links that lead to it learn of
        it by `restart_link`."""
        with self._store.transaction() as store:
            changed = _cluster(store, name)
            if conninfo is not None:
                changed = replace(changed, conninfo=_checked_conninfo(conninfo))
            if roles is not None:
                changed = replace(changed, roles=_checked_roles(roles))
            records.change_cluster(store, name, changed.conninfo, changed.roles)
        return changed

    def remove_cluster(self, name: str) -> None:
        """Forget a cluster that has no links. Raises OperationDenied.ClusterHasLinks."""
        with self._store.transaction() as store:
            _cluster(store, name)
            found = records.links_of(store, name)
            if found:
                named = ", ".join(f"{link.name} of {link.cluster}" for link in found)
                raise LinkError("OperationDenied.ClusterHasLinks", cluster=name, links=named)
            records.remove_cluster(store, name)

    def quota_used(self) -> dict[str, int]:
        """How many links each cluster has of its quota, as source and as target."""
        with self._store.transaction() as store:
            return {c.id: records.used(store, c.id) for c in records.clusters(store)}

    # Links.

    def links(
        self, cluster: str | None = None, name: str | None = None, *, unfinished: bool = False
    ) -> list[Link]:
        """The links that are there: all, those of a source cluster, or the one of a name, if there
        is one. `unfinished`: also those that are being made or deleted, or were when somebody was
        interrupted. Raises InvalidDBClusterId.NotFound."""
        with self._store.transaction() as store:
            if cluster is not None:
                _cluster(store, cluster)
            found = records.links(store, cluster)
        return [
            link
            for link in found
            if (unfinished or link.state == "active") and (name is None or link.name == name)
        ]

    def link(self, cluster: str, name: str) -> Link:
        """The link of this name, whatever its state. Raises InvalidDBClusterId.NotFound or
        InvalidDBLinkName.NotFound."""
        with self._store.transaction() as store:
            _cluster(store, cluster)
            found = records.link(store, cluster, name)
        if found is None:
            raise LinkError("InvalidDBLinkName.NotFound", cluster=cluster, link=name)
        return found

    def create_link(
        self,
        cluster: str,
        name: str,
        *,
        database: str,
        target: Target,
        password: str,
        region: str | None = None,
        resource_group: str | None = None,
        roles: Sequence[str] | None = None,
        client_token: str | None = None,
        account: str | None = None,
    ) -> Link:
        """Make a link: afterwards `name` is a connection name of dblink in the source database.

        Everything is checked first, also that the target lets the account in; then the source
        database gets, in one transaction, the foreign-data wrapper `dblink_fdw` if it has none, a
        foreign server, and for the maintenance role and each of `roles` a user mapping and USAGE.
        The maintenance role must own the wrapper or have USAGE on it, or be a superuser.

        Args:
            cluster: the source cluster.
            name: 1 to 64 lower-case letters, digits and underscores; a letter at the beginning, a
                letter or a digit at the end.
            database: the source database.
            target: where it leads: a cluster in the same region, or a server of one's own.
            password: of the target's account. It is kept in the source's user mappings only.
            region: if it is given, that of the source cluster.
            resource_group: kept for information.
            roles: who may use it besides the maintenance role, `PUBLIC` for everybody. None: the
                roles of the cluster.
            client_token: at most 64 ASCII characters: a second request with it returns what the
                first has made, also if the first was interrupted; for 24 hours, or until the link
                is deleted.
            account: whose cluster it must be, if that matters.

        A request that fails leaves nothing of the link.
        """
        rules.check_link_name(name)
        rules.check_name(database, "SourceDBName")
        rules.check_name(target.database, "TargetDBName")
        rules.check_name(target.account, "TargetDBAccount")
        rules.check_password(password)
        if client_token is not None:
            rules.check_client_token(client_token)
        with self._store.transaction() as store:
            source = _cluster(store, cluster, account)
            if region is not None:
                _check_region(records.settings(store), region)
        if region not in (None, source.region):
            raise LinkError(
                "InvalidRegionId.Mismatch", cluster=cluster, region=source.region, given=region
            )
        wish = Link(
            id="",
            cluster=cluster,
            name=name,
            database=database,
            target=_checked_target(target),
            roles=source.roles if roles is None else _checked_roles(roles),
            state="creating",
            created=records.now(),
            resource_group=rules.check_note(resource_group, "ResourceGroupId"),
        )
        return self._lifecycle.create(wish, password, client_token)

    def delete_link(self, cluster: str, name: str, *, force: bool = False) -> None:
        """Undo a link in its source database, and forget it.

        `force`: forget it even if the source database cannot be reached, where its foreign server
        then stays.
        """
        self.cluster(cluster)  # or it is not there
        self._lifecycle.delete(cluster, name, force=force)

    def restart_link(self, cluster: str, name: str) -> Link:
        """Prove once more that the target lets the link in, and give its foreign server the
        address that the target cluster has now."""
        self.cluster(cluster)  # or it is not there
        return self._lifecycle.restart(cluster, name)

    def test_link(self, cluster: str, name: str) -> Health:
        """Whether a link works, and how fast; kept as its health."""
        self.cluster(cluster)  # or it is not there
        return self._lifecycle.test(cluster, name)

    def reconcile(self) -> list[Repair]:
        """Put in order what was interrupted, by a crash or a lost connection. To be called when a
        program begins; requests that are at work are left alone."""
        return self._lifecycle.reconcile()

    # Access keys.

    def access_keys(self) -> list[AccessKey]:
        """The access keys of the API, by account and time."""
        with self._store.transaction() as store:
            return records.access_keys(store)

    def access_key(self, name: str) -> AccessKey:
        """The access key of this ID. Raises InvalidAccessKeyId.NotFound."""
        with self._store.transaction() as store:
            return _access_key(store, name)

    def add_access_key(
        self, account: str, *, policies: Sequence[object] = (), note: str = ""
    ) -> AccessKey:
        """Make an access key, with which requests to the API are signed.

        Args:
            account: whose clusters it can see.
            policies: policy documents, as parsed JSON; without any, nothing is allowed.
            note: whose it is, for people.

        Raises InvalidPolicy.
        """
        new = AccessKey(
            id=_random(_KEY_ID),
            secret=_random(_SECRET),
            account=rules.check_account(account),
            policies=_checked_policies(policies),
            active=True,
            created=records.now(),
            note=rules.check_note(note, "note") or "",
        )
        with self._store.transaction() as store:
            records.add_access_key(store, new)
        return new

    def change_access_key(
        self, name: str, *, active: bool | None = None, policies: Sequence[object] | None = None
    ) -> AccessKey:
        """Disable or enable an access key, or give it other policy documents."""
        with self._store.transaction() as store:
            changed = _access_key(store, name)
            if active is not None:
                changed = replace(changed, active=active)
            if policies is not None:
                changed = replace(changed, policies=_checked_policies(policies))
            records.change_access_key(store, name, active=changed.active, policies=changed.policies)
        return changed

    def remove_access_key(self, name: str) -> None:
        """Forget an access key."""
        with self._store.transaction() as store:
            _access_key(store, name)
            records.remove_access_key(store, name)

    def use_nonce(self, key: str, nonce: str, until: datetime) -> bool:
        """Whether the nonce of a signature comes for the first time. It is remembered `until` the
        signature is too old anyhow, by all who use the store."""
        with self._store.transaction() as store:
            return records.use_nonce(store, key, nonce, until, records.now())


def _cluster(store: Transaction, name: str, account: str | None = None) -> Cluster:
    found = records.cluster(store, name)
    if found is None or account not in (None, found.account):
        raise LinkError("InvalidDBClusterId.NotFound", cluster=name)
    return found


def _access_key(store: Transaction, name: str) -> AccessKey:
    found = records.access_key(store, name)
    if found is None:
        raise LinkError("InvalidAccessKeyId.NotFound")
    return found


def _check_region(settings: Settings, region: str) -> None:
    if region not in settings.regions:
        raise LinkError(
            "InvalidRegionId.NotFound", region=region, regions=", ".join(settings.regions)
        )


def _checked_conninfo(text: str) -> str:
    try:
        given = conninfo.parse(text)
    except errors.ConninfoError as error:
        reason = without_secrets(error.message, text)
        raise LinkError("InvalidConnectionString", reason=reason) from None
    if not {"host", "hostaddr", "service"} & given.keys():
        raise LinkError(
            "InvalidConnectionString",
            reason="it must name the host, as others reach the cluster (host=, hostaddr= or "
            "service=)",
        )
    return text


def _checked_roles(roles: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rules.check_name(role, "role") for role in roles))


def _checked_target(target: Target) -> Target:
    rules.check_note(target.vpc, "VpcId")
    if target.cluster is not None:
        if target.address is not None or target.port is not None:
            raise LinkError("InvalidTarget", reason="both are given")
        return target
    if target.address is None and target.port is None:
        raise LinkError("InvalidTarget", reason="neither is given")
    if target.address is None or target.port is None:
        missing = "TargetIp" if target.address is None else "TargetPort"
        raise LinkError("InvalidTarget", reason=f"{missing} is missing")
    address, port = rules.check_address(target.address, target.port)
    return replace(target, address=address, port=port)


def _checked_policies(documents: Sequence[object]) -> tuple[Mapping[str, Any], ...]:
    return tuple(policy.check(document) for document in documents)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
