"""What sessions wait for, in a table: `dblink_gateway.activity` shows it.

Only waits that last are written: most are over before anybody could look.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from dblink.gateway.side import Side
from dblink.gateway.worker import Waiting, Worker

AFTER: Final = 0.1
"""Seconds that a wait lasts before it is written."""

_QUERY_LENGTH: Final = 1024

_BEGUN: Final = """
INSERT INTO dblink_gateway.wait AS w (pid, connection, event, since, query)
SELECT r.pid, r.connection, r.event, pg_catalog.to_timestamp(r.since), r.query
FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS r(pid pg_catalog.int4,
  connection pg_catalog.text, event pg_catalog.text, since pg_catalog.float8,
  query pg_catalog.text)
JOIN dblink_gateway.session AS s ON s.pid OPERATOR(pg_catalog.=) r.pid
ON CONFLICT (pid) DO UPDATE SET connection = excluded.connection, event = excluded.event,
  since = excluded.since, query = excluded.query
"""

_ENDED: Final = """
DELETE FROM dblink_gateway.wait
WHERE pid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int4[])
"""


class Activity:
    """The waits of the sessions of one database, as they have been written last."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._written: dict[int, Waiting] = {}

    def note(self, workers: Mapping[int, Worker]) -> None:
        """Write what has changed; `workers` are those of the sessions, by process id. Raises what
        a query of the side does."""
        now = time.monotonic()
        lasting = {
            pid: waiting
            for pid, worker in workers.items()
            if (waiting := worker.waiting) is not None and now - waiting.began >= AFTER
        }
        if lasting == self._written:
            return
        begun = {pid: w for pid, w in lasting.items() if self._written.get(pid) is not w}
        ended = self._written.keys() - lasting.keys()
        if ended:
            self._side.query(_ENDED, ("{" + ",".join(map(str, ended)) + "}",))
        if begun:
            self._side.query(_BEGUN, (_document(begun),))
        self._written = lasting


def _document(waits: Mapping[int, Waiting]) -> str:
    import json

    return json.dumps(
        [
            {
                "pid": pid,
                "connection": waiting.event.connection,
                "event": waiting.event.name,
                "since": waiting.since,
                "query": None if waiting.query is None else waiting.query[:_QUERY_LENGTH],
            }
            for pid, waiting in waits.items()
        ]
    )
