"""Signatures as the service's own client makes them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given

from dblink.api.signature import Request, canonical_query, examine, sign, verify
from tests.dblink.api.kit import NOW
from tests.dblink.api.test_signature import FORM, HOST, SECRET, others, parameters, texts

pytestmark = pytest.mark.api
utils = pytest.importorskip("alibabacloud_tea_openapi.utils", reason="needs the extra `api-test`")


def authorization(query: dict[str, str], headers: dict[str, str], digest: str, method: str) -> str:
    asked = SimpleNamespace(method=method, pathname="/", query=query, headers=headers)
    made: str = utils.Utils.get_authorization(asked, "ACS3-HMAC-SHA256", digest, "AK1", SECRET)
    return made


@given(parameters, texts, others)
def test_it_signs_as_we_do(query: dict[str, str], body: str, headers: dict[str, str]) -> None:
    # It does not encode names, which are ASCII of its own.
    query = {f"P{number}": value for number, value in enumerate(query.values())}
    ours = sign(
        "AK1",
        SECRET,
        host=HOST,
        query=query,
        body=body.encode(),
        headers={**headers, "Content-Type": FORM},
        now=NOW,
    )
    sent = {name: value for name, value in ours.items() if name != "authorization"}
    theirs = authorization(query, sent, sent["x-acs-content-sha256"], "POST")
    assert theirs == ours["authorization"]
    request = Request("POST", list(query.items()), {**sent, "authorization": theirs}, body.encode())
    verify(request, examine(request, NOW), SECRET)


@given(parameters)
def test_it_writes_values_as_we_do(query: dict[str, str]) -> None:
    query = {f"P{number}": value for number, value in enumerate(query.values())}
    assert utils.get_canonical_query_string(query) == canonical_query(list(query.items()))
