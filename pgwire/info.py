"""What is known of a session without asking the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgwire.protocol.constants import server_version_number

if TYPE_CHECKING:
    from pgwire.flows.attempts import Transport
    from pgwire.net.opened import Opened


class ConnectionInfo:
    """A view of a session; it follows the session. Manual: 32.2 Connection Status Functions."""

    __slots__ = ("_channel", "_opened")

    def __init__(self, opened: Opened[Transport]) -> None:
        self._opened = opened
        self._channel = opened.transport.channel

    @property
    def server_version(self) -> int:
        """The server's version as a number: 180004 for 18.4; 0 if it did not tell."""
        return server_version_number(self._channel.parameters.get("server_version", ""))

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters that the server has reported last (54.2.7): `TimeZone`, …."""
        return dict(self._channel.parameters)

    @property
    def process_id(self) -> int:
        """Process id of the server's end; 0 if it did not tell."""
        return self._channel.process_id

    @property
    def transaction_status(self) -> str:
        """`I` idle, `T` in a transaction, `E` in a failed one; as of the last ReadyForQuery."""
        return self._channel.state.transaction_status or "I"

    @property
    def protocol_version(self) -> str:
        """`3.0` or `3.2`."""
        version = self._channel.protocol_version
        return f"{version >> 16}.{version & 0xFFFF}"

    @property
    def encoding(self) -> str:
        """Name of the Python codec of `client_encoding`."""
        return self._channel.context.encoding

    @property
    def password_used(self) -> bool:
        """Whether the server asked for a password and got one."""
        return self._channel.password_used

    @property
    def tls_version(self) -> str | None:
        """The version of TLS, such as `TLSv1.3`; None if the session is not encrypted."""
        layer = self._channel.layer
        return None if layer is None or not self._channel.secured else layer.version

    @property
    def tls_cipher(self) -> str | None:
        """The cipher suite in OpenSSL's words; None if the session is not encrypted."""
        layer = self._channel.layer
        return None if layer is None or not self._channel.secured else layer.cipher

    @property
    def server_certificate(self) -> bytes | None:
        """The server's certificate, DER; None if the session is not encrypted. Whether it was
        verified depends on `sslmode` and `sslrootcert`."""
        layer = self._channel.layer
        return None if layer is None or not self._channel.secured else layer.certificate

    @property
    def user(self) -> str:
        """The role that logged in."""
        return self._opened.settings["user"]

    @property
    def dbname(self) -> str:
        """The database."""
        return self._opened.settings["dbname"]

    @property
    def connect_timeout(self) -> float | None:
        """The option `connect_timeout` in seconds; None if there is none."""
        return self._opened.connect_timeout

    @property
    def server(self) -> str:
        """The other end in words: `connection to server at "db1" (10.0.0.5), port 5432`."""
        return self._opened.server
