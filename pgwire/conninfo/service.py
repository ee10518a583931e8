"""The connection service file. Manual: 32.17."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO, Final

from pgwire.conninfo.options import OPTIONS
from pgwire.conninfo.text import decode, encode
from pgwire.errors import ConninfoError

__all__ = ["SYSTEM_DIRECTORIES", "service_settings"]

SYSTEM_DIRECTORIES: Final = ("/etc/postgresql-common", "/etc/sysconfig/pgsql")
"""Where the system's pg_service.conf is looked for if PGSYSCONFDIR is not set: Debian's and Red
Hat's places, as a libpq has one compiled in. The first of the files that exists is taken."""

_LINE_LIMIT: Final = 1023
"""libpq reads lines into a buffer of 1024 bytes, and one that fills it is too long."""

_WHITE_SPACE: Final = b" \t\n\v\f\r"


def service_settings(service: str, environ: Mapping[str, str], home: str | None) -> dict[str, str]:
    """The settings of the section `service`.

    Arguments:
        service: name of the section, as written.
        environ: environment, for PGSERVICEFILE and PGSYSCONFDIR.
        home: the user's home directory, for ``.pg_service.conf``; None if there is none.

    The user's file comes first; the system's is read if that has no such section. They are not
    merged. Of a keyword that stands there twice the first value is taken.

    Raises ConninfoError in libpq's words if no file has the section, or it is wrong.
    """
    path = environ.get("PGSERVICEFILE")
    if path is None and home is not None:
        path = f"{home}/.pg_service.conf"
        path = path if os.path.exists(path) else None
    found = _read(path, service) if path is not None else None
    if found is None:
        path = _system_file(environ)
        found = _read(path, service) if path is not None else None
    if found is None:
        raise ConninfoError(f'definition of service "{service}" not found')
    return found


def _system_file(environ: Mapping[str, str]) -> str | None:
    directory = environ.get("PGSYSCONFDIR")
    directories = SYSTEM_DIRECTORIES if directory is None else (directory,)
    candidates = (f"{directory}/pg_service.conf" for directory in directories)
    return next((path for path in candidates if os.path.exists(path)), None)


def _read(path: str, service: str) -> dict[str, str] | None:
    """The section of the file, or None if it has none."""
    try:
        with open(path, "rb") as file:
            return _section(file, path, encode(service))
    except IsADirectoryError:
        return None
    except (OSError, ValueError):
        raise ConninfoError(f'service file "{path}" not found') from None


def _section(file: BinaryIO, path: str, service: bytes) -> dict[str, str] | None:
    settings: dict[str, str] | None = None
    number = 0
    while line := file.readline(_LINE_LIMIT):
        number += 1
        line = line.partition(b"\0")[0]
        if len(line) >= _LINE_LIMIT:
            raise ConninfoError(f'line {number} too long in service file "{path}"')
        line = line.strip(_WHITE_SPACE)
        if not line or line.startswith(b"#"):
            continue
        if line.startswith(b"["):
            if settings is not None:
                break
            # Whatever stands after the bracket is not looked at.
            if line.startswith(service + b"]", 1):
                settings = {}
        elif settings is not None:
            keyword, separator, value = line.partition(b"=")
            if keyword == b"service" and separator:
                raise ConninfoError(
                    "nested service specifications not supported in service file "
                    f'"{path}", line {number}'
                )
            if not separator or decode(keyword) not in OPTIONS:
                raise ConninfoError(f'syntax error in service file "{path}", line {number}')
            settings.setdefault(decode(keyword), decode(value))
    return settings
