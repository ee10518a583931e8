"""The documented functions as SQL: PL/pgSQL functions that pass their call on.

They have the signatures of the C extension, from the catalogue, and no more of a body than it takes
to call what a `Face` has in a schema of its own. Manual: F.12 dblink.
"""

from __future__ import annotations

from importlib.resources import files

from dblink.functions import FUNCTIONS, INT2VECTOR, RECORD, TEXT_ARRAY, Function, Overload

PKEY_RESULTS = "dblink_pkey_results"

# The extension's functions have no names for their arguments, but for this one.
_ARGUMENT_NAMES = {("dblink_get_notify", "connname"): "conname"}


class Face:
    """Where documented functions pass their calls: to functions in the schema `internal`.

    `answer`: PL/pgSQL statements of the functions that return rows. They find the variables
    `arguments` (jsonb), `types` (text[]: the declared columns) and `function` (text), `key`
    (text), `answer` and `styles` (jsonb) to do with as they like, and return the rows.
    """

    __slots__ = ("answer", "internal")

    def __init__(self, internal: str, answer: str) -> None:
        self.internal = internal
        self.answer = answer


def resource(name: str, face: Face) -> str:
    """The text of the package's file `name`, for `face`."""
    text = files("dblink.shells").joinpath(name).read_text("utf-8")
    return text.replace("dblink_gateway", face.internal)


def documented(face: Face, schema: str) -> list[str]:
    """The statements that create, or replace, the documented functions in `schema`."""
    statements = [_pkey_results(schema)]
    for function in FUNCTIONS.values():
        for overload in function.overloads:
            statements += _function(face, schema, function, overload)
    name = qualified(schema, "dblink_current_query")
    statements.append(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS pg_catalog.text\n"
        "LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED COST 1 AS $function$\n"
        f"BEGIN\n  RETURN pg_catalog.current_query();  -- {face.internal}\nEND $function$"
    )
    statements.append(_parallel_unsafe(schema))
    return statements


def signatures(schema: str) -> list[str]:
    """The documented functions as ALTER, DROP and COMMENT name them."""
    found = [
        f"{qualified(schema, function.name)}({_types(overload)})"
        for function in FUNCTIONS.values()
        for overload in function.overloads
    ]
    return [*found, f"{qualified(schema, 'dblink_current_query')}()"]


def quoted(name: str) -> str:
    """`name` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def do_block(body: str) -> str:
    """A DO statement of `body`, PL/pgSQL, which may have names of anybody's choice in it."""
    tag = "$do$"
    while tag in body:
        tag = f"{tag[:-1]}o$"
    return f"DO {tag}\n{body}{tag}"


def qualified(schema: str, name: str) -> str:
    """The object `name` of `schema` in SQL."""
    return f"{quoted(schema)}.{name}"


def _type(sql_type: str) -> str:
    return f"pg_catalog.{'int4' if sql_type == 'integer' else sql_type}".replace("boolean", "bool")


def _types(overload: Overload) -> str:
    return ", ".join(map(_type, overload.arguments.values()))


def _pkey_results(schema: str) -> str:
    # There is no CREATE TYPE IF NOT EXISTS.
    columns = ", ".join(
        f"{quoted(name)} {_type(sql_type)}"
        for name, sql_type in FUNCTIONS["dblink_get_pkey"].columns.items()
    )
    name = qualified(schema, PKEY_RESULTS)
    return do_block(
        f"BEGIN\n  CREATE TYPE {name} AS ({columns});\n"
        "EXCEPTION WHEN duplicate_object THEN\n  NULL;\nEND "
    )


def _function(face: Face, schema: str, function: Function, overload: Overload) -> list[str]:
    name = qualified(schema, function.name)
    arguments = []
    for argument, sql_type in overload.arguments.items():
        called = _ARGUMENT_NAMES.get((function.name, argument))
        arguments.append(f"{called} {_type(sql_type)}" if called else _type(sql_type))
    returns = f"pg_catalog.{RECORD}"
    if function.returns == PKEY_RESULTS:
        returns = qualified(schema, PKEY_RESULTS)
    elif function.columns:
        arguments += [f"OUT {column} {_type(t)}" for column, t in function.columns.items()]
    elif not function.returns_set:
        returns = _type(function.returns)
    traits = ["LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED COST 1"]
    traits += ["STRICT"] if function.strict else []
    traits += ["SECURITY DEFINER"] if function.security_definer else []
    statements = [
        f"CREATE OR REPLACE FUNCTION {name}({', '.join(arguments)})\n"
        f"RETURNS {'SETOF ' if function.returns_set else ''}{returns}\n"
        f"{' '.join(traits)} AS $function$\n{_body(face, function, overload)}END $function$"
    ]
    if function.security_definer:
        statements.append(
            f"REVOKE ALL ON FUNCTION {name}({_types(overload)}) FROM PUBLIC",
        )
    return statements


def _body(face: Face, function: Function, overload: Overload) -> str:
    values = []
    for place, sql_type in enumerate(overload.arguments.values(), 1):
        value = f"${place}"
        if sql_type == TEXT_ARRAY:
            value = f"pg_catalog.to_jsonb({value})"
        elif sql_type == INT2VECTOR:
            value += "::pg_catalog.text"
        values.append(value)
    arguments = f"pg_catalog.jsonb_build_array({', '.join(values)})"
    call = f"{face.internal}.call('{function.name}', {arguments}, NULL)"
    if not function.returns_set:
        value = f"pg_catalog.jsonb_object_field_text({call}, 'value')"
        return f"BEGIN\n  RETURN {value}::{_type(function.returns)};\n"
    if function.columns:
        items = ", ".join(
            f"pg_catalog.jsonb_array_element_text(j, {place})::{_type(sql_type)}"
            for place, sql_type in enumerate(function.columns.values())
        )
        return (
            f"BEGIN\n  RETURN QUERY SELECT {items}\n  FROM pg_catalog.jsonb_array_elements("
            f"pg_catalog.jsonb_object_field({call}, 'rows')) AS j;\n"
        )
    return _ROWS.format(
        function=function.name, arguments=arguments, answer=face.answer, internal=face.internal
    )


# `key` names the call, under which its row type is remembered.
_ROWS = """\
DECLARE
  function CONSTANT pg_catalog.text := '{function}';
  arguments CONSTANT pg_catalog.jsonb := {arguments};
  key pg_catalog.text := '{function}'
    OPERATOR(pg_catalog.||) arguments::pg_catalog.text;
  types pg_catalog.text[];
  wording pg_catalog.text[];
  answer pg_catalog.jsonb;
  styles pg_catalog.jsonb;
  state pg_catalog.text;
  message pg_catalog.text;
  detail pg_catalog.text;
BEGIN
  LOOP
    BEGIN
      IF types IS NULL THEN
        types := {internal}.remembered(key);
      END IF;
      RETURN QUERY EXECUTE {internal}.no_rows(types);
      EXIT;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL;
      IF wording IS NULL THEN
        wording := {internal}.wording();
      END IF;
      types := {internal}.learn(types, wording, state, message, detail);
    END;
  END LOOP;
  IF wording IS NOT NULL THEN
    PERFORM {internal}.remember(key, types);
  END IF;
{answer}"""

GATEWAY = Face(
    "dblink_gateway",
    """\
  answer := dblink_gateway.call(function, arguments, types);
  IF pg_catalog.jsonb_exists(answer, 'styles') THEN
    styles := dblink_gateway.styled(pg_catalog.jsonb_object_field(answer, 'styles'));
  END IF;
  LOOP
    IF NOT pg_catalog.jsonb_exists(answer, 'table') THEN
      answer := pg_catalog.jsonb_object_field(answer, 'rows');
      IF pg_catalog.jsonb_array_length(answer) OPERATOR(pg_catalog.=) 1 THEN
        -- By far the most frequent answer. A query of no function that returns rows is planned and
        -- run in half of the time.
        RETURN QUERY EXECUTE dblink_gateway.conversion(types, NULL, '$1')
          USING pg_catalog.jsonb_array_element(answer, 0);
      ELSE
        RETURN QUERY EXECUTE dblink_gateway.conversion(
          types, 'pg_catalog.jsonb_array_elements($1) AS t(j)', 't.j') USING answer;
      END IF;
      EXIT;
    ELSIF NOT dblink_gateway.built_in(types) THEN
      RETURN QUERY EXECUTE dblink_gateway.conversion(
        types, dblink_gateway.reply(answer), NULL);
    ELSE
      -- The lock on the table goes with the block that took it, so that many large answers within
      -- a transaction are no burden; the rows stay.
      BEGIN
        RETURN QUERY EXECUTE dblink_gateway.conversion(
          types, dblink_gateway.reply(answer), NULL);
        RAISE EXCEPTION USING ERRCODE = 'DBL02', MESSAGE = 'the rows have been taken';
      EXCEPTION WHEN SQLSTATE 'DBL02' THEN
        NULL;
      END;
    END IF;
    EXIT WHEN NOT pg_catalog.jsonb_exists(answer, 'more');
    answer := dblink_gateway.more(pg_catalog.jsonb_object_field_text(answer, 'more'));
  END LOOP;
  IF styles IS NOT NULL THEN
    PERFORM dblink_gateway.styled(styles);
  END IF;
""",
)
"""The face of the gateway."""


def _parallel_unsafe(schema: str) -> str:
    """Before release 17 no exception can be handled while a plan runs in parallel."""
    alterations = "\n".join(
        f"  ALTER FUNCTION {signature} PARALLEL UNSAFE;" for signature in signatures(schema)
    )
    return do_block(
        "BEGIN\n"
        "  IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4"
        " OPERATOR(pg_catalog.>=) 170000 THEN\n    RETURN;\n  END IF;\n"
        f"{alterations}\nEND "
    )
