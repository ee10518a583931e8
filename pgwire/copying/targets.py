"""Where the data of a COPY TO STDOUT goes: a binary file, a bytearray, a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import TextIOBase
from typing import Any

from pgwire import errors

__all__ = ["writer"]

Data = bytes | bytearray


def writer(target: Any) -> Callable[[Data], object]:
    """A function that is to be called with each piece of data; what it returns is to be awaited if
    it can be.

    Arguments:
        target: a binary file (what has `write`), a bytearray, which grows, or a function.

    Raises ProgrammingError, at once, for what is none of these.
    """
    if isinstance(target, bytearray):
        return target.extend
    if isinstance(target, TextIOBase):
        raise errors.ProgrammingError(
            "the target is a text file, which takes no bytes: "
            'open it in binary mode, open(path, "wb")'
        )
    write = getattr(target, "write", None)
    if callable(write):
        return lambda data: _write_all(write, data)
    if callable(target):
        function: Callable[[Data], object] = target
        return function
    raise errors.ProgrammingError(
        f"cannot copy to a {type(target).__qualname__}: the target must be a binary file, "
        "a bytearray or a function"
    )


def _write_all(write: Callable[[Any], Any], data: Data) -> Awaitable[None] | None:
    """Write all of `data`; raw files may take less at a time."""
    done = write(data)
    if hasattr(done, "__await__"):
        return _write_rest(write, data, done)
    while isinstance(done, int) and done < len(data):
        data = data[_taken(done) :]
        done = write(data)
    return None


async def _write_rest(write: Callable[[Any], Any], data: Data, waiting: Awaitable[Any]) -> None:
    done = await waiting
    while isinstance(done, int) and done < len(data):
        data = data[_taken(done) :]
        done = await write(data)


def _taken(count: int) -> int:
    if count <= 0:
        raise errors.ProgrammingError(f"write() of the target has taken {count} bytes")
    return count
