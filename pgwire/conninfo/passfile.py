"""The password file. Manual: 32.16."""

from __future__ import annotations

import os
import stat
import warnings

from pgwire.conninfo.text import decode, encode

__all__ = ["find_password", "read_passfile"]


def read_passfile(path: str) -> bytes | None:
    """What is in the password file, or None if there is none that can be used.

    A file that others may read is not used (except on Windows, where this cannot be seen), and
    neither is one that is no plain file: both are told by a warning, in libpq's words.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            _warn(f'password file "{path}" is not a plain file')
            return None
        with open(path, "rb") as file:
            # Of the open file, so that what was checked is what is read.
            if os.name != "nt" and os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                _warn(
                    f'password file "{path}" has group or world access; permissions should be '
                    "u=rw (0600) or less"
                )
                return None
            return file.read()
    except (OSError, ValueError):
        return None


def find_password(content: bytes, *, host: str, port: str, dbname: str, user: str) -> str | None:
    """The password of the first line that matches, which may be empty; None if no line does.

    Arguments:
        content: of the password file: lines ``host:port:dbname:user:password``.
        host: ``localhost`` stands for the default directory of Unix-domain sockets.
        port, dbname, user: compared as text.
    """
    wanted = [encode(token) for token in (host, port, dbname, user)]
    for line in content.split(b"\n"):
        if line.startswith(b"#"):
            continue
        rest: bytes | None = line.partition(b"\0")[0].rstrip(b"\r")
        for token in wanted:
            rest = _after_match(rest, token) if rest is not None else None
        if rest is not None:
            return decode(_password(rest))
    return None


def _after_match(line: bytes, token: bytes) -> bytes | None:
    """What follows the first field of `line` if that matches `token`.

    The token leads: where it has a colon, an unescaped one matches too.
    """
    if line.startswith(b"*:"):
        return line[2:]
    place = 0
    for byte in token:
        if line.startswith(b"\\", place):
            place += 1
        if place >= len(line) or line[place] != byte:
            return None
        place += 1
    return line[place + 1 :] if line.startswith(b":", place) else None


def _password(field: bytes) -> bytes:
    password = bytearray()
    place = 0
    while place < len(field) and field[place] != ord(":"):
        if field[place] == ord("\\") and place + 1 < len(field):
            place += 1
        password.append(field[place])
        place += 1
    return bytes(password)


def _warn(message: str) -> None:
    # Out of this module, `resolve` and `connect`: to the line that asked for a connection.
    warnings.warn(message, RuntimeWarning, stacklevel=6)
