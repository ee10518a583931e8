"""What the tests of the API over sockets share: what they expect, and sockets for the rest."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from typing import Any
from urllib.parse import urlencode

from dblink.links.errors import FAILURES
from tests.dblink.api.kit import Client, Memory, Reply
from tests.dblink.kit import PATIENCE

ID = re.compile("[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
CLUSTER = {"DBClusterId": "pc-a"}


def good(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    assert ID.fullmatch(reply.json["RequestId"])
    assert reply.headers["x-acs-request-id"] == reply.json["RequestId"]
    return reply.json


def refused(reply: Reply, code: str) -> None:
    assert reply.code == code, reply.body
    assert reply.status == FAILURES[code].status
    assert reply.json.keys() == {"RequestId", "HostId", "Code", "Message"}
    assert ID.fullmatch(reply.json["RequestId"])
    assert reply.headers["x-acs-request-id"] == reply.json["RequestId"]
    assert reply.headers["content-type"] == "application/json;charset=utf-8"


class Raw:
    """A socket, for what no client would send."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=PATIENCE)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exception: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reply(self, method: str = "POST") -> Reply:
        response = http.client.HTTPResponse(self.sock, method=method)
        response.begin()
        return Reply(response.status, dict(response.getheaders()), response.read())

    def ended(self) -> bool:
        """Whether the other end is closed, once it is."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


def head(client: Client, query: dict[str, str], body: bytes = b"", **headers: str) -> bytes:
    """The head of a signed request, as bytes."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = client.signed(query, body, headers=more)
    lines = [f"POST /?{urlencode(query)} HTTP/1.1", *(f"{n}: {v}" for n, v in sent.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode()


class Held:
    """Requests that stand still in the catalogue until they are let go."""

    def __init__(self, catalogue: Memory, where: str = "restart_link") -> None:
        self.within = threading.Semaphore(0)
        self.go = threading.Event()
        self.where = where
        catalogue.before = self.before

    def before(self, name: str) -> None:
        if name == self.where:
            self.within.release()
            assert self.go.wait(PATIENCE)

    def wait(self, number: int) -> None:
        for _ in range(number):
            assert self.within.acquire(timeout=PATIENCE)
