"""The answer to AuthenticationMD5Password. Manual: 54.2.1; deprecated since PostgreSQL 18."""

from __future__ import annotations

from pgwire import errors


def md5_response(user: bytes, password: bytes, salt: bytes) -> bytes:
    """What PasswordMessage carries: "md5" and 32 hexadecimal digits.

    `user` is the name as sent in the StartupMessage, `salt` the server's four bytes. Raises
    OperationalError where the platform forbids MD5 (FIPS).
    """
    import hashlib

    try:
        stored = hashlib.md5(password + user).hexdigest()
        return b"md5" + hashlib.md5(stored.encode() + salt).hexdigest().encode()
    except ValueError as error:
        raise errors.OperationalError(f"could not encrypt password: {error}") from None
