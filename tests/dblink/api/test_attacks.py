"""The API over sockets: whoever means no good, or has got it wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.dblink.api.kit import CREATE, FORM, LINK, Client, Memory
from tests.dblink.api.wire import CLUSTER, ID, Raw, good, head, refused

pytestmark = pytest.mark.api
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
connection = pytest.importorskip("dblink.api.connection", reason="needs the extra `api`")

Limits, Bounds = app.Limits, connection.Bounds
PLENTY = Limits(rate=10_000, address_rate=10_000)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_methods(client: Client, method: str) -> None:
    reply = client.send("/?Action=DescribeDBLinks", {}, method=method)
    refused(reply, "UnsupportedHTTPMethod")
    assert reply.headers["allow"] == "GET, POST"


def test_head(client: Client) -> None:
    reply = client.send("/", {}, method="HEAD")
    assert (reply.status, reply.body) == (405, b"")


@pytest.mark.parametrize("path", ["/x", "//", "/%2F", "/./", "/openapi.json/", "/openapi.json"])
def test_paths(client: Client, path: str) -> None:
    refused(client.send(path, {}), "InvalidPath")


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data; boundary=b", "text/xml"]
)
def test_content_types(client: Client, kind: str) -> None:
    reply = client.send("/", {"content-type": kind}, b"{}")
    refused(reply, "UnsupportedContentType")


def test_without_a_signature(client: Client) -> None:
    refused(client.send("/?Action=DescribeDBLinks&DBClusterId=pc-a", {}), "IncompleteSignature")


def test_a_request_that_is_changed_on_its_way(client: Client) -> None:
    query = {"Action": "DeleteDBLink", **LINK}
    sent = client.signed(query)
    for target in (
        "/?" + urlencode({**query, "DBLinkName": "other"}),
        "/?" + urlencode({**query, "More": "x"}),
        "/?Action=DeleteDBLink&DBClusterId=pc-a",
    ):
        refused(client.send(target, sent), "SignatureDoesNotMatch")
    refused(
        client.send("/?" + urlencode(query), {**sent, **FORM}, b"More=x"), "IncompleteSignature"
    )
    refused(
        client.send("/?" + urlencode(query), {**sent, "host": "other"}), "SignatureDoesNotMatch"
    )
    refused(client.send("/?" + urlencode(query), {**sent, "x-acs-x": "1"}), "IncompleteSignature")
    refused(client.send("/?" + urlencode(query), sent, method="GET"), "SignatureDoesNotMatch")
    refused(client.send("/?" + urlencode(query), sent), "InvalidDBLinkName.NotFound")  # it was good
    refused(client.send("/?" + urlencode(query), sent), "SignatureNonceUsed")


def test_of_many_replays_at_once_one_is_met(client: Client, catalogue: Memory) -> None:
    good(client.call("CreateDBLink", CREATE))
    query = {"Action": "DeleteDBLink", **LINK}
    sent = client.signed(query)
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: client.send("/?" + urlencode(query), sent), range(8)))
    assert sorted(reply.code for reply in replies) == ["", *["SignatureNonceUsed"] * 7]


def test_what_stands_twice_is_refused_before_it_is_asked_who_signs(
    client: Client, catalogue: Memory
) -> None:
    asked: list[str] = []
    catalogue.before = asked.append
    doubled = "/?Action=DescribeDBLinks&DBClusterId=pc-a&DBClusterId=pc-other"
    refused(client.send(doubled, client.signed(CLUSTER)), "InvalidParameter")
    refused(client.call("DescribeDBLinks", CLUSTER, form=CLUSTER), "InvalidParameter")
    refused(client.call("DescribeDBLinks", {"Action": "DeleteDBLink", **LINK}), "InvalidParameter")
    assert asked == []


@pytest.mark.parametrize(
    "more",
    [
        b"x-acs-action: DeleteDBLink\r\n",
        b"X-Acs-Action: DescribeDBLinks\r\n",
        b"authorization: x\r\n",
        b"content-type: text/plain\r\nContent-Type: text/plain\r\n",
    ],
)
def test_headers_that_stand_twice(client: Client, more: bytes) -> None:
    whole = head(client, {**LINK}, x_acs_action="DescribeDBLinks")
    with Raw(client.address) as raw:
        raw.send(whole.replace(b"\r\n", b"\r\n" + more, 1))
        refused(raw.reply(), "InvalidParameter")


@pytest.mark.parametrize(
    "whole",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx y: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n  folded\r\n b\x00d\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello \r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f" * 3000,
        b"GET /" + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 40_000,
    ],
)
def test_what_is_no_http_is_told_so(client: Client, whole: bytes) -> None:
    with Raw(client.address) as raw:
        raw.send(whole)
        reply = raw.reply("GET")
        assert reply.code in ("InvalidRequest", "UnsupportedContentType")
        assert ID.fullmatch(reply.headers["x-acs-request-id"])
        assert raw.ended()
    good(client.call("DescribeDBLinks", CLUSTER))


def test_a_body_that_breaks_off_in_a_wrong_chunk(client: Client) -> None:
    with Raw(client.address) as raw:
        raw.send(
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"
        )
        refused(raw.reply(), "InvalidRequest")
        assert raw.ended()


def test_no_request_hides_in_another(client: Client, catalogue: Memory) -> None:
    """Content-Length beside Transfer-Encoding: whoever stands in front may count otherwise."""
    inner = head(client, {"Action": "DeleteDBLink", **LINK})
    with Raw(client.address) as raw:
        raw.send(
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner) + 5)
        )
        raw.send(inner)
        refused(raw.reply(), "InvalidRequest")
        assert raw.ended()
    assert "delete_link" not in catalogue.calls


def test_upgrades_are_not_made(client: Client) -> None:
    sent = client.signed(CLUSTER, headers={"x-acs-action": "DescribeDBLinks"})
    more = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x"}
    good(client.send("/?" + urlencode(CLUSTER), {**sent, **more}))


def test_who_says_to_be_somebody_else(catalogue: Memory, client: Client) -> None:
    rule = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    rule["Condition"] = {"NotIpAddress": {"acs:SourceIp": "127.0.0.0/8"}}  # type: ignore[assignment]
    client.key = catalogue.key({"Version": "1", "Statement": [rule]})
    headers = {"x-forwarded-for": "8.8.8.8", "x-forwarded-proto": "https", "x-real-ip": "8.8.8.8"}
    refused(client.call("DescribeDBLinks", CLUSTER, headers=headers), "NoPermission")
