"""A session that has been opened, and how; what both bodies know of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from pgwire import errors
from pgwire.conninfo import Settings, Target, resolve, unsupported
from pgwire.conninfo.strings import settle
from pgwire.flows.attempts import Address, Connected, Hooks, Transport, Wish
from pgwire.flows.channel import Channel
from pgwire.flows.oauth import TokenCallback
from pgwire.flows.secure import Security as AnySecurity
from pgwire.types.encodings import python_codec

if TYPE_CHECKING:
    import ssl

# What a caller's own SSLContext decides in place of these options.
_CONTEXT_OPTIONS = (
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcertmode",
    "sslrootcert",
    "sslcrl",
    "sslcrldir",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "sslkeylogfile",
)

_TransportT = TypeVar("_TransportT", bound=Transport, covariant=True)


class Opened(Generic[_TransportT]):
    """A session's `transport`, and what it was opened with, and to: enough to dial the same place
    once more. `server` is how errors call the place."""

    __slots__ = ("connected", "server", "settings", "transport")

    def __init__(self, transport: _TransportT, connected: Connected, settings: Settings) -> None:
        self.transport = transport
        self.settings = settings
        self.connected = connected
        self.server = server_name(connected.target, connected.address)

    @property
    def target(self) -> Target:
        """The item of the lists of hosts, addresses and ports."""
        return self.connected.target

    @property
    def address(self) -> Address:
        """The address that the session is connected to."""
        return self.connected.address

    @property
    def security(self) -> AnySecurity | None:
        """How the session is secured; None if it is not."""
        return self.connected.security

    @property
    def channel(self) -> Channel:
        """The protocol side of the session."""
        return self.transport.channel

    @property
    def connect_timeout(self) -> float | None:
        """The option of that name in seconds; None: there is no limit."""
        return connect_timeout(self.settings)


def checked_spin(spin: int) -> int:
    """`spin`, a number of tries. Raises ProgrammingError if it is none."""
    if type(spin) is not int or spin < 0:
        raise errors.ProgrammingError(
            f"spin must be how often to look before waiting, 0 or more, not {spin!r}"
        )
    return spin


def server_name(target: Target, address: Address) -> str:
    """`connection to server at "db1" (10.0.0.5), port 5432`."""
    return address.failure_prefix(target).removesuffix(" failed: ")


def connect_timeout(settings: Settings) -> float | None:
    """The option of that name in seconds; None: there is no limit."""
    seconds = settings.integer("connect_timeout")
    return float(seconds) if seconds is not None and seconds > 0 else None


def wish(
    conninfo: str | None,
    options: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    scram_iterations: tuple[int, int],
    ssl_context: ssl.SSLContext | None = None,
    oauth_token: TokenCallback | None = None,
    secure: bool = False,
    ambient: bool = True,
    hooks: Hooks | None = None,
) -> Wish:
    """What is to be connected to. Raises ConninfoError, and NotSupportedError for what this
    version cannot do."""
    try:
        if ssl_context is not None:
            # Who brings authorities wants them used. The environment is asked after what was said.
            if ambient:
                environ = {"PGSSLMODE": "verify-full", **environ}
            elif "sslmode" not in settle(conninfo, options):
                options = {**options, "sslmode": "verify-full"}
        settings = resolve(conninfo, options, environ=environ, secure=secure, ambient=ambient)
    except errors.ConninfoError as error:
        from pgwire.conninfo.redaction import without_secrets

        message = without_secrets(error.message, conninfo or "")
        if message == error.message:
            raise
        raise errors.ConninfoError(message) from None
    if ssl_context is not None:
        _check_beside_context(settings)
    refused = unsupported(settings)
    if refused is not None:
        raise errors.NotSupportedError(refused)
    python_codec(settings.get("client_encoding", "UTF8"))  # unknown ones are told before dialling
    security = partial(_security, settings, ssl_context)
    return Wish(settings, security, scram_iterations, oauth_token, hooks)


def _check_beside_context(settings: Settings) -> None:
    """Raise ConninfoError for what would be ignored, or weaken, beside a caller's SSLContext."""
    mode = settings["sslmode"]
    if mode not in ("require", "verify-ca", "verify-full"):
        raise errors.ConninfoError(
            f'weak sslmode "{mode}" may not be used with ssl_context '
            '(use "require", "verify-ca", or "verify-full")'
        )
    for keyword in _CONTEXT_OPTIONS:
        if settings.explicit.get(keyword):
            raise errors.ConninfoError(
                f"{keyword} may not be used with ssl_context: set it in the context"
            )


def _security(
    settings: Settings, ssl_context: ssl.SSLContext | None, target: Target
) -> AnySecurity:
    # `ssl` is half of what importing pgwire would cost.
    from pgwire.tls.context import Security

    return Security(settings, target, ssl_context)
