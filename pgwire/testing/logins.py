"""How a scripted server authenticates its client. Manual: 54.2.1, 54.3, 20.

Each function makes the steps from the StartupMessage to the first ReadyForQuery. A client that
proves to know the password is let in, another gets the server's usual FATAL error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgwire.protocol.authentication import PasswordMessage, SASLInitialResponse, SASLResponse
from pgwire.protocol.backend import (
    AuthenticationCleartextPassword,
    AuthenticationMD5Password,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    ErrorResponse,
)
from pgwire.protocol.frontend import StartupMessage
from pgwire.protocol.md5 import md5_response
from pgwire.testing.peer import Peer
from pgwire.testing.script import Step, greeting

if TYPE_CHECKING:
    from scramp import ScramServer

__all__ = ["cleartext", "fatal", "md5", "scram"]


def fatal(message: str, sqlstate: str = "28P01") -> ErrorResponse:
    """The last words of a server."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message}
    return ErrorResponse({code: text.encode() for code, text in fields.items()})


def cleartext(password: str, *, welcome: Step | None = None) -> Step:
    """Ask for the password itself. `welcome` takes the place of `greeting()`."""

    def step(peer: Peer) -> None:
        peer.expect(StartupMessage)
        peer.send(AuthenticationCleartextPassword())
        answer = peer.expect(PasswordMessage)
        assert isinstance(answer, PasswordMessage)
        _decide(peer, answer.password == password.encode(), welcome)

    return step


def md5(password: str, *, salt: bytes = b"salt", welcome: Step | None = None) -> Step:
    """Ask for the password's MD5 hash. `welcome` as in `cleartext`."""

    def step(peer: Peer) -> None:
        peer.expect(StartupMessage)
        peer.send(AuthenticationMD5Password(salt))
        answer = peer.expect(PasswordMessage)
        assert isinstance(answer, PasswordMessage)
        wanted = md5_response(_user(peer), password.encode(), salt)
        _decide(peer, answer.password == wanted, welcome)

    return step


def scram(
    password: str,
    *,
    iterations: int = 4096,
    salt: bytes = b"twelve bytes",
    mechanisms: tuple[str, ...] = ("SCRAM-SHA-256",),
    welcome: Step | None = None,
) -> Step:
    """Ask for a proof by SCRAM-SHA-256, and give the server's own. Needs the package scramp.

    Args:
        password: the right one.
        iterations: 4096 to 10,000,000; scramp has no others.
        salt: at least 12 bytes.
        mechanisms: what is offered; the client has to choose SCRAM-SHA-256.
        welcome: as in `cleartext`.
    """
    from scramp import ScramException, ScramMechanism

    mechanism = ScramMechanism("SCRAM-SHA-256")
    account = mechanism.make_auth_info(password, iteration_count=iterations, salt=salt)

    def step(peer: Peer) -> None:
        peer.expect(StartupMessage)
        peer.send(AuthenticationSASL([name.encode() for name in mechanisms]))
        first = peer.expect(SASLInitialResponse)
        assert isinstance(first, SASLInitialResponse)
        server = mechanism.make_server(lambda user: account)
        _take_client_first(server, (first.data or b"").decode())
        peer.send(AuthenticationSASLContinue(server.get_server_first().encode()))
        final = peer.expect(SASLResponse)
        assert isinstance(final, SASLResponse)
        try:
            server.set_client_final(final.data.decode())
        except ScramException:
            _decide(peer, False, None)
            return
        peer.send(AuthenticationSASLFinal(server.get_server_final().encode()))
        _decide(peer, True, welcome)

    return step


def _take_client_first(server: ScramServer, message: str) -> None:
    """Give scramp the client's first message. PostgreSQL's clients leave the user name in it empty
    (54.3.1), which scramp refuses: it sees another one, and computes with what was really sent."""
    header, empty, rest = message.partition("n=,")
    server.set_client_first(f"{header}n=postgres,{rest}" if empty else message)
    if empty:
        server.client_first_bare = empty + rest


def _decide(peer: Peer, right: bool, welcome: Step | None) -> None:
    if right:
        (welcome or greeting())(peer)
        return
    user = _user(peer).decode("utf-8", "backslashreplace")
    peer.send(fatal(f'password authentication failed for user "{user}"'))
    peer.close()


def _user(peer: Peer) -> bytes:
    return peer.startup.parameters.get(b"user", b"") if peer.startup is not None else b""
