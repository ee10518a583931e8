"""A caller's own `ssl.SSLContext`: what it must be like, so that it weakens nothing in silence.

It is used as it is: its authorities, certificates, versions and ciphers count, the connection
options about them do not. What `sslmode` promises holds all the same: `verify-ca` and `verify-full`
demand a context that verifies, and `verify-full` compares the names by libpq's rules even if the
context has `check_hostname` unset; if it is set, the host must pass both.
"""

from __future__ import annotations

import ssl

from pgwire import errors
from pgwire.tls.names import is_address


def check_own(context: ssl.SSLContext, mode: str) -> None:
    """Raise OperationalError if the caller's `context` cannot serve `sslmode=mode`."""
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise errors.OperationalError("the SSLContext that was given is one for servers")
    if mode.startswith("verify") and context.verify_mode != ssl.CERT_REQUIRED:
        raise errors.OperationalError(
            f"the SSLContext that was given does not verify certificates, which sslmode={mode} "
            "demands: set its verify_mode to ssl.CERT_REQUIRED"
        )


def needed_name(context: ssl.SSLContext, host: str, *, sni: bool) -> str | None:
    """The name that the caller's `context` needs for `host`; None if it compares no names.

    `ssl` also sends it (SNI), unless it is an address. Raises OperationalError if that would be
    against `sni`.
    """
    if not context.check_hostname:
        return None
    if not host:
        raise errors.OperationalError("host name must be specified for a verified SSL connection")
    if not sni and not is_address(host):
        raise errors.OperationalError(
            "the SSLContext that was given has check_hostname set, and so sends the name of the "
            "server: it cannot be used with sslsni=0"
        )
    return host
