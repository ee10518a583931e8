"""The client's half of authentication, and what it accepts. Manual: 54.2.1, 20; RFC 5802, 7677."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.protocol import backend
from pgwire.protocol.binding import server_end_point
from pgwire.protocol.frontend import PasswordMessage, SASLInitialResponse, SASLResponse
from pgwire.protocol.md5 import md5_response
from pgwire.protocol.message import Message
from pgwire.protocol.scram import SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramClient

# What a request of the server is called in `require_auth`, and in the error that refuses it.
_METHODS: dict[type[Message], tuple[str, str]] = {
    backend.AuthenticationCleartextPassword: ("password", "a cleartext password"),
    backend.AuthenticationMD5Password: ("md5", "a hashed password"),
    backend.AuthenticationGSS: ("gss", "GSSAPI authentication"),
    backend.AuthenticationGSSContinue: ("gss", "GSSAPI authentication"),
    backend.AuthenticationSSPI: ("sspi", "SSPI authentication"),
}

# Methods that this client does not speak, in libpq's words.
_REFUSED: dict[type[Message], str] = {
    backend.AuthenticationKerberosV4: "Kerberos 4 authentication not supported",
    backend.AuthenticationKerberosV5: "Kerberos 5 authentication not supported",
    backend.AuthenticationCryptPassword: "Crypt authentication not supported",
    backend.AuthenticationSCMCredential: "authentication method 6 not supported",
    backend.AuthenticationGSS: "GSSAPI authentication not supported",
    backend.AuthenticationGSSContinue: "GSSAPI authentication not supported",
    backend.AuthenticationSSPI: "SSPI authentication not supported",
}


class Credentials:
    """Who wants in, with what, and which ways of asking for it are acceptable.

    `user` and `password` are bytes, as they go over the wire; `require_auth` is the option of
    that name (already validated, None if not given); `private` tells that nobody can listen on
    the way (unix socket, loop-back, TLS); the iteration bounds are those of SCRAM's key
    derivation.
    """

    __slots__ = (
        "channel_binding",
        "client_key",
        "max_iterations",
        "min_iterations",
        "password",
        "private",
        "require_auth",
        "server_key",
        "user",
    )

    def __init__(
        self,
        user: bytes,
        password: bytes | None,
        *,
        require_auth: str | None = None,
        channel_binding: str = "prefer",
        private: bool = True,
        min_iterations: int = 1,
        max_iterations: int = 1_000_000,
        client_key: bytes | None = None,
        server_key: bytes | None = None,
    ) -> None:
        self.user = user
        self.password = password
        self.require_auth = require_auth
        self.channel_binding = channel_binding
        self.private = private
        self.min_iterations = min_iterations
        self.max_iterations = max_iterations
        self.client_key = client_key
        self.server_key = server_key

    def __repr__(self) -> str:
        return f"<Credentials of {self.user!r}>"

    def accepts(self, method: str) -> bool:
        """Whether `require_auth` lets the server ask for `method` (`none`: for nothing)."""
        if self.require_auth is None:
            return True
        items = self.require_auth.split(",")
        if items[0].startswith("!"):
            return f"!{method}" not in items
        return method in items

    def demand(self, method: str, reason: str) -> None:
        """Raise OperationalError if `require_auth` forbids `method`."""
        if not self.accepts(method):
            raise errors.OperationalError(
                f'authentication method requirement "{self.require_auth}" failed: {reason}'
            )

    def need_password(self) -> bytes:
        """The password, or libpq's error that there is none."""
        if not self.password:
            raise errors.OperationalError("fe_sendauth: no password supplied")
        return self.password


def authenticate(channel: Channel, credentials: Credentials, message: Message) -> Flow[None]:
    """Answer the server's first authentication `message` and those that follow.

    It ends with AuthenticationOk.

    Raises OperationalError for a method that is refused or not supported, ProtocolError for a
    server that claims success in the middle of an exchange. ErrorResponse raises what it says.
    """
    bound = credentials.channel_binding == "require"
    if isinstance(message, backend.AuthenticationOk):
        credentials.demand("none", "server did not complete authentication")
        if bound:
            raise errors.OperationalError(
                "channel binding required, but server authenticated client without channel binding"
            )
        return
    if bound and not isinstance(message, backend.AuthenticationSASL):
        raise errors.OperationalError(
            "channel binding required but not supported by server's authentication request"
        )
    if type(message) in _METHODS:
        method, called = _METHODS[type(message)]
        credentials.demand(method, f"server requested {called}")
    if type(message) in _REFUSED:
        raise errors.OperationalError(_REFUSED[type(message)])
    if isinstance(message, backend.AuthenticationSASL):
        yield from _sasl(channel, credentials, message.mechanisms)
    elif isinstance(message, backend.AuthenticationCleartextPassword):
        yield from _cleartext(channel, credentials)
    elif isinstance(message, backend.AuthenticationMD5Password):
        password = credentials.need_password()
        channel.password_used = True
        response = md5_response(credentials.user, password, message.salt)
        yield channel.send(PasswordMessage(response))
    else:
        raise errors.ProtocolError(f"unexpected {type(message).__name__} from server")
    yield from _accepted(channel)


def _accepted(channel: Channel) -> Flow[None]:
    message = yield from receive_authentication(channel)
    if not isinstance(message, backend.AuthenticationOk):
        raise errors.ProtocolError(
            f"server sent {type(message).__name__} instead of AuthenticationOk"
        )


def _cleartext(channel: Channel, credentials: Credentials) -> Flow[None]:
    password = credentials.need_password()
    asked_for = credentials.require_auth is not None and credentials.accepts("password")
    if not credentials.private and not asked_for:
        raise errors.OperationalError(
            "server requested a cleartext password over an unencrypted network connection; "
            "set require_auth=password to send it all the same"
        )
    channel.password_used = True
    yield channel.send(PasswordMessage(password))


def _sasl(channel: Channel, credentials: Credentials, offered: tuple[bytes, ...]) -> Flow[None]:
    if SCRAM_SHA_256_PLUS in offered and not channel.secured:
        raise errors.ProtocolError(
            "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection"
        )
    binding = _binding(channel, credentials, offered)
    if binding is None and SCRAM_SHA_256 not in offered:
        credentials.demand("scram-sha-256", "server requested SASL authentication")
        raise errors.OperationalError(
            "none of the server's SASL authentication mechanisms are supported"
        )
    credentials.demand("scram-sha-256", "server requested SCRAM-SHA-256 authentication")
    keys = credentials.client_key, credentials.server_key
    password = credentials.need_password() if None in keys else b""
    scram = ScramClient(
        password,
        mechanisms=offered,
        min_iterations=credentials.min_iterations,
        max_iterations=credentials.max_iterations,
        client_key=credentials.client_key,
        server_key=credentials.server_key,
        channel_binding=binding,
    )
    channel.password_used = True
    yield channel.send(SASLInitialResponse(scram.mechanism, scram.client_first()))
    message = yield from receive_authentication(channel)
    if not isinstance(message, backend.AuthenticationSASLContinue):
        raise _unproved(message)
    scram.receive_first(message.data)
    # Up to a million rounds of HMAC: the runner decides where that time is spent.
    final = yield scram.client_final
    assert final is not None
    yield channel.send(SASLResponse(final))
    message = yield from receive_authentication(channel)
    if not isinstance(message, backend.AuthenticationSASLFinal):
        raise _unproved(message)
    scram.verify_final(message.data)


def _binding(
    channel: Channel, credentials: Credentials, offered: tuple[bytes, ...]
) -> bytes | None:
    """The data that binds SCRAM to this TLS session; None for SCRAM without it.

    Raises OperationalError if channel_binding=require cannot be met.
    """
    required = credentials.channel_binding == "require"
    if required and not channel.secured:
        raise errors.OperationalError("channel binding required, but SSL not in use")
    if required and SCRAM_SHA_256_PLUS not in offered:
        raise errors.OperationalError(
            "channel binding is required, but server did not offer an authentication method that "
            "supports channel binding"
        )
    if channel.layer is None or not channel.secured or credentials.channel_binding == "disable":
        return None
    try:
        return server_end_point(channel.layer.certificate)
    except errors.OperationalError:
        if required:
            raise
        return None


def _unproved(message: Message) -> errors.ProtocolError:
    return errors.ProtocolError(
        f"server sent {type(message).__name__} in the middle of SCRAM authentication: "
        "it has not proved that it knows the password"
    )


def receive_authentication(channel: Channel) -> Flow[Message]:
    """The next message of the start-up; an ErrorResponse raises what it says, made harmless."""
    kind, start, end = yield from channel.receive()
    message = channel.decode(kind, start, end)
    if isinstance(message, backend.ErrorResponse):
        said = {code: _harmless(channel.text(text)) for code, text in message.fields.items()}
        raise errors.from_diagnostics(errors.Diagnostics.from_fields(said))
    return message


_SHOWN = 4000
"""Characters of a text that are shown of a server that has not been authenticated."""


def _harmless(text: str) -> str:
    """`text`, not without end, and without characters that would drive somebody's terminal."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )
