"""What may stand between a contestant and the server, started for one measurement."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.address import Server
from bench.drivers import NotAvailableError
from bench.environments import TOP

#: Seconds that a relay has to start, and to end.
PATIENCE = 20.0

#: Of the gateway: where `dblink setup` has been run.
DATABASE = "gateway"


class Relay(NamedTuple):
    """One that accepts connections."""

    server: Server
    pid: int

    def peak_memory(self) -> float | None:
        """MiB that its process has had at most; None where the system does not tell."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                lines = dict(line.split(":", 1) for line in file)
            return int(lines["VmHWM"].split()[0]) / 1024
        except (OSError, KeyError):
            return None


@contextlib.contextmanager
def gateway(server: Server) -> Iterator[Relay]:
    """Ours, in a process of its own, under this interpreter."""
    local = server._replace(dbname=DATABASE).conninfo()
    command = [sys.executable, "-m", "dblink", "serve", "--listen", "127.0.0.1:0", "--local", local]
    with _process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = process.stdout.readline()  # `listening on 127.0.0.1:40123`
        if not said:
            raise AssertionError("the gateway did not start")
        yield Relay(server._replace(port=int(said.rpartition(":")[2])), process.pid)


@contextlib.contextmanager
def pgbouncer(server: Server) -> Iterator[Relay]:
    """PgBouncer, a session of the server per client as the gateway has it.

    Raises NotAvailableError where it is not installed.
    """
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    program = shutil.which("pgbouncer", path=os.pathsep.join(folders))
    if program is None:
        raise NotAvailableError("PgBouncer is not installed")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # it does not run as root, and then another account reads these
        port = _free_port()
        (folder / "users").write_text(f'"{server.user}" "{server.password}"\n')
        (folder / "ini").write_text(_INI.format(server=server, port=port, folder=folder))
        command = [program, "--quiet", str(folder / "ini")]
        if os.geteuid() == 0:
            command[1:1] = ["--user", "nobody"]
        with _process(command, stderr=subprocess.DEVNULL) as process:
            _wait_for(port, process)
            yield Relay(server._replace(port=port), process.pid)


_INI = """
[databases]
* = host={server.host} port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = session
ignore_startup_parameters = extra_float_digits
"""

#: By the name that a contestant has it under.
RELAYS: dict[str, Callable[[Server], contextlib.AbstractContextManager[Relay]]] = {
    "gateway": gateway,
    "pgbouncer": pgbouncer,
}


@contextlib.contextmanager
def _process(command: list[str], **streams: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=TOP, stdin=subprocess.DEVNULL, text=True, **streams)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError("PgBouncer did not start")
