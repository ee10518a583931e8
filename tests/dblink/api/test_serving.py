"""How a server begins and ends, and TLS."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pgwire import errors
from tests.dblink.api.kit import LINK, Client, Memory, serving, stop
from tests.dblink.api.wire import CLUSTER, Held, Raw, good, head, refused
from tests.dblink.kit import PATIENCE, eventually

pytestmark = pytest.mark.api
app = pytest.importorskip("dblink.api.app", reason="needs the extra `api`")
connection = pytest.importorskip("dblink.api.connection", reason="needs the extra `api`")

Limits, Bounds = app.Limits, connection.Bounds
PLENTY = Limits(rate=10_000, address_rate=10_000)


# Beginning and end.


def test_requests_at_work_are_brought_to_their_end(catalogue: Memory) -> None:
    held = Held(catalogue)
    with serving(catalogue, limits=PLENTY) as server, ThreadPoolExecutor(2) as threads:
        client = Client(server.addresses[0], catalogue.key())
        with Raw(server.addresses[0]) as idle:
            job = threads.submit(client.call, "RestartDBLink", LINK)
            held.wait(1)
            stop(server, PATIENCE)
            assert idle.ended()
            with pytest.raises(OSError):
                Raw(server.addresses[0])
            assert not server._task.done()
            held.go.set()
            refused(job.result(), "InvalidDBLinkName.NotFound")
            eventually(server._task.done)


def test_requests_that_take_too_long_are_told_so(catalogue: Memory) -> None:
    held = Held(catalogue)
    with serving(catalogue, limits=PLENTY) as server, ThreadPoolExecutor(1) as threads:
        client = Client(server.addresses[0], catalogue.key())
        job = threads.submit(client.call, "RestartDBLink", LINK)
        held.wait(1)
        stop(server, 0.1)
        refused(job.result(), "ServiceUnavailable")
        held.go.set()


def test_who_is_told_twice_to_stop_does_so_at_once(catalogue: Memory) -> None:
    held = Held(catalogue)
    with serving(catalogue, limits=PLENTY) as server:
        client = Client(server.addresses[0], catalogue.key())
        with Raw(server.addresses[0]) as raw:
            raw.send(head(client, {"Action": "RestartDBLink", **LINK}))
            held.wait(1)
            stop(server, 1000.0)
            eventually(lambda: server._server.should_exit)
            stop(server, 0.0)
            eventually(server._task.done)
            assert raw.ended()
        held.go.set()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:6480", ("127.0.0.1", 6480)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_addresses(text: str, parsed: tuple[str, int]) -> None:
    from dblink.api.server import parse

    assert parse(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "host", ":1", "h:", "h:x", "h:65536", "::1:1", "/tmp:1", "h:٣"]
)
def test_addresses_that_are_none(text: str) -> None:
    from dblink.api.server import Server

    with pytest.raises(errors.ConninfoError, match="cannot listen on"):
        Server(Memory(), listen=[text])
    with pytest.raises(errors.ConninfoError, match="must be an address"):
        Server(Memory(), listen=[])


def test_an_address_that_is_taken(catalogue: Memory) -> None:
    from dblink.api.server import Server

    with serving(catalogue) as server:
        host, port = server.addresses[0]

        async def again() -> None:
            other = Server(catalogue, listen=[f"{host}:0", f"{host}:{port}"])
            with pytest.raises(errors.OperationalError, match=f"could not listen on {host}:{port}"):
                await other.start()

        asyncio.run(again())
    gc.collect()


def test_it_listens_on_several_addresses(catalogue: Memory) -> None:
    from dblink.api.server import Server

    async def run() -> None:
        server = Server(catalogue, listen=["127.0.0.1:0", "127.0.0.1:0"], limits=PLENTY)
        await server.start()
        for address in server.addresses:
            client = Client(address, catalogue.key())
            good(await asyncio.to_thread(client.call, "DescribeDBLinks", CLUSTER))
        await server.stop()
        await server.serve_forever()

    asyncio.run(run())


# TLS.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    certificates = pytest.importorskip("tests.pgwire.tls.certificates")
    folder = tmp_path_factory.mktemp("api-tls")
    root = certificates.Authority("Root")
    identity = root.issue("api", ips=["127.0.0.1"])
    yield (
        certificates.write(folder, "root.crt", root.pem),
        certificates.write(folder, "api.crt", identity.pem),
        certificates.write(folder, "api.key", identity.key_pem()),
    )


def test_https(catalogue: Memory, files: tuple[str, str, str]) -> None:
    root, certificate, key = files
    rule: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    rule["Condition"] = {"Bool": {"acs:SecureTransport": "true"}}
    access = catalogue.key({"Version": "1", "Statement": [rule]})
    with serving(catalogue, limits=PLENTY, certificate=certificate, key=key) as server:
        client = Client(server.addresses[0], access)
        sent = client.signed(CLUSTER, headers={"x-acs-action": "DescribeDBLinks"})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(root)
        asking = http.client.HTTPSConnection(*client.address, context=context, timeout=PATIENCE)
        asking.request("POST", "/?" + urlencode(CLUSTER), headers=sent)
        with asking.getresponse() as got:
            assert (got.status, json.loads(got.read())["DBLinkInfos"]) == (200, [])
        asking.close()
    with serving(catalogue, limits=PLENTY) as server:
        plain = Client(server.addresses[0], access)
        refused(plain.call("DescribeDBLinks", CLUSTER), "NoPermission")


def test_a_handshake_that_does_not_come(catalogue: Memory, files: tuple[str, str, str]) -> None:
    _, certificate, key = files
    bounds = Bounds(head=0.3)
    options = {"limits": PLENTY, "certificate": certificate, "key": key, "bounds": bounds}
    with serving(catalogue, **options) as server, Raw(server.addresses[0]) as raw:
        raw.send(b"\x16\x03\x01")
        assert raw.ended()


def test_files_that_cannot_be_used(files: tuple[str, str, str], tmp_path: Path) -> None:
    from dblink.api.server import Server

    _, certificate, key = files
    for wrong in ((str(tmp_path / "no.crt"), key), (certificate, str(tmp_path / "no.key"))):
        with pytest.raises(errors.OperationalError, match=r"no\.(crt|key)"):
            Server(Memory(), certificate=wrong[0], key=wrong[1])
    open_to_all = tmp_path / "open.key"
    open_to_all.write_bytes(Path(key).read_bytes())
    open_to_all.chmod(0o644)
    with pytest.raises(errors.OperationalError, match="group or world"):
        Server(Memory(), certificate=certificate, key=str(open_to_all))
