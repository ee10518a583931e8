"""What becomes of requests: in which order what is asked, and what is told."""

from __future__ import annotations

import logging
import sqlite3
from datetime import timedelta
from typing import Any

import pytest

import pgwire
from dblink.api import signature
from dblink.api.actions import ACTIONS
from dblink.api.dispatch import Outcome
from dblink.links.errors import LinkError
from dblink.links.model import AccessKey
from dblink.links.store import StoreError
from tests.dblink.api.kit import CREATE, EVERYTHING, LINK, NOW, PASSWORD, Memory
from tests.dblink.api.world import HOST, World, allowed, refused

# The actions.


def test_the_life_of_a_link(world: World, key: AccessKey) -> None:
    assert allowed(world.ask(key, "CreateDBLink", CREATE)) == {}
    info = {
        "DBInstanceName": "pc-a",
        "DBLinkName": "dblink_test",
        "SourceDBName": "shop",
        "TargetDBName": "stock",
        "TargetDBInstanceName": "pc-b",
        "TargetAccount": "clerk",
    }
    whole = {"DBInstanceName": "pc-a", "DBLinkInfos": [info]}
    cluster = {"DBClusterId": "pc-a"}
    assert allowed(world.ask(key, "DescribeDBLinks", cluster)) == whole
    assert allowed(world.ask(key, "DescribeDBLinks", LINK)) == whole
    assert allowed(world.ask(key, "DescribeDBLinks", {**cluster, "DBLinkName": ""})) == whole
    none = {"DBInstanceName": "pc-a", "DBLinkInfos": []}
    assert allowed(world.ask(key, "DescribeDBLinks", {**cluster, "DBLinkName": "none"})) == none
    assert allowed(world.ask(key, "RestartDBLink", LINK)) == cluster
    assert allowed(world.ask(key, "DeleteDBLink", LINK)) == {}
    refused(world.ask(key, "DeleteDBLink", LINK), "InvalidDBLinkName.NotFound")


def test_all_links_of_a_cluster_are_restarted_whatever_becomes_of_one(
    world: World, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c", "d"):
        allowed(world.ask(key, "CreateDBLink", {**CREATE, "DBLinkName": name}))
    restarted: list[str] = []
    wrong = {"b": LinkError("InvalidTarget.Refused", reason="b")}
    wrong["c"] = LinkError("InvalidDBLinkName.NotFound", cluster="pc-a", link="c")

    def restart(cluster: str, name: str) -> None:
        restarted.append(name)
        if name in wrong:
            raise wrong[name]

    monkeypatch.setattr(world.catalogue, "restart_link", restart)
    cluster = {"DBClusterId": "pc-a"}
    refused(world.ask(key, "RestartDBLink", cluster), "InvalidTarget.Refused")
    assert restarted == ["a", "b", "c", "d"]
    del wrong["b"]
    assert allowed(world.ask(key, "RestartDBLink", cluster)) == cluster


def test_a_server_of_ones_own(world: World, key: AccessKey) -> None:
    own = {"TargetDBInstanceName": "", "TargetIp": "FD00::1", "TargetPort": "05432", "VpcId": "v"}
    allowed(world.ask(key, "CreateDBLink", {**CREATE, **own}))
    made = world.catalogue.made["pc-a", "dblink_test"].target
    assert (made.cluster, made.address, made.port, made.vpc) == (None, "fd00::1", 5432, "v")
    (info,) = allowed(world.ask(key, "DescribeDBLinks", LINK))["DBLinkInfos"]
    assert info["TargetDBInstanceName"] == ""


def test_parameters_stand_in_the_form_as_well(world: World, key: AccessKey) -> None:
    form = {name: CREATE[name] for name in CREATE if name != "DBClusterId"}
    allowed(world.ask(key, "CreateDBLink", {"DBClusterId": "pc-a"}, form=form))


def test_what_the_service_s_clients_send_besides_is_ignored(world: World, key: AccessKey) -> None:
    more = {"OwnerAccount": "x", "OwnerId": "7", "ResourceOwnerAccount": "x", "Unknown": "x"}
    allowed(world.ask(key, "DescribeDBLinks", {"DBClusterId": "pc-a", **more}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Action": "DropEverything"}, "InvalidAction.NotFound"),
        ({"Action": ""}, "InvalidAction.NotFound"),
        ({"Action": "createdblink"}, "InvalidAction.NotFound"),
        ({"Action": "x" * 4000}, "InvalidAction.NotFound"),
        ({"Version": "2018-08-01"}, "InvalidVersion"),
        ({"Version": ""}, "InvalidVersion"),
        ({"Format": "YAML"}, "InvalidParameter"),
        ({"DBClusterId": ""}, "MissingParameter"),
        ({"DBClusterId": "x" * 129}, "InvalidParameter"),
        ({"DBClusterId": "pc-none"}, "InvalidDBClusterId.NotFound"),
        ({"DBClusterId": "PC-A"}, "InvalidDBClusterId.NotFound"),
        ({"DBClusterId": "pc-a "}, "InvalidDBClusterId.NotFound"),
        ({"DBLinkName": ""}, "MissingParameter"),
        ({"DBLinkName": "Upper"}, "InvalidDBLinkName.Malformed"),
        ({"DBLinkName": "a" * 65}, "InvalidDBLinkName.Malformed"),
        ({"SourceDBName": "ä" * 32}, "InvalidDBName.Malformed"),
        ({"TargetDBName": ""}, "MissingParameter"),
        ({"TargetDBAccount": "x" * 64}, "InvalidDBName.Malformed"),
        ({"TargetDBPasswd": ""}, "MissingParameter"),
        ({"ClientToken": "x" * 65}, "InvalidClientToken.Malformed"),
        ({"ClientToken": "ä"}, "InvalidClientToken.Malformed"),
        ({"ResourceGroupId": "x" * 129}, "InvalidParameter"),
        ({"RegionId": "us-west-1"}, "InvalidRegionId.NotFound"),
        ({"TargetDBInstanceName": "pc-none"}, "InvalidDBClusterId.NotFound"),
        ({"TargetDBInstanceName": ""}, "InvalidTarget"),
        ({"TargetIp": "10.0.0.1"}, "InvalidTarget"),
        ({"TargetDBInstanceName": "", "TargetIp": "10.0.0.1"}, "InvalidTarget"),
        ({"TargetDBInstanceName": "", "TargetPort": "5432"}, "InvalidTarget"),
        (
            {"TargetDBInstanceName": "", "TargetIp": "10.0.0.1", "TargetPort": "0"},
            "InvalidTargetPort.Malformed",
        ),
        (
            {"TargetDBInstanceName": "", "TargetIp": "host", "TargetPort": "1"},
            "InvalidTargetIp.Malformed",
        ),
    ],
)
def test_what_is_wrong_is_told(
    world: World, key: AccessKey, changes: dict[str, str], code: str
) -> None:
    error = refused(world.ask(key, "CreateDBLink", {**CREATE, **changes}), code)
    assert PASSWORD not in error.message
    assert len(error.message) < 500
    assert world.catalogue.made == {}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_required_must_be_there(world: World, key: AccessKey, action: str) -> None:
    required = [p.name for p in ACTIONS[action].parameters if p.required]  # type: ignore[index]
    assert "DBClusterId" in required
    for name in required:
        given = {n: v for n, v in CREATE.items() if n != name}
        error = refused(world.ask(key, action, given), "MissingParameter")
        assert error.message == f"The parameter {name} is missing."


# Who asks.


def test_an_unknown_access_key(world: World, key: AccessKey) -> None:
    stranger = Memory().key()
    stranger = type(key)("AK9", stranger.secret, "a1", (EVERYTHING,), True, NOW)
    outcome = world.ask(stranger, "DescribeDBLinks", LINK)
    refused(outcome, "InvalidAccessKeyId.NotFound")
    assert outcome.key_id == ""
    assert world.catalogue.calls == []


def test_what_is_compared_for_an_unknown_key_costs_as_much(
    world: World, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    right = signature.signature

    def counted(text: str, secret: str) -> str:
        made.append(secret)
        return right(text, secret)

    sent = signature.sign("AK9", "x", host=HOST, query={}, now=NOW)
    monkeypatch.setattr(signature, "signature", counted)
    refused(world.meet({}, sent), "InvalidAccessKeyId.NotFound")
    assert len(made) == 1


def test_a_disabled_key_is_told_to_who_has_its_secret_only(world: World, key: AccessKey) -> None:
    world.catalogue.disable(key)
    refused(world.ask(key, "DescribeDBLinks", LINK), "InvalidAccessKeyId.Inactive")
    other = type(key)(key.id, "wrong", "a1", (), True, NOW)
    refused(world.ask(other, "DescribeDBLinks", LINK), "SignatureDoesNotMatch")


def test_a_request_comes_once(world: World, key: AccessKey) -> None:
    allowed(world.ask(key, "DescribeDBLinks", LINK, nonce="n"))
    refused(world.ask(key, "DescribeDBLinks", LINK, nonce="n"), "SignatureNonceUsed")
    refused(world.ask(key, "DeleteDBLink", LINK, nonce="n"), "SignatureNonceUsed")
    other = world.catalogue.key()
    allowed(world.ask(other, "DescribeDBLinks", LINK, nonce="n"))


def test_nobody_else_can_spend_a_nonce(world: World, key: AccessKey) -> None:
    forged = type(key)(key.id, "wrong", "a1", (), True, NOW)
    refused(world.ask(forged, "DescribeDBLinks", LINK, nonce="n"), "SignatureDoesNotMatch")
    old = NOW - timedelta(hours=1)
    refused(world.ask(key, "DescribeDBLinks", LINK, nonce="n", now=old), "InvalidTimeStamp.Expired")
    assert world.catalogue.nonces == set()
    allowed(world.ask(key, "DescribeDBLinks", LINK, nonce="n"))


def test_a_nonce_is_remembered_as_long_as_its_signature_is_good(
    world: World, key: AccessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = []

    def use(key_id: str, nonce: str, moment: Any) -> bool:
        until.append(moment)
        return True

    monkeypatch.setattr(world.catalogue, "use_nonce", use)
    early = NOW - timedelta(seconds=899)
    for when in (early, NOW, NOW + timedelta(seconds=900)):
        allowed(world.ask(key, "DescribeDBLinks", LINK, now=when))
        assert until[-1] > when + signature.WINDOW


def test_there_are_no_temporary_credentials(world: World, key: AccessKey) -> None:
    token = {**LINK, "SecurityToken": "t"}
    refused(world.ask(key, "RestartDBLink", token), "IncompleteSignature")
    refused(
        world.ask(key, "RestartDBLink", LINK, headers={"x-acs-security-token": "t"}),
        "IncompleteSignature",
    )
    allowed(world.ask(key, "RestartDBLink", {"DBClusterId": "pc-a", "SecurityToken": ""}))


# How much they may do.


def test_a_key_s_rate(key: AccessKey) -> None:
    world = World(rate=2)
    key, other = world.catalogue.key(), world.catalogue.key()
    for _ in range(2):
        allowed(world.ask(key, "DescribeDBLinks", LINK))
    outcome = world.ask(key, "DescribeDBLinks", LINK)
    refused(outcome, "Throttling.User")
    assert outcome.wait is not None and 0 < outcome.wait <= 0.5
    allowed(world.ask(other, "DescribeDBLinks", LINK))
    # Whoever does not sign as the key takes nothing away from it.
    forged = type(other)(other.id, "wrong", "a1", (), True, NOW)
    for _ in range(5):
        refused(world.ask(forged, "DescribeDBLinks", LINK), "SignatureDoesNotMatch")
    allowed(world.ask(other, "DescribeDBLinks", LINK))


def test_how_much_of_one_key_is_at_work() -> None:
    world = World(each=1)
    key, other = world.catalogue.key(), world.catalogue.key()
    inner: list[Outcome] = []

    def meanwhile(name: str) -> None:
        if name == "delete_link":
            world.catalogue.before = lambda name: None
            inner.append(world.ask(key, "DescribeDBLinks", LINK))
            inner.append(world.ask(other, "DescribeDBLinks", LINK))

    world.catalogue.before = meanwhile
    refused(world.ask(key, "DeleteDBLink", LINK), "InvalidDBLinkName.NotFound")
    refused(inner[0], "Throttling")
    assert inner[0].wait == 1
    allowed(inner[1])
    allowed(world.ask(key, "DescribeDBLinks", LINK))


# What fails.


SECRETS = "password=hidden host=db.internal"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (pgwire.OperationalError(SECRETS), "ServiceUnavailable"),
        (StoreError(SECRETS), "ServiceUnavailable"),
        (sqlite3.OperationalError(SECRETS), "ServiceUnavailable"),
        (OSError(5, SECRETS), "ServiceUnavailable"),
        (RuntimeError(SECRETS), "InternalError"),
        (KeyError(SECRETS), "InternalError"),
        (RecursionError(SECRETS), "InternalError"),
    ],
)
@pytest.mark.parametrize("where", ["access_key", "use_nonce", "cluster", "create_link"])
def test_what_fails_is_told_without_details(
    world: World, key: AccessKey, caplog: pytest.LogCaptureFixture, error: Exception, code: str,
    where: str,
) -> None:  # fmt: skip
    def fail(name: str) -> None:
        if name == where:
            raise error

    caplog.set_level(logging.DEBUG)
    world.catalogue.before = fail
    told = refused(world.ask(key, "CreateDBLink", CREATE), code).message
    assert f"{type(error).__name__} in " in caplog.text
    for text in (told, caplog.text):
        assert SECRETS not in text
        assert PASSWORD not in text
        assert key.secret not in text
    world.catalogue.before = lambda name: None
    allowed(world.ask(key, "CreateDBLink", CREATE))
