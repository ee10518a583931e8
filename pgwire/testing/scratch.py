"""The scratch folder of this Python process, and the guard that clears it away.

Everything a throw-away server needs lies in one folder: copies of programs, templates, data
directories, sockets. A normal exit removes it (``atexit``). For the exits that run no Python
(``kill -9``, a crash, ``os._exit``) there is the guard: a shell in a session of its own that waits
for the end of a pipe of which only this process holds the other end, and is told through it which
servers there are. When the pipe ends it stops them and removes the folder.

Why a pipe and not ``PR_SET_PDEATHSIG``: that signal is Linux only, is sent when the *thread* that
started the server ends, is lost when the server changes its user, needs ``preexec_fn`` (unsafe with
threads), and removes no files.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

__all__ = ["Account", "AccountError", "Scratch", "scratch", "server_account"]

# $1 is the folder. Input: "started PID" and "ended PID". A number may by now be somebody else's
# process: where the system can tell, only processes that work in the folder are stopped.
GUARD = r"""
trap '' HUP INT TERM
cd /
folder=$1 pids=
while read -r event pid; do
    others=
    for known in $pids; do [ "$known" = "$pid" ] || others="$others $known"; done
    pids=$others
    [ "$event" = ended ] || pids="$pids $pid"
done
works() {
    [ -e /proc/self/cwd ] || { kill -0 "$1"; return; }
    case $(readlink "/proc/$1/cwd") in "$folder"/*) return 0 ;; *) return 1 ;; esac
}
for pid in $pids; do works "$pid" && kill -QUIT "$pid"; done
for pid in $pids; do
    tries=0
    while works "$pid"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { kill -KILL "$pid"; break; }
        sleep 0.1
    done
done
rm -rf "$folder"
"""

#: The longest path of a Unix-domain socket in bytes, on the system that allows least (macOS; Linux:
#: 107).
SOCKET_PATH_LIMIT = 103
#: What comes below the folder: ``/9999/.s.PGSQL.65535``.
SOCKET_TAIL = 21


class AccountError(RuntimeError):
    """There is no account that a server could run as."""


class Account:
    """The system account of the servers when this process is root, since they refuse root."""

    __slots__ = ("gid", "name", "uid")

    def __init__(self, name: str, uid: int, gid: int) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid

    def __str__(self) -> str:
        return self.name


def server_account() -> Account | None:
    """Return the account for servers: ``postgres``, else ``nobody``; ``None`` is this process's.

    Raises:
        AccountError: this process is root and the machine has neither account.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise AccountError(
        "PostgreSQL does not run as root, and there is neither an account postgres nor nobody"
    )


class Scratch:
    """A folder below the system's folder for temporary files, watched by a guard.

    The object is made once per process by `scratch`.
    """

    def __init__(self) -> None:
        #: The account that owns what `folder` makes; ``None`` for this process's own.
        self.account = server_account()
        self.path = self._make()
        self._lock = threading.Lock()
        self._count = 0
        self._owner = os.getpid()
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "pgwire-guard", str(self.path)],
            stdin=subprocess.PIPE,
            bufsize=0,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal goes to the whole process group
        )

    def _make(self) -> Path:
        base = os.path.realpath(tempfile.gettempdir())
        if len(os.fsencode(base)) + len("/pgwire-12345678") + SOCKET_TAIL > SOCKET_PATH_LIMIT:
            base = "/tmp"
        for parent in (base, "/tmp"):
            path = Path(os.path.realpath(tempfile.mkdtemp(prefix="pgwire-", dir=parent)))
            if self.account is None:
                return path
            path.chmod(0o755)
            if self._may_enter(path):
                return path
            path.rmdir()  # TMPDIR is a folder that only root may enter
        raise AccountError(
            f"PostgreSQL does not run as root, and no program can be run as {self.account} "
            "in /tmp: this root may not change its user, or /tmp is closed"
        )

    def _may_enter(self, path: Path) -> bool:
        command = ["/bin/sh", "-c", 'cd "$1" 2>/dev/null', "sh", str(path)]
        try:
            done = subprocess.run(command, check=False, **self.popen_options())
        except OSError:
            return False
        return done.returncode == 0

    def folder(self) -> Path:
        """Make a new folder in the scratch folder, owned by the account, and return its path."""
        with self._lock:
            self._count += 1
            path = self.path / str(self._count)
        path.mkdir(mode=0o755)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def popen_options(self) -> dict[str, Any]:
        """Return the arguments for `subprocess.Popen` that start a program as the account."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        # The C locale for messages. No home: a server's dblink must not find somebody's ~/.pgpass.
        environment |= {"LC_ALL": "C", "HOME": "/nonexistent"}
        options: dict[str, Any] = {
            "env": environment,
            # Not the caller's: the account may not be allowed in there.
            "cwd": "/",
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }
        if self.account is not None:
            options |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return options

    def started(self, pid: int) -> None:
        """Tell the guard of a server, a process that works in this folder."""
        self._tell(f"started {pid}\n")

    def ended(self, pid: int) -> None:
        """Tell the guard that a server is gone."""
        self._tell(f"ended {pid}\n")

    def _tell(self, message: str) -> None:
        assert self._guard.stdin is not None
        # Somebody may have killed the guard: then there is none, which hurts only a crash.
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(message.encode())

    def remove(self) -> None:
        """Remove the folder and end the guard. Servers must have been stopped before."""
        if os.getpid() != self._owner:
            return  # a fork of the process that made it: not ours to remove
        shutil.rmtree(self.path, ignore_errors=True)
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()


_scratch: Scratch | None = None
_scratch_lock = threading.Lock()


def scratch() -> Scratch:
    """Return this process's scratch folder, made at the first call.

    Raises:
        AccountError: no account can run a server here.
    """
    global _scratch
    with _scratch_lock:
        # A fork of a process that has one makes its own: the guard waits for the other process.
        if _scratch is None or _scratch._owner != os.getpid():
            _scratch = Scratch()
            atexit.register(_scratch.remove)
        return _scratch
