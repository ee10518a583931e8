"""How much, how long and how many: those who ask for too much do not harm others."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from dblink.links.model import Target
from tests.dblink.api.kit import FORM, LINK, Client, Memory, serving
from tests.dblink.api.wire import CLUSTER, Held, Raw, good, head, refused
from tests.dblink.kit import PATIENCE, eventually

pytestmark = pytest.mark.api
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
connection = pytest.importorskip("dblink.api.connection", reason="needs the extra `api`")

Limits, Bounds = app.Limits, connection.Bounds
PLENTY = Limits(rate=10_000, address_rate=10_000)


def test_how_large_a_body_may_be(client: Client) -> None:
    most = "a" * (64 * 1024 + 1)
    refused(client.send("/", FORM, most.encode()), "RequestEntityTooLarge")
    with Raw(client.address) as raw:  # the same, without saying so before
        raw.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(5):
            raw.send(b"4000\r\n" + b"a" * 0x4000 + b"\r\n")
        refused(raw.reply(), "RequestEntityTooLarge")
        assert raw.ended()


def test_who_announces_much_is_not_waited_for(client: Client) -> None:
    with Raw(client.address) as raw:
        raw.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999\r\n\r\n")
        refused(raw.reply(), "RequestEntityTooLarge")
        assert raw.ended()


def test_a_slow_body(catalogue: Memory) -> None:
    limits = PLENTY._replace(body=0.3)
    with serving(catalogue, limits=limits) as server, Raw(server.addresses[0]) as raw:
        raw.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\na=")
        reply = raw.reply()
        refused(reply, "RequestTimeout")
        assert reply.json["Message"] == "The request did not come within 0.3 s."
        assert raw.ended()


@pytest.mark.parametrize("begun", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: a\r\n"])
def test_a_slow_head(catalogue: Memory, begun: bytes) -> None:
    bounds = Bounds(head=0.3)
    with serving(catalogue, limits=PLENTY, bounds=bounds) as server:
        with Raw(server.addresses[0]) as raw:
            raw.send(begun)
            assert raw.ended()
        eventually(lambda: not server._server.server_state.connections)


def test_a_connection_that_waits(catalogue: Memory) -> None:
    bounds = Bounds(idle=0.2)
    with (
        serving(catalogue, limits=PLENTY, bounds=bounds) as server,
        Raw(server.addresses[0]) as raw,
    ):
        raw.send(b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n")
        assert raw.reply("GET").status == 200
        assert raw.ended()


def test_a_head_that_drips(catalogue: Memory) -> None:
    bounds = Bounds(head=0.3)
    with (
        serving(catalogue, limits=PLENTY, bounds=bounds) as server,
        Raw(server.addresses[0]) as raw,
    ):
        raw.send(b"POST / HTTP/1.1\r\n")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < PATIENCE:
                raw.send(b"x: 1\r\n")
                time.sleep(0.02)
        assert time.monotonic() - began < PATIENCE
        assert raw.ended()


def test_who_does_not_read_his_answer(catalogue: Memory) -> None:
    made = catalogue.create_link("pc-a", "a", database="x" * 60, target=None, password="x")  # type: ignore[arg-type]
    many = [catalogue_link(made, n) for n in range(60_000)]
    catalogue.links = lambda cluster, name=None, /: many  # type: ignore[method-assign]
    with serving(catalogue, limits=PLENTY, bounds=Bounds(write=0.3)) as server:
        client = Client(server.addresses[0], catalogue.key())
        with Raw(server.addresses[0]) as raw:
            raw.send(head(client, {"Action": "DescribeDBLinks", **CLUSTER}))
            eventually(lambda: server._server.server_state.total_requests)
            eventually(lambda: not server._server.server_state.connections)


def catalogue_link(made: Any, number: int) -> Any:
    return replace(made, name=f"link{number}", target=Target("d" * 60, "a" * 60, cluster="pc-b"))


def test_how_many_connections_there_may_be(catalogue: Memory) -> None:
    with serving(catalogue, limits=PLENTY, bounds=Bounds(connections=2)) as server:
        address = server.addresses[0]
        with Raw(address), Raw(address):
            eventually(lambda: len(server._server.server_state.connections) == 2)
            with Raw(address) as third:
                assert third.ended()
        eventually(lambda: not server._server.server_state.connections)
        client = Client(address, catalogue.key())
        good(client.call("DescribeDBLinks", CLUSTER))


def test_an_address_s_rate(catalogue: Memory) -> None:
    limits = Limits(rate=10_000, address_rate=0.01)  # one now, the next in 100 s
    with serving(catalogue, limits=limits) as server:
        client = Client(server.addresses[0], catalogue.key())
        good(client.call("DescribeDBLinks", CLUSTER))
        reply = client.call("DescribeDBLinks", CLUSTER)
        refused(reply, "Throttling.User")
        assert 90 <= int(reply.headers["retry-after"]) <= 100
        assert reply.headers["x-acs-retry-after"] == reply.headers["retry-after"] + "000"
        refused(client.send("/openapi.json", {}, method="GET"), "Throttling.User")
        refused(client.send("/", FORM, b"a=1"), "Throttling.User")


def test_a_key_s_rate(catalogue: Memory) -> None:
    limits = Limits(rate=0.01, address_rate=10_000)
    with serving(catalogue, limits=limits) as server:
        key, other = catalogue.key(), catalogue.key()
        client = Client(server.addresses[0], key)
        good(client.call("DescribeDBLinks", CLUSTER))
        reply = client.call("DescribeDBLinks", CLUSTER)
        refused(reply, "Throttling.User")
        assert int(reply.headers["retry-after"]) >= 90
        good(Client(server.addresses[0], other).call("DescribeDBLinks", CLUSTER))


def test_how_much_may_be_at_work(catalogue: Memory) -> None:
    limits = PLENTY._replace(workers=2, at_work=3, each=100)
    held = Held(catalogue)
    with serving(catalogue, limits=limits) as server, ThreadPoolExecutor(3) as threads:
        client = Client(server.addresses[0], catalogue.key())
        jobs = [threads.submit(client.call, "RestartDBLink", LINK) for _ in range(3)]
        held.wait(2)  # two are at work, the third waits for a thread
        eventually(lambda: busy(client), "the third has come")
        reply = client.call("DescribeDBLinks", CLUSTER)
        refused(reply, "Throttling")
        assert reply.headers["retry-after"] == "1"
        # The loop itself never waits.
        assert client.send("/openapi.json", {}, method="GET").status == 200
        refused(client.send("/", {}, method="PUT"), "UnsupportedHTTPMethod")
        held.go.set()
        assert {job.result().code for job in jobs} == {"InvalidDBLinkName.NotFound"}
        good(client.call("DescribeDBLinks", CLUSTER))


def busy(client: Client) -> bool:
    return client.send("/", {}).code == "Throttling"


def test_who_leaves_before_the_answer_still_counts(catalogue: Memory) -> None:
    limits = PLENTY._replace(workers=1, at_work=1)
    held = Held(catalogue)
    with serving(catalogue, limits=limits) as server:
        client = Client(server.addresses[0], catalogue.key())
        with Raw(server.addresses[0]) as raw:
            raw.send(head(client, {"Action": "RestartDBLink", **LINK}))
            held.wait(1)
        eventually(lambda: not server._server.server_state.connections)
        assert busy(client)
        held.go.set()
        eventually(lambda: not busy(client))


def test_who_leaves_in_the_middle_of_a_body(client: Client, server: Any) -> None:
    with Raw(client.address) as raw:
        raw.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\na=")
        eventually(lambda: server._server.server_state.tasks)
    eventually(lambda: not server._server.server_state.tasks)
    good(client.call("DescribeDBLinks", CLUSTER))
