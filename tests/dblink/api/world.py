"""A dispatcher on a catalogue in memory, and what comes of requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dblink.api import signature
from dblink.api.actions import VERSION
from dblink.api.dispatch import Dispatcher, Outcome, Peer
from dblink.api.limits import AtWork, Buckets
from dblink.api.request import head_of
from dblink.links.errors import LinkError
from dblink.links.model import AccessKey
from tests.dblink.api.kit import FORM, NOW, Memory

HOST = "127.0.0.1:6480"
PEER = Peer("10.1.2.3", True)


class World:
    """A dispatcher on a catalogue in memory, at a moment that stands still."""

    def __init__(self, rate: float = 1000, each: int = 10) -> None:
        self.catalogue = Memory()
        self.now = NOW
        self.at_work = AtWork(100, each)
        self.dispatcher = Dispatcher(
            self.catalogue, Buckets(rate, rate), self.at_work, lambda: self.now
        )

    def ask(
        self,
        key: AccessKey,
        action: str,
        parameters: Mapping[str, str],
        *,
        peer: Peer = PEER,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Outcome:
        body = urlencode(form or {}).encode()
        query = {"Action": action, "Version": VERSION, **parameters}
        sent = signature.sign(
            key.id,
            key.secret,
            host=HOST,
            query=query,
            body=body,
            headers={**FORM, **(headers or {})},
            **{"now": self.now, **options},
        )
        return self.meet(query, sent, body, peer)

    def meet(
        self,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes = b"",
        peer: Peer = PEER,
    ) -> Outcome:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return self.dispatcher.meet(
            head_of("POST", b"/", urlencode(query).encode(), raw), body, peer
        )


def refused(outcome: Outcome, code: str) -> LinkError:
    assert isinstance(outcome.result, LinkError), outcome
    assert outcome.result.code == code
    return outcome.result


def allowed(outcome: Outcome) -> Mapping[str, Any]:
    assert not isinstance(outcome.result, LinkError), outcome
    return outcome.result


def policies(*rows: tuple[str, str, str]) -> dict[str, Any]:
    statements = [{"Effect": e, "Action": a, "Resource": r} for e, a, r in rows]
    return {"Version": "1", "Statement": statements}
