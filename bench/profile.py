"""Where the time of a workload goes: `python -m bench.profile WORKLOAD`.

Runs it once, in this process, with cProfile on exactly where the clock runs. A profiler makes calls
of Python dearer than they are: use it to find what to look at, and the benchmark to judge it; with
`--no-profile` it tells how much of the time is work at all.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import os
import pstats
import sys

import pgwire
from bench import server
from bench.child import perform
from bench.drivers import Clock, NotAvailableError
from bench.report import seconds, title
from bench.sizes import Sizes
from bench.workloads import CONTESTANTS, WORKLOADS


class ProfilingClock(Clock):
    """A clock that has a profile taken of what it measures."""

    def __init__(self) -> None:
        self.profile = cProfile.Profile()

    def __enter__(self) -> None:
        super().__enter__()
        self.profile.enable()

    def __exit__(self, *_: object) -> None:
        self.profile.disable()
        super().__exit__()


class SharingClock(Clock):
    """A clock that tells apart the processor's work for this process, its own and the kernel's."""

    user = system = 0.0

    def __enter__(self) -> None:
        self._before = os.times()
        super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        now = os.times()
        self.user += now.user - self._before.user
        self.system += now.system - self._before.system


def main(arguments: list[str] | None = None) -> int:
    """Print the profile; 1 if the driver cannot do the workload."""
    options = _options().parse_args(arguments)
    workload = WORKLOADS[options.workload]
    sizes = Sizes().scaled(options.scale)
    clock = ProfilingClock() if options.profile else SharingClock()
    with contextlib.ExitStack() as stack:
        if options.server:
            where = server.named(options.server)
        else:
            where = stack.enter_context(server.started(sizes, small=options.scale < 0.1))
        if workload.before:
            with pgwire.connect(where.conninfo()) as connection:
                connection.execute(workload.before)
        contestant = options.contestant or workload.contestants[0]
        try:
            told = perform(options.workload, contestant, where, sizes, clock)
        except NotAvailableError as missing:
            print(f"{contestant}: {missing}", file=sys.stderr)
            return 1
    print(f"{title(options.workload)}: {contestant}, {seconds(told['seconds'])}", end="\n\n")
    if isinstance(clock, ProfilingClock):
        statistics = pstats.Stats(clock.profile).strip_dirs().sort_stats(options.sort)
        statistics.print_stats(options.lines)
        if options.callers:
            statistics.print_callers(options.callers)
    else:
        waiting = max(clock.seconds - clock.user - clock.system, 0.0)
        print(
            f"own work {clock.user:.2f} s, the kernel's {clock.system:.2f} s, the rest is waiting"
        )
        print(f"for the server or for a processor: {waiting:.2f} s")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    add = parser.add_argument
    # An import needs a process of its own: python -X importtime takes it apart.
    names = [name for name, workload in WORKLOADS.items() if workload.task != "import"]
    add("workload", choices=names)
    add("--contestant", choices=list(CONTESTANTS))
    add("--scale", type=float, default=1.0)
    add("--sort", default="tottime", choices=["tottime", "cumtime", "ncalls"])
    add("--lines", type=int, default=25)
    add("--callers", metavar="REGEX", help="tell who called what matches")
    add(
        "--no-profile",
        dest="profile",
        action="store_false",
        help="only tell the processor's shares",
    )
    add("--server", metavar="CONNINFO", help="what `python -m bench.server` printed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
