"""The two bodies have the same face."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys

import pytest

import pgwire

PAIRS = [
    (pgwire.Connection, pgwire.AsyncConnection),
    (pgwire.Reply, pgwire.AsyncReply),
    (pgwire.Pipeline, pgwire.AsyncPipeline),
    (pgwire.Promise, pgwire.AsyncPromise),
    (pgwire.Stream, pgwire.AsyncStream),
    (pgwire.Cursor, pgwire.AsyncCursor),
    (pgwire.CopyChunks, pgwire.AsyncCopyChunks),
    (pgwire.CopyRows, pgwire.AsyncCopyRows),
]
RENAMED = {
    "AsyncReply": "Reply",
    "AsyncIterator": "Iterator",
    "AsyncConnection": "Connection",
    "AsyncPipeline": "Pipeline",
    "AsyncPromise": "Promise",
    "AsyncStream": "Stream",
    "AsyncCursor": "Cursor",
    "AsyncCopyChunks": "CopyChunks",
    "AsyncCopyRows": "CopyRows",
}
COMMON = {
    "abandon",
    "collect",
    "copy_chunks",
    "copy_rows_out",
    "cursor",
    "decode_as_text",
    "fileno",
    "pipeline",
    "received_notifications",
    "register",
    "rest",
    "set_timeout",
    "stream",
}


def members(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def signature(function: object) -> str:
    text = str(inspect.signature(function))  # type: ignore[arg-type]
    for name, other in RENAMED.items():
        text = text.replace(name, other)
    return text


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_same_names_signatures_and_docstrings(one: type, other: type) -> None:
    assert members(one) == members(other)
    for name in members(one):
        mine, yours = getattr(one, name), getattr(other, name)
        assert inspect.getdoc(mine) == inspect.getdoc(yours), name
        if not callable(mine):
            continue
        assert inspect.getdoc(mine), name
        assert signature(mine) == signature(yours), name
        asynchronous = inspect.iscoroutinefunction(yours) or hasattr(yours, "__wrapped__")
        asynchronous = asynchronous or inspect.isasyncgenfunction(yours)
        assert asynchronous or name in COMMON, name


def test_connect_takes_the_same() -> None:
    assert signature(pgwire.connect) == signature(pgwire.connect_async)
    assert inspect.iscoroutinefunction(pgwire.connect_async)


def test_asyncio_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys, pgwire\n"
        "assert not {'asyncio', 'ssl'} & set(sys.modules)\n"
        "pgwire.AsyncConnection\n"
        "assert 'asyncio' in sys.modules\n"
        "assert not hasattr(pgwire, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_loop_is_asked_to_watch_a_socket() -> None:
    import pgwire.net.aio
    import pgwire.net.aio_connect

    for module in (pgwire.net.aio, pgwire.net.aio_connect):
        source = inspect.getsource(module)
        assert "add_reader" not in source and "add_writer" not in source
    assert issubclass(pgwire.net.aio.AsyncTransport, asyncio.BufferedProtocol)
