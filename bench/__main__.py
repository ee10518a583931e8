"""Measures pgwire and dblink beside other drivers, in interleaved rounds: `make bench`.

Starts a server of its own (TCP on loop-back, SCRAM) with the tables of setup.sql, and installs
the other drivers in an environment below build/. In every round each driver does each workload
once, in a process of its own; the tables tell the median, the fastest and the slowest round, the
ratio of the medians to the best driver in C, and the peak of memory. Use the ratios: seconds are
those of this machine. Who cannot take part is named, with the reason. The same as JSON, Markdown
and one picture is written below build/.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pgwire
from bench import report, server
from bench.address import Server
from bench.environments import BUILD, EnvironmentFailedError, Interpreter, as_it_is, draw, prepared
from bench.results import Run
from bench.rounds import Runner
from bench.sizes import Sizes
from bench.workloads import CONTESTANTS, WORKLOADS

QUICK_SCALE = 0.001


def main(arguments: list[str] | None = None) -> int:
    """Run it; 0 if no driver failed and ours lacked nothing."""
    options = _options().parse_args(arguments)
    scale = QUICK_SCALE if options.quick else options.scale
    rounds = 1 if options.quick else options.rounds
    sizes = Sizes().scaled(scale)
    try:
        interpreters = _interpreters(options)
    except EnvironmentFailedError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        if options.server:
            where = server.named(options.server)
        else:
            _say("starting a server and filling its tables")
            where = stack.enter_context(server.started(sizes, small=scale < 0.1))
        run = Run(_setting(where, interpreters), rounds, scale)
        runner = Runner(where, sizes, interpreters, _say)
        for name in options.only or WORKLOADS:
            run.measurements += runner.measure(name, rounds, options.contestants)
            _say("")
            if run.of(name):
                print(report.terminal(run, name), end="\n\n", flush=True)
    if run.verdicts() and scale == 1:
        print(report.targets(run))
    _write(run, options.output, next(iter(interpreters.values())))
    failed = [m for m in run.measurements if m.failure or (m.missing and m.kind == "ours")]
    for one in failed:
        print(f"{one.workload}: {one.contestant}: {one.failure or one.missing}", file=sys.stderr)
    return 1 if failed else 0


def _write(run: Run, output: Path, interpreter: Interpreter) -> None:
    """The result, and beside it what people look at."""
    run.save(output)
    output.with_suffix(".md").write_text(report.markdown(run), "utf-8")
    try:
        draw(output.resolve(), output.resolve().with_suffix(".svg"), interpreter.python)
    except EnvironmentFailedError as error:
        _say(f"{error}\n")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=_Formatter
    )
    add = parser.add_argument
    add("--only", type=_names(WORKLOADS), metavar="A,B", help="these workloads; all by default")
    add(
        "--contestants",
        type=_names(CONTESTANTS),
        metavar="A,B",
        help=f"these drivers, of {', '.join(CONTESTANTS)}; all by default",
    )
    add("--rounds", type=int, default=5)
    add("--scale", type=float, default=1.0, help="of the sizes; targets are for 1")
    add("--quick", action="store_true", help="one tiny round: only to see that everything runs")
    this = {sys.implementation.name: sys.executable}
    add("--python", default=this.get("cpython"), metavar="PATH", help="the CPython to use")
    add("--pypy", default=this.get("pypy"), metavar="PATH", help="the PyPy to use besides")
    add(
        "--no-install",
        action="store_true",
        help="use the interpreters with what is installed in them",
    )
    add("--server", metavar="CONNINFO", help="what `python -m bench.server` printed")
    add(
        "--output",
        type=Path,
        default=BUILD / "result.json",
        help="the result, as JSON; beside it .md and .svg",
    )
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    pass


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        wanted = [name.strip() for name in text.split(",")]
        for name in wanted:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return wanted

    return names


def _interpreters(options: argparse.Namespace) -> dict[str, Interpreter]:
    found = {}
    for name, python in {"cpython": options.python, "pypy": options.pypy}.items():
        if python is None:
            continue
        if options.no_install:
            found[name] = as_it_is(python)
        else:
            _say(f"preparing an environment of {python}")
            found[name] = prepared(python)
        if found[name].implementation.lower() != name:
            raise EnvironmentFailedError(f"{python} is {found[name].implementation}, not {name}")
    return found


def _setting(where: Server, interpreters: dict[str, Interpreter]) -> dict[str, str]:
    """What the figures hold for; nothing that names a machine or a folder."""
    with pgwire.connect(where.conninfo()) as connection:
        version = connection.info.parameters["server_version"]
    setting = {
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.machine()}",
        "server": f"PostgreSQL {version}",
    }
    if hasattr(os, "getloadavg"):
        # Who else was working: figures of a busy machine are worth little.
        setting["load before"] = f"{os.getloadavg()[0]:.1f}"
    for one in interpreters.values():
        peers = ", ".join(f"{name} {version}" for name, version in one.packages.items())
        setting[f"{one.implementation} {one.version}"] = peers
    return setting


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "processor"


def _say(what: str) -> None:
    """What is going on, in place of what was said before; only to a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
