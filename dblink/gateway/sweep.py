"""What a gateway that crashed has left is swept by the next one that comes to the database.

What belongs to the sessions of a gateway that lives is left alone.
"""

from __future__ import annotations

import logging
from typing import Final

import pgwire
from dblink.gateway.replies import drop_table
from dblink.gateway.side import NAME, TIMEOUT
from pgwire import errors

logger = logging.getLogger("dblink.gateway")

# Of everything that tells that a side connection lives, these cannot be had by somebody else.
_DEAD: Final = f"""
DELETE FROM dblink_gateway.session AS s WHERE NOT EXISTS (
  SELECT FROM pg_catalog.pg_stat_get_activity(s.side_pid) AS a
  WHERE a.usesysid OPERATOR(pg_catalog.=) s.side_role
  AND a.application_name OPERATOR(pg_catalog.=) '{NAME}')
"""

_NO_SESSION: Final = """
NOT EXISTS (SELECT FROM dblink_gateway.session AS s
            WHERE s.pid OPERATOR(pg_catalog.=)
                  pg_catalog.split_part({name}, '_', 2)::pg_catalog.int4)
"""

_ROWS: Final = """
WITH answers AS (DELETE FROM dblink_gateway.answer AS a WHERE NOT EXISTS (
  SELECT FROM dblink_gateway.session AS s WHERE s.pid OPERATOR(pg_catalog.=) a.pid))
DELETE FROM dblink_gateway.wait AS w WHERE NOT EXISTS (
  SELECT FROM dblink_gateway.session AS s WHERE s.pid OPERATOR(pg_catalog.=) w.pid)
"""

# CASE, since conditions joined by AND may be looked at in any order.
_TABLES: Final = f"""
SELECT c.relname FROM pg_catalog.pg_class AS c
WHERE c.relnamespace OPERATOR(pg_catalog.=) 'dblink_gateway'::pg_catalog.regnamespace
AND c.relkind OPERATOR(pg_catalog.=) 'r'
AND CASE WHEN c.relname OPERATOR(pg_catalog.~) '^reply_[0-9]{{1,9}}_[0-9a-f]+$'
    THEN {_NO_SESSION.format(name="c.relname")} ELSE false END
"""

_FUNCTIONS: Final = f"""
SELECT p.proname FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace OPERATOR(pg_catalog.=) 'dblink_gateway'::pg_catalog.regnamespace
AND CASE WHEN p.proname OPERATOR(pg_catalog.~) '^reply_[0-9]{{1,9}}_s[0-9a-f]+$'
    THEN {_NO_SESSION.format(name="p.proname")} ELSE false END
"""


def sweep(connection: pgwire.Connection) -> None:
    """Remove what belongs to no living session. What cannot be removed is left to the next."""
    try:
        connection.query(_DEAD, timeout=TIMEOUT)
        connection.query(_ROWS, timeout=TIMEOUT)
        tables = connection.query_text(_TABLES, timeout=TIMEOUT)
        functions = connection.query_text(_FUNCTIONS, timeout=TIMEOUT)
        for (name,) in tables:
            drop_table(connection, str(name))
        for (name,) in functions:
            connection.query(f"SELECT dblink_gateway.drop('{{{name}}}')", timeout=TIMEOUT)
    except errors.DatabaseError as error:
        if connection.closed:
            raise
        logger.warning("what an earlier gateway left could not be swept: %s", error)
        return
    if tables or functions:
        logger.info("swept %d tables, %d functions", len(tables), len(functions))
