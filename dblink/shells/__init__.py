"""SQL."""

from dblink.shells.functions import GATEWAY, documented, resource

VERSION = 1


def script(schema: str = "public") -> str:
    parts = ["CREATE SCHEMA IF NOT EXISTS dblink_gateway;\nGRANT USAGE ON SCHEMA dblink_gateway TO PUBLIC;\n", resource("rows.sql", GATEWAY), resource("gateway.sql", GATEWAY)]
    parts += [s + ";\n" for s in documented(GATEWAY, schema)]
    parts += [f"CREATE OR REPLACE FUNCTION dblink_gateway.version() RETURNS pg_catalog.int4 LANGUAGE sql AS 'SELECT {VERSION}';\n"]
    return "\n".join(parts)


def setup(connection, schema="public", role=None):
    connection.query_all("BEGIN;" + script(schema) + "COMMIT")
