"""Is this the kind of server that was wanted? Manual: 32.1.2, target_session_attrs."""

from __future__ import annotations

from pgwire.flows import Flow
from pgwire.flows.channel import Channel
from pgwire.flows.query import Failed, RowSet, simple_query
from pgwire.rows.decoder import decode_rows

# target_session_attrs -> (which question, the answer that is wanted, what is said of the other).
_WANTED = {
    "read-write": ("read only", False, "session is read-only"),
    "read-only": ("read only", True, "session is not read-only"),
    "primary": ("standby", False, "server is in hot standby mode"),
    "standby": ("standby", True, "server is not in hot standby mode"),
}


def mismatch(channel: Channel, wanted: str) -> Flow[str | None]:
    """Why the session does not fit `wanted`, a value of target_session_attrs ("any" always fits,
    prefer-standby is the caller's affair); None if it fits.

    Servers from 14 on have told already; others are asked, and do not fit if they cannot answer.
    """
    if wanted not in _WANTED:
        return None
    question, answer, told = _WANTED[wanted]
    try:
        if question == "standby":
            found = yield from _is_standby(channel)
        else:
            found = yield from _is_read_only(channel)
    except _NoAnswer as failure:
        return str(failure)
    return None if found == answer else told


class _NoAnswer(Exception):
    """The server could not tell."""


def _is_standby(channel: Channel) -> Flow[bool]:
    reported = channel.parameters.get("in_hot_standby")
    if reported is not None:
        return reported == "on"
    answer = yield from _ask(
        channel, "SELECT pg_catalog.pg_is_in_recovery()", "SELECT pg_is_in_recovery()"
    )
    return answer.startswith("t")


def _is_read_only(channel: Channel) -> Flow[bool]:
    reported = channel.parameters
    if "default_transaction_read_only" in reported and "in_hot_standby" in reported:
        return "on" in (reported["default_transaction_read_only"], reported["in_hot_standby"])
    answer = yield from _ask(channel, "SHOW transaction_read_only", "SHOW transaction_read_only")
    return answer.startswith("on")


def _ask(channel: Channel, sql: str, shown: str) -> Flow[str]:
    """The one field of the one row that `sql` returns."""
    exchange = simple_query(channel, sql)
    yield from exchange.send()
    rows: list[tuple[object, ...]] = []
    failed = f'"{shown}" failed'
    outcome = yield from exchange.next_result()
    if isinstance(outcome, RowSet) and len(outcome.columns) == 1:
        while (bounds := (yield from exchange.next_rows())) is not None:
            rows += decode_rows(channel.frames.data, *bounds, [channel.text])
    error = yield from exchange.finish()
    if isinstance(outcome, Failed):
        error = outcome.error
    if error is not None:
        raise _NoAnswer(f"{error.diagnostics.render()}\n{failed}")
    if len(rows) != 1 or not isinstance(rows[0][0], str):
        raise _NoAnswer(failed)
    return rows[0][0]
