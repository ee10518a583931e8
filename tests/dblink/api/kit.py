"""What the tests of the API share: a catalogue in memory, a server, a client that signs."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from dblink.api import signature
from dblink.api.actions import VERSION
from dblink.links import rules
from dblink.links.errors import LinkError
from dblink.links.model import AccessKey, Cluster, Link, Target

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
EVERYTHING = {
    "Version": "1",
    "Statement": [{"Effect": "Allow", "Action": "polardb:*", "Resource": "*"}],
}
PASSWORD = "S3cret of the clerk"
CREATE = {
    "DBClusterId": "pc-a",
    "DBLinkName": "dblink_test",
    "SourceDBName": "shop",
    "TargetDBName": "stock",
    "TargetDBAccount": "clerk",
    "TargetDBPasswd": PASSWORD,
    "TargetDBInstanceName": "pc-b",
}
LINK = {"DBClusterId": "pc-a", "DBLinkName": "dblink_test"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Memory:
    """A catalogue in memory: what the API wants of one, without databases.

    Attributes:
        calls: names of the methods that were called, without `access_key` and `cluster`.
        before: called with the name of each method, before it does anything.
    """

    def __init__(self) -> None:
        self.clusters = {
            name: Cluster(name, region, account, "host=x password=never-shown")
            for name, region, account in [
                ("pc-a", "cn-hangzhou", "a1"),
                ("pc-b", "cn-hangzhou", "a1"),
                ("pc-other", "cn-hangzhou", "a2"),
            ]
        }
        self.keys: dict[str, AccessKey] = {}
        self.made: dict[tuple[str, str], Link] = {}
        self.nonces: set[tuple[str, str]] = set()
        self.calls: list[str] = []
        self.before: Callable[[str], object] = lambda name: None
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Make it new, whatever was changed in it."""
        self.__dict__.clear()
        Memory.__init__(self)

    def key(
        self, *policies: Mapping[str, Any], account: str = "a1", active: bool = True
    ) -> AccessKey:
        """A new access key; by default everything is allowed."""
        number = len(self.keys) + 1
        made = AccessKey(
            f"AK{number}", f"secret of {number}", account, policies or (EVERYTHING,), active, NOW
        )
        self.keys[made.id] = made
        return made

    def cluster(self, name: str, /, *, account: str | None = None) -> Cluster:
        self.before("cluster")
        found = self.clusters.get(name)
        if found is None or account not in (None, found.account):
            raise LinkError("InvalidDBClusterId.NotFound", cluster=name)
        return found

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
        self._called("create_link")
        rules.check_link_name(name)
        rules.check_password(password)
        if region not in (None, self.clusters[cluster].region):
            raise LinkError("InvalidRegionId.NotFound", region=region, regions="cn-hangzhou")
        link = Link("1", cluster, name, database, target, (), "active", NOW, resource_group)
        with self._lock:
            if (cluster, name) in self.made:
                raise LinkError("InvalidDBLinkName.Duplicate", cluster=cluster, link=name)
            self.made[cluster, name] = link
        return link

    def links(self, cluster: str, name: str | None = None, /) -> Sequence[Link]:
        self._called("links")
        return [
            link
            for link in self.made.values()
            if link.cluster == cluster and name in (None, link.name)
        ]

    def delete_link(self, cluster: str, name: str, /) -> None:
        self._called("delete_link")
        if self.made.pop((cluster, name), None) is None:
            raise LinkError("InvalidDBLinkName.NotFound", cluster=cluster, link=name)

    def restart_link(self, cluster: str, name: str, /) -> Link:
        self._called("restart_link")
        if (cluster, name) not in self.made:
            raise LinkError("InvalidDBLinkName.NotFound", cluster=cluster, link=name)
        return self.made[cluster, name]

    def access_key(self, name: str, /) -> AccessKey:
        self.before("access_key")
        if name not in self.keys:
            raise LinkError("InvalidAccessKeyId.NotFound")
        return self.keys[name]

    def use_nonce(self, key: str, nonce: str, until: datetime, /) -> bool:
        self._called("use_nonce")
        with self._lock:
            known = (key, nonce) in self.nonces
            self.nonces.add((key, nonce))
            return not known

    def disable(self, key: AccessKey) -> None:
        self.keys[key.id] = replace(key, active=False)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)


class Reply:
    """An answer over HTTP."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """That of the error; empty if there is none."""
        code: str = self.json.get("Code", "")
        return code


class Client:
    """Calls the API as an access key."""

    def __init__(self, address: tuple[str, int], key: AccessKey) -> None:
        self.address = address
        self.key = key

    @property
    def host(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def signed(
        self,
        query: Mapping[str, str],
        body: bytes = b"",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> dict[str, str]:
        return signature.sign(
            self.key.id,
            self.key.secret,
            host=self.host,
            query=query,
            body=body,
            method=method,
            headers={"x-acs-version": VERSION, **(headers or {})},
            **options,
        )

    def send(
        self, target: str, headers: Mapping[str, str], body: bytes = b"", method: str = "POST"
    ) -> Reply:
        """Send what is given, signed or not."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request(method, target, body=body, headers=dict(headers))
            got = connection.getresponse()
            return Reply(got.status, dict(got.getheaders()), got.read())
        finally:
            connection.close()

    def call(
        self,
        action: str,
        parameters: Mapping[str, str] | None = None,
        *,
        form: Mapping[str, str] | None = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """Call an action, with parameters in the query and in the form."""
        query = dict(parameters or {})
        body = b"" if form is None else urlencode(form).encode()
        sent = {**({} if form is None else FORM), "x-acs-action": action, **(headers or {})}
        signed = self.signed(query, body, method, sent, **options)
        return self.send(f"/?{urlencode(query)}", signed, body, method)


def stop(server: Any, grace: float) -> None:
    """Have a server of `serving` stopped, unless it has ended."""
    tasks: list[Any] = []
    with suppress(RuntimeError):  # the loop is closed
        server.loop.call_soon_threadsafe(
            lambda: tasks.append(asyncio.ensure_future(server.stop(grace)))
        )


@contextmanager
def serving(catalogue: Any, **options: Any) -> Iterator[Any]:
    """A server on a port of its own, in a thread of its own; `options`: of `Server`."""
    from dblink.api.server import Server

    ready = threading.Event()
    failed: list[BaseException] = []
    held: list[Any] = []

    async def run() -> None:
        server = Server(catalogue, listen=["127.0.0.1:0"], **options)
        server.loop = asyncio.get_running_loop()  # type: ignore[attr-defined]
        await server.start()
        held.append(server)
        ready.set()
        await server.serve_forever()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=main)
    thread.start()
    assert ready.wait(20)
    if failed:
        raise failed[0]
    server = held[0]
    try:
        yield server
    finally:
        stop(server, 1.0)
        thread.join(20)
        assert not thread.is_alive()
        assert not failed, failed
