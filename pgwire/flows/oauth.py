"""Getting in with a bearer token, which somebody else issues. Manual: 34.1, 54.3.2; RFC 7628.

A server says which issuer it trusts, and hangs up; then the user's callback gets a token from
there, with no connection open that could time out meanwhile; then comes a second connection, with
the token. How a token is got (device flow, browser, an account of the cloud) is the callback's
business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pgwire import errors
from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.unproved import harmless, receive_authentication
from pgwire.protocol import backend
from pgwire.protocol.frontend import SASLInitialResponse, SASLResponse
from pgwire.protocol.oauthbearer import (
    DUMMY,
    OAUTHBEARER,
    initial_response,
    issuer_of,
    read_refusal,
)

_TOKEN = r"[A-Za-z0-9._~+/-]+=*"
_LONGEST_TOKEN = 60_000
"""Characters; a server takes no message of authentication above 65535 bytes."""


class TokenRequest:
    """What a callback needs to know to get a bearer token.

    Attributes:
        issuer: identifier of the issuer (oauth_issuer), the only one to be trusted.
        openid_configuration: address of its discovery document; it belongs to `issuer`.
        client_id: oauth_client_id.
        client_secret: oauth_client_secret, or None.
        scope: what the token must be good for, space separated; None if nobody says.
    """

    __slots__ = ("client_id", "client_secret", "issuer", "openid_configuration", "scope")

    def __init__(
        self,
        issuer: str,
        openid_configuration: str,
        client_id: str,
        client_secret: str | None,
        scope: str | None,
    ) -> None:
        self.issuer = issuer
        self.openid_configuration = openid_configuration
        self.client_id = client_id
        self.client_secret = client_secret
        self.scope = scope

    def __repr__(self) -> str:
        return f"<TokenRequest to {self.issuer} for client {self.client_id}>"


TokenCallback: TypeAlias = "Callable[[TokenRequest], str | Awaitable[str]]"


class TokenWanted(errors.OperationalError):
    """The server has said which token it wants: get that of `request`, and dial again."""

    request: TokenRequest

    def __init__(self, request: TokenRequest) -> None:
        super().__init__("retrying connection with new bearer token")
        self.request = request


class OAuthClient:
    """What is known, while one connection is being made, of how to get a token; and the token."""

    __slots__ = (
        "_client_id",
        "_client_secret",
        "_configured_issuer",
        "_discovery_uri",
        "_scope",
        "_token",
        "callback",
    )

    def __init__(
        self,
        *,
        issuer: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
        callback: TokenCallback | None = None,
    ) -> None:
        """The options oauth_…, and what is called to get a token."""
        self.callback = callback
        self._configured_issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._discovery_uri: str | None = None
        self._token: str | None = None

    def __repr__(self) -> str:
        return f"<OAuthClient {self._client_id!r} of {self._configured_issuer!r}>"

    @property
    def token(self) -> str | None:
        """The token, once there is one."""
        return self._token

    def take_token(self, token: object) -> None:
        """Take what the callback has returned. Raises InterfaceError, which does not show it, if
        that can be no bearer token (RFC 6750, section 2.1)."""
        if not isinstance(token, str):
            close = getattr(token, "close", None)
            if close is not None:
                close()  # a coroutine that nobody will await
            raise errors.InterfaceError(
                f"oauth_token must return a str, not {type(token).__name__}"
                + ("; coroutine functions are for connect_async" if close is not None else "")
            )
        import re

        if len(token) > _LONGEST_TOKEN or not re.fullmatch(_TOKEN, token, re.ASCII):
            raise errors.InterfaceError("oauth_token returned what can be no bearer token")
        self._token = token

    def issuer(self) -> str:
        """The issuer to be trusted. Raises OperationalError if the user has not said enough to get
        a token."""
        if not self._configured_issuer or not self._client_id:
            raise errors.OperationalError(
                "server requires OAuth authentication, but oauth_issuer and oauth_client_id are "
                "not both set"
            )
        if self.callback is None:
            raise errors.OperationalError(
                "server requires OAuth authentication, but no oauth_token was given to get a token "
                "with"
            )
        if "/.well-known/" not in self._configured_issuer:
            return self._configured_issuer
        issuer = issuer_of(self._configured_issuer)
        self._discovery_uri = self._configured_issuer
        return issuer

    def request(self) -> TokenRequest | None:
        """What to ask the callback for; None before the server has said where."""
        issuer = self.issuer()
        if self._discovery_uri is None or self._client_id is None:
            return None
        return TokenRequest(
            issuer, self._discovery_uri, self._client_id, self._client_secret, self._scope
        )

    def learn(self, data: bytes) -> None:
        """Take the server's refusal. Raises OperationalError unless another token may help, and if
        the server points to somebody who is not the user's issuer."""
        refusal = read_refusal(data)
        uri = refusal.openid_configuration
        if uri is not None:
            try:
                theirs = issuer_of(uri)
            except errors.OperationalError as error:
                raise errors.OperationalError(harmless(error.message)) from None
            # To the letter: this is what keeps a rogue server from sending us to its accomplice.
            if theirs != self.issuer():
                raise errors.OperationalError(
                    f"server's discovery document at {harmless(uri)} (issuer "
                    f'"{harmless(theirs)}") is incompatible with oauth_issuer ({self.issuer()})'
                )
            if self._discovery_uri not in (None, uri):
                raise errors.OperationalError(
                    f"server's discovery document has moved to {harmless(uri)} (previous location "
                    f"was {self._discovery_uri})"
                )
            self._discovery_uri = uri
        if self._scope is None:
            self._scope = refusal.scope
        if refusal.status is None:
            raise errors.OperationalError("server sent error response without a status")
        if refusal.status != "invalid_token":
            raise errors.OperationalError(
                f"server rejected OAuth bearer token: {harmless(refusal.status)}"
            )


def oauth_bearer(channel: Channel, client: OAuthClient, *, private: bool) -> Flow[bool]:
    """Authenticate by OAUTHBEARER, AuthenticationOk included.

    Args:
        private: whether nobody can listen on the way. RFC 7628 forbids tokens on any other.

    Returns whether a token was shown; if not, the server has let us in without. Raises TokenWanted
    if one must be got first, OperationalError if the server refuses ours.
    """
    request = client.request()
    if not private:
        raise errors.OperationalError(
            "server requested a bearer token over an unencrypted network connection"
        )
    if client.token is None and request is not None:
        raise TokenWanted(request)
    yield channel.send(SASLInitialResponse(OAUTHBEARER, initial_response(client.token)))
    message = yield from receive_authentication(channel)
    if isinstance(message, backend.AuthenticationOk):
        return client.token is not None
    if not isinstance(message, backend.AuthenticationSASLContinue):
        raise errors.ProtocolError("server sent unexpected additional OAuth data")
    yield channel.send(SASLResponse(DUMMY))
    client.learn(message.data)
    if client.token is None:
        request = client.request()
        if request is None:
            raise errors.OperationalError(
                "server requires OAuth authentication, but no discovery metadata was provided"
            )
        raise TokenWanted(request)
    # What follows a refusal is the error that says so, which raises.
    yield from receive_authentication(channel)
    raise errors.ProtocolError("server sent additional OAuth data after error")
