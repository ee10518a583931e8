"""What access keys may do, as their policies say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dblink.api.actions import ACTIONS
from dblink.api.dispatch import Peer
from dblink.links.errors import LinkError
from dblink.links.model import AccessKey
from dblink.links.policy import resource_of
from tests.dblink.api.kit import CREATE, EVERYTHING, LINK, NOW
from tests.dblink.api.world import PEER, World, allowed, policies, refused


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_allowed_by_default(world: World, action: str) -> None:
    key = world.catalogue.key({"Version": "1", "Statement": []})
    world.catalogue.keys[key.id] = key = type(key)(key.id, key.secret, "a1", (), True, NOW)
    for cluster in ("pc-a", "pc-none", "pc-other"):
        asked = {**CREATE, "DBClusterId": cluster}
        error = refused(world.ask(key, action, asked), "NoPermission")
        assert f"polardb:{action} on acs:polardb:" in error.message
    assert world.catalogue.calls == ["use_nonce"] * 3


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_allowed_for_itself(world: World, action: str) -> None:
    key = world.catalogue.key(policies(("Allow", f"polardb:{action}", "*")))
    for name in ACTIONS:
        outcome = world.ask(key, name, CREATE)
        code = outcome.result.code if isinstance(outcome.result, LinkError) else ""
        assert (code == "NoPermission") is (name != action)


def test_another_account_s_cluster_is_as_good_as_none(world: World, key: AccessKey) -> None:
    for action in ACTIONS:
        asked = {**CREATE, "DBClusterId": "pc-other"}
        error = refused(world.ask(key, action, asked), "InvalidDBClusterId.NotFound")
        none = refused(
            world.ask(key, action, {**CREATE, "DBClusterId": "pc-never"}),
            "InvalidDBClusterId.NotFound",
        )
        assert error.message.replace("pc-other", "pc-never") == none.message
    asked = {**CREATE, "TargetDBInstanceName": "pc-other"}
    refused(world.ask(key, "CreateDBLink", asked), "InvalidDBClusterId.NotFound")
    assert world.catalogue.made == {}


def test_who_may_do_nothing_does_not_learn_which_clusters_there_are(world: World) -> None:
    key = world.catalogue.key(policies(("Allow", "*", resource_of("cn-hangzhou", "a1", "pc-b"))))
    for cluster in ("pc-a", "pc-none", "pc-other"):
        asked = {"DBClusterId": cluster, "RegionId": "cn-hangzhou"}
        refused(world.ask(key, "DescribeDBLinks", asked), "NoPermission")
    # An unknown one is judged by the region that is said.
    none = world.catalogue.key(policies(("Allow", "*", resource_of("cn-hangzhou", "a1", "*"))))
    asked = {**CREATE, "DBClusterId": "pc-none", "RegionId": "cn-hangzhou"}
    refused(world.ask(none, "CreateDBLink", asked), "InvalidDBClusterId.NotFound")
    asked["RegionId"] = "us-west-1"
    refused(world.ask(none, "CreateDBLink", asked), "NoPermission")


@pytest.mark.parametrize(
    "name", ["pc-A", "PC-a", "pc%2Da", "pc-a\n", "pc-a/", "*", "pc-?", "\u0440c-a"]
)
def test_no_other_spelling_is_the_cluster(world: World, name: str) -> None:
    denied = policies(("Allow", "*", "*"), ("Deny", "*", resource_of("cn-hangzhou", "a1", "pc-a")))
    key = world.catalogue.key(denied)
    refused(world.ask(key, "DescribeDBLinks", {"DBClusterId": "pc-a"}), "NoPermission")
    asked = {"DBClusterId": name}
    refused(world.ask(key, "DescribeDBLinks", asked), "InvalidDBClusterId.NotFound")


def test_the_region_of_a_request_does_not_change_that_of_a_cluster(world: World) -> None:
    key = world.catalogue.key(policies(("Allow", "*", resource_of("us-west-1", "a1", "*"))))
    asked = {**CREATE, "RegionId": "us-west-1"}
    refused(world.ask(key, "CreateDBLink", asked), "NoPermission")


def test_who_may_not_link_to_a_target(world: World) -> None:
    target = resource_of("cn-hangzhou", "a1", "pc-b")
    key = world.catalogue.key(policies(("Allow", "*", "*"), ("Deny", "*:Create*", target)))
    error = refused(world.ask(key, "CreateDBLink", CREATE), "NoPermission")
    assert error.message.endswith(f"on {target}.")
    own = {"TargetDBInstanceName": "", "TargetIp": "10.0.0.1", "TargetPort": "5432"}
    allowed(world.ask(key, "CreateDBLink", {**CREATE, **own}))
    # It need not be allowed there.
    source = resource_of("cn-hangzhou", "a1", "pc-a")
    only = world.catalogue.key(policies(("Allow", "*", source)))
    allowed(world.ask(only, "CreateDBLink", {**CREATE, "DBLinkName": "other"}))


@pytest.mark.parametrize(
    ("condition", "good", "bad"),
    [
        ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, PEER, Peer("11.0.0.1", True)),
        (
            {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}},
            Peer("::ffff:10.1.1.1", True),
            Peer(None, True),
        ),
        ({"Bool": {"acs:SecureTransport": "true"}}, PEER, Peer("10.1.2.3", False)),
        ({"DateLessThan": {"acs:CurrentTime": "2026-03-02T09:31:00Z"}}, PEER, None),
    ],
)
def test_conditions(world: World, condition: Any, good: Peer, bad: Peer | None) -> None:
    rule = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    key = world.catalogue.key({"Version": "1", "Statement": [rule]})
    allowed(world.ask(key, "DescribeDBLinks", LINK, peer=good))
    if bad is None:
        world.now += timedelta(minutes=1)
    headers = {"x-forwarded-for": "10.1.2.3", "forwarded": "for=10.1.2.3;proto=https"}
    refused(
        world.ask(key, "DescribeDBLinks", LINK, peer=bad or good, headers=headers), "NoPermission"
    )


def test_a_policy_that_is_none_denies(world: World, caplog: pytest.LogCaptureFixture) -> None:
    key = world.catalogue.key(EVERYTHING, {"Version": "1", "Statement": [{"Effect": "deny"}]})
    refused(world.ask(key, "DescribeDBLinks", LINK), "NoPermission")
    assert f"a policy of the access key {key.id} is none: InvalidPolicy" in caplog.text
