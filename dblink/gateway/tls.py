"""TLS on the listening side: files to a context. Manual: 19.9."""

from __future__ import annotations

import ssl

from pgwire import errors
from pgwire.tls.context import ALPN
from pgwire.tls.files import check_private_key
from pgwire.tls.layer import TLSLayer, reason_of


class TlsFiles:
    """The files, PEM, with which the gateway secures its clients' connections.

    Args:
        certificate: path of its certificate, followed by those of intermediate authorities.
        key: path of the private key, which nobody else may read.
        authorities: path of the authorities' certificates with which clients must prove who
            they are; None: they need no certificate. It says nothing of who they are in the
            database: the local server asks them for that as ever.
    """

    __slots__ = ("authorities", "certificate", "key")

    def __init__(self, certificate: str, key: str, authorities: str | None = None) -> None:
        self.certificate = certificate
        self.key = key
        self.authorities = authorities

    def __repr__(self) -> str:
        return f"<TlsFiles {self.certificate}>"


class ServerTLS:
    """TLS as the server's end: makes a layer per client.

    Raises OperationalError, naming the file, for one that is missing, unreadable or badly
    protected.
    """

    __slots__ = ("_context", "certificate")

    def __init__(self, files: TlsFiles) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # as ssl_min_protocol_version of servers
        context.set_alpn_protocols([ALPN])
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        key = check_private_key(files.key)
        try:
            # Without a function OpenSSL would ask for a passphrase on the terminal.
            context.load_cert_chain(files.certificate, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise errors.OperationalError(
                f'could not load certificate file "{files.certificate}" '
                f'with private key file "{key}": {reason_of(error)}'
            ) from error
        if files.authorities is not None:
            try:
                context.load_verify_locations(files.authorities)
            except OSError as error:
                raise errors.OperationalError(
                    f'could not load root certificate file "{files.authorities}": '
                    f"{reason_of(error)}"
                ) from error
            context.verify_mode = ssl.CERT_REQUIRED
        self._context = context
        self.certificate = _first_certificate(files.certificate)
        """DER of the gateway's own certificate."""

    def layer(self) -> TLSLayer:
        """A TLS session that has not begun."""
        return TLSLayer(self._context, None, server_side=True)


def _first_certificate(path: str) -> bytes:
    with open(path, encoding="ascii", errors="replace") as file:
        text = file.read()
    footer = "-----END CERTIFICATE-----"
    start = text.index("-----BEGIN CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(text[start : text.index(footer, start) + len(footer)])
