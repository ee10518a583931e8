"""The description of the API: complete, valid, and true for whoever goes by it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dblink.api import signature
from dblink.api.actions import ACTIONS, COMMON
from dblink.api.openapi import description
from dblink.links import rules
from dblink.links.errors import FAILURES, LinkError
from dblink.links.model import Cluster, Link, Target
from tests.dblink.api.kit import NOW, Client, Memory, serving

pytestmark = pytest.mark.api
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
with warnings.catch_warnings():
    # Of a package that it brings, when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    schemathesis = pytest.importorskip("schemathesis", reason="needs the extra `api-test`")

requests = pytest.importorskip("requests", reason="needs the extra `api-test`")
ParameterLocation = pytest.importorskip("schemathesis.core.parameters").ParameterLocation
GenerationMode = schemathesis.GenerationMode
known = schemathesis.checks


def rejected(ctx: Any, response: Any, case: Any) -> bool | None:
    """What is not as the description says is refused: with 413, too, which it is not told of."""
    if response.status_code == 413:
        return None
    told: bool | None = known.negative_data_rejection(ctx, response, case)
    return told


CHECKS = [
    known.not_a_server_error,
    known.status_code_conformance,
    known.content_type_conformance,
    known.response_headers_conformance,
    known.response_schema_conformance,
    rejected,
]
EXAMPLES = 40


def test_everything_of_the_tables_is_in_it() -> None:
    whole = description()
    schemas = whole["components"]["schemas"]
    query = {p["name"]: p for p in whole["paths"]["/"]["get"]["parameters"]}
    for name, action in ACTIONS.items():
        form = schemas[name]
        known = {p.name for p in action.parameters} | {p.name for p in COMMON}
        assert form["properties"].keys() == known <= query.keys()
        assert {*form["required"]} - {"Action", "Version"} == {
            p.name for p in action.parameters if p.required
        }
    answers = whole["paths"]["/"]["post"]["responses"]
    for code, failure in FAILURES.items():
        answer = answers[str(failure.status)]
        assert code in answer["content"]["application/json"]["schema"]["properties"]["Code"]["enum"]
        assert f"{code}: {failure.when}" in answer["description"]


class Everything(Memory):
    """A catalogue that has every cluster, region and link that there can be."""

    def cluster(self, name: str, /, *, account: str | None = None) -> Cluster:
        try:
            rules.check_cluster_id(name)
        except LinkError:
            return super().cluster(name)
        return Cluster(name, "cn-hangzhou", account or "", "")

    def create_link(self, cluster: str, name: str, /, **options: Any) -> Link:  # type: ignore[override]
        if options["region"] is not None:
            rules.check_region(options["region"])
        return Link("1", cluster, name, options["database"], options["target"], (), "active", NOW)

    def links(self, cluster: str, name: str | None = None, /) -> list[Link]:
        target = Target("stock", "clerk", address="10.0.0.1", port=5432)
        names = ["a", "b"] if name is None else [name]
        return [Link("1", cluster, name, "shop", target, (), "active", NOW) for name in names]

    def delete_link(self, cluster: str, name: str, /) -> None: ...

    def restart_link(self, cluster: str, name: str, /) -> Link:
        return self.links(cluster, name)[0]


@pytest.fixture(scope="module")
def lively() -> Iterator[Client]:
    """A server on which what the description allows finds something to do."""
    catalogue = Everything()
    with serving(catalogue, limits=app.Limits(rate=1e6, address_rate=1e6)) as server:
        yield Client(server.addresses[0], catalogue.key())


class Signed(requests.auth.AuthBase):
    """Signs what schemathesis is about to send, whatever it is."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(self, request: Any) -> Any:
        query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        kind = request.headers.get("content-type")
        headers = {"content-type": kind} if kind and body else {}
        sent = signature.sign(
            self.client.key.id,
            self.client.key.secret,
            host=self.client.host,
            query=query,
            body=body,
            method=request.method,
            headers=headers,
        )
        for name, value in sent.items():
            request.headers[name] = value
        return request


def unsigned(case: Any) -> bool:
    """Whether the signature is what is to be wrong with a request."""
    headers = case.meta.components.get(ParameterLocation.HEADER)
    return headers is not None and headers.mode is GenerationMode.NEGATIVE


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_is_true(lively: Client, method: str, mode: Any) -> None:
    schema = schemathesis.openapi.from_url(f"http://{lively.host}/openapi.json")
    schema.validate()
    operation = schema["/"][method]
    told: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def run(case: Any) -> None:
        response = case.call(auth=None if unsigned(case) else Signed(lively))
        told.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    run()
    assert len(told) >= EXAMPLES / 2
    if mode is GenerationMode.POSITIVE:
        assert 200 in told
