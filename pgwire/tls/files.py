"""The files of a TLS connection: where they are, and who may read a private key. Manual: 32.19."""

from __future__ import annotations

import base64
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from pgwire import errors

_FOLDER = ".postgresql"


def default_file(home: str | None, name: str) -> str | None:
    """The file of that name in ~/.postgresql, whether it exists or not; None without a home."""
    return None if home is None else os.path.join(home, _FOLDER, name)


def exists(path: str | None) -> bool:
    """Whether there is something at `path`."""
    return path is not None and os.path.exists(path)


def client_certificate(path: str | None) -> str | None:
    """`path` if there is a certificate; None if there is none, which is no error.

    Raises OperationalError if it cannot be told.
    """
    if path is None:
        return None
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.OperationalError(
            f'could not open certificate file "{path}": {error.strerror}'
        ) from error
    return path


def check_private_key(path: str | None) -> str:
    """The `path` of a private key that nobody else may read.

    Raises OperationalError in libpq's words. A key that root owns may be readable by a group:
    systems share keys that way.
    """
    try:
        status = os.stat(path or "")
    except OSError:
        raise errors.OperationalError(
            f'certificate present, but not private key file "{path or ""}"'
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise errors.OperationalError(f'private key file "{path}" is not a regular file')
    forbidden = 0o037 if status.st_uid == 0 else 0o077
    if os.name != "nt" and status.st_mode & forbidden:
        raise errors.OperationalError(
            f'private key file "{path}" has group or world access; file must have permissions '
            "u=rw (0600) or less if owned by the current user, or permissions u=rw,g=r (0640) or "
            "less if owned by root"
        )
    return str(path)


@contextmanager
def key_as_pem(path: str) -> Iterator[str | None]:
    """The path of a file with the private key of `path`, which is DER, as PEM; None if it is not.

    `ssl` takes a key from a PEM file only: the file is the user's alone, and gone afterwards.
    """
    with open(path, "rb") as file:
        label, data = _der_label(head := file.read(64)), head + file.read()
    if label is None:
        yield None
        return
    body = base64.encodebytes(data).decode()
    descriptor, name = tempfile.mkstemp()  # with permissions 0600
    try:
        with open(descriptor, "w", encoding="ascii") as copy:
            copy.write(f"-----BEGIN {label}-----\n{body}-----END {label}-----\n")
        yield name
    finally:
        os.unlink(name)


def _der_label(head: bytes) -> str | None:
    """What PEM would call the key that begins with `head`; None if that is no DER.

    A key is a SEQUENCE that begins with a version number, an INTEGER of one byte; what follows
    tells the kind: PKCS#8 (RFC 5208), PKCS#1 (RFC 8017), or SEC 1 (RFC 5915).
    """
    if head[:1] != b"\x30" or len(head) < 8:
        return None
    start = 2 + (head[1] & 0x7F if head[1] & 0x80 else 0)
    if head[start : start + 2] != b"\x02\x01":
        return None
    kinds = {0x30: "PRIVATE KEY", 0x02: "RSA PRIVATE KEY", 0x04: "EC PRIVATE KEY"}
    return kinds.get(int.from_bytes(head[start + 3 : start + 4]))


def open_key_log(path: str) -> None:
    """Make the file for TLS session secrets at `path`, for nobody else to read, if there is none.

    Raises OSError if it cannot be written to.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
