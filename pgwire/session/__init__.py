"""What a connection does, written once for both bodies, as commands: generators of steps.

`core` keeps a connection in step; each of the other modules holds the commands of one subject, as a
class that `Session` is composed of.
"""

from __future__ import annotations

from pgwire.session.copying import Copying
from pgwire.session.core import NoticeHandler, ReplyT, TransportT
from pgwire.session.notifications import Notifications
from pgwire.session.pipelines import Pipelines
from pgwire.session.steps import (
    EXHAUSTED,
    Cancel,
    Command,
    End,
    Pull,
    Push,
    Run,
    Step,
)
from pgwire.session.transactions import Transactions
from pgwire.session.types import Types

__all__ = [
    "EXHAUSTED",
    "Cancel",
    "Command",
    "End",
    "NoticeHandler",
    "Pull",
    "Push",
    "Run",
    "Session",
    "Step",
]


class Session(
    Transactions[TransportT, ReplyT],
    Notifications[TransportT, ReplyT],
    Pipelines[TransportT, ReplyT],
    Types[TransportT, ReplyT],
    Copying[TransportT, ReplyT],
):
    """The base of `Connection` and `AsyncConnection`."""
