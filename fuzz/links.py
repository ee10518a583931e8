"""What the link catalogue reads of strangers: requests to its API, policies, names for the page."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime

from dblink.api import answers, request, signature
from dblink.links import LinkError, policy, rules
from dblink.links.model import Cluster, Settings
from dblink.links.page import page
from dblink.links.wildcards import matches

_NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def api_request(data: bytes) -> None:
    """Query, headers and body in any bytes: one reading or a refusal, and an answer to either."""
    query, _, rest = data.partition(b"\n\n")
    lines, _, body = rest.partition(b"\n\n")
    pairs = [line.partition(b": ")[::2] for line in lines.split(b"\n")]
    head = request.head_of("POST" if len(data) % 3 else "GET", b"/", query, pairs)
    xml = request.wants_xml(head)
    try:
        read = request.read(head, body)
        assert len(read.parameters) <= request.MAX_PARAMETERS
        signed = signature.examine(read.signable, _NOW)
        text = signature.string_to_sign(read.signable, signed.headers)
        assert text.startswith(signature.ALGORITHM)
        signature.verify(read.signable, signed, "secret")
    except LinkError as error:
        assert 400 <= error.status < 500
        answer = answers.failure("R", error, "h", xml=xml, wait=None)
        assert answer.status == error.status
        if not xml:
            assert json.loads(answer.body)["Code"] == error.code


def policy_document(data: bytes) -> None:
    """A document is a policy that decides, or is refused by name."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(LinkError):
        document = policy.parse(text)
        resource = policy.resource_of("r", "a", "c")
        assert isinstance(
            policy.decide([document], policy.ACTIONS[0], resource, {}), policy.Decision
        )


def wildcard(data: bytes) -> None:
    """A pattern matches itself if there is no `?` or `*` in what it is compared with."""
    pattern, _, text = data.decode("latin-1").partition("~")
    matches(pattern, text)
    if not set(pattern) & set("*?"):
        assert matches(pattern, text) is (pattern == text)
    assert matches("*", text)


def link_names(data: bytes) -> None:
    """Any text as a name: accepted or refused; and on the page it stays text."""
    text = data.decode("utf-8", "surrogateescape")
    for check in (rules.check_link_name, rules.check_cluster_id, rules.check_client_token):
        with contextlib.suppress(LinkError):
            assert check(text) == text
    shown = page(Settings(("r",), 1), [Cluster(text, "r", "a", "")], [], {text: 1}, made=_NOW)
    assert shown.count("<script>") == 1


HARNESSES: dict[str, Callable[[bytes], None]] = {
    harness.__name__: harness for harness in (api_request, policy_document, wildcard, link_names)
}

_AUTHORIZATION = (
    b"authorization: ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host;x-acs-content-sha256;"
    b"x-acs-date;x-acs-signature-nonce,Signature=" + b"0" * 64
)

SEEDS: dict[str, list[bytes]] = {
    "api_request": [
        b"Action=DescribeDBLinks&DBClusterId=pc-a\n\nhost: h\nx-acs-date: 2026-03-02T09:30:00Z\n"
        b"x-acs-signature-nonce: n\nx-acs-content-sha256: "
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n" + _AUTHORIZATION,
        b"Format=XML\n\nhost: h\ncontent-type: application/x-www-form-urlencoded\n\n"
        b"Action=CreateDBLink&TargetDBPasswd=%C3%A9+1",
    ],
    "policy_document": [
        b'{"Version":"1","Statement":[{"Effect":"Allow","Action":"polardb:*","Resource":"*",'
        b'"Condition":{"IpAddress":{"acs:SourceIp":["10.0.0.0/8"]},'
        b'"DateLessThan":{"acs:CurrentTime":"2026-03-02T09:30:00Z"}}}]}',
    ],
    "wildcard": [b"acs:*:dbcluster/pc-?~acs:polardb:r:a:dbcluster/pc-a"],
    "link_names": [b"dblink_test", b"pc-<script>&\xe2\x80\xae"],
}
