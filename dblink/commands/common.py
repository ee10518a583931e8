"""What the commands share: how one fails, and where it writes."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    """What `ArgumentParser.add_subparsers` returns, to which a command adds its parser."""


class CommandError(Exception):
    """A command cannot do its work, for a reason that has nothing to do with a query."""


def seconds(text: str) -> float:
    """An option's value as a number of seconds. Raises ValueError if it is not above 0."""
    number = float(text)
    if not number > 0:
        raise ValueError(text)
    return number


seconds.__name__ = "number of seconds"  # argparse: "invalid number of seconds value: 'x'"


def output(*, exact: bool) -> TextIO:
    """Standard output; `exact`: for programs, as UTF-8 with nothing changed, else for people."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        if exact:
            out.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
        else:
            out.reconfigure(errors="backslashreplace")
    return out
