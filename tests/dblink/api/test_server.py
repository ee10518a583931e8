"""The API over sockets: what is well, and what nobody gets to see."""

from __future__ import annotations

import logging
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from tests.dblink.api.kit import CREATE, LINK, PASSWORD, Client, Memory
from tests.dblink.api.wire import CLUSTER, ID, Raw, good, head, refused

pytestmark = pytest.mark.api
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
connection = pytest.importorskip("dblink.api.connection", reason="needs the extra `api`")

Limits, Bounds = app.Limits, connection.Bounds
PLENTY = Limits(rate=10_000, address_rate=10_000)


# What is well.


def test_the_life_of_a_link(client: Client) -> None:
    assert good(client.call("CreateDBLink", CREATE)).keys() == {"RequestId"}
    for method in ("GET", "POST"):
        got = good(client.call("DescribeDBLinks", CLUSTER, method=method))
        assert got["DBInstanceName"] == "pc-a"
        assert [info["DBLinkName"] for info in got["DBLinkInfos"]] == ["dblink_test"]
    good(client.call("RestartDBLink", form=LINK))
    good(client.call("DeleteDBLink", {"DBClusterId": "pc-a"}, form={"DBLinkName": "dblink_test"}))
    assert good(client.call("DescribeDBLinks", LINK))["DBLinkInfos"] == []


def test_any_password_arrives(client: Client, catalogue: Memory) -> None:
    got: list[str] = []
    right = catalogue.create_link
    catalogue.create_link = lambda *a, **k: (got.append(k["password"]), right(*a, **k))[1]  # type: ignore[method-assign]
    odd = "ü€😀 +%&=;'\"\\~*\r\n\t\x01"
    good(client.call("CreateDBLink", {**CREATE, "TargetDBPasswd": odd}))
    form = {**CREATE, "DBLinkName": "other", "TargetDBPasswd": odd}
    good(client.call("CreateDBLink", form=form))
    assert got == [odd, odd]


def test_xml(client: Client) -> None:
    good(client.call("CreateDBLink", CREATE))
    got = client.call("DescribeDBLinks", {**CLUSTER, "Format": "XML"})
    assert got.headers["content-type"] == "text/xml;charset=utf-8"
    root = ElementTree.fromstring(got.body)
    assert root.tag == "DescribeDBLinksResponse"
    assert root.findtext("DBLinkInfos/TargetAccount") == "clerk"
    wrong = client.call("DeleteDBLink", {**LINK, "DBLinkName": "x"}, headers={"accept": "text/xml"})
    assert wrong.status == 404
    assert ElementTree.fromstring(wrong.body).findtext("Code") == "InvalidDBLinkName.NotFound"
    # In the body, Format is known only once the body is.
    form = client.call("DescribeDBLinks", form={**CLUSTER, "Format": "xml"})
    assert form.headers["content-type"] == "text/xml;charset=utf-8"


def test_the_description_is_open(client: Client) -> None:
    got = client.send("/openapi.json", {}, method="GET")
    assert got.status == 200
    assert got.json["openapi"] == "3.1.0"
    assert ID.fullmatch(got.headers["x-acs-request-id"])


def test_a_connection_is_kept(client: Client) -> None:
    with Raw(client.address) as raw:
        for _ in range(3):
            raw.send(head(client, {"Action": "DescribeDBLinks", **CLUSTER}))
            good(raw.reply())


def test_requests_on_one_connection_are_answered_in_order(client: Client) -> None:
    with Raw(client.address) as raw:
        first = head(client, {"Action": "DescribeDBLinks", **CLUSTER})
        second = head(client, {"Action": "DescribeDBLinks", "DBClusterId": "pc-b"})
        raw.send(first + second)
        # Each on its own: the first answer must not be read together with the second.
        data = b""
        while data.count(b'"RequestId"') < 2:
            data += raw.sock.recv(65536)
        assert data.index(b'"pc-a"') < data.index(b'"pc-b"')


# What nobody gets to see.


def test_no_secret_is_logged(
    client: Client, catalogue: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    catalogue.before = lambda name: (_ for _ in ()).throw(RuntimeError(PASSWORD)) if (
        name == "restart_link"
    ) else None  # fmt: skip
    good(client.call("CreateDBLink", CREATE))
    good(client.call("CreateDBLink", form={**CREATE, "DBLinkName": "other"}))
    refused(client.call("CreateDBLink", CREATE), "InvalidDBLinkName.Duplicate")
    refused(client.call("RestartDBLink", CREATE), "InternalError")
    refused(client.call("CreateDBLink", {**CREATE, "DBClusterId": ""}), "MissingParameter")
    client.send("/?TargetDBPasswd=" + PASSWORD.replace(" ", "+"), {})
    with Raw(client.address) as raw:
        raw.send(b"GET /?TargetDBPasswd=%s\x80 HTTP/1.1\r\n\r\n" % PASSWORD.encode())
        raw.reply()
    told = caplog.text
    assert "CreateDBLink by AK1 from 127.0.0.1: OK" in told
    assert "RuntimeError in " in told
    for secret in (PASSWORD, PASSWORD.replace(" ", "+"), client.key.secret, "never-shown"):
        assert secret not in told


def test_no_secret_is_answered(client: Client) -> None:
    replies = [
        client.call("CreateDBLink", CREATE),
        client.call("DescribeDBLinks", CLUSTER),
        client.call("CreateDBLink", CREATE),
        client.call("CreateDBLink", {**CREATE, "TargetDBPasswd": PASSWORD + "\0"}),
        client.call("CreateDBLink", {**CREATE, "TargetDBPasswd": PASSWORD * 1000}),
        client.send("/?" + urlencode(CREATE), client.signed(CLUSTER)),
    ]
    for reply in replies:
        assert PASSWORD.encode() not in reply.body
        assert client.key.secret.encode() not in reply.body
