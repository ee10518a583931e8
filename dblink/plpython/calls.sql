-- What stands between the documented functions and the PL/Python ones. All of it runs as the caller,
-- with his search_path: everything is qualified.

-- Calls `function` with `arguments` and returns its answer, after its notices. Raises its error:
-- PL/Python would put the name of a Python exception before the message.
CREATE OR REPLACE FUNCTION dblink_python.call(
  function pg_catalog.text, arguments pg_catalog.jsonb, types pg_catalog.text[]
) RETURNS pg_catalog.jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $function$
DECLARE
  answer CONSTANT pg_catalog.jsonb := dblink_python.run(function, arguments);
BEGIN
  IF pg_catalog.jsonb_exists(answer, 'notices') OR pg_catalog.jsonb_exists(answer, 'error') THEN
    PERFORM dblink_python.raise_from(answer);
  END IF;
  RETURN answer;
END $function$;

-- The rows of the call $1 to $2 with the arguments $3 for the types $4, as conversion's source.
CREATE OR REPLACE FUNCTION dblink_python.rows_of_call(columns pg_catalog.int4)
RETURNS pg_catalog.text LANGUAGE plpgsql STABLE PARALLEL UNSAFE AS $function$
DECLARE
  items pg_catalog.text[];
BEGIN
  FOR place IN 1 .. columns LOOP
    items[place] := pg_catalog.format('c%s pg_catalog.text', place);
  END LOOP;
  RETURN 'dblink_python.rows($1, $2, $3, $4) AS t('
    OPERATOR(pg_catalog.||) pg_catalog.array_to_string(items, ', ') OPERATOR(pg_catalog.||) ')';
END $function$;

-- What a query of one text column gives. PL/Python takes the text of a statement for UTF-8, whatever
-- the database's encoding is; values it takes as they are.
CREATE OR REPLACE FUNCTION dblink_python.queried(
  query pg_catalog.text, parameters pg_catalog.text[]
) RETURNS SETOF pg_catalog.text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $function$
BEGIN
  RETURN QUERY EXECUTE query USING parameters[1], parameters[2], parameters[3], parameters[4];
END $function$;
