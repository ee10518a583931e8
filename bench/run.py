"""Measures pgwire and dblink beside other drivers, in one interleaved run.

    python bench/run.py [--rounds N] [--scale F] [WORKLOAD …]

It starts a server of its own (TCP on loop-back, SCRAM). In every round each driver runs each
workload once, in a process of its own; the table tells the median, the fastest and the slowest
round, and the ratio of the medians to the best of the others. Use the ratios: seconds are those of
this machine. A driver that is not installed, and C dblink on a server without it, are left out by
name.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

import pgwire  # noqa: E402
from bench.workloads import WORKLOADS  # noqa: E402
from pgwire.testing.cluster import Cluster  # noqa: E402

OURS = ("pgwire", "dblink")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes; 0.01 is a try-out")
    options = parser.parse_args()
    with Cluster(
        hba=["local all all trust", "host all bench 127.0.0.1/32 scram-sha-256"]
    ) as server:
        available = prepare(server)
        conninfo = server.conninfo(user="bench", password="bench", tcp=True)
        for name in options.workload or WORKLOADS:
            _, size, drivers = WORKLOADS[name]
            size = max(1, int(size * options.scale))
            taking_part = [driver for driver in drivers if driver in available]
            for driver in set(drivers) - set(taking_part):
                print(f"{name}: {driver} is not installed here, left out")
            show(name, size, measure(name, size, taking_part, conninfo, options.rounds))


def prepare(server: Cluster) -> set[str]:
    """Make the role, and the extension if there is one; the drivers that can take part."""
    with pgwire.connect(server.conninfo()) as connection:
        connection.execute("CREATE ROLE bench SUPERUSER LOGIN PASSWORD 'bench'")
        found = {"pgwire", "dblink"}
        if server.binaries.has_contrib("dblink"):
            connection.execute("CREATE EXTENSION dblink")
            found.add("C dblink")
    for module in ("psycopg", "asyncpg", "pg8000"):
        if importlib.util.find_spec(module) is not None:
            found.add(module)
    return found


def measure(
    workload: str, size: int, drivers: list[str], conninfo: str, rounds: int
) -> dict[str, list[float]]:
    """Seconds of each round, by driver."""
    seconds: dict[str, list[float]] = {driver: [] for driver in drivers}
    for _ in range(rounds):
        for driver in drivers:
            done = subprocess.run(
                [sys.executable, "-m", "bench.workloads", driver, workload, conninfo, str(size)],
                cwd=TOP,
                check=True,
                capture_output=True,
                text=True,
            )
            seconds[driver].append(float(done.stdout))
    return seconds


def show(workload: str, size: int, seconds: dict[str, list[float]]) -> None:
    """The table of one workload, fastest first."""
    medians = {driver: statistics.median(times) for driver, times in seconds.items()}
    others = [median for driver, median in medians.items() if driver not in OURS]
    best = min(others) if others else None
    print(f"\n{workload}: {size}")
    for driver, median in sorted(medians.items(), key=lambda item: item[1]):
        ratio = f"{median / best:6.2f}" if best else "     -"
        times = seconds[driver]
        print(f"  {driver:10} {median:9.4f} s  ({min(times):.4f} to {max(times):.4f}) {ratio}")


if __name__ == "__main__":
    main()
