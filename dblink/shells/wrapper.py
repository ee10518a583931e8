"""The foreign-data wrapper `dblink_fdw` and its validator. Manual: dblink_connect."""

from __future__ import annotations

from dblink.foreign import MAPPING_OPTIONS, SERVER_OPTIONS
from dblink.shells.functions import Face, do_block, qualified, resource
from pgwire import conninfo

WRAPPER = "dblink_fdw"
VALIDATOR = "dblink_fdw_validator"


def validator(face: Face, schema: str) -> list[str]:
    """The statements that create the validator in `schema`."""
    mapping = [keyword for keyword in conninfo.OPTIONS if keyword in MAPPING_OPTIONS]
    return [
        resource("wrapper.sql", face),
        f"CREATE OR REPLACE FUNCTION {qualified(schema, VALIDATOR)}"
        "(options pg_catalog.text[], catalog pg_catalog.oid)\n"
        "RETURNS void LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE COST 1 AS $function$\n"
        "BEGIN\n"
        "  -- pg_foreign_server, pg_user_mapping; nothing else has options.\n"
        f"  PERFORM {face.internal}.validate(options, CASE\n"
        "    WHEN catalog OPERATOR(pg_catalog.=) 1417 THEN\n"
        f"      '{{{','.join(SERVER_OPTIONS)}}}'::pg_catalog.text[]\n"
        "    WHEN catalog OPERATOR(pg_catalog.=) 1418 THEN\n"
        f"      '{{{','.join(mapping)}}}'::pg_catalog.text[]\n"
        "    ELSE '{}'::pg_catalog.text[] END);\n"
        "END $function$",
    ]


def creation(schema: str) -> str:
    """The statement that a superuser creates the wrapper with."""
    return f"CREATE FOREIGN DATA WRAPPER {WRAPPER} VALIDATOR {qualified(schema, VALIDATOR)}"


def wrapper(schema: str) -> str:
    """The statement that creates the wrapper unless there is one, or warns that it could not."""
    return do_block(
        "BEGIN\n"
        "  IF NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_data_wrapper AS w\n"
        f"                 WHERE w.fdwname = '{WRAPPER}') THEN\n"
        f"    {creation(schema)};\n"
        "  END IF;\n"
        "EXCEPTION WHEN insufficient_privilege THEN\n"
        f"  RAISE WARNING USING MESSAGE = 'the foreign-data wrapper {WRAPPER} was not created',\n"
        "    DETAIL = 'Only a superuser can do that.',\n"
        "    HINT = 'Connection strings work without it, and foreign servers of other wrappers.';\n"
        "END "
    )
