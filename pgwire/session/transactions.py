"""Transactions and savepoints as blocks. Manual: BEGIN, SAVEPOINT."""

from __future__ import annotations

from pgwire import errors
from pgwire.session.core import ReplyT, TransportT
from pgwire.session.queries import Queries
from pgwire.session.steps import Command


class Transactions(Queries[TransportT, ReplyT]):
    """The commands that begin and end a block."""

    def _begin(self) -> Command[tuple[str, str]]:
        """Begin a transaction, or a savepoint in one: how to end it and how to undo it."""
        if self._channel.state.transaction_status == "I":
            begin, end, undo = "BEGIN", "COMMIT", "ROLLBACK"
        else:
            self._savepoints += 1
            name = f"pgwire_{self._savepoints}"
            begin, end = f"SAVEPOINT {name}", f"RELEASE {name}"
            undo = f"ROLLBACK TO {name}; RELEASE {name}"
        yield from self._bracket(begin, undo)
        return end, undo

    def _commit(self, end: str, undo: str) -> Command[None]:
        if (yield from self._bracket(end, undo)) == "ROLLBACK":
            raise errors.error_class("25P02")(
                "the transaction was rolled back instead of committed: an error in it was ignored"
            )

    def _bracket(self, sql: str, undo: str) -> Command[str]:
        """Run what begins or ends a transaction; the command tag. Interrupted, it leaves none open:
        nobody knows whether the server had begun it, or not yet ended it. (Of a savepoint that is
        the affair of the transaction around it.)"""
        try:
            return (yield from self._query(sql, None, None))[-1].tag
        except BaseException:
            if undo == "ROLLBACK" and self._channel.state.transaction_status != "I":
                yield from self._roll_back(undo)
            raise

    def _roll_back(self, undo: str) -> Command[None]:
        yield from self._resynchronise()  # the block may have left in the middle of a reply
        if not self._closed:
            # Why the block was left says more than what went wrong after that.
            try:
                yield from self._query(undo, None, None)
            except errors.Error:
                self.abandon()
