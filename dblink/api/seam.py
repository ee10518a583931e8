"""What the API wants of a catalogue. `dblink.links.catalogue.LinkCatalogue` is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from dblink.links.model import AccessKey, Cluster, Link, Target


class Catalogue(Protocol):
    """A link catalogue. Every method may block, and is called from several threads.

    All of them raise LinkError for what cannot be, and StoreError if the store fails.
    """

    def cluster(self, name: str, /, *, account: str | None = None) -> Cluster:
        """The cluster, if it belongs to `account`, where one is given."""
        ...

    def create_link(
        self,
        cluster: str,
        name: str,
        /,
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
        """Create a link, with a target of `account` where one is given."""
        ...

    def links(self, cluster: str, name: str | None = None, /) -> Sequence[Link]:
        """The links of a source cluster; with `name`, that one or none."""
        ...

    def delete_link(self, cluster: str, name: str, /) -> None:
        """Delete a link."""
        ...

    def restart_link(self, cluster: str, name: str, /) -> Link:
        """Test a link anew, and bring its options up to date."""
        ...

    def access_key(self, name: str, /) -> AccessKey:
        """The access key."""
        ...

    def use_nonce(self, key: str, nonce: str, until: datetime, /) -> bool:
        """Remember a nonce until that moment. False if it was remembered before."""
        ...
