"""The peak of a process's memory. Imports nothing that is not there anyway."""

from __future__ import annotations

import sys


def peak_memory() -> float | None:
    """MiB that this process has had at most; None where the system does not tell.

    Not `getrusage` first: what it tells includes the program that started this one.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
