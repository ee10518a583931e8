"""Answers in both forms."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblink.api.answers import failure, request_id, success, whole_seconds
from dblink.links.errors import LinkError

ID = "4C467B38-3910-447D-87BC-AC049166F216"
ODD = "<&>\"'\r\n\t\x01\x1f\ud800\ufffeä€😀]]>"


def test_ids() -> None:
    assert re.fullmatch("[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", request_id())
    assert request_id() != request_id()


def test_json() -> None:
    answer = success(
        ID, "DescribeDBLinks", {"A": ODD, "B": [{"C": "1"}, {"C": "2"}], "D": []}, xml=False
    )
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert answer.headers["x-acs-request-id"] == ID
    assert json.loads(answer.body) == {
        "RequestId": ID,
        "A": ODD,
        "B": [{"C": "1"}, {"C": "2"}],
        "D": [],
    }


def test_xml() -> None:
    answer = success(
        ID, "DescribeDBLinks", {"A": ODD, "B": [{"C": "1"}, {"C": "2"}], "D": []}, xml=True
    )
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "DescribeDBLinksResponse"
    assert [(child.tag, child.text) for child in root[:1]] == [("RequestId", ID)]
    # What XML cannot hold is replaced.
    assert root.findtext("A") == "<&>\"'\r\n\t\ufffd\ufffd\ufffd\ufffdä€😀]]>"
    assert [entry.findtext("C") for entry in root.findall("B")] == ["1", "2"]
    assert root.find("D") is None


@given(st.text())
def test_any_text_makes_xml(text: str) -> None:
    root = ElementTree.fromstring(success(ID, "X", {"A": text}, xml=True).body)
    assert len(root.findtext("A") or "") == len(text)


@pytest.mark.parametrize("xml", [False, True])
def test_errors(xml: bool) -> None:
    error = LinkError("InvalidDBClusterId.NotFound", cluster="<x>")
    answer = failure(ID, error, "127.0.0.1:6480", xml=xml)
    assert answer.status == 404
    if xml:
        root = ElementTree.fromstring(answer.body)
        assert root.tag == "Error"
        members = {child.tag: child.text for child in root}
    else:
        members = json.loads(answer.body)
    assert members == {
        "RequestId": ID,
        "HostId": "127.0.0.1:6480",
        "Code": "InvalidDBClusterId.NotFound",
        "Message": 'There is no cluster "<x>".',
    }


@pytest.mark.parametrize("host", ["", "a b", "<x>", "x" * 256, "a\nb", "ä"])
def test_only_a_host_is_sent_back(host: str) -> None:
    answer = failure(ID, LinkError("InvalidPath"), host, xml=False)
    assert json.loads(answer.body)["HostId"] == ""


def test_what_else_is_told() -> None:
    method = failure(ID, LinkError("UnsupportedHTTPMethod", method="PUT"), "h", xml=False)
    assert method.headers["allow"] == "GET, POST"
    busy = failure(ID, LinkError("Throttling.User", seconds=2), "h", xml=False, wait=1.2)
    assert busy.headers["retry-after"] == "2"
    assert busy.headers["x-acs-retry-after"] == "2000"
    assert [whole_seconds(wait) for wait in (0.0, 0.1, 1, 1.01)] == [1, 1, 1, 2]
