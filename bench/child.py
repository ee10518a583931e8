"""One measurement in a process of its own: `python -m bench.child`, the job as JSON on its input.

Writes `{"seconds": …, "peak": …}` or `{"unavailable": …}`. Of this process is nothing but what
the measurement needs: its peak of memory is told, too.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from bench.address import Server
from bench.drivers import Clock, NotAvailableError
from bench.memory import peak_memory
from bench.sizes import Sizes
from bench.workloads import CONTESTANTS, WORKLOADS


def perform(
    workload_name: str, contestant_name: str, server: Server, sizes: Sizes, clock: Clock
) -> dict[str, Any]:
    """Do it once; seconds of one of what the workload counts, and the peak of memory.

    Raises NotAvailableError, and whatever the driver raises.
    """
    workload, contestant = WORKLOADS[workload_name], CONTESTANTS[contestant_name]
    try:
        module = importlib.import_module(f"bench.drivers.{contestant.driver}")
    except ModuleNotFoundError as error:
        raise NotAvailableError(f"{error.name} is not installed") from None
    if not hasattr(module.Driver, workload.task):
        raise NotAvailableError(f"no {workload.task} in bench/drivers/{contestant.driver}.py")
    driver = module.Driver(server, connect=workload.connects, **contestant.options)
    arguments = workload.arguments(sizes)
    returned = getattr(driver, workload.task)(clock, *arguments)
    if returned != workload.returns(sizes):
        raise AssertionError(f"returned {returned!r} instead of {workload.returns(sizes)!r}")
    own = getattr(driver, "peak_memory", peak_memory)
    return {"seconds": clock.seconds / workload.times(sizes), "peak": own()}


def main() -> None:
    job = json.load(sys.stdin)
    server, sizes = Server(**job["server"]), Sizes(**job["sizes"])
    try:
        told = perform(job["workload"], job["contestant"], server, sizes, Clock())
    except NotAvailableError as missing:
        told = {"unavailable": str(missing)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
