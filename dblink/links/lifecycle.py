"""How a link comes to be, changes and goes, and how what was interrupted is put in order.

A link stands in two places, the store and the source database, and a process may die between any
two steps. So each request goes through them in one order, under the link's lock in the source
database (`dblink.links.source.held`), which a dead process does not hold:

    create   store: reserved as `creating` > source: made, in one transaction > store: `active`
    delete   store: `deleting` > source: undone, in one transaction > store: forgotten

A link that is not `active` while its lock is free was left by somebody who died: `settle` looks
whether the source has it, and goes on from there. What `creating` has reserved counts for the
quota, so no interruption makes more links possible than there may be.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from dblink.links import records, target
from dblink.links.errors import LinkError
from dblink.links.model import Cluster, Health, Link
from dblink.links.source import Source, busy, held, opened
from dblink.links.store import Store, StoreError, Transaction
from dblink.remotes import Remotes
from pgwire import conninfo

log = logging.getLogger("dblink.links")

TOKENS_KEPT: Final = timedelta(hours=24)
"""How long a client token is known: a retry after that is a new request."""

_UNREACHABLE: Final = "InvalidSource.Unreachable"
_GONE: Final = "InvalidSourceDBName.NotFound"
_BUSY: Final = "OperationDenied.DBLinkStatus"


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a link that was found interrupted.

    Attributes:
        link: as it was found.
        outcome: `finished`, `undone`, `busy` (somebody is at work on it) or `unreachable`.
        reason: why it could not be put in order; None if it could.
    """

    link: Link
    outcome: Literal["finished", "undone", "busy", "unreachable"]
    reason: str | None = None


class Lifecycle:
    """The links of a store."""

    def __init__(self, store: Store, remotes: Remotes) -> None:
        """`remotes`: which servers of one's own links may lead to."""
        self._store = store
        self._remotes = remotes

    def create(self, wish: Link, password: str, client_token: str | None) -> Link:
        """Make a link, or return the one that a request with this token has made before.

        Args:
            wish: the link, checked by the rules; ID, time and state are given here.
            password: of the target's account.
            client_token: what a retry is known by.

        Raises LinkError for what the catalogue, the source or the target has against it; then
        there is no link, and nothing of it.
        """
        target.check_allowed(wish.target, self._remotes)
        with self._store.transaction() as store:
            cluster = _cluster(store, wish.cluster)
            leftover = records.link(store, wish.cluster, wish.name)
            if leftover is None or leftover.state == "active":
                again = _answered(store, cluster, wish, client_token)
                if again is not None:
                    return again
                _check_room(store, cluster, wish)
                leftover = None
        if leftover is not None:
            self.settle(leftover, wait=True)
        with held(cluster, wish) as source:
            with self._store.transaction() as store:
                again = _answered(store, cluster, wish, client_token)
                if again is not None:
                    return again
                _check_room(store, cluster, wish)
                link = replace(wish, id=uuid.uuid4().hex, state="creating", created=records.now())
                records.add_link(store, link)
                records.forget_tokens(store, link.created - TOKENS_KEPT)
                if client_token is not None:
                    records.add_token(
                        store, cluster.account, client_token, meaning(wish), link.id, link.created
                    )
                options = _options(store, link)
            source = source.of(link)
            try:
                source.check_free()
                roles = source.quoted_roles(link.roles)
                health = target.proven(target.connection_string(options, link.target, password))
                source.create(options, roles, password)
            except BaseException:
                self._abandon(source, link)
                raise
            with self._store.transaction() as store:
                records.change_state(store, link.id, "active")
                records.save_health(store, link.id, health)
            return replace(link, state="active", health=health)

    def delete(self, cluster: str, name: str, *, force: bool = False) -> None:
        """Undo a link, and forget it. `force`: forget it even if its source database cannot be
        reached, where it then stays.

        Raises LinkError; then the link is as it was, unless the source was lost meanwhile: the next
        `settle` goes on with that.
        """
        link, home = self._found(cluster, name)
        try:
            with held(home, link) as source:
                with self._store.transaction() as store:
                    if records.link_by_id(store, link.id) is None:
                        raise _unknown(cluster, name)
                    records.change_state(store, link.id, "deleting")
                self._undo(source, link)
        except LinkError as error:
            if not force or error.code not in (_UNREACHABLE, _GONE):
                raise
            with self._store.transaction() as store:
                _forget(store, link)

    def restart(self, cluster: str, name: str) -> Link:
        """Give a link's foreign server the options that its target has now, when these are proven
        to work, and its roles what they have lost. The password is the one that the source has.

        Raises LinkError; then the foreign server is as it was.
        """
        link, home = self._found(cluster, name)
        with held(home, link) as source:
            with self._store.transaction() as store:
                current = records.link_by_id(store, link.id)
                if current is None:
                    raise _unknown(cluster, name)
                if current.state != "active":  # somebody has died since
                    raise busy(current)
                link = current
                options = _options(store, link)
            password = conninfo.parse(source.conninfo()).get("password")
            if not password:
                raise source.broken("its user mapping has no password.")
            target.check_allowed(link.target, self._remotes)
            health = target.health(target.connection_string(options, link.target, password))
            self._save(link, health)
            target.check(health)
            source.change(options, source.quoted_roles(link.roles, missing=False), password)
            return replace(link, health=health)

    def test(self, cluster: str, name: str) -> Health:
        """Whether a link works now, by the way that dblink takes; it is kept as the link's health.
        Raises LinkError if there is no such link."""
        link, home = self._found(cluster, name)
        try:
            with opened(home, link) as source:
                where = source.conninfo()
            target.check_allowed(link.target, self._remotes)
            health = target.health(where)
        except LinkError as error:
            health = Health(records.now(), None, error.message)
        self._save(link, health)
        return health

    def settle(self, link: Link, *, wait: bool) -> Literal["finished", "undone"]:
        """Put a link in order that a request was at work on when it was interrupted.

        `wait`: for a request that still is, for some seconds. Raises LinkError if one is, or if
        the source database cannot be reached.
        """
        with self._store.transaction() as store:
            cluster = _cluster(store, link.cluster)
        with held(cluster, link, wait=wait) as source:
            with self._store.transaction() as store:
                current = records.link_by_id(store, link.id)
            if current is None or current.state == "active":
                return "finished"
            if current.state == "deleting":
                self._undo(source, current)
                return "finished"
            there = source.is_there()
            with self._store.transaction() as store:
                if there:
                    records.change_state(store, current.id, "active")
                    return "finished"
                _forget(store, current)
            return "undone"

    def reconcile(self) -> list[Repair]:
        """Settle whatever was interrupted. Waits for nobody who is at work."""
        with self._store.transaction() as store:
            found = records.unfinished(store)
        repairs: list[Repair] = []
        for link in found:
            try:
                repairs.append(Repair(link, self.settle(link, wait=False)))
            except LinkError as error:
                repairs.append(
                    Repair(link, "busy" if error.code == _BUSY else "unreachable", error.message)
                )
        return repairs

    def _found(self, cluster: str, name: str) -> tuple[Link, Cluster]:
        """A link that is there, with its source cluster."""
        link, home = self._look_up(cluster, name)
        if link.state != "active":
            self.settle(link, wait=True)
            link, home = self._look_up(cluster, name)
            if link.state != "active":
                raise busy(link)
        return link, home

    def _look_up(self, cluster: str, name: str) -> tuple[Link, Cluster]:
        with self._store.transaction() as store:
            link = records.link(store, cluster, name)
            if link is None:
                raise _unknown(cluster, name)
            return link, _cluster(store, link.cluster)

    def _undo(self, source: Source, link: Link) -> None:
        try:
            source.drop()
        except LinkError as error:
            if error.code != _UNREACHABLE:  # else it may be undone: the next one finds out
                with self._store.transaction() as store:
                    records.change_state(store, link.id, "active")
            raise
        with self._store.transaction() as store:
            _forget(store, link)

    def _abandon(self, source: Source, link: Link) -> None:
        """Leave nothing of a link that could not be made. What fails here is settled later."""
        try:
            if source.is_there():
                source.drop()
            with self._store.transaction() as store:
                _forget(store, link)
        except (LinkError, StoreError) as error:
            log.warning(
                "link %s of cluster %s is left to be settled: %s", link.name, link.cluster, error
            )

    def _save(self, link: Link, health: Health) -> None:
        with self._store.transaction() as store:
            records.save_health(store, link.id, health)


def meaning(link: Link) -> str:
    """What a retry with the same client token must mean, too. The password is left out: nothing of
    it is kept in a store."""
    described = asdict(link)
    for given_later in ("id", "state", "created", "health"):
        del described[given_later]
    return json.dumps(described, sort_keys=True)


def _answered(
    store: Transaction, cluster: Cluster, wish: Link, client_token: str | None
) -> Link | None:
    """The link that a request with the same client token has made."""
    if client_token is None:
        return None
    known = records.token(store, cluster.account, client_token)
    if known is None:
        return None
    meant, key = known
    if meant != meaning(wish):
        raise LinkError("IdempotentParameterMismatch")
    link = records.link_by_id(store, key)
    if link is not None and link.state != "active":
        raise busy(link)
    return link


def _check_room(store: Transaction, cluster: Cluster, wish: Link) -> None:
    """Whether the catalogue has nothing against one more link."""
    if records.link(store, wish.cluster, wish.name) is not None:
        raise LinkError("InvalidDBLinkName.Duplicate", cluster=wish.cluster, link=wish.name)
    ends = {cluster.id: cluster}
    if wish.target.cluster is not None:
        other = _cluster(store, wish.target.cluster)
        if other.account != cluster.account:
            raise LinkError("InvalidDBClusterId.NotFound", cluster=other.id)
        if other.region != cluster.region:
            raise LinkError(
                "OperationDenied.RegionMismatch",
                cluster=cluster.id,
                region=cluster.region,
                target=other.id,
                target_region=other.region,
            )
        ends[other.id] = other
    quota = records.settings(store).quota
    for end in ends:
        if records.used(store, end) >= quota:
            raise LinkError("QuotaExceeded.DBLink", cluster=end, quota=quota)


def _options(store: Transaction, link: Link) -> Mapping[str, str]:
    """The options that the foreign server of `link` is to have."""
    name = link.target.cluster
    return target.server_options(link.target, None if name is None else _cluster(store, name))


def _cluster(store: Transaction, name: str) -> Cluster:
    found = records.cluster(store, name)
    if found is None:
        raise LinkError("InvalidDBClusterId.NotFound", cluster=name)
    return found


def _forget(store: Transaction, link: Link) -> None:
    records.remove_token_of(store, link.id)
    records.remove_link(store, link.id)


def _unknown(cluster: str, name: str) -> LinkError:
    return LinkError("InvalidDBLinkName.NotFound", cluster=cluster, link=name)
