"""One scripted server after the other: for our client, and for the real libpq."""

from __future__ import annotations

import re

import pgwire
from pgwire import errors
from pgwire.protocol.authentication import SASLInitialResponse
from pgwire.testing.script import Peer, Script, ScriptedServer
from tests.pgwire.libpq import LibPQ

PASSWORD = "pencil"

_PREFIX = re.compile(r'^connection to server at "127\.0\.0\.1", port \d+ failed: ', re.MULTILINE)


def words(message: str) -> str:
    """The message without the port, which is another one each time."""
    return _PREFIX.sub("", message)


def ours(*scripts: Script, oauth_token: object = None, **options: str | int) -> str:
    """What our client says to such a server; "" if it is let in."""
    server = ScriptedServer(*scripts)
    try:
        conninfo = server.conninfo(**options)
        pgwire.connect(conninfo, environ={}, oauth_token=oauth_token).close()  # type: ignore[arg-type]
    except errors.Error as error:
        return words(error.message)
    finally:
        server._end()  # what a client leaves undone is no failure here
    return ""


def theirs(libpq: LibPQ, *scripts: Script, **options: str | int) -> str:
    """What libpq says to it."""
    server = ScriptedServer(*scripts)
    try:
        return words(libpq.connect(server.conninfo(**options)).error)
    finally:
        server._end()


def sasl_data(peer: Peer) -> list[bytes]:
    """The first messages of SASL that a client has sent."""
    return [m.data or b"" for m in peer.received if isinstance(m, SASLInitialResponse)]
