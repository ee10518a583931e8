"""Conversations with a server, each written once, as generators that never see a socket.

A flow yields what it needs and is resumed when it has it:

* `bytes` to be sent, all of them;
* `RECEIVE` when it needs more input: the runner puts at least one byte into `channel.frames`;
* a function without arguments, when something costs time (password hashing): the runner calls it,
  where it likes, and sends back what it returned.

When the peer is gone or a deadline has passed, the runner raises and the flow ends where it is. The
value that the generator returns is the result of the conversation. `pgwire/net/` holds the runners.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")

RECEIVE = None
"""Yielded by a flow that cannot go on before more bytes have arrived."""

Need: TypeAlias = "bytes | Callable[[], bytes] | None"
Flow: TypeAlias = Generator[Need, "bytes | None", _T]


def untouched(flow: Flow[object]) -> bool:
    """Whether nobody has begun to run `flow`: then it has sent nothing, and changed nothing."""
    made: Any = flow  # the attributes are those of generators, not of everything that is like one
    return made.gi_frame is not None and not made.gi_running and not made.gi_suspended
