"""The client's half of authentication, and what it accepts. Manual: 54.2.1, 20; RFC 4422."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.credentials import Credentials
from pgwire.flows.oauth import oauth_bearer
from pgwire.flows.scram import binding_data, scram
from pgwire.flows.unproved import receive_authentication
from pgwire.protocol import backend
from pgwire.protocol.frontend import PasswordMessage
from pgwire.protocol.md5 import md5_response
from pgwire.protocol.message import Message
from pgwire.protocol.oauthbearer import OAUTHBEARER
from pgwire.protocol.scram import SCRAM_SHA_256, SCRAM_SHA_256_PLUS

# What a request of the server is called in the error that refuses it, and the names in
# `require_auth` of which one must be acceptable.
_REQUESTS: dict[type[Message], tuple[str, tuple[str, ...]]] = {
    backend.AuthenticationOk: ("server did not complete authentication", ("none",)),
    backend.AuthenticationCleartextPassword: (
        "server requested a cleartext password",
        ("password",),
    ),
    backend.AuthenticationMD5Password: ("server requested a hashed password", ("md5",)),
    backend.AuthenticationGSS: ("server requested GSSAPI authentication", ("gss",)),
    backend.AuthenticationSSPI: ("server requested SSPI authentication", ("sspi",)),
    backend.AuthenticationSASL: (
        "server requested SASL authentication",
        ("scram-sha-256", "oauth"),
    ),
}
_UNKNOWN = ("server requested an unknown authentication type", ())

# Methods that this client does not speak, in the words of a libpq that does not either.
_REFUSED: dict[type[Message], str] = {
    backend.AuthenticationKerberosV4: "Kerberos 4 authentication not supported",
    backend.AuthenticationKerberosV5: "Kerberos 5 authentication not supported",
    backend.AuthenticationCryptPassword: "Crypt authentication not supported",
    backend.AuthenticationSCMCredential: "authentication method 6 not supported",
    backend.AuthenticationGSS: "GSSAPI authentication not supported",
    backend.AuthenticationSSPI: "SSPI authentication not supported",
}

_NO_BINDING = (
    "channel binding is required, but server did not offer an authentication method that "
    "supports channel binding"
)


def authenticate(channel: Channel, credentials: Credentials, message: Message) -> Flow[None]:
    """Answer the server's first authentication `message` and those that follow.

    It ends with AuthenticationOk.

    Raises OperationalError for a method that is refused or not supported, ProtocolError for a
    server that claims success in the middle of an exchange, TokenWanted if a bearer token must
    be got first. ErrorResponse raises what it says.
    """
    reason, methods = _REQUESTS.get(type(message), _UNKNOWN)
    credentials.demand(*methods, reason=reason)
    if credentials.channel_binding == "require":
        _check_bindable(message)
    if type(message) in _REFUSED:
        raise errors.OperationalError(_REFUSED[type(message)])
    match message:
        case backend.AuthenticationOk():
            pass
        case backend.AuthenticationSASL():
            yield from _sasl(channel, credentials, message.mechanisms)
        case backend.AuthenticationCleartextPassword():
            yield from _cleartext(channel, credentials)
            yield from _accepted(channel)
        case backend.AuthenticationMD5Password():
            password = credentials.need_password()
            channel.password_used = True
            response = md5_response(credentials.user, password, message.salt)
            yield channel.send(PasswordMessage(response))
            yield from _accepted(channel)
        case _:
            raise errors.ProtocolError(f"unexpected {type(message).__name__} from server")


def _check_bindable(message: Message) -> None:
    if isinstance(message, backend.AuthenticationOk):
        raise errors.OperationalError(
            "channel binding required, but server authenticated client without channel binding"
        )
    if not isinstance(message, backend.AuthenticationSASL):
        raise errors.OperationalError(
            "channel binding required but not supported by server's authentication request"
        )


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
    required = credentials.channel_binding == "require"
    if required and not channel.secured:
        raise errors.OperationalError("channel binding required, but SSL not in use")
    if SCRAM_SHA_256_PLUS in offered and not channel.secured:
        raise errors.ProtocolError(
            "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection"
        )
    binding = binding_data(channel, credentials.channel_binding)
    mechanism = _choose(offered, binding)
    method = "oauth" if mechanism == OAUTHBEARER else "scram-sha-256"
    requested = f"server requested {mechanism.decode()} authentication"
    credentials.demand(method, reason=requested)
    if required and mechanism != SCRAM_SHA_256_PLUS:
        raise errors.OperationalError(_NO_BINDING)
    if mechanism != OAUTHBEARER:
        yield from scram(channel, credentials, offered, binding)
        yield from _accepted(channel)
    elif not (yield from oauth_bearer(channel, credentials.oauth, private=credentials.private)):
        credentials.demand("none", reason="server did not complete authentication")


def _choose(offered: tuple[bytes, ...], binding: bytes | None) -> bytes:
    """The mechanism: the one that binds the channel, else the first in the server's order."""
    if binding is not None and SCRAM_SHA_256_PLUS in offered:
        return SCRAM_SHA_256_PLUS
    for mechanism in offered:
        if mechanism in (SCRAM_SHA_256, OAUTHBEARER):
            return mechanism
    raise errors.OperationalError(
        "none of the server's SASL authentication mechanisms are supported"
    )
