"""A file per driver, each with a class `Driver`; a method of it per task of `bench.workloads`.

A driver is made with the server and the options of its contestant; that opens its connection, if
the task needs one (`connects` of the workload is false where connecting is what is measured).
A method gets a clock and runs it around what is measured, and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from time import perf_counter
from typing import BinaryIO


class NotAvailableError(Exception):
    """This driver cannot do this task here; the message says what is missing."""


class Clock:
    """Seconds, added up, of what runs inside `with clock`."""

    seconds = 0.0
    _start = 0.0

    def __enter__(self) -> None:
        self._start = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._start


def memory_file() -> BinaryIO:
    """A file in memory, where the system has such."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("bench"), "wb")
    return tempfile.TemporaryFile()
