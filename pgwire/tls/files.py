"""The files of a TLS connection: where they are, and who may read a private key. Manual: 32.19."""

from __future__ import annotations

import os
import stat

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
