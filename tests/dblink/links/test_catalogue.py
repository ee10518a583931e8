"""What a catalogue keeps besides links: settings, clusters, access keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dblink.links import LinkCatalogue, LinkError, records, rules
from dblink.links.errors import FAILURES
from tests.dblink.links.kit import World
from tests.dblink.links.test_links import refused

WHERE = {"region": "cn-hangzhou", "account": "a1", "conninfo": "host=db.example"}
ALLOW = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def test_settings(where: str) -> None:
    with LinkCatalogue(where) as catalogue:
        assert catalogue.settings().regions == rules.REGIONS
        assert catalogue.settings().quota == 10
        catalogue.configure(quota=3, add_regions=["home", "home"], remove_regions=["us-east-1"])
        kept = tuple(region for region in rules.REGIONS if region != "us-east-1")
        assert catalogue.settings().regions == (*kept, "home")
        assert catalogue.configure().quota == 3
        with refused("InvalidQuota.Malformed", "-1"):
            catalogue.configure(quota=-1)
        with refused("InvalidRegionId.Malformed", "No Region"):
            catalogue.configure(add_regions=["No Region"])
        with refused("InvalidRegionId.NotFound", "us-east-1"):
            catalogue.configure(remove_regions=["us-east-1"])
        catalogue.add_cluster("pc-a", **{**WHERE, "region": "home"})
        with refused("InvalidRegionId.InUse", "home", "pc-a"):
            catalogue.configure(remove_regions=["home"])


def test_clusters(where: str) -> None:
    with LinkCatalogue(where) as catalogue:
        one = catalogue.add_cluster("pc-1", **WHERE, roles=["app", "app"])
        two = catalogue.add_cluster("pc-2", **{**WHERE, "account": "a2"})
        assert one.roles == ("app",)
        assert catalogue.clusters() == [one, two]
        assert catalogue.clusters("a2") == [two]
        assert catalogue.cluster("pc-1", account="a1") == one
        with refused("InvalidDBClusterId.NotFound", "pc-1"):
            catalogue.cluster("pc-1", account="a2")
        with refused("InvalidDBClusterId.Duplicate", "pc-1"):
            catalogue.add_cluster("pc-1", **WHERE)
        changed = catalogue.change_cluster("pc-1", conninfo="host=elsewhere")
        assert (changed.conninfo, changed.roles) == ("host=elsewhere", ("app",))
        assert catalogue.cluster("pc-1") == changed
        assert catalogue.quota_used() == {"pc-1": 0, "pc-2": 0}
        catalogue.remove_cluster("pc-1")
        with refused("InvalidDBClusterId.NotFound"):
            catalogue.remove_cluster("pc-1")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "InvalidDBClusterId.Malformed"),
        ({"name": "-pc"}, "InvalidDBClusterId.Malformed"),
        ({"name": "a/b"}, "InvalidDBClusterId.Malformed"),
        ({"region": "nowhere"}, "InvalidRegionId.NotFound"),
        ({"account": "a:1"}, "InvalidAccount.Malformed"),
        ({"account": ""}, "InvalidAccount.Malformed"),
        ({"conninfo": "dbname=shop"}, "InvalidConnectionString"),
        ({"conninfo": "nothing at all"}, "InvalidConnectionString"),
        ({"conninfo": "host=h color=red"}, "InvalidConnectionString"),
        ({"roles": [""]}, "InvalidDBName.Malformed"),
    ],
)
def test_clusters_that_cannot_be(file: str, change: dict[str, Any], code: str) -> None:
    with LinkCatalogue(file) as catalogue:
        with refused(code):
            catalogue.add_cluster(**{"name": "pc-a", **WHERE, **change})
        assert catalogue.clusters() == []


@pytest.mark.parametrize("cluster", ["pc-a", "pc-b"])
def test_a_cluster_with_links_stays(world: World, cluster: str) -> None:
    world.create()
    with refused("OperationDenied.ClusterHasLinks", "dblink_test of pc-a"):
        world.catalogue.remove_cluster(cluster)


def test_access_keys(where: str) -> None:
    with LinkCatalogue(where) as catalogue:
        key = catalogue.add_access_key("a1", policies=[ALLOW], note="Ada")
        other = catalogue.add_access_key("a1")
        assert (len(key.id), len(key.secret)) == (20, 30)
        assert {key.secret, other.secret} & {key.id, other.id} == set()
        assert [k.id for k in catalogue.access_keys()] == [key.id, other.id]
        assert not catalogue.change_access_key(key.id, active=False).active
        assert catalogue.access_key(key.id).policies == (ALLOW,)
        assert catalogue.change_access_key(key.id, policies=[]).policies == ()
        with refused("InvalidPolicy"):
            catalogue.change_access_key(key.id, policies=[{"Version": "1"}])
        with refused("InvalidPolicy"):
            catalogue.add_access_key("a1", policies=["everything"])
        catalogue.remove_access_key(key.id)
        for do in (catalogue.access_key, catalogue.remove_access_key):
            with refused("InvalidAccessKeyId.NotFound"):
                do(key.id)


def test_nonces(where: str) -> None:
    soon, past = records.now() + timedelta(seconds=900), records.now() - timedelta(seconds=1)
    with LinkCatalogue(where) as catalogue, LinkCatalogue(where) as another:
        assert catalogue.use_nonce("k1", "n1", soon)
        assert not another.use_nonce("k1", "n1", soon)
        assert catalogue.use_nonce("k2", "n1", soon)
        assert catalogue.use_nonce("k1", "n2", past)
        assert catalogue.use_nonce("k1", "n2", soon)  # it had been forgotten


def test_every_failure_can_be_told() -> None:
    for code, failure in FAILURES.items():
        assert 400 <= failure.status < 600
        assert failure.when and failure.message.endswith((".", "}"))
        names = {
            name: f"<{name}>"
            for name in (
                *("account", "action", "address", "cluster", "clusters", "database", "given"),
                *("limit", "link", "links", "method", "name", "parameter", "port", "quota"),
                *("reason", "region", "regions", "resource", "right", "role", "seconds"),
                *("server", "string_to_sign", "target", "target_region", "version"),
            )
        }
        error = LinkError(code, **names)
        assert str(error) == f"{code}: {error.message}"
        assert "{" not in error.message
