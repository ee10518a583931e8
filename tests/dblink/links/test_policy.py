"""Policy documents: what they mean, and what is none."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.api.actions import ACTIONS
from dblink.links import policy
from dblink.links.conditions import CONDITIONS, KEYS, context_of, source_address
from dblink.links.errors import LinkError
from dblink.links.policy import Decision
from dblink.links.wildcards import matches, overlap

NOON = datetime(2026, 3, 2, 12, 0, 0, 500_000, UTC)
CREATE = "polardb:CreateDBLink"
CLUSTER = policy.resource_of("cn-hangzhou", "a1", "pc-a")

patterns = st.text("ab*?[]", max_size=8)
texts = st.text("ab[]*", max_size=10)


def simply(pattern: str, text: str) -> bool:
    """The definition of wildcards, word by word."""

    @lru_cache(None)
    def fits(i: int, k: int) -> bool:
        if i == len(pattern):
            return k == len(text)
        if pattern[i] == "*":
            return fits(i + 1, k) or (k < len(text) and fits(i, k + 1))
        return k < len(text) and pattern[i] in ("?", text[k]) and fits(i + 1, k + 1)

    return fits(0, 0)


@given(patterns, texts)
def test_wildcards_are_what_they_are_by_definition(pattern: str, text: str) -> None:
    assert matches(pattern, text) == simply(pattern, text)


@given(st.text())
def test_without_a_wildcard_everything_means_itself(text: str) -> None:
    plain = text.replace("*", "").replace("?", "")
    assert matches(plain, plain)
    assert not matches(plain, plain + "x")


@pytest.mark.parametrize("pattern", ["*a" * 250, "a*" * 250 + "b", "*?" * 250 + "c", "?*" * 256])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()
    matches(pattern, "a" * 20_000)
    assert time.process_time() - began < 1


@given(patterns, patterns, texts)
def test_patterns_that_share_a_text_overlap(one: str, other: str, text: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    if simply(one, text) and simply(other, text):
        assert overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other", "whether"),
    [
        ("a*", "*b", True),
        ("a*c", "b*", False),
        ("??", "a", False),
        ("*", "", True),
        ("a?", "*a*a", 1),
    ],
)
def test_overlapping(one: str, other: str, whether: bool) -> None:
    assert overlap(one, other) == bool(whether)


def test_overlapping_where_a_wildcard_is_bounded() -> None:
    for pattern, whether in [("a:b", True), ("a:*", True), ("*", True), ("a:b:c", False)]:
        assert overlap(pattern, "*:*", without=":") == whether


# What documents mean.


def statement(effect: str = "Allow", **members: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "polardb:*", "Resource": "*", **members}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def decide(
    *statements: dict[str, Any],
    action: str = CREATE,
    resource: str = CLUSTER,
    context: dict[str, Any] | None = None,
) -> Decision:
    whole = document(*statements)
    assert policy.check(whole) is whole
    known = context_of("10.1.2.3", NOON, secure=True) if context is None else context
    return policy.decide([whole], action, resource, known)


def test_nothing_is_allowed_by_default() -> None:
    assert policy.decide([], CREATE, CLUSTER, {}) is Decision.NOT_ALLOWED


def test_who_denies_wins_wherever_it_stands() -> None:
    allow, deny = statement(), statement("Deny", Action=CREATE)
    for order in ([allow, deny], [deny, allow]):
        assert decide(*order) is Decision.DENIED
        assert decide(*order, action="polardb:DeleteDBLink") is Decision.ALLOWED
    several = [document(allow), document(deny), document(allow)]
    assert policy.decide(several, CREATE, CLUSTER, {}) is Decision.DENIED


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (CREATE, True),
        ("polardb:createdblink", True),
        ("POLARDB:*", True),
        ("polardb:*DBLink", True),
        ("polardb:Create??Link", True),
        ("*", True),
        ("polardb:Describe*", False),
        (["polardb:DeleteDBLink", "polardb:Cr*"], True),
    ],
)
def test_actions(pattern: Any, allowed: bool) -> None:
    assert (decide(statement(Action=pattern)) is Decision.ALLOWED) is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("acs:polardb:cn-hangzhou:a1:dbcluster/pc-a", True),
        ("acs:polardb:*:*:dbcluster/*", True),
        ("acs:polardb:*:a1:dbcluster/pc-?", True),
        ("acs:*", True),
        ("acs:polardb:*:*:dbcluster/PC-A", False),
        ("acs:polardb:*:a2:dbcluster/*", False),
        ("acs:polardb:*:*:dbcluster/pc-[a-z]", False),
        ("acs:polardb:*:*:dbcluster/pc-", False),
        (["acs:polardb:*:*:dbcluster/pc-b", "acs:polardb:*:*:dbcluster/pc-a"], True),
    ],
)
def test_resources(pattern: Any, allowed: bool) -> None:
    assert (decide(statement(Resource=pattern)) is Decision.ALLOWED) is allowed


@pytest.mark.parametrize(
    ("operator", "key", "value", "holds"),
    [
        ("StringEquals", "acs:SourceIp", "10.1.2.3", True),
        ("StringEquals", "acs:SourceIp", ["10.9.9.9", "10.1.2.3"], True),
        ("StringEquals", "acs:SourceIp", "10.9.9.9", False),
        ("StringNotEquals", "acs:SourceIp", "10.1.2.3", False),
        ("StringNotEquals", "acs:SourceIp", ["10.9.9.9", "10.1.2.3"], False),
        ("StringNotEquals", "acs:SourceIp", ["10.9.9.9", "10.9.9.8"], True),
        ("StringEqualsIgnoreCase", "acs:SecureTransport", "TRUE", True),
        ("StringEqualsIgnoreCase", "acs:CurrentTime", "2026-03-02t12:00:00z", True),
        ("StringNotEqualsIgnoreCase", "acs:SecureTransport", "True", False),
        ("StringLike", "acs:SourceIp", "10.1.*", True),
        ("StringLike", "acs:CurrentTime", "2026-03-0?T*", True),
        ("StringNotLike", "acs:SourceIp", ["11.*", "10.*"], False),
        ("IpAddress", "acs:SourceIp", "10.0.0.0/8", True),
        ("IpAddress", "acs:SourceIp", ["fd00::/8", "10.1.2.3"], True),
        ("IpAddress", "acs:SourceIp", "fd00::/8", False),
        ("NotIpAddress", "acs:SourceIp", ["11.0.0.0/8", "10.0.0.0/8"], False),
        ("NotIpAddress", "acs:SourceIp", "fd00::/8", True),
        ("DateEquals", "acs:CurrentTime", "2026-03-02T20:00:00+08:00", True),
        ("DateNotEquals", "acs:CurrentTime", "2026-03-02T12:00:00Z", False),
        ("DateLessThan", "acs:CurrentTime", "2026-03-02T12:00:00Z", False),
        ("DateLessThan", "acs:CurrentTime", "2026-03-02T12:01Z", True),
        ("DateLessThanEquals", "acs:CurrentTime", "2026-03-02T12:00:00Z", True),
        ("DateGreaterThan", "acs:CurrentTime", "2026-03-02T12:00:00Z", False),
        ("DateGreaterThan", "acs:CurrentTime", "2026-03-02T11:59:59Z", True),
        ("DateGreaterThanEquals", "acs:CurrentTime", "2026-03-02T12:00:00Z", True),
        ("Bool", "acs:SecureTransport", True, True),
        ("Bool", "acs:SecureTransport", "true", True),
        ("Bool", "acs:SecureTransport", ["false"], False),
        ("Bool", "acs:SecureTransport", [True, False], True),
    ],
)
def test_conditions(operator: str, key: str, value: Any, holds: bool) -> None:
    condition = statement(Condition={operator: {key: value}})
    assert (decide(condition) is Decision.ALLOWED) is holds
    # A key that the request has not makes each of them fail.
    assert decide(condition, context={}) is Decision.NOT_ALLOWED


def test_every_operator_is_tested() -> None:
    marks = test_conditions.pytestmark  # type: ignore[attr-defined]
    tested = {row[0] for mark in marks for row in mark.args[1]}
    assert tested == set(CONDITIONS)
    assert {row[1] for mark in marks for row in mark.args[1]} == set(KEYS)


def test_all_parts_of_a_condition_must_hold() -> None:
    both = {
        "IpAddress": {"acs:SourceIp": "10.0.0.0/8"},
        "Bool": {"acs:SecureTransport": "true"},
    }
    assert decide(statement(Condition=both)) is Decision.ALLOWED
    plain = context_of("10.1.2.3", NOON, secure=False)
    assert decide(statement(Condition=both), context=plain) is Decision.NOT_ALLOWED
    afar = context_of("11.1.2.3", NOON, secure=True)
    assert decide(statement(Condition=both), context=afar) is Decision.NOT_ALLOWED


def test_an_address_has_one_spelling() -> None:
    assert str(source_address("::ffff:10.1.2.3")) == "10.1.2.3"
    assert str(source_address("FE80::1%eth0")) == "fe80::1"
    mapped = context_of("::ffff:10.1.2.3", NOON, secure=True)
    inside = statement(Condition={"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}})
    assert decide(inside, context=mapped) is Decision.ALLOWED
    assert "acs:SourceIp" not in context_of(None, NOON, secure=True)


def test_moments_are_compared_whatever_their_zone() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    assert context_of(None, east, secure=True) == context_of(None, NOON, secure=True)


# What is none.


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "the document is an object, not null."),
        ([], "the document is an object, not []."),
        ({"Statement": []}, "the document has no Version."),
        ({"Version": "2012", "Statement": [statement()]}, 'Version is "1", not "2012".'),
        ({"Version": 1, "Statement": [statement()]}, 'Version is "1", not 1.'),
        ({"Version": "1"}, "the document has no Statement."),
        ({"Version": "1", "Statement": []}, "Statement is a list of 1 to 100"),
        ({"Version": "1", "Statement": statement()}, "Statement is a list of 1 to 100"),
        ({"Version": "1", "Statement": [statement()] * 101}, "Statement is a list of 1 to 100"),
        ({"Version": "1", "Statement": [statement()], "Id": "x"}, 'has a member "Id". Known are'),
        (document({**statement(), 1: 2}), "statement 1 has a member 1."),  # type: ignore[dict-item]
        (
            document(statement("allow")),
            'the Effect of statement 1 is "Allow" or "Deny", not "allow"',
        ),
        (document(statement(Effect=["Deny"])), 'not ["Deny"]'),
        (document(statement(), statement(NotAction="x")), 'statement 2 has a member "NotAction"'),
        (document(statement(NotResource="x")), 'has a member "NotResource"'),
        (document(statement(Principal="x")), 'has a member "Principal"'),
        (document({"Effect": "Deny", "Resource": "*"}), "statement 1 has no Action."),
        (document({"Effect": "Deny", "Action": "*"}), "statement 1 has no Resource."),
        (document(statement(Action=[])), "Action of statement 1 has 1 to 100 values."),
        (document(statement(Action=["*"] * 101)), "has 1 to 100 values."),
        (document(statement(Action=7)), "is a string or a list of strings, not 7."),
        (document(statement(Action=[["*"]])), 'not ["*"].'),
        (document(statement(Action="")), "has 1 to 512 characters"),
        (document(statement(Action="a:" + "*" * 511)), "has 1 to 512 characters"),
        (document(statement(Action="CreateDBLink")), '"CreateDBLink" is no action, like'),
        (document(statement(Action="polardb:CreateDBLink ")), "is no action"),
        (document(statement(Action="polardb:CreateDBLin\u212a")), "is no action"),
        (document(statement(Action="polardb:CreateDBLnik")), "matches none of polardb:Create"),
        (document(statement(Action="ecs:*")), '"ecs:*" matches none of'),
        (document(statement(Resource="arn:aws:x")), '"arn:aws:x" matches no cluster'),
        (document(statement(Resource="acs:polardb:*:*:dblink/x")), "matches no cluster. They are"),
        (document(statement(Resource="acs:rds:*:*:dbcluster/x")), "matches no cluster"),
        (document(statement(Resource="acs:polardb:*:*:dbcluster/a:b")), "matches no cluster"),
        (document(statement(Resource={"a": 1})), 'not {"a": 1}.'),
        (document(statement(Condition=[])), "Condition of statement 1 is an object, not []."),
        (document(statement(Condition={"Equals": {}})), 'has a member "Equals". Known are String'),
        (document(statement(Condition={"Bool": "true"})), "Bool in Condition of statement 1 is an"),
        (
            document(statement(Condition={"Bool": {"acs:MFAPresent": "x"}})),
            '"acs:MFAPresent". Known',
        ),
        (document(statement(Condition={"Bool": {"acs:sourceip": "x"}})), '"acs:sourceip". Known'),
    ],
)
def test_a_document_that_is_none(wrong: Any, told: str) -> None:
    with pytest.raises(LinkError) as info:
        policy.check(wrong)
    assert info.value.code == "InvalidPolicy"
    assert told in info.value.message
    if isinstance(wrong, dict):  # and by hand in the store, it is not passed over either
        with pytest.raises(LinkError):
            policy.decide([wrong], CREATE, CLUSTER, {})


@pytest.mark.parametrize(
    ("operator", "key", "value", "told"),
    [
        ("IpAddress", "acs:CurrentTime", "10.0.0.1", "cannot be compared so, only acs:SourceIp"),
        ("DateLessThan", "acs:SourceIp", "2026-03-02T12:00:00Z", "only acs:CurrentTime"),
        ("Bool", "acs:SourceIp", "true", "only acs:SecureTransport"),
        ("IpAddress", "acs:SourceIp", "10.0.0.1/8", "within a network: write 10.0.0.0/8"),
        ("IpAddress", "acs:SourceIp", "10.0.0.*", "no address and no network"),
        ("IpAddress", "acs:SourceIp", 167837697, "a value is a string"),
        ("IpAddress", "acs:SourceIp", [], "has 1 to 100 values"),
        ("IpAddress", "acs:SourceIp", "1" * 129, "a value is a string of 1 to 128"),
        ("DateEquals", "acs:CurrentTime", "2026-03-02", "no moment like 2026"),
        ("DateEquals", "acs:CurrentTime", "2026-03-02T12:00:00", "no moment like"),
        ("DateEquals", "acs:CurrentTime", "2026-13-02T12:00:00Z", "no moment like"),
        ("DateEquals", "acs:CurrentTime", "0001-01-01T00:00:00+08:00", "no moment like"),
        ("Bool", "acs:SecureTransport", "yes", 'a value is "true" or "false"'),
        ("Bool", "acs:SecureTransport", 1, 'a value is "true" or "false"'),
        ("StringEquals", "acs:SourceIp", "2001:DB8::1", 'is never met: write "2001:db8::1"'),
        ("StringEquals", "acs:SourceIp", "::ffff:10.1.2.3", 'write "10.1.2.3"'),
        ("StringEquals", "acs:SourceIp", "10.0.0.0/8", "is none"),
        ("StringNotEquals", "acs:CurrentTime", "2026-03-02T20:00:00+08:00", "write"),
        ("StringEquals", "acs:SecureTransport", "True", 'write "true"'),
        ("StringLike", "acs:SourceIp", None, "a value is a string"),
    ],
)
def test_a_condition_that_is_none(operator: str, key: str, value: Any, told: str) -> None:
    with pytest.raises(LinkError, match="InvalidPolicy") as info:
        policy.check(document(statement(Condition={operator: {key: value}})))
    assert told in info.value.message


def test_documents_as_text() -> None:
    whole = document(statement())
    assert policy.parse(json.dumps(whole)) == whole
    for text, told in [
        ('{"Version": "1", "Version": "1"}', 'the member "Version" stands twice'),
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is nested too deeply"),
        ("7", "the document is an object, not 7."),
    ]:
        with pytest.raises(LinkError) as info:
            policy.parse(text)
        assert told in info.value.message


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    junk
    | st.builds(
        lambda **members: document(members),
        Effect=junk | st.just("Allow"),
        Action=junk | st.just("*"),
        Resource=junk | st.just("*"),
        Condition=junk | st.dictionaries(st.sampled_from([*CONDITIONS]), junk, max_size=2),
    )
)
def test_whatever_comes_it_is_a_policy_or_told_to_be_none(value: Any) -> None:
    try:
        policy.check(value)
    except LinkError as error:
        assert error.code == "InvalidPolicy"
    else:
        policy.decide([value], CREATE, CLUSTER, context_of("::1", NOON, secure=False))


def test_the_actions_are_those_of_the_api() -> None:
    assert list(policy.ACTIONS) == [f"{policy.SERVICE}:{name}" for name in ACTIONS]
