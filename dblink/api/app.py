"""The API as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dblink.api.answers import JSON, Answer, failure, request_id, success, whole_seconds
from dblink.api.dispatch import Dispatcher, Outcome, Peer
from dblink.api.limits import AtWork, Buckets, caller_at
from dblink.api.openapi import description
from dblink.api.request import MAX_BODY, Head, check_head, head_of, wants_xml
from dblink.api.seam import Catalogue
from dblink.links.errors import LinkError

log = logging.getLogger("dblink.api")

DESCRIPTION: Final = "/openapi.json"


class Limits(NamedTuple):
    """What callers may ask for.

    Attributes:
        rate: requests of one access key in a second, on average; twice as many at once.
        address_rate: the same for one address, before it is known who calls.
        workers: requests that are at work in threads of their own.
        at_work: requests that are at work or wait for a thread; others are told to come again.
        each: of these, those of one access key.
        body: seconds in which the body of a request must come.
    """

    rate: float = 20.0
    address_rate: float = 50.0
    workers: int = 32
    at_work: int = 128
    each: int = 16
    body: float = 10.0


def application(
    catalogue: Catalogue,
    limits: Limits | None = None,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The API to a catalogue. It must be told of its end (ASGI's lifespan) to end its threads.

    Args:
        catalogue: called from several threads.
        limits: what callers may ask for.
        clock: the moment it is, with a time zone.
    """
    api = _Api(catalogue, limits or Limits(), clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            api.close()

    # Every path, and every method: what is wrong with them is told in the words of the API.
    return Starlette(routes=[Route("/{path:path}", endpoint=api)], lifespan=lifespan)


class _Api:
    def __init__(self, catalogue: Catalogue, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._limits = limits
        self._addresses = Buckets(limits.address_rate, 2 * limits.address_rate)
        self._at_work = AtWork(limits.at_work, limits.each)
        self._dispatcher = Dispatcher(
            catalogue, Buckets(limits.rate, 2 * limits.rate), self._at_work, clock
        )
        self._threads = ThreadPoolExecutor(limits.workers, thread_name_prefix="dblink-api")
        self._description = json.dumps(description()).encode()

    def close(self) -> None:
        """Begin nothing any more. What is being done is brought to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        began = time.monotonic()
        id = request_id()
        request = HTTPRequest(scope, receive)
        peer = _peer(request)
        path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
        head = head_of(scope["method"], path, scope["query_string"], scope["headers"])
        read = False
        try:
            self._admit(peer)
            if head.path == DESCRIPTION.encode() and head.method == "GET":
                answer = self._describe(id)
                read = True
            else:
                check_head(head)
                body = await self._body(request)
                read = True
                answer = await self._meet(id, head, body, peer, began)
        except ClientDisconnect:
            return
        except _Refused as refused:
            answer = self._refuse(id, head, refused.error, refused.wait)
        except LinkError as error:
            answer = self._refuse(id, head, error)
        except asyncio.CancelledError:  # the server ends, and has waited for long enough
            answer = self._refuse(id, head, _stopping())
            read = False
        if not read and _has_body(head):
            # Else what is left of it would be taken for the next request, or be waited for.
            answer.headers["connection"] = "close"
        await Response(answer.body, answer.status, answer.headers)(scope, receive, send)

    def _admit(self, peer: Peer) -> None:
        wait = self._addresses.take(caller_at(peer.address))
        if wait:
            raise _Refused(LinkError("Throttling.User", seconds=whole_seconds(wait)), wait)

    async def _body(self, request: HTTPRequest) -> bytes:
        """The body, within the time and the size that it may have."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise LinkError("RequestEntityTooLarge", limit=MAX_BODY)
        except TimeoutError:
            raise LinkError("RequestTimeout", seconds=f"{self._limits.body:g}") from None
        return bytes(body)

    async def _meet(self, id: str, head: Head, body: bytes, peer: Peer, began: float) -> Answer:
        if not self._at_work.enter():
            raise _Refused(LinkError("Throttling", seconds=1), 1.0)
        try:
            job = self._threads.submit(self._dispatcher.meet, head, body, peer)
        except RuntimeError:  # it has been closed
            self._at_work.leave()
            raise _stopping() from None
        # Whoever waits for it may be gone before it is done, and it is at work as long.
        job.add_done_callback(lambda job: self._at_work.leave())
        outcome = await asyncio.wrap_future(job)
        _tell(id, peer, outcome, time.monotonic() - began)
        xml = wants_xml(head, outcome.parameters)
        if isinstance(outcome.result, LinkError):
            return failure(id, outcome.result, _host(head), xml=xml, wait=outcome.wait)
        return success(id, outcome.action, outcome.result, xml=xml)

    def _refuse(self, id: str, head: Head, error: LinkError, wait: float | None = None) -> Answer:
        log.info("%s: %s", id, error.code)
        return failure(id, error, _host(head), xml=wants_xml(head), wait=wait)

    def _describe(self, id: str) -> Answer:
        return Answer(200, {"content-type": JSON, "x-acs-request-id": id}, self._description)


class _Refused(Exception):
    """A request that may be met some seconds later."""

    def __init__(self, error: LinkError, wait: float) -> None:
        super().__init__(error, wait)
        self.error = error
        self.wait = wait


def _stopping() -> LinkError:
    return LinkError("ServiceUnavailable", reason="the server is being stopped.")


def _peer(connection: HTTPConnection) -> Peer:
    """Who is at the other end of the connection. Headers may say anything, and say nothing."""
    client = connection.client
    return Peer(client.host if client else None, connection.scope.get("scheme") == "https")


def _has_body(head: Head) -> bool:
    lengths = [value for name, value in head.headers if name == "content-length"]
    return any(n == "transfer-encoding" for n, _ in head.headers) or any(v != "0" for v in lengths)


def _host(head: Head) -> str:
    return next((value for name, value in head.headers if name == "host"), "")


def _tell(id: str, peer: Peer, outcome: Outcome, seconds: float) -> None:
    """Log a request: nothing of its parameters, among which there may be a password."""
    code = outcome.result.code if isinstance(outcome.result, LinkError) else "OK"
    log.info(
        "%s: %s by %s from %s: %s, %.0f ms",
        id,
        outcome.action or "no action",
        outcome.key_id or "nobody known",
        peer.address or "nowhere",
        code,
        seconds * 1000,
    )
