"""A PostgreSQL server that follows a script: for tests of clients against what no real server does.

A script says what the server expects and what it sends, in order:

```python
script = [
    login(),
    expect(Query),
    send(RowDescription([FieldDescription(b"n", type_oid=23)]), DataRow([b"1"])),
    drip(CommandComplete(b"SELECT 1").encode() + ReadyForQuery(b"I").encode()),
    reset(),
]
with ScriptedServer(script) as server:
    connection = any_client.connect(server.conninfo())
    ...
server.peers[0].received  # every message that the client has sent
```

The messages are those of `pgwire.protocol`; bytes go out as they are, so that a server can lie as
it likes. When the script has ended, the connection stays open until the client closes it. A client
that does not do what is expected makes the `with` block end with ScriptError.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pgwire.net.readiness import wait_readable
from pgwire.protocol.backend import (
    AuthenticationOk,
    BackendKeyData,
    ParameterStatus,
    ReadyForQuery,
)
from pgwire.protocol.frontend import StartupMessage
from pgwire.protocol.message import Message
from pgwire.testing.hangup import Hangup
from pgwire.testing.peer import Peer, ScriptError, What

if TYPE_CHECKING:
    import ssl

__all__ = [
    "PARAMETERS",
    "Peer",
    "Script",
    "ScriptError",
    "ScriptedServer",
    "close",
    "drip",
    "expect",
    "greeting",
    "login",
    "ready",
    "reset",
    "secure",
    "send",
    "stall",
]

Step = Callable[[Peer], object]
Script = Step | Iterable["Script"]
"""One step, which is a function that is given the `Peer`; or several, nested as you like."""

PARAMETERS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "integer_datetimes": "on",
    "server_encoding": "UTF8",
    "server_version": "18.0",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
}
"""What the scripted server reports of itself unless it is told otherwise."""

SECRET_KEY = b"\x01\x02\x03\x04"
PROCESS_ID = 4711


# Steps.


def expect(what: What) -> Step:
    """Wait for the next message: of this class, of one of these, or one that a function accepts.

    A request for encryption that is not what is expected is declined first.
    """
    return lambda peer: peer.expect(what)


def send(*messages: Message | bytes) -> Step:
    """Send messages, or any bytes."""
    return lambda peer: peer.send(*messages)


def drip(data: bytes, *, chunk: int = 1, interval: float = 0.0) -> Step:
    """Send bytes in pieces of `chunk`, with `interval` seconds between them."""
    return lambda peer: peer.drip(data, chunk=chunk, interval=interval)


def stall() -> Step:
    """Say nothing more until the client hangs up."""
    return Peer.stall


def close() -> Step:
    """Close the connection."""
    return Peer.close


def secure(context: ssl.SSLContext) -> Step:
    """Shake hands as a server with `context`: what follows goes through TLS. It does not wait for
    an SSLRequest: `[expect(SSLRequest), send(b"S"), secure(context)]` is what servers do."""
    return lambda peer: peer.secure(context)


def reset() -> Step:
    """Break the connection off, with RST over TCP."""
    return Peer.reset


def ready(status: bytes = b"I") -> Step:
    """Send ReadyForQuery."""
    return send(ReadyForQuery(status))


def greeting(
    parameters: Mapping[str, str] = PARAMETERS,
    *,
    process_id: int = PROCESS_ID,
    secret_key: bytes = SECRET_KEY,
) -> Step:
    """What follows a successful authentication: AuthenticationOk, `parameters`, BackendKeyData
    (none if `secret_key` is empty), ReadyForQuery."""
    messages: list[Message] = [AuthenticationOk()]
    messages += [ParameterStatus(k.encode(), v.encode()) for k, v in parameters.items()]
    if secret_key:
        messages.append(BackendKeyData(process_id, secret_key))
    return send(*messages, ReadyForQuery(b"I"))


def login(parameters: Mapping[str, str] = PARAMETERS) -> Script:
    """Let a client in that is asked for nothing. `pgwire.testing.logins` has the ways to ask."""
    return [expect(StartupMessage), greeting(parameters)]


class ScriptedServer:
    """A listener on 127.0.0.1 or a Unix-domain socket, with a script per connection.

    Arguments:
        scripts: for the first client that connects, the second, and so on (a cancel request is a
            connection of its own); they run side by side. Who comes after the last is turned away.
        unix: listen on a Unix-domain socket in a folder of its own.
        timeout: seconds, from the start, in which all must be over.

    Attributes:
        peers: the clients that have connected, in order.

    `close`, or the end of the `with` block, ends what is still going on. It raises ScriptError if
    a client broke the script; steps that were left when the client hung up do no harm, except a
    message that was expected and never came.
    """

    def __init__(self, *scripts: Script, unix: bool = False, timeout: float = 20.0) -> None:
        self._scripts = scripts
        self._deadline = monotonic() + timeout
        self._folder: str | None = None
        self.peers: list[Peer] = []
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Condition()
        self._ended = 0
        if unix:
            self._folder = tempfile.mkdtemp(prefix="pgs")  # short: paths of sockets must be
            self.host, self.port = self._folder, 5432
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(f"{self._folder}/.s.PGSQL.5432")
        else:
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._listener.bind(("127.0.0.1", 0))
            self.host, self.port = self._listener.getsockname()
        self._listener.listen()
        self._listener.setblocking(False)
        self._wake, self._alarm = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="scripted server")
        self._acceptor.start()

    def conninfo(self, **options: str | int) -> str:
        """A connection string, with more keywords from `options`; their values must need no
        quotes. The user is "alice", the database "db"."""
        values = {"host": self.host, "port": self.port, "user": "alice", "dbname": "db", **options}
        return " ".join(f"{keyword}={value}" for keyword, value in values.items())

    def close(self) -> None:
        """End all connections and the listener. Raises ScriptError, the first there was."""
        self._end()
        if self._failures:
            raise self._failures[0]

    def join(self) -> None:
        """Wait until there has been a client for every script, and it has gone again.

        Raises ScriptError, the first there was, or if it takes too long.
        """
        with self._over:
            self._over.wait_for(
                lambda: self._failures or self._ended == len(self._scripts),
                max(0.0, self._deadline - monotonic()) + 1,  # the script that waits tells more
            )
        if self._failures:
            raise self._failures[0]
        if self._ended < len(self._scripts):
            raise ScriptError("timed out waiting for all clients to come and go")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        if not self._failures:
            return
        if exception is None:
            raise self._failures[0]
        exception.add_note(f"scripted server: {self._failures[0]}")

    def _end(self) -> None:
        if self._listener.fileno() != -1:
            self._alarm.send(b"!")
            self._acceptor.join()
            for sock in (self._listener, self._wake, self._alarm):
                sock.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
        for peer in self.peers:
            peer.stop()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while self._wake not in (ready := wait_readable((self._listener, self._wake), None)):
            if not ready:
                continue
            try:
                sock, _ = self._listener.accept()
            except OSError:
                continue  # it has gone again
            number = len(self.peers)
            if number >= len(self._scripts):
                sock.close()
                continue
            peer = Peer(sock, number, self._deadline)
            thread = threading.Thread(target=self._follow, args=(peer, self._scripts[number]))
            self.peers.append(peer)
            self._threads.append(thread)
            thread.start()

    def _follow(self, peer: Peer, script: Script) -> None:
        try:
            _run(script, peer)
            peer.stall()
        except Hangup as end:
            # Hanging up is the client's right, but what was expected must have come.
            if peer.client_closed and end.expected:
                self._failures.append(ScriptError(f"connection {peer.number}: {end}"))
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            peer.close()
            with self._over:
                self._ended += 1
                self._over.notify_all()


def _run(script: Script, peer: Peer) -> None:
    if callable(script):
        script(peer)
        return
    for step in script:
        _run(step, peer)
