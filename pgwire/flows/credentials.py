"""Who wants in, with what, and which ways of asking for it are acceptable."""

from __future__ import annotations

from pgwire import errors
from pgwire.flows.oauth import OAuthClient


class Credentials:
    """What a client shows to a server, and on which conditions.

    `user` and `password` are bytes, as they go over the wire; `require_auth` is the option of
    that name (already validated, None if not given); `private` tells that nobody can listen on
    the way (unix socket, loop-back, TLS); the iteration bounds are those of SCRAM's key
    derivation; `client_key` and `server_key` stand in for the password there; `oauth` gets
    bearer tokens.
    """

    __slots__ = (
        "channel_binding",
        "client_key",
        "max_iterations",
        "min_iterations",
        "oauth",
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
        oauth: OAuthClient | None = None,
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
        self.oauth = oauth if oauth is not None else OAuthClient()

    def __repr__(self) -> str:
        return f"<Credentials of {self.user!r}>"

    def accepts(self, *methods: str) -> bool:
        """Whether `require_auth` lets the server ask for one of `methods` (`none`: for nothing)."""
        if self.require_auth is None:
            return True
        items = self.require_auth.split(",")
        if items[0].startswith("!"):
            return any(f"!{method}" not in items for method in methods)
        return any(method in items for method in methods)

    def demand(self, *methods: str, reason: str) -> None:
        """Raise OperationalError if `require_auth` forbids all of `methods`."""
        if not self.accepts(*methods):
            raise errors.OperationalError(
                f'authentication method requirement "{self.require_auth}" failed: {reason}'
            )

    def need_password(self) -> bytes:
        """The password, or libpq's error that there is none."""
        if not self.password:
            raise errors.OperationalError("fe_sendauth: no password supplied")
        return self.password
