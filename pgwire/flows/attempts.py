"""Which server to try next, and how: the policy of connecting, for every body. Manual: 32.1.1.3.

`connecting` is a generator of steps. A body performs each and sends back what came of it, or
throws in what went wrong:

* `LookUp` a target: its addresses (OperationalError: there are none), found by `resolve` if there
  is one and the host is a name;
* `Dial` an address: a transport, with a channel of its own (OperationalError); if the address has a
  `dial`, that is called with the target and the seconds left, and opens the socket;
* `Converse`: run a flow on a transport, give its result;
* `HangUp`;
* `Vet`: call `check(target, address)`, await what it returns if the body is an asynchronous one;
* `FetchToken`: call `callback(request)`, await what it returns if the body is an asynchronous one,
  and send back what came of it, unchecked. No connection is open and no clock runs meanwhile.

`resolve` and `dial` are the user's; an asynchronous body awaits what they return if it can.
When the body itself is interrupted it closes what it has dialled and forgets the generator.
The body keeps the clock: `connect_timeout` begins anew with each `LookUp`, and with each `Dial`
whose `restart` is true; when it has passed, the body throws in TimeoutExpired.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.flows import Flow
from pgwire.flows.attributes import mismatch
from pgwire.flows.channel import Channel
from pgwire.flows.credentials import Credentials
from pgwire.flows.idle import terminate
from pgwire.flows.oauth import OAuthClient, TokenCallback, TokenRequest, TokenWanted
from pgwire.flows.secure import HandshakeFailed, Security, secure, told_of_handshake
from pgwire.flows.startup import startup

if TYPE_CHECKING:
    import socket


Dialler = Callable[[Target, float | None], Any]
"""Opens the way to a target within so many seconds (None: there is no limit): a connected socket,
which is pgwire's from then on, or an awaitable of one."""

Resolver = Callable[[str, int], Any]
"""Finds a host that is to be reached at this port: its numeric addresses, or an awaitable."""


Vetter = Callable[[Target, str], Any]
"""Raises an error of pgwire's if the target must not be reached at this address: a numeric one, or
the path of a Unix-domain socket. May return an awaitable."""


class Address:
    """A socket address that a target stands for. `family` and `sockaddr` are the body's own;
    `shown` is the numeric form, None for a unix socket; on a `private` way nobody can listen.
    `dial` is the user's own way of getting there, which counts instead of the address."""

    __slots__ = ("dial", "family", "private", "shown", "sockaddr")

    def __init__(
        self,
        family: int,
        sockaddr: Any,
        shown: str | None,
        *,
        private: bool,
        dial: Dialler | None = None,
    ) -> None:
        self.family = family
        self.sockaddr = sockaddr
        self.shown = shown
        self.private = private
        self.dial = dial

    def failure_prefix(self, target: Target) -> str:
        """How the message begins when the connection to `target` at this address fails."""
        if self.dial is not None and target.kind == "unix":
            return "connection to server on the given socket failed: "
        return target.failure_prefix(self.shown)


class Hooks:
    """The user's own way to the server: a connected socket `sock` for the first connection,
    `dial` for all that are not made over it, or `resolve` to find the addresses of names; and
    `vet`, which has a say in which addresses are dialled."""

    __slots__ = ("_given", "_sock", "dial", "resolve", "vet")

    def __init__(
        self,
        *,
        dial: Dialler | None = None,
        resolve: Resolver | None = None,
        vet: Vetter | None = None,
        sock: socket.socket | None = None,
    ) -> None:
        """Raises ConninfoError if they exclude each other."""
        if resolve is not None and (dial is not None or sock is not None):
            raise errors.ConninfoError(
                "resolve may not be used with dial or sock: nothing is looked up then"
            )
        if vet is not None and (dial is not None or sock is not None):
            raise errors.ConninfoError(
                "vet may not be used with dial or sock: no address is known then"
            )
        self.dial = dial
        self.resolve = resolve
        self.vet = vet
        self._given = sock is not None
        self._sock = sock

    def close(self) -> None:
        """Close the socket that was given, if it has not been dialled."""
        if self._sock is not None:
            self._sock.close()

    @property
    def once(self) -> bool:
        """Whether no more than one connection can be made."""
        return self._given and self.dial is None

    def address(self) -> Address | None:
        """What to dial instead of addresses that are looked up; None if these are wanted."""
        dial = self._dial if self._given else self.dial
        return None if dial is None else Address(0, None, None, private=False, dial=dial)

    def _dial(self, target: Target, seconds: float | None) -> Any:
        sock, self._sock = self._sock, None
        if sock is not None:
            return sock
        if self.dial is None:
            raise errors.OperationalError(
                "the given socket is in use, and there is no `dial` to open another one"
            )
        return self.dial(target, seconds)


class Transport(Protocol):
    """A connection on the network."""

    channel: Channel


class LookUp:
    """Find the addresses of `target`, by `resolve` if its host is a name."""

    __slots__ = ("resolve", "target")

    def __init__(self, target: Target, resolve: Resolver | None = None) -> None:
        self.target = target
        self.resolve = resolve


class Vet:
    """Let `check` say, by raising an error or not, whether `target` may be reached at `address`."""

    __slots__ = ("address", "check", "target")

    def __init__(self, check: Vetter, target: Target, address: str) -> None:
        self.check = check
        self.target = target
        self.address = address


class Dial:
    """Connect to `address` of `target`; the clock begins anew if `restart`."""

    __slots__ = ("address", "restart", "target")

    def __init__(self, target: Target, address: Address, *, restart: bool) -> None:
        self.target = target
        self.address = address
        self.restart = restart


class Converse:
    """Run `flow` on `transport`."""

    __slots__ = ("flow", "transport")

    def __init__(self, transport: Transport, flow: Flow[object]) -> None:
        self.transport = transport
        self.flow = flow


class HangUp:
    """Close `transport`."""

    __slots__ = ("transport",)

    def __init__(self, transport: Transport) -> None:
        self.transport = transport


class FetchToken:
    """Get the bearer token of `request` from the user's `callback`."""

    __slots__ = ("callback", "request")

    def __init__(self, callback: TokenCallback, request: TokenRequest) -> None:
        self.callback = callback
        self.request = request


Step = LookUp | Vet | Dial | Converse | HangUp | FetchToken
Steps = Generator[Step, Any, "Connected"]


class Connected:
    """What came of it: a session at `address` of `target`, secured as `security` says (None: not
    at all)."""

    __slots__ = ("address", "security", "target", "transport")

    def __init__(
        self, transport: Transport, target: Target, address: Address, security: Security | None
    ) -> None:
        self.transport = transport
        self.target = target
        self.address = address
        self.security = security


class Wish:
    """What somebody wants to connect to: `settings`, and what no connection string can say."""

    __slots__ = ("hooks", "oauth", "scram_iterations", "security", "settings")

    def __init__(
        self,
        settings: Settings,
        security: Callable[[Target], Security],
        scram_iterations: tuple[int, int],
        oauth_token: TokenCallback | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        """`security` makes what secures the way to a target; it is called only where TLS may be
        used. `scram_iterations` are the bounds of what a server may ask of SCRAM;
        `oauth_token` gets bearer tokens; `hooks` are the user's own ways. Raises ConninfoError if
        one socket is to reach several targets."""
        self.settings = settings
        self.hooks = Hooks() if hooks is None else hooks
        if self.hooks.once and len(settings.targets) > 1:
            raise errors.ConninfoError("sock may only be used with one host")
        self.security = security
        self.scram_iterations = scram_iterations
        self.oauth = OAuthClient(
            issuer=settings.get("oauth_issuer"),
            client_id=settings.get("oauth_client_id"),
            client_secret=settings.get("oauth_client_secret"),
            scope=settings.get("oauth_scope"),
            callback=oauth_token,
        )


class _NextAddress(Exception):
    """This address is out of reach."""


class _NextHost(Exception):
    """This host is not the one."""


def connecting(wish: Wish) -> Steps:
    """Connect to the first target that fits. Raises the error that tells all attempts."""
    settings = wish.settings
    told: list[str] = []
    failures: list[errors.Error] = []

    def note(text: str, error: errors.Error) -> None:
        told.append(text)
        failures.append(error)

    own = wish.hooks.address()
    attributes = settings["target_session_attrs"]
    for wanted in ("standby", "any") if attributes == "prefer-standby" else (attributes,):
        for target in settings.targets:
            try:
                looked_up = [own] if own else (yield LookUp(target, wish.hooks.resolve))
            except errors.ConninfoError as error:
                note(error.message, error)  # an option is wrong: no host can help
                raise _failure(told, error) from error
            except errors.OperationalError as error:
                note(error.message, error)
                continue
            addresses = list(looked_up)
            if settings["load_balance_hosts"] == "random":
                import random

                random.shuffle(addresses)
            for address in addresses:
                try:
                    return (yield from _at_address(wish, target, address, wanted, note))
                except _NextAddress:
                    continue
                except _NextHost:
                    break
                except errors.Error as error:
                    raise _failure(told, failures[-1] if failures else error) from error
    raise _failure(told, failures[-1]) from failures[-1]


Note = Callable[[str, errors.Error], None]


def _at_address(wish: Wish, target: Target, address: Address, wanted: str, note: Note) -> Steps:
    """Try one address, with every kind of encryption that the options allow."""
    prefix = address.failure_prefix(target)
    if wish.hooks.vet is not None:
        try:
            yield Vet(wish.hooks.vet, target, address.shown or target.socket_path())
        except errors.Error as error:
            note(prefix + _shown(error), error)
            raise _NextAddress from None
    encryptions = _encryptions(wish.settings, target, address)
    restart = True
    while True:
        encrypted = encryptions.pop(0)
        try:
            transport: Transport = yield Dial(target, address, restart=restart)
        except PeerError as error:
            note(prefix + _shown(error), error)
            raise
        except errors.Error as error:
            note(prefix + _shown(error), error)
            raise _NextAddress from None
        restart = False
        channel = transport.channel
        try:
            security = wish.security(target) if encrypted else None
            if security is not None:
                direct = wish.settings["sslnegotiation"] == "direct"
                plain = False in encryptions
                if not (
                    yield Converse(transport, secure(channel, security, direct=direct, plain=plain))
                ):
                    security = None
                    encryptions.remove(False)
            yield Converse(transport, _login(wish, target, address, channel))
            misfit = yield Converse(transport, mismatch(channel, wanted))
        except TokenWanted as error:
            yield HangUp(transport)
            note(prefix + error.message, errors.OperationalError(error.message))
            yield from _fetch_token(wish.oauth, error.request, prefix, note)
            # The same way once more, and no other: a token is not for everybody's ears.
            encryptions = [security is not None]
            restart = True
            continue
        except errors.Error as error:
            yield HangUp(transport)
            failure = told_of_handshake(channel, error)
            refused = failure.diagnostics is channel.refusal and not channel.authenticated
            note(prefix + _shown(failure, channel.refusal), failure)
            if isinstance(failure, errors.TimeoutExpired):
                raise _NextAddress from None
            if refused and failure.sqlstate == "57P03":  # cannot_connect_now
                raise _NextHost from None
            # Another kind of encryption may do, if there is one, and it can be tried.
            another = bool(encryptions) and not wish.hooks.once
            if another and (refused or isinstance(failure, HandshakeFailed)):
                continue
            raise
        if misfit is None:
            return Connected(transport, target, address, security)
        with suppress(errors.Error):
            yield Converse(transport, terminate(channel))
        yield HangUp(transport)
        note(prefix + misfit, errors.OperationalError(misfit))
        raise _NextHost


def _fetch_token(
    oauth: OAuthClient, request: TokenRequest, prefix: str, note: Note
) -> Generator[Step, Any, None]:
    assert oauth.callback is not None  # nobody wants a token that nobody can get
    try:
        oauth.take_token((yield FetchToken(oauth.callback, request)))
    except errors.Error as error:
        note(prefix + _shown(error), error)
        raise


class PeerError(errors.OperationalError):
    """The server's process is not the required user's: no other address is tried."""


def _encryptions(settings: Settings, target: Target, address: Address) -> list[bool]:
    """Whether to encrypt: the kinds to try, in this order."""
    # Where a socket of the user's leads to, its kind does not tell: `sslmode` holds for all.
    if target.kind == "unix" and address.dial is None:
        return [False]
    return {"disable": [False], "allow": [False, True], "prefer": [True, False]}.get(
        settings["sslmode"], [True]
    )


def _login(wish: Wish, target: Target, address: Address, channel: Channel) -> Flow[None]:
    settings = wish.settings
    parameters = {"client_encoding": "UTF8", **settings.startup_parameters()}
    minimum, asked = settings.protocol_versions
    least, most = wish.scram_iterations
    credentials = Credentials(
        _bytes(settings["user"]),
        None if target.password is None else _bytes(target.password),
        # libpq takes an empty list to forbid every challenge; nobody can want that.
        require_auth=settings.get("require_auth") or None,
        channel_binding=settings["channel_binding"],
        private=address.private or channel.secured,
        min_iterations=least,
        max_iterations=most,
        client_key=settings.scram_client_key,
        server_key=settings.scram_server_key,
        oauth=wish.oauth,
    )
    try:
        yield from startup(
            channel,
            {_bytes(name): _bytes(value) for name, value in parameters.items()},
            credentials,
            version=asked,
            min_version=minimum,
        )
    except errors.DatabaseError as error:
        if error.sqlstate == "28P01" and channel.password_used and target.passfile is not None:
            error.add_note(f'password retrieved from file "{target.passfile}"')
        raise


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _shown(error: errors.Error, refusal: errors.Diagnostics | None = None) -> str:
    """What `error` adds to the list of attempts: a server's words as libpq shows them."""
    if isinstance(error, errors.ConnectionLost):
        return error.reason
    text = error.message if error.diagnostics is not refusal else error.diagnostics.render()
    for note in getattr(error, "__notes__", ()):
        text += f"\n{note}"
    return text


def _failure(told: list[str], last: errors.Error) -> errors.Error:
    """The error that tells all attempts, of the class of the last one."""
    server = last.diagnostics
    failure = type(last)("\n".join(told) or last.message)
    failure.diagnostics = errors.Diagnostics(
        message=server.message, severity=server.severity, sqlstate=server.sqlstate
    )
    failure.sqlstate = server.sqlstate
    return failure
