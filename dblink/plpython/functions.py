"""The functions that `dblink install` creates: PL/pgSQL ones that users call, and behind them those
in PL/Python."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

import pgwire
from dblink.keys import quote_literal
from dblink.shells.functions import Face, documented, resource
from dblink.shells.plan import checks
from dblink.shells.wrapper import validator, wrapper

SCHEMA: Final = "dblink_python"
"""Where all but the documented functions live."""

VERSION: Final = 2
"""Version of the functions, which another release may change less often than the package."""

FACE: Final = Face(
    SCHEMA,
    """\
  DECLARE
    call CONSTANT pg_catalog.text := pg_catalog.gen_random_uuid()::pg_catalog.text;
  BEGIN
    BEGIN
      RETURN QUERY EXECUTE dblink_python.conversion(types,
        dblink_python.rows_of_call(pg_catalog.cardinality(types)), NULL)
        USING call, function, arguments, dblink_python.described(types);
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
      -- A conversion failed, or the statement was cancelled in the middle of the rows.
      PERFORM dblink_python.abandon(call, SQLSTATE OPERATOR(pg_catalog.=) '57014');
      RAISE;
    END;
    answer := dblink_python.outcome(call);
    IF answer IS NOT NULL THEN
      PERFORM dblink_python.raise_from(answer);
    END IF;
  END;
""",
)
"""How a documented function that returns rows gets them."""

# The same first lines in each, since whichever is called first in a session makes the runtime. Its
# key bears the version: a session that began before an upgrade learns that it has an old package.
_BODY = """
try:
    runtime = GD[{key!r}]
except KeyError:
    import sys
    sys.path += [folder for folder in {folders!r} if folder not in sys.path]
    from dblink.plpython.runtime import Runtime
    runtime = GD[{key!r}] = Runtime(plpy, {version!r})
return runtime.{call}
"""

_TEXT, _JSON, _BOOL = "pg_catalog.text", "pg_catalog.jsonb", "pg_catalog.bool"

_PYTHON_FUNCTIONS = (
    (f"run(function {_TEXT}, arguments {_JSON})", _JSON, "run(function, arguments)"),
    (
        f"rows(call {_TEXT}, function {_TEXT}, arguments {_JSON}, types {_JSON})",
        "SETOF pg_catalog.record",
        "rows(call, function, arguments, types)",
    ),
    (f"outcome(call {_TEXT})", _JSON, "outcome(call)"),
    (f"abandon(call {_TEXT}, cancel {_BOOL})", "void", "abandon(call, cancel)"),
)


def statements(schema: str, folders: Sequence[str]) -> list[str]:
    """The statements that create all functions, or replace them: for one transaction, which has
    begun as `dblink.shells.plan.BEGINNING` says.

    Args:
        schema: for the documented functions.
        folders: added to the module search path of the server's Python, after what is there.
    """
    return [
        checks(FACE, schema, VERSION),
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC",
        *(_python_function(*function, folders) for function in _PYTHON_FUNCTIONS),
        resource("rows.sql", FACE),
        files("dblink.plpython").joinpath("calls.sql").read_text("utf-8"),
        *documented(FACE, schema),
        *validator(FACE, schema),
        _constant("version", "pg_catalog.int4", str(VERSION)),
        _constant("release", _TEXT, pgwire.__version__),
        _constant("schema", _TEXT, schema),
        wrapper(schema),
    ]


def dollar_quoted(text: str) -> str:
    """`text` as a string constant of SQL that shows it as it is. Manual: 4.1.2.4."""
    tag = "$python$"
    while tag in text:
        tag = f"${tag.strip('$')}_$"
    return f"{tag}{text}{tag}"


def _python_function(signature: str, returns: str, call: str, folders: Sequence[str]) -> str:
    body = _BODY.format(
        key=f"{SCHEMA} {pgwire.__version__}",
        folders=list(folders),
        version=pgwire.__version__,
        call=call,
    )
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{signature} RETURNS {returns}"
        f" LANGUAGE plpython3u VOLATILE PARALLEL UNSAFE AS {dollar_quoted(body)}"
    )


def _constant(name: str, sql_type: str, value: str) -> str:
    """A function that tells later what was installed."""
    body = dollar_quoted(f"SELECT {quote_literal(value)}::{sql_type}")
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS {sql_type} LANGUAGE sql IMMUTABLE"
        f" AS {body}"
    )
