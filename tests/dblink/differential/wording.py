"""Where PostgreSQL 15 words what 18 says otherwise.

The session answers as PostgreSQL 18. On a 15 server what it said is put into the words of 15 by
this table before it is compared; whatever is not in the table has to be the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tests.dblink.differential.outcome import Outcome, Report


@dataclass(frozen=True)
class Wording:
    """A report of 18 (`message` and `detail` are patterns of the whole texts) and how 15 gives it;
    `hint` None leaves the hint as it is."""

    reason: str
    message: str
    old_message: str
    detail: str | None = None
    old_detail: str | None = None
    hint: str | None = None


BEFORE_16 = (
    Wording(
        "16 speaks of delegated GSSAPI credentials",
        "password or GSSAPI delegated credentials required",
        "password is required",
        "Non-superusers must provide a password in the connection string .*",
        "Non-superusers must provide a password in the connection string.",
    ),
    Wording(
        "16 speaks of delegated GSSAPI credentials",
        "password or GSSAPI delegated credentials required",
        "password is required",
        "Non-superusers may only connect using credentials they provide.*",
        "Non-superuser cannot connect if the server does not request a password.",
        "Target server's authentication method must be changed.",
    ),
    Wording(
        "16 names the server",
        'user mapping not found for user "(.*)", server ".*"',
        r'user mapping not found for "\1"',
    ),
    Wording(
        "17 has one message for all kinds of relations",
        'cannot open relation "(.*)"',
        r'"\1" is an index',
        "This operation is not supported for (?:partitioned )?indexes.",
    ),
    Wording(
        "17 has one message for all kinds of relations",
        'cannot open relation "(.*)"',
        r'"\1" is a composite type',
        "This operation is not supported for composite types.",
    ),
)

VALUES_BEFORE_17 = {
    # 17 cancels by a new function of libpq.
    "connection not open": "PQcancel() -- no cancel object supplied",
}


def as_said_by(major: int, ours: Outcome) -> Outcome:
    """`ours` in the words of the server version `major`."""
    if major < 17:
        value = VALUES_BEFORE_17.get(str(ours.value), ours.value)
        ours = replace(
            ours,
            value=value,
            error=None if ours.error is None else _older(ours.error),
            notices=list(map(_older, ours.notices)),
        )
    return ours


def _older(report: Report) -> Report:
    for wording in BEFORE_16:
        message, detail = report["message"] or "", report["detail"]
        found = re.fullmatch(wording.message, message, re.DOTALL)
        if found is None or (detail is None) != (wording.detail is None):
            continue
        if wording.detail is not None and not re.fullmatch(wording.detail, detail or "", re.DOTALL):
            continue
        return {
            **report,
            "message": found.expand(wording.old_message),
            "detail": wording.old_detail,
            "hint": wording.hint if wording.hint is not None else report["hint"],
        }
    return report
