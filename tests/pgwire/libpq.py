"""The real libpq, where there is one, as the judge of ours: connection strings, connecting."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple

_CONNECTION_OK = 0


class _Row(ctypes.Structure):
    """PQconninfoOption."""

    _fields_ = (
        ("keyword", ctypes.c_char_p),
        ("envvar", ctypes.c_char_p),
        ("compiled", ctypes.c_char_p),
        ("val", ctypes.c_char_p),
        ("label", ctypes.c_char_p),
        ("dispchar", ctypes.c_char_p),
        ("dispsize", ctypes.c_int),
    )


class Attempt(NamedTuple):
    """What came of connecting: an error message, or "" and whether it is encrypted."""

    error: str
    encrypted: bool
    process_id: int


class _TokenRequest(ctypes.Structure):
    """PGoauthBearerRequest."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("begin", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    )


_TokenHook = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_TokenRequest)
)
_WANTS_BEARER_TOKEN = 1


class LibPQ:
    """As much of libpq as the tests call."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        self.version: int = library.PQlibVersion()
        self._defaults = library.PQconndefaults
        self._defaults.restype = ctypes.POINTER(_Row)
        self._parse = library.PQconninfoParse
        self._parse.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
        self._parse.restype = ctypes.POINTER(_Row)
        self._free = library.PQconninfoFree
        self._free.argtypes = [ctypes.POINTER(_Row)]
        self._freemem = library.PQfreemem
        self._freemem.argtypes = [ctypes.c_void_p]
        self._connect = library.PQconnectdb
        self._connect.argtypes = [ctypes.c_char_p]
        self._connect.restype = ctypes.c_void_p
        self._finish = library.PQfinish
        self._status = library.PQstatus
        self._encrypted = library.PQsslInUse
        self._process_id = library.PQbackendPID
        self._message = library.PQerrorMessage
        for function in (
            self._finish,
            self._status,
            self._encrypted,
            self._process_id,
            self._message,
        ):
            function.argtypes = [ctypes.c_void_p]
        self._message.restype = ctypes.c_char_p
        self._library = library
        self.options = self._rows(self._defaults())
        self.keywords = [row["keyword"] for row in self.options]

    def parse(self, text: str) -> dict[str, str] | str:
        """What PQconninfoParse finds, or its message."""
        message = ctypes.c_void_p()
        rows = self._parse(text.encode("utf-8", "surrogateescape"), ctypes.byref(message))
        if rows:
            return {str(r["keyword"]): r["val"] for r in self._rows(rows) if r["val"] is not None}
        assert message.value is not None
        text = ctypes.string_at(message.value).decode("utf-8", "surrogateescape")
        self._freemem(message)
        return text.removesuffix("\n")

    def connect(self, conninfo: str) -> Attempt:
        """Connect, look, and close. It reads this process's environment and files, HOME's too."""
        connection = self._connect(conninfo.encode("utf-8", "surrogateescape"))
        try:
            good = self._status(connection) == _CONNECTION_OK
            message = "" if good else self._message(connection).decode("utf-8", "surrogateescape")
            return Attempt(
                message.removesuffix("\n"),
                good and bool(self._encrypted(connection)),
                self._process_id(connection),
            )
        finally:
            self._finish(connection)

    @contextmanager
    def bearer_token(self, token: str | None) -> Iterator[list[tuple[str, str | None]]]:
        """Within this block `token` is what libpq gets who needs one; None: there is none. Yields
        the list of what it has asked for: discovery document and scope."""
        asked: list[tuple[str, str | None]] = []
        memory = ctypes.create_string_buffer((token or "").encode())

        def hook(kind: int, connection: object, request: ctypes._Pointer[_TokenRequest]) -> int:
            if kind != _WANTS_BEARER_TOKEN or token is None:
                return 0
            wanted = request.contents
            scope = None if wanted.scope is None else wanted.scope.decode()
            asked.append((wanted.openid_configuration.decode(), scope))
            wanted.token = ctypes.addressof(memory)
            return 1

        set_hook = self._library.PQsetAuthDataHook  # of version 18
        set_hook.argtypes = [_TokenHook]
        installed = _TokenHook(hook)
        set_hook(installed)
        try:
            yield asked
        finally:
            set_hook(_TokenHook())

    def _rows(self, rows: ctypes._Pointer[_Row]) -> list[dict[str, str | None]]:
        found = []
        names = ("keyword", "envvar", "compiled", "val", "dispchar")
        for row in takewhile(lambda row: row.keyword is not None, map(rows.__getitem__, count())):
            raw = {name: getattr(row, name) for name in names}
            found.append(
                {
                    name: None if value is None else value.decode("utf-8", "surrogateescape")
                    for name, value in raw.items()
                }
            )
        self._free(rows)
        return found


def _candidates() -> Iterator[str]:
    named = os.environ.get("PGWIRE_TEST_LIBPQ")
    if named:
        yield named
        return
    spec = importlib.util.find_spec("psycopg_binary")  # its wheel carries a recent libpq
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parents[1] / "psycopg_binary.libs"
        yield from map(str, sorted(folder.glob("libpq-*.so*")))
    installed = ctypes.util.find_library("pq")
    if installed is not None:
        yield installed


def find_libpq() -> LibPQ | None:
    """The libpq of PGWIRE_TEST_LIBPQ, of psycopg's wheel, or of the system, if there is one."""
    return next(map(LibPQ, _candidates()), None)
