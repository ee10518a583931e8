"""Message by message: what a driver is answered on each face, and by C dblink."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from pgwire.protocol.backend import ErrorResponse, NoticeResponse, ReadyForQuery
from pgwire.protocol.frontend import Query, Sync
from pgwire.protocol.message import Message
from tests.dblink.differential.world import World
from tests.dblink.faces.compare import at_once
from tests.dblink.faces.exchanges import EXCHANGES
from tests.dblink.faces.faces import Face, Original
from tests.dblink.gateway.attacks.rawclient import PATIENCE, RawClient

# Where in the server's C code an error was raised.
_PLACE_IN_C = frozenset(("F", "L", "R"))


def _answers(world: World, face: Face, messages: Sequence[Message]) -> list[object]:
    with closing(RawClient(face.address)) as client:
        assert not client.start("postgres", "local").errors
        for name in ("c1", "c2"):
            sql = f"SELECT dblink_connect('{name}', '{world.fill_in('<remote>')}')"
            assert client.query(sql).rows == [("OK",)]
        client.send(*messages)
        expected = sum(isinstance(message, Query | Sync) for message in messages)
        return list(_taken(client, expected))


def _taken(client: RawClient, answers: int) -> Iterator[object]:
    """Everything up to so many ReadyForQuery."""
    deadline = time.monotonic() + PATIENCE
    while answers:
        message = client.receive(deadline)
        answers -= isinstance(message, ReadyForQuery)
        if isinstance(message, ErrorResponse | NoticeResponse):
            fields = {
                code: text for code, text in message.fields.items() if code not in _PLACE_IN_C
            }
            yield type(message).__name__, fields
        else:
            yield message.encode()


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_driver_is_answered_as_by_c_dblink(world: World, faces: list[Face], name: str) -> None:
    world.reset_remote()
    theirs, *others = at_once(
        lambda face: _answers(world, face, EXCHANGES[name]), [Original(world), *faces]
    )
    for face, ours in zip(faces, others, strict=True):
        if not face.contexts:
            theirs, ours = list(map(_without_context, theirs)), list(map(_without_context, ours))
        assert ours == theirs, face.name


def _without_context(answer: object) -> object:
    if isinstance(answer, tuple):
        kind, fields = answer
        return kind, {code: text for code, text in fields.items() if code != "W"}
    return answer
