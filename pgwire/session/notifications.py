"""Notifications, waited for. Manual: LISTEN."""

from __future__ import annotations

from contextlib import suppress

from pgwire import errors
from pgwire.flows.idle import listen, take_message
from pgwire.net.clock import deadline_after
from pgwire.session.core import Core, ReplyT, TransportT
from pgwire.session.steps import Command


class Notifications(Core[TransportT, ReplyT]):
    """The commands that wait for what other sessions have to say."""

    def _listen(self, timeout: float | None) -> Command[bool]:
        """Wait for a notification; whether one has come."""
        self._check_ready()
        try:
            yield from self._run(listen(self._channel), deadline_after(timeout))
        except errors.TimeoutExpired:
            return False
        return True

    def _take_notifications(self) -> Command[None]:
        self._check_ready()
        with suppress(errors.TimeoutExpired):
            while True:
                yield from self._run(take_message(self._channel), deadline_after(0))
