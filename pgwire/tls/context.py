"""From connection options to an `ssl.SSLContext`. Manual: 32.19 SSL Support."""

from __future__ import annotations

import ssl
import warnings

from pgwire import errors
from pgwire.conninfo import Settings, Target
from pgwire.flows.channel import Layer
from pgwire.tls.files import (
    check_private_key,
    client_certificate,
    default_file,
    exists,
    key_as_pem,
    open_key_log,
)
from pgwire.tls.layer import TLSLayer, reason_of
from pgwire.tls.names import check_names
from pgwire.tls.own import check_own, needed_name

ALPN = "postgresql"

_VERSIONS = {
    "TLSV1": ssl.TLSVersion.TLSv1,
    "TLSV1.1": ssl.TLSVersion.TLSv1_1,
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
    "TLSV1.3": ssl.TLSVersion.TLSv1_3,
}


class Security:
    """How one target is to be secured. The files are read when a server is ready for TLS, not
    before: with another one they do not matter."""

    __slots__ = ("_context", "_own", "_settings", "_target")

    def __init__(
        self, settings: Settings, target: Target, own_context: ssl.SSLContext | None = None
    ) -> None:
        """The security that `settings` ask for towards `target`, with the caller's `own_context`
        if there is one: see `pgwire.tls.own`."""
        self._settings = settings
        self._target = target
        self._own = own_context is not None
        self._context = own_context

    @property
    def _mode(self) -> str:
        return self._settings["sslmode"]

    def layer(self) -> TLSLayer:
        """A TLS session that has not begun.

        Raises OperationalError in libpq's words if a file is missing, unreadable or badly
        protected, or if the caller's own context is weaker than `sslmode`.
        """
        if self._context is None:
            self._context = _context(self._settings, self._mode)
        name = _server_name(self._settings, self._target)
        if self._own:
            check_own(self._context, self._mode)
            sni = _sends_name(self._settings)
            name = needed_name(self._context, self._target.host, sni=sni) or name
            if self._settings["sslnegotiation"] == "direct":
                self._context.set_alpn_protocols([ALPN])
        return TLSLayer(self._context, name, "" if self._own else _range(self._settings))

    def verify(self, layer: Layer, *, direct: bool) -> None:
        """What is to be checked when the handshake is done. Raises OperationalError."""
        assert isinstance(layer, TLSLayer)
        if direct and layer.alpn is None:
            raise errors.OperationalError(
                "direct SSL connection was established without ALPN protocol negotiation extension"
            )
        if layer.alpn not in (None, ALPN):
            raise errors.OperationalError(
                "SSL connection was established with unexpected ALPN protocol"
            )
        if self._mode.startswith("verify") and not layer.names:
            # It cannot be, unless somebody has changed the context behind our back.
            raise errors.OperationalError("the server's certificate has not been verified")
        if self._mode == "verify-full":
            check_names(layer.names, self._target.host)


def _context(settings: Settings, mode: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # ours are libpq's rules: see `names`
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([ALPN])
    _limit_versions(context, settings)
    _trust(context, settings, mode)
    _identify(context, settings)
    if settings.get("sslkeylogfile"):
        try:
            open_key_log(settings["sslkeylogfile"])
            context.keylog_filename = settings["sslkeylogfile"]
        except OSError as error:
            warnings.warn(
                f'could not open SSL key logging file "{settings["sslkeylogfile"]}": '
                f"{error.strerror}",
                RuntimeWarning,
                stacklevel=2,
            )
    return context


def _limit_versions(context: ssl.SSLContext, settings: Settings) -> None:
    for bound in ("minimum", "maximum"):
        named = settings.get(f"ssl_{bound[:3]}_protocol_version", "").upper()
        if not named:
            continue
        version = _VERSIONS[named]
        if version >= ssl.TLSVersion.TLSv1_2:
            setattr(context, f"{bound}_version", version)
            continue
        with warnings.catch_warnings():
            # Whoever asks for TLS 1.0 by name has been told by the option's documentation.
            warnings.simplefilter("ignore", DeprecationWarning)
            setattr(context, f"{bound}_version", version)


def _range(settings: Settings) -> str:
    """The versions that the options allow, in words."""
    lowest = settings.get("ssl_min_protocol_version") or "TLSv1"
    return f"{lowest} and {settings.get('ssl_max_protocol_version') or 'TLSv1.3'}"


def _trust(context: ssl.SSLContext, settings: Settings, mode: str) -> None:
    """Whom to believe: a root file that exists makes every mode verify the chain."""
    named = settings.get("sslrootcert")
    if named == "system":
        context.set_default_verify_paths()
        context.verify_mode = ssl.CERT_REQUIRED
        return
    path = named or default_file(settings.home, "root.crt")
    if path is None or not exists(path):
        if mode.startswith("verify"):
            told = (
                f'root certificate file "{path}" does not exist'
                if path is not None
                else "could not get home directory to locate root certificate file"
            )
            raise errors.OperationalError(
                f"{told}\nEither provide the file, use the system's trusted roots with "
                "sslrootcert=system, or change sslmode to disable server certificate verification."
            )
        return
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise errors.OperationalError(
            f'could not read root certificate file "{path}": {reason_of(error)}'
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
    _revoke(context, settings)


def _revoke(context: ssl.SSLContext, settings: Settings) -> None:
    """Revocation lists, if there are any; those that cannot be read are ignored, as libpq does."""
    path, folder = settings.get("sslcrl"), settings.get("sslcrldir")
    if not path and not folder:
        path = default_file(settings.home, "root.crl")
    loaded = False
    for place in ({"cafile": path} if path else {}, {"capath": folder} if folder else {}):
        if place:
            try:
                context.load_verify_locations(**place)
                loaded = True
            except (OSError, ssl.SSLError):
                pass
    if loaded:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _identify(context: ssl.SSLContext, settings: Settings) -> None:
    """The client's own certificate and key."""
    if settings.get("sslcertmode") == "disable":
        return
    certificate = client_certificate(
        settings.get("sslcert") or default_file(settings.home, "postgresql.crt")
    )
    if certificate is None:
        return
    key = check_private_key(settings.get("sslkey") or default_file(settings.home, "postgresql.key"))
    try:
        password = settings.get("sslpassword", "").encode("utf-8", "surrogateescape")
        _load(context, certificate, key, password)
    except (OSError, ValueError) as error:  # the latter for a password that is too long
        kind = "load private key" if _is_certificate(certificate) else "read certificate"
        path = key if _is_certificate(certificate) else certificate
        raise errors.OperationalError(
            f'could not {kind} file "{path}": {reason_of(error)}'
        ) from error


def _load(context: ssl.SSLContext, certificate: str, key: str, password: bytes) -> None:
    # Without a function OpenSSL would ask for a passphrase on the terminal.
    try:
        context.load_cert_chain(certificate, key, password=lambda: password)
    except ssl.SSLError:
        with key_as_pem(key) as converted:
            if converted is None:
                raise
            context.load_cert_chain(certificate, converted, password=lambda: password)


def _is_certificate(path: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ssl.SSLError):
        return False
    return True


def _server_name(settings: Settings, target: Target) -> str | None:
    """The name for the SNI extension: the host as it was given, unless it is an address."""
    host = target.host
    if not _sends_name(settings) or ":" in host or not host.strip("0123456789."):
        return None
    # What DNS cannot hold goes without: `ssl` refuses it, and no server has such a name.
    try:
        length = len(host.encode("idna"))
    except UnicodeError:
        return None
    return host if length < 256 else None


def _sends_name(settings: Settings) -> bool:
    return settings.get("sslsni", "1").startswith("1")
