"""Throw-away PostgreSQL servers for tests and demonstrations, on Unix-like systems.

```python
with Cluster(settings={"max_connections": 20}) as cluster:
    connection = pgwire.connect(cluster.conninfo())
```

A cluster listens on a Unix-domain socket and on TCP at 127.0.0.1, lets everybody who can reach
these in without a password (see ``hba``), and does not survive a crash of the machine (``fsync =
off``). It is not for data to keep, nor for a machine shared with people you do not trust. What is
stopped, killed or forgotten is always cleared away.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from pgwire.testing.binaries import Binaries, find_binaries
from pgwire.testing.scratch import Scratch, scratch
from pgwire.testing.templates import Initialization, copy_data, copy_folder, reachable

__all__ = ["DEFAULT_HBA", "DEFAULT_SETTINGS", "Cluster", "ClusterError", "ShutdownMode"]

Setting = str | int | float | bool
#: As the manual, "Shutting Down the Server", names them.
ShutdownMode = Literal["smart", "fast", "immediate"]

_SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

#: Settings of every cluster, each of which ``settings`` may replace.
DEFAULT_SETTINGS: Final[Mapping[str, Setting]] = {
    # Quick rather than safe, and small.
    "fsync": False,
    "full_page_writes": False,
    "synchronous_commit": False,
    "shared_buffers": "16MB",
    # The same on every machine.
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

#: Who may connect, unless ``hba`` says otherwise: everybody, locally.
DEFAULT_HBA: Final[Sequence[str]] = (
    "local all all trust",
    "host all all 127.0.0.1/32 trust",
    "host all all ::1/128 trust",
    "local replication all trust",
    "host replication all 127.0.0.1/32 trust",
)

# What the cluster itself must know: where it listens, where its files are, where its log goes.
_OWN_SETTINGS: Final = frozenset(
    {
        "port",
        "unix_socket_directories",
        "data_directory",
        "config_file",
        "hba_file",
        "ident_file",
        "external_pid_file",
        "log_destination",
        "logging_collector",
    }
)

_PORT_TRIES: Final = 20
_POLL: Final = 0.005


class ClusterError(RuntimeError):
    """A server did not start, stop or accept its configuration; the message ends with its log."""


class Cluster:
    """One throw-away server: a context manager, or ``start()`` and ``close()``.

    Arguments:
        binaries: the installation to run; `find_binaries` finds one if this is ``None``.
        settings: configuration parameters that differ from `DEFAULT_SETTINGS`. The object keeps
            them in its ``settings``, a dictionary that may be changed before ``restart()`` or
            ``reload()``.
        hba: lines of ``pg_hba.conf``, in place of `DEFAULT_HBA` (manual: "The pg_hba.conf File").
        superuser: name of the bootstrap superuser.
        encoding: encoding of the databases.
        locale: locale of the databases, as the operating system names it.
        timeout: seconds that a start, stop or reload may take.

    Raises:
        BinariesNotFoundError: ``binaries`` is ``None`` and there is no server on this machine.
        ValueError: a setting that the cluster itself must decide, or that cannot be written.
    """

    def __init__(
        self,
        binaries: Binaries | None = None,
        *,
        settings: Mapping[str, Setting] | None = None,
        hba: Sequence[str] | None = None,
        superuser: str = "postgres",
        encoding: str = "UTF8",
        locale: str = "C",
        timeout: float = 30.0,
    ) -> None:
        self.binaries = find_binaries() if binaries is None else binaries
        self.settings: dict[str, Setting] = dict(settings or {})
        self.superuser = superuser
        self.encoding = encoding
        self.locale = locale
        self.timeout = timeout
        self._hba = list(DEFAULT_HBA if hba is None else hba)
        self._lock = threading.RLock()
        self._primary: Cluster | None = None
        self._folder: Path | None = None
        self._port: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._owner = 0
        _configuration(self.settings)

    # Where it is

    @property
    def host(self) -> str:
        """The folder of the Unix-domain socket, for the connection parameter ``host``."""
        return str(self._where())

    @property
    def tcp_host(self) -> str:
        """The address for TCP."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port, of TCP and of the Unix-domain socket; it stays the same until ``close()``."""
        if self._port is None:
            raise ClusterError("the cluster has not been started")
        return self._port

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._where() / "data"

    @property
    def running(self) -> bool:
        """Whether the server process is there."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The process number of the postmaster.

        Raises:
            ClusterError: the server is not running.
        """
        server = self._server
        if server is None or server.poll() is not None:
            raise ClusterError("the server is not running")
        return server.pid

    def conninfo(
        self,
        dbname: str = "postgres",
        user: str | None = None,
        password: str | None = None,
        tcp: bool = False,
        **options: str | int | None,
    ) -> str:
        """Return a connection string (manual: "Keyword/Value Connection Strings").

        Arguments:
            dbname: the database.
            user: the role; the superuser if ``None``.
            password: left out if ``None``.
            tcp: connect to 127.0.0.1 instead of the Unix-domain socket.
            options: more keywords, which may also replace ``host`` and ``port``; ``None`` leaves
                one out.
        """
        values: dict[str, str | int | None] = {
            "host": self.tcp_host if tcp else self.host,
            "port": self.port,
            "dbname": dbname,
            "user": self.superuser if user is None else user,
            "password": password,
        }
        values |= options
        return " ".join(
            f"{k}={_conninfo_value(str(v))}" for k, v in values.items() if v is not None
        )

    def log(self) -> str:
        """Return everything the server has written to its log since the cluster was made."""
        try:
            return self._log_path().read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    # Its life

    def start(self) -> Self:
        """Start the server and return when it accepts connections.

        After ``stop()`` it starts with the same data and port, after ``close()`` as a new one.

        Raises:
            ClusterError: it did not start in time, or ended while starting.
            TemplateError: ``initdb`` failed.
            AccountError: this process is root and there is no other account for the server.
        """
        with self._lock:
            if self.running:
                raise ClusterError("the server is already running")
            fresh = self._folder is None
            try:
                if fresh:
                    self._prepare(scratch())
                self._start_on_a_port(keep=not fresh)
            except BaseException:
                if fresh:
                    self.close()
                raise
            return self

    def standby(self) -> Cluster:
        """Return a cluster, not started yet, that will follow this one as a hot standby.

        When it is first started, this server is stopped for as long as it takes to copy its data.
        Manual: "Log-Shipping Standby Servers".
        """
        standby = Cluster(
            self.binaries,
            settings={**self.settings, "hot_standby": True, "primary_conninfo": self.conninfo()},
            hba=self._hba,
            superuser=self.superuser,
            encoding=self.encoding,
            locale=self.locale,
            timeout=self.timeout,
        )
        standby._primary = self
        return standby

    def stop(self, mode: ShutdownMode = "fast") -> None:
        """Stop the server and keep its data; nothing happens if it is not running.

        Arguments:
            mode: ``smart`` waits for the clients to go, ``fast`` breaks their connections,
                ``immediate`` does not even clean up, as in a crash.

        Raises:
            ClusterError: it did not stop in time; it has then been stopped with ``immediate``.
        """
        with self._lock:
            if not self._end(_SIGNALS[mode]):
                raise self._error(f"{mode} shutdown took longer than {self.timeout:g} s")

    def restart(self, mode: ShutdownMode = "fast") -> None:
        """Stop the server and start it again with the same data and port, and changed settings.

        Raises:
            ClusterError: it did not stop or start.
        """
        with self._lock:
            self.stop(mode)
            self.start()

    def reload(self) -> None:
        """Make the server read its configuration files, which then hold for every new connection.

        Connections that exist take it over a moment later, when they are next idle.

        Raises:
            ClusterError: the server refused the files, or did not answer in time.
        """
        with self._lock:
            pid = self.pid
            self._write_settings()
            before = self._log_size()
            os.kill(pid, signal.SIGHUP)
            deadline = time.monotonic() + self.timeout
            while "reloading configuration files" not in self._log_since(before):
                self._pause(deadline, "did not reload its configuration")
            # The postmaster does one thing after the other: when it has a new connection answered,
            # the files are read.
            self._answer_to_ssl_request(deadline)
            written = self._log_since(before)
            if "was not reloaded" in written or "contains errors" in written:
                raise ClusterError(f"the server refused its configuration:\n{written.rstrip()}")

    def write_hba(self, lines: Sequence[str]) -> None:
        """Replace ``pg_hba.conf`` and have it read.

        Raises:
            ClusterError: the server refused it; its old rules then stay in force.
        """
        with self._lock:
            self._hba = list(lines)
            if self._folder is not None:
                self._write_hba()
            if self.running:
                self.reload()

    def write_file(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        """Write a file of the server's own into the data directory and return its path.

        For instance a TLS key, or ``pg_ident.conf``.

        Arguments:
            name: the file's name, without folders.
            content: text (written as UTF-8) or bytes.
            mode: permissions; a server refuses a private key that others may read.

        Raises:
            ClusterError: the cluster has not been started yet.
        """
        path = self.data / name
        account = scratch().account
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            if account is not None:
                os.fchown(descriptor, account.uid, account.gid)
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def close(self) -> None:
        """Stop the server at once and remove everything of it, if there is anything."""
        with self._lock:
            atexit.unregister(self._close_at_exit)
            self._end(signal.SIGQUIT)
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._port = None

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped" if self._folder else "not started"
        where = f" in {self._folder}" if self._folder else ""
        return f"<Cluster {self.binaries.version} {state}{where}>"

    # How

    def _prepare(self, room: Scratch) -> None:
        self._folder = room.folder()
        self._owner = os.getpid()
        atexit.register(self._close_at_exit)
        if self._primary is None:
            wish = Initialization(self.binaries, self.superuser, self.encoding, self.locale)
            copy_data(wish, room, self.data)
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
                file.write("\ninclude 'cluster.conf'\n")
        else:
            self._primary.stop()
            try:
                copy_folder(self._primary.data, room, self.data)
            finally:
                self._primary.start()
            self.write_file("standby.signal", "")
        self._write_hba()

    def _start_on_a_port(self, *, keep: bool) -> None:
        for _ in range(_PORT_TRIES):
            if not keep:
                # Between this choice and the server's use of it, another process can take the port.
                self._port = _free_port()
            before = self._log_size()
            try:
                self._launch()
                if "Address already in use" not in self._log_since(before):
                    return
            except ClusterError:
                if keep or "Address already in use" not in self._log_since(before):
                    raise
            if keep:
                break
            self._end(signal.SIGQUIT)
        self._end(signal.SIGQUIT)
        raise self._error(f"port {self._port} is in use" if keep else "found no free port")

    def _launch(self) -> None:
        room = scratch()
        self._write_settings()
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # left by a crash
        program = reachable(self.binaries, room) / "postgres"
        with open(self._log_path(), "ab") as log:
            options = room.popen_options() | {"cwd": self.data, "stdout": log, "stderr": log}
            self._server = subprocess.Popen([program, "-D", self.data], **options)
        room.started(self._server.pid)
        deadline = time.monotonic() + self.timeout
        try:
            while not self._is_ready(self._server):
                self._pause(deadline, "did not get ready")
        except BaseException:
            self._end(signal.SIGQUIT)
            raise

    def _is_ready(self, server: subprocess.Popen[bytes]) -> bool:
        # As `pg_ctl --wait` does: the postmaster keeps its state in the eighth line of this file.
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8", "replace").split("\n")
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready"

    def _pause(self, deadline: float, failure: str) -> None:
        server = self._server
        if server is None or server.poll() is not None:
            raise self._error(f"the server ended; it {failure}")
        if time.monotonic() > deadline:
            raise self._error(f"the server {failure} in {self.timeout:g} s")
        time.sleep(_POLL)

    def _answer_to_ssl_request(self, deadline: float) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(max(deadline - time.monotonic(), _POLL))
            client.connect(f"{self.host}/.s.PGSQL.{self.port}")
            client.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
            client.recv(1)

    def _end(self, how: signal.Signals) -> bool:
        server, self._server = self._server, None
        if server is None:
            return True
        in_time = _end(server, how, self.timeout)
        scratch().ended(server.pid)
        return in_time

    def _close_at_exit(self) -> None:
        if self._owner == os.getpid():  # a fork must not stop its parent's server
            self.close()

    def _where(self) -> Path:
        if self._folder is None:
            raise ClusterError("the cluster has not been started")
        return self._folder

    def _write_settings(self) -> None:
        own: dict[str, Setting] = {"port": self.port, "unix_socket_directories": self.host}
        text = _configuration(self.settings) + "".join(_line(k, v) for k, v in own.items())
        self.write_file("cluster.conf", text)

    def _write_hba(self) -> None:
        self.write_file("pg_hba.conf", "".join(f"{line}\n" for line in self._hba))

    def _log_path(self) -> Path:
        return self._where() / "log"

    def _log_size(self) -> int:
        try:
            return self._log_path().stat().st_size
        except FileNotFoundError:
            return 0

    def _log_since(self, offset: int) -> str:
        with open(self._log_path(), "rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", "replace")

    def _error(self, message: str) -> ClusterError:
        tail = "\n".join(self.log().splitlines()[-30:])
        return ClusterError(f"{message}; the end of its log:\n{tail}" if tail else message)


def _end(server: subprocess.Popen[bytes], how: signal.Signals, timeout: float) -> bool:
    """Stop a postmaster, harder if it does not; tell whether the first way was enough."""
    # After SIGQUIT a postmaster itself kills, within 5 s, what does not end.
    steps = ((how, timeout), (signal.SIGQUIT, 10.0), (signal.SIGKILL, None))
    for tries, (number, seconds) in enumerate(steps):
        server.send_signal(number)  # does nothing if it has ended
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return tries == 0
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _configuration(settings: Mapping[str, Setting]) -> str:
    for name in settings:
        if name.lower() in _OWN_SETTINGS:
            raise ValueError(f"setting {name} is decided by the cluster itself")
    # Names ignore case, and one may be set only once: an error in the last would bring back the
    # first.
    wanted = {**DEFAULT_SETTINGS, **{name.lower(): value for name, value in settings.items()}}
    return "".join(_line(name, value) for name, value in wanted.items())


def _line(name: str, value: Setting) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$.]*", name):
        raise ValueError(f"not the name of a setting: {name!r}")
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if "\0" in text:
        raise ValueError(f"the value of {name} contains a NUL character")
    # Manual, "Parameter Names and Values"; the file's reader also knows backslash escapes.
    text = text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"{name} = '{text}'\n"


def _conninfo_value(value: str) -> str:
    if value and re.search(r"[\s'\\]", value) is None:
        return value
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"
