-- The declared row type of a call, and the conversion of text to it. The functions that return rows
-- are called with a column definition list, which PL/pgSQL shows nobody: it only refuses rows of
-- another type, and names the right one in the detail of its error. So they return no rows of a
-- guessed type, until that is not refused.
--
-- Whose search_path this runs with is unknown, and he may be hostile: everything is qualified, the
-- operators too.

-- What a query of no rows and of these types is.
CREATE OR REPLACE FUNCTION dblink_gateway.no_rows(types pg_catalog.text[]) RETURNS pg_catalog.text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
BEGIN
  RETURN 'SELECT NULL::' OPERATOR(pg_catalog.||) pg_catalog.array_to_string(types, ', NULL::')
    OPERATOR(pg_catalog.||) ' WHERE false /* dblink_gateway */';
END $function$;

-- Returns what it is told to return: to see how this server words a refusal.
CREATE OR REPLACE FUNCTION dblink_gateway.refusing(query pg_catalog.text)
RETURNS SETOF pg_catalog.record LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
BEGIN
  RETURN QUERY EXECUTE query;
END $function$;

-- The wording of the two refusals in this server's release and the session's lc_messages, as
-- {count's pattern, type's pattern, number of its group with the type, with the position}.
-- Made from refusals of which everything is known.
CREATE OR REPLACE FUNCTION dblink_gateway.wording() RETURNS pg_catalog.text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
DECLARE
  special CONSTANT pg_catalog.text := E'([][\\\\.^$*+?(){}|])';
  detail pg_catalog.text;
  counts pg_catalog.text;
  types pg_catalog.text;
  places pg_catalog.int4[];
  given pg_catalog.int4;
BEGIN
  BEGIN
    PERFORM * FROM dblink_gateway.refusing('SELECT 1, 2, 3')
      AS t(a pg_catalog.int4, b pg_catalog.int4, c pg_catalog.int4, d pg_catalog.int4,
           e pg_catalog.int4, f pg_catalog.int4, g pg_catalog.int4);
  EXCEPTION WHEN datatype_mismatch THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    counts := pg_catalog.regexp_replace(detail, special, E'\\\\\\1', 'g');
    counts := pg_catalog.replace(pg_catalog.replace(counts, '3', '[0-9]+'), '7', '([0-9]+)');
  END;
  BEGIN
    PERFORM * FROM dblink_gateway.refusing('SELECT 1, NULL::pg_catalog.pg_lsn')
      AS t(a pg_catalog.int4, "dblink_gateway" pg_catalog.txid_snapshot);
  EXCEPTION WHEN datatype_mismatch THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    -- The returned type, the expected one, the position; the column's name since release 18.
    -- A search_path may hide the types: then they have their schema. quote_all_identifiers.
    detail := pg_catalog.regexp_replace(detail, '("?pg_catalog"?[.])?"?(pg_lsn|txid_snapshot)"?',
                                        E'\\2', 'g');
    places := ARRAY[pg_catalog.strpos(detail, 'pg_lsn'), pg_catalog.strpos(detail, 'txid_snapshot'),
                    pg_catalog.strpos(detail, '2'), pg_catalog.strpos(detail, 'dblink_gateway')];
    types := pg_catalog.regexp_replace(detail, special, E'\\\\\\1', 'g');
    types := pg_catalog.replace(pg_catalog.replace(types, 'pg_lsn', '(.+?)'),
                                'txid_snapshot', '(.+?)');
    types := pg_catalog.replace(pg_catalog.replace(types, 'dblink_gateway', '(.*)'),
                                '2', '([0-9]+)');
  END;
  RETURN ARRAY[
    '^' OPERATOR(pg_catalog.||) counts OPERATOR(pg_catalog.||) '$',
    '^' OPERATOR(pg_catalog.||) types OPERATOR(pg_catalog.||) '$',
    (SELECT pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.unnest(places) AS p(place)
     WHERE place OPERATOR(pg_catalog.>) 0 AND place OPERATOR(pg_catalog.<=) places[2]),
    (SELECT pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.unnest(places) AS p(place)
     WHERE place OPERATOR(pg_catalog.>) 0 AND place OPERATOR(pg_catalog.<=) places[3])
  ];
END $function$;

-- The next guess, after `types` has been refused with this SQLSTATE, message and detail.
CREATE OR REPLACE FUNCTION dblink_gateway.learn(
  types pg_catalog.text[], wording pg_catalog.text[],
  state pg_catalog.text, message pg_catalog.text, detail pg_catalog.text
) RETURNS pg_catalog.text[] LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
DECLARE
  found pg_catalog.text[];
  place pg_catalog.int4;
BEGIN
  IF state OPERATOR(pg_catalog.=) '42804' THEN
    found := pg_catalog.regexp_match(detail, wording[1]);
    IF found IS NOT NULL
       AND found[1]::pg_catalog.int4 OPERATOR(pg_catalog.<>) pg_catalog.cardinality(types) THEN
      RETURN pg_catalog.array_fill('text'::pg_catalog.text, ARRAY[found[1]::pg_catalog.int4]);
    END IF;
    found := pg_catalog.regexp_match(detail, wording[2]);
    IF found IS NOT NULL THEN
      place := found[wording[4]::pg_catalog.int4]::pg_catalog.int4;
      IF types[place] OPERATOR(pg_catalog.<>) found[wording[3]::pg_catalog.int4]
         AND pg_catalog.to_regtype(found[wording[3]::pg_catalog.int4]) IS NOT NULL THEN
        types[place] := found[wording[3]::pg_catalog.int4];
        RETURN types;
      END IF;
    END IF;
  ELSIF state OPERATOR(pg_catalog.=) '0A000' THEN
    RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE =
      'function returning record called in context that cannot accept type record';
  ELSIF types IS NULL OR types OPERATOR(pg_catalog.<>) ARRAY['pg_catalog.text'::pg_catalog.text] THEN
    RETURN ARRAY['pg_catalog.text'];  -- what was remembered is no use any more
  END IF;
  RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message,
    DETAIL = pg_catalog.concat('The declared columns cannot be learned: ', detail);
END $function$;

-- The type of that name without a modifier. A guess with one would pass where none is declared, and
-- values would be cut or rounded to it: so modifiers are never guessed, but learned each time.
CREATE OR REPLACE FUNCTION dblink_gateway.bare(type pg_catalog.text) RETURNS pg_catalog.text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
DECLARE
  oid CONSTANT pg_catalog.oid := pg_catalog.to_regtype(type)::pg_catalog.oid;
BEGIN
  -- The names that are printed for these mean a modifier of 1.
  RETURN CASE
    WHEN oid OPERATOR(pg_catalog.=) 1042 THEN 'pg_catalog.bpchar'
    WHEN oid OPERATOR(pg_catalog.=) 1014 THEN 'pg_catalog.bpchar[]'
    WHEN oid OPERATOR(pg_catalog.=) 1560 THEN 'pg_catalog."bit"'
    WHEN oid OPERATOR(pg_catalog.=) 1561 THEN 'pg_catalog."bit"[]'
    ELSE pg_catalog.format_type(oid, NULL)
  END;
END $function$;

-- The row types that were learned last, by call: a usual call needs no refusals. They are kept in
-- custom settings, which anybody may write who runs SQL in the session, and read by functions that
-- may run as somebody else: so nothing gets out of here that is not the name of a type, printed
-- anew.
CREATE OR REPLACE FUNCTION dblink_gateway.remembered(call pg_catalog.text)
RETURNS pg_catalog.text[] LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
DECLARE
  key CONSTANT pg_catalog.int4 := pg_catalog.hashtext(call);
  kept pg_catalog.text := pg_catalog.current_setting(
    'dblink_gateway.row_type_' OPERATOR(pg_catalog.||)
    (key OPERATOR(pg_catalog.&) 15)::pg_catalog.text, true);
  types pg_catalog.text[];
BEGIN
  IF kept IS NULL OR NOT pg_catalog.starts_with(kept, key::pg_catalog.text
                                                 OPERATOR(pg_catalog.||) '{') THEN
    kept := pg_catalog.current_setting('dblink_gateway.row_type', true);
  END IF;
  IF kept IS NULL OR kept OPERATOR(pg_catalog.=) '' THEN
    RETURN ARRAY['pg_catalog.text'];
  END IF;
  types := pg_catalog.substr(kept, pg_catalog.strpos(kept, '{'))::pg_catalog.text[];
  FOR place IN 1 .. pg_catalog.cardinality(types) LOOP
    types[place] := dblink_gateway.bare(types[place]);
    IF types[place] IS NULL THEN
      RETURN ARRAY['pg_catalog.text'];
    END IF;
  END LOOP;
  IF pg_catalog.cardinality(types) OPERATOR(pg_catalog.=) 0 THEN
    RETURN ARRAY['pg_catalog.text'];
  END IF;
  RETURN types;
END $function$;

CREATE OR REPLACE FUNCTION dblink_gateway.remember(call pg_catalog.text, types pg_catalog.text[])
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  key CONSTANT pg_catalog.int4 := pg_catalog.hashtext(call);
  kept CONSTANT pg_catalog.text := key::pg_catalog.text OPERATOR(pg_catalog.||)
                                   types::pg_catalog.text;
BEGIN
  PERFORM pg_catalog.set_config('dblink_gateway.row_type', kept, false),
    pg_catalog.set_config('dblink_gateway.row_type_' OPERATOR(pg_catalog.||)
                          (key OPERATOR(pg_catalog.&) 15)::pg_catalog.text, kept, false);
EXCEPTION WHEN invalid_transaction_state THEN
  NULL;  -- nothing can be set in the middle of a parallel plan
END $function$;

-- The types as a message has them: [["integer", 23], ...]. Expressions that need no plan are all that
-- this has: a call takes it each time.
CREATE OR REPLACE FUNCTION dblink_gateway.described(types pg_catalog.text[])
RETURNS pg_catalog.jsonb LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED AS $function$
DECLARE
  items pg_catalog.text[];
  type pg_catalog.oid;
BEGIN
  FOR place IN 1 .. pg_catalog.cardinality(types) LOOP
    type := pg_catalog.to_regtype(types[place])::pg_catalog.oid;
    items[place] := pg_catalog.json_build_array(pg_catalog.format_type(type, NULL),
                                                type::pg_catalog.int8)::pg_catalog.text;
  END LOOP;
  RETURN ('[' OPERATOR(pg_catalog.||) pg_catalog.array_to_string(items, ', ')
          OPERATOR(pg_catalog.||) ']')::pg_catalog.jsonb;
END $function$;

-- Version 1 had one with fewer arguments.
DROP FUNCTION IF EXISTS dblink_gateway.conversion(pg_catalog.text[], pg_catalog.text);

-- The query that converts text to `types`, as the types' input functions do with the declared
-- modifiers: a cast would cut what is too long. The text is in the columns c1, c2, ... of `source`
-- (what stands behind FROM, named t); or, if there is an `array`, it is the elements of that JSON
-- array, and `source` may be null. A cast of text is the input function where the type is one of
-- those listed here, has no modifier, and for json; all others take the way of json_to_record, which
-- calls input functions. The rows stay in their order, and keep nothing of the table that they came
-- from.
CREATE OR REPLACE FUNCTION dblink_gateway.conversion(
  types pg_catalog.text[], source pg_catalog.text, "array" pg_catalog.text
) RETURNS pg_catalog.text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
DECLARE
  type pg_catalog.oid;
  base pg_catalog.oid;
  item pg_catalog.text;
  value pg_catalog.text;
  items pg_catalog.text[];
  names pg_catalog.text[];
  texts pg_catalog.text[];
  columns pg_catalog.text[];
BEGIN
  FOR place IN 1 .. pg_catalog.cardinality(types) LOOP
    item := 'c' OPERATOR(pg_catalog.||) place::pg_catalog.text;
    type := pg_catalog.to_regtype(types[place])::pg_catalog.oid;
    IF "array" IS NOT NULL THEN
      value := 'pg_catalog.jsonb_array_element_text(' OPERATOR(pg_catalog.||) "array"
        OPERATOR(pg_catalog.||) ', ' OPERATOR(pg_catalog.||)
        (place OPERATOR(pg_catalog.-) 1)::pg_catalog.text OPERATOR(pg_catalog.||) ')';
    ELSE
      value := 't.' OPERATOR(pg_catalog.||) item;
      IF type OPERATOR(pg_catalog.=) 25 OR type OPERATOR(pg_catalog.=) 1043 THEN
        -- A new value: a long one is not to be left where it was stored.
        value := 'pg_catalog.textcat(' OPERATOR(pg_catalog.||) value
          OPERATOR(pg_catalog.||) ', '''')';
      END IF;
    END IF;
    IF type OPERATOR(pg_catalog.=) 25 THEN
      items[place] := value;
    ELSIF types[place] OPERATOR(pg_catalog.=) pg_catalog.format_type(type, NULL)
          AND type OPERATOR(pg_catalog.=) ANY (
            '{16,17,20,21,23,26,114,700,701,869,650,829,1043,1082,1083,1114,1184,1186,1266,1700,
              2950,3802,600,601,602,603,604,628,718,1000,1001,1005,1007,1016,1009,1021,1022,1015,
              1115,1182,1185,1187,1231,2951,3904,3906,3908,3910,3912,3926}'::pg_catalog.oid[]) THEN
      items[place] := value OPERATOR(pg_catalog.||) '::' OPERATOR(pg_catalog.||) types[place];
    ELSE
      base := type;
      WHILE base OPERATOR(pg_catalog.<>) 0 LOOP
        type := base;
        base := (SELECT d.typbasetype FROM pg_catalog.pg_type AS d
                 WHERE d.oid OPERATOR(pg_catalog.=) type);
      END LOOP;
      IF type OPERATOR(pg_catalog.=) 114 OR type OPERATOR(pg_catalog.=) 3802 THEN
        items[place] := value OPERATOR(pg_catalog.||) '::' OPERATOR(pg_catalog.||) types[place];
      ELSE
        items[place] := 'r.' OPERATOR(pg_catalog.||) item;
        names := names OPERATOR(pg_catalog.||) item;
        texts := texts OPERATOR(pg_catalog.||) value;
        columns := columns OPERATOR(pg_catalog.||) (item OPERATOR(pg_catalog.||) ' '
                                                   OPERATOR(pg_catalog.||) types[place]);
      END IF;
    END IF;
  END LOOP;
  RETURN 'SELECT ' OPERATOR(pg_catalog.||) pg_catalog.array_to_string(items, ', ')
    OPERATOR(pg_catalog.||) CASE WHEN source IS NOT NULL OR names IS NOT NULL THEN ' FROM '
                            ELSE '' END
    OPERATOR(pg_catalog.||) COALESCE(source, '')
    OPERATOR(pg_catalog.||) CASE WHEN source IS NOT NULL AND names IS NOT NULL THEN ', LATERAL '
                            ELSE '' END
    OPERATOR(pg_catalog.||) CASE WHEN names IS NULL THEN '' ELSE
      'pg_catalog.json_to_record(pg_catalog.json_object('
      OPERATOR(pg_catalog.||) pg_catalog.quote_literal(names::pg_catalog.text)
      OPERATOR(pg_catalog.||) '::pg_catalog.text[], ARRAY['
      OPERATOR(pg_catalog.||) pg_catalog.array_to_string(texts, ', ')
      OPERATOR(pg_catalog.||) '])) AS r('
      OPERATOR(pg_catalog.||) pg_catalog.array_to_string(columns, ', ')
      OPERATOR(pg_catalog.||) ')' END
    -- No plan of rows that are at hand is a parallel one. By our name the gateway knows what it takes
    -- out of the context of errors.
    OPERATOR(pg_catalog.||) CASE WHEN "array" IS NOT NULL THEN ' /* dblink_gateway */'
                            ELSE ' WHERE dblink_gateway.in_order()' END;
END $function$;

-- True. Keeps a plan from being a parallel one, which would return rows in any order.
CREATE OR REPLACE FUNCTION dblink_gateway.in_order() RETURNS pg_catalog.bool
LANGUAGE plpgsql STABLE PARALLEL UNSAFE AS $function$
BEGIN
  RETURN true;
END $function$;

-- Sets what values of date and time types are read with, as far as `styles` tells, for the time of a
-- conversion, and returns what was set before.
CREATE OR REPLACE FUNCTION dblink_gateway.styled(styles pg_catalog.jsonb)
RETURNS pg_catalog.jsonb LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  before pg_catalog.jsonb := '{}';
  name pg_catalog.text;
  value pg_catalog.text;
BEGIN
  FOREACH name IN ARRAY ARRAY['DateStyle', 'IntervalStyle'] LOOP
    value := pg_catalog.jsonb_object_field_text(styles, name);
    IF value IS NOT NULL AND value OPERATOR(pg_catalog.<>) pg_catalog.current_setting(name) THEN
      before := pg_catalog.jsonb_set(before, ARRAY[name],
                                     pg_catalog.to_jsonb(pg_catalog.current_setting(name)));
      PERFORM pg_catalog.set_config(name, value, true);
    END IF;
  END LOOP;
  RETURN before;
END $function$;

-- Whether reading these types runs nothing but the server's own functions.
CREATE OR REPLACE FUNCTION dblink_gateway.built_in(types pg_catalog.text[])
RETURNS pg_catalog.bool LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $function$
BEGIN
  FOR place IN 1 .. pg_catalog.cardinality(types) LOOP
    IF pg_catalog.to_regtype(types[place])::pg_catalog.oid OPERATOR(pg_catalog.>=) 16384 THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN true;
END $function$;

-- Raises the notices of an answer, then its error.
CREATE OR REPLACE FUNCTION dblink_gateway.raise_from(answer pg_catalog.jsonb)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL RESTRICTED AS $function$
DECLARE
  told pg_catalog.jsonb;
  fatal pg_catalog.bool;
  state pg_catalog.text;
  message pg_catalog.text;
  detail pg_catalog.text;
  hint pg_catalog.text;
BEGIN
  FOR told, fatal IN
    SELECT n.told, false
    FROM pg_catalog.jsonb_array_elements(COALESCE(
      pg_catalog.jsonb_object_field(answer, 'notices'), '[]'::pg_catalog.jsonb)) AS n(told)
    UNION ALL
    SELECT pg_catalog.jsonb_object_field(answer, 'error'), true
    WHERE pg_catalog.jsonb_exists(answer, 'error')
  LOOP
    state := pg_catalog.jsonb_object_field_text(told, 'sqlstate');
    IF state IS NULL OR state OPERATOR(pg_catalog.!~) '^[0-9A-Z]{5}$' THEN
      state := 'XX000';
    END IF;
    message := COALESCE(pg_catalog.jsonb_object_field_text(told, 'message'), '');
    detail := pg_catalog.jsonb_object_field_text(told, 'detail');
    hint := pg_catalog.jsonb_object_field_text(told, 'hint');
    -- An empty DETAIL or HINT is not the same as none.
    IF fatal THEN
      IF detail IS NULL AND hint IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
      ELSIF detail IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = hint;
      ELSIF hint IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
      ELSE
        RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
      END IF;
    ELSIF detail IS NULL AND hint IS NULL THEN
      RAISE NOTICE USING ERRCODE = state, MESSAGE = message;
    ELSIF detail IS NULL THEN
      RAISE NOTICE USING ERRCODE = state, MESSAGE = message, HINT = hint;
    ELSIF hint IS NULL THEN
      RAISE NOTICE USING ERRCODE = state, MESSAGE = message, DETAIL = detail;
    ELSE
      RAISE NOTICE USING ERRCODE = state, MESSAGE = message, DETAIL = detail, HINT = hint;
    END IF;
  END LOOP;
END $function$;
