"""Raw clients: what is sent and what comes back, byte by byte."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from pgwire.protocol.frontend import StartupMessage

PATIENCE = 20.0
"""Seconds after which an answer that has not come is a failure."""


def startup(user: str = "postgres", database: str = "postgres", **options: str) -> bytes:
    values = {"user": user, "database": database, **options}
    return StartupMessage({k.encode(): v.encode() for k, v in values.items()}).encode()


class Wire:
    """A client's socket."""

    def __init__(self, address: tuple[str, int]) -> None:
        host, port = address
        if host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(f"{host}/.s.PGSQL.{port}")
        else:
            self.socket = socket.create_connection((host, port), PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, data: bytes, chunk: int = 0) -> None:
        for start in range(0, len(data), chunk or len(data) or 1):
            self.socket.sendall(data[start : start + chunk] if chunk else data)

    def terminate(self) -> None:
        self.send(b"X\0\0\0\4")
        self.socket.close()

    def secure(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    def frame(self) -> bytes:
        header = self.exactly(5)
        return header + self.exactly(int.from_bytes(header[1:]) - 4)

    def frames(self, until: bytes = b"Z", count: int = 1) -> Iterator[bytes]:
        """The frames up to the `count`-th one of the type `until`."""
        while count:
            frame = self.frame()
            count -= frame[:1] == until
            yield frame

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        data = b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def log_in(self, **options: str) -> list[bytes]:
        self.send(startup(**options))
        return list(self.frames())


def fields(frame: bytes) -> dict[str, str]:
    """Those of an ErrorResponse or NoticeResponse."""
    return {f[:1].decode(): f[1:].decode() for f in frame[5:].split(b"\0") if f}
