"""The steps that commands are made of, and what performs them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Protocol, TypeVar

from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.net.clock import Deadline

_T = TypeVar("_T")


class Transport(Protocol):
    """What carries a session; how it runs flows is the body's affair."""

    channel: Channel
    intact: bool
    unsent: memoryview

    def close(self) -> None:
        """Close it at once."""
        ...


class Conversation(Protocol):
    """What is under way between the first byte of a command and its ReadyForQuery."""

    @property
    def done(self) -> bool:
        """Whether it has come to its ReadyForQuery."""
        ...

    @property
    def deadline(self) -> Deadline:
        """The moment when its timeout has passed; None if it has none."""
        ...

    def rest(self) -> Flow[object]:
        """Read, and skip, what is left of it. When it was cut short by a deadline or an
        interruption, calling again goes on where it stopped."""
        ...


class Run:
    """Run `flow` on the transport until `deadline`."""

    __slots__ = ("deadline", "flow")

    def __init__(self, flow: Flow[Any], deadline: Deadline) -> None:
        self.flow = flow
        self.deadline = deadline


class Cancel:
    """Ask the server, over a connection of its own, to cancel what the session is running."""

    __slots__ = ("deadline",)

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


class End:
    """Close the transport, after what has been sent, by `deadline`."""

    __slots__ = ("deadline",)

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


class Pull:
    """Get the next item of `source`, an iterator (or an asynchronous one, in a body that awaits);
    `EXHAUSTED` when there is none. A body that awaits does so until `deadline`."""

    __slots__ = ("deadline", "source")

    def __init__(self, source: Any, deadline: Deadline = None) -> None:
        self.source = source
        self.deadline = deadline


class Push:
    """Call `target` with `item`: the caller's function, which may be a coroutine function in a body
    that awaits."""

    __slots__ = ("item", "target")

    def __init__(self, target: Callable[[Any], object], item: object) -> None:
        self.target = target
        self.item = item


EXHAUSTED: Final = object()
"""What a `Pull` gives at the end of its source."""

Step = Run | Cancel | End | Pull | Push
Command = Generator[Step, Any, _T]
