"""The service's own client, pointed at us, drives all four actions between real servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dblink
import pgwire
from dblink.links import LinkCatalogue
from pgwire.testing.cluster import Cluster
from tests.dblink.api.kit import EVERYTHING, NOW, serving
from tests.dblink.links.kit import PASSWORD

pytestmark = [
    pytest.mark.api,
    # Of the client: this function is deprecated since Python 3.12.
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
sdk = pytest.importorskip("alibabacloud_polardb20170801.client", reason="needs `api-test`")
models = pytest.importorskip("alibabacloud_polardb20170801.models", reason="needs `api-test`")
openapi = pytest.importorskip("alibabacloud_tea_openapi.models", reason="needs `api-test`")
exceptions = pytest.importorskip("alibabacloud_tea_openapi.exceptions", reason="needs `api-test`")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def catalogue(databases: Cluster, tmp_path: Path) -> Iterator[LinkCatalogue]:
    conninfo = databases.conninfo(host=databases.tcp_host)
    with LinkCatalogue(tmp_path / "links.db") as catalogue:
        for name in ("pc-a", "pc-b"):
            catalogue.add_cluster(name, region="cn-hangzhou", account="a1", conninfo=conninfo)
        catalogue.add_cluster("pc-c", region="cn-hangzhou", account="a2", conninfo=conninfo)
        yield catalogue
        for link in catalogue.links():
            catalogue.delete_link(link.cluster, link.name)


@pytest.fixture
def server(catalogue: LinkCatalogue) -> Iterator[Any]:
    with serving(catalogue, limits=app.Limits(rate=1000, address_rate=1000)) as server:
        yield server


def client_of(server: Any, key: Any) -> Any:
    host, port = server.addresses[0]
    return sdk.Client(
        openapi.Config(
            access_key_id=key.id,
            access_key_secret=key.secret,
            endpoint=f"{host}:{port}",
            protocol="HTTP",
        )
    )


@pytest.fixture
def client(server: Any, catalogue: LinkCatalogue) -> Any:
    return client_of(server, catalogue.add_access_key("a1", policies=[EVERYTHING]))


def wish(**changes: Any) -> Any:
    whole = {
        "dbcluster_id": "pc-a",
        "dblink_name": "dblink_test",
        "source_dbname": "shop",
        "target_dbname": "stock",
        "target_dbaccount": "clerk",
        "target_dbpasswd": PASSWORD,
        "target_dbinstance_name": "pc-b",
        **changes,
    }
    return models.CreateDBLinkRequest(**whole)


def links(client: Any, name: str | None = None) -> list[dict[str, str]]:
    asked = models.DescribeDBLinksRequest(dbcluster_id="pc-a", dblink_name=name)
    infos: list[dict[str, str]] = client.describe_dblinks(asked).body.to_map()["DBLinkInfos"]
    return infos


def test_all_four_actions(client: Any, databases: Cluster) -> None:
    more = {
        "region_id": "cn-hangzhou",
        "client_token": "t1",
        "resource_group_id": "rg",
        "owner_account": "x",
        "owner_id": 7,
        "resource_owner_account": "x",
        "resource_owner_id": 7,
    }
    made = client.create_dblink(wish(**more))
    assert made.status_code == 200
    assert made.body.request_id == made.headers["x-acs-request-id"]
    again = client.create_dblink(wish(**more))  # it has the same token
    assert again.body.request_id != made.body.request_id
    assert links(client) == links(client, "dblink_test") == [
        {
            "DBInstanceName": "pc-a",
            "DBLinkName": "dblink_test",
            "SourceDBName": "shop",
            "TargetDBName": "stock",
            "TargetDBInstanceName": "pc-b",
            "TargetAccount": "clerk",
        }
    ]  # fmt: skip
    assert links(client, "none") == []
    with (
        pgwire.connect(databases.conninfo("shop")) as shop,
        dblink.Session(shop, privileged=True) as session,
    ):
        assert list(session.dblink("dblink_test", "SELECT name, amount FROM item")) == [
            ("chair", 3)
        ]
    again = client.restart_dblink(models.RestartDBLinkRequest(dbcluster_id="pc-a"))
    assert again.body.dbcluster_id == "pc-a"
    one = {"dbcluster_id": "pc-a", "dblink_name": "dblink_test"}
    client.delete_dblink(models.DeleteDBLinkRequest(**one))
    assert links(client) == []


def test_a_server_of_ones_own(client: Any, databases: Cluster) -> None:
    own = {"target_dbinstance_name": None, "target_ip": "127.0.0.1", "vpc_id": "vpc-1"}
    client.create_dblink(wish(**own, target_port=str(databases.port)))
    assert [info["TargetDBInstanceName"] for info in links(client)] == [""]


def test_all_four_actions_on_a_loop(client: Any) -> None:
    async def run() -> None:
        await client.create_dblink_async(wish())
        asked = models.DescribeDBLinksRequest(dbcluster_id="pc-a")
        got = await client.describe_dblinks_async(asked)
        assert [info.dblink_name for info in got.body.dblink_infos] == ["dblink_test"]
        await client.restart_dblink_async(models.RestartDBLinkRequest(dbcluster_id="pc-a"))
        one = {"dbcluster_id": "pc-a", "dblink_name": "dblink_test"}
        await client.delete_dblink_async(models.DeleteDBLinkRequest(**one))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"dbcluster_id": "pc-none"}, "InvalidDBClusterId.NotFound", 404),
        ({"dbcluster_id": "pc-c"}, "InvalidDBClusterId.NotFound", 404),
        ({"dbcluster_id": None}, "MissingParameter", 400),
        ({"target_dbinstance_name": "pc-c"}, "InvalidDBClusterId.NotFound", 404),
        ({"dblink_name": "Wrong"}, "InvalidDBLinkName.Malformed", 400),
        ({"region_id": "us-west-1"}, "InvalidRegionId.Mismatch", 400),
        ({"region_id": "nowhere"}, "InvalidRegionId.NotFound", 400),
        ({"target_dbpasswd": "wrong"}, "InvalidTarget.Refused", 400),
    ],
)
def test_errors_are_its_exceptions(
    client: Any, catalogue: LinkCatalogue, changes: dict[str, Any], code: str, status: int
) -> None:
    with pytest.raises(exceptions.ClientException) as info:
        client.create_dblink(wish(**changes))
    error = info.value
    assert (error.code, error.status_code) == (code, status)
    assert re.fullmatch("[0-9A-F-]{36}", error.request_id)
    assert error.message.endswith(f"request id: {error.request_id}")
    assert PASSWORD not in str(error)
    assert catalogue.links() == []


def test_a_duplicate(client: Any) -> None:
    client.create_dblink(wish())
    with pytest.raises(exceptions.ClientException) as info:
        client.create_dblink(wish())
    assert info.value.code == "InvalidDBLinkName.Duplicate"


def test_who_is_unknown_or_may_not(server: Any, catalogue: LinkCatalogue) -> None:
    from dblink.links.model import AccessKey

    powerless = catalogue.add_access_key("a1")
    disabled = catalogue.add_access_key("a1", policies=[EVERYTHING])
    catalogue.change_access_key(disabled.id, active=False)
    for key, code in [
        (powerless, "NoPermission"),
        (disabled, "InvalidAccessKeyId.Inactive"),
        (AccessKey(powerless.id, "wrong", "a1", (), True, NOW), "SignatureDoesNotMatch"),
        (AccessKey("nobody", "wrong", "a1", (), True, NOW), "InvalidAccessKeyId.NotFound"),
    ]:
        with pytest.raises(exceptions.ClientException) as info:
            links(client_of(server, key))
        assert info.value.code == code


def test_it_knows_that_it_is_throttled(catalogue: LinkCatalogue) -> None:
    with serving(catalogue, limits=app.Limits(rate=0.01)) as server:
        client = client_of(server, catalogue.add_access_key("a1", policies=[EVERYTHING]))
        links(client)
        with pytest.raises(exceptions.ThrottlingException) as info:
            links(client)
        assert info.value.code == "Throttling.User"
        assert 90_000 <= info.value.retry_after <= 100_000


def test_a_store_that_fails(client: Any, catalogue: LinkCatalogue) -> None:
    class Broken:
        def transaction(self) -> Any:
            raise dblink.links.StoreError("password=hidden")

    right, catalogue._store = catalogue._store, Broken()  # type: ignore[assignment]
    try:
        with pytest.raises(exceptions.ServerException) as info:
            links(client)
    finally:
        catalogue._store = right
    assert info.value.code == "ServiceUnavailable"
    assert "hidden" not in str(info.value)
