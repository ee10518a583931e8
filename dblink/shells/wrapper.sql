-- The one of `words` that is nearest to `word`, null if none is near: at most 4 characters have to be
-- changed, and no more than half of them. As PostgreSQL itself guesses what was meant.
CREATE OR REPLACE FUNCTION dblink_gateway.nearest(word pg_catalog.text, words pg_catalog.text[])
RETURNS pg_catalog.text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  best pg_catalog.text;
  least_distance pg_catalog.int4 := LEAST(4, pg_catalog.octet_length(word) / 2) + 1;
  candidate pg_catalog.text;
  above pg_catalog.int4[];
  line pg_catalog.int4[];
BEGIN
  FOREACH candidate IN ARRAY words LOOP
    -- Levenshtein's distance, line by line of its table; places are one too high.
    CONTINUE WHEN pg_catalog.abs(pg_catalog.length(candidate) - pg_catalog.length(word))
                  >= least_distance;
    line := ARRAY(SELECT pg_catalog.generate_series(0, pg_catalog.length(candidate)));
    FOR i IN 1 .. pg_catalog.length(word) LOOP
      above := line;
      line[1] := i;
      FOR j IN 1 .. pg_catalog.length(candidate) LOOP
        line[j + 1] := LEAST(above[j + 1] + 1, line[j] + 1, above[j] + CASE
          WHEN pg_catalog.substr(word, i, 1) = pg_catalog.substr(candidate, j, 1)
          THEN 0 ELSE 1 END);
      END LOOP;
    END LOOP;
    IF line[pg_catalog.length(candidate) + 1] < least_distance THEN
      best := candidate;
      least_distance := line[pg_catalog.length(candidate) + 1];
    END IF;
  END LOOP;
  RETURN best;
END $function$;

-- Raises the error of C dblink's validator for the first of `options` that is in none of `valid`.
CREATE OR REPLACE FUNCTION dblink_gateway.validate(
  options pg_catalog.text[], valid pg_catalog.text[]
) RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  option pg_catalog.text;
  meant pg_catalog.text;
BEGIN
  FOREACH option IN ARRAY options LOOP
    option := pg_catalog.split_part(option, '=', 1);
    -- Release 18 takes this one everywhere.
    CONTINUE WHEN option = ANY (valid) OR option = 'use_scram_passthrough';
    meant := dblink_gateway.nearest(option, valid);
    IF meant IS NOT NULL THEN
      RAISE EXCEPTION USING ERRCODE = 'HV00J',
        MESSAGE = pg_catalog.format('invalid option "%s"', option),
        HINT = pg_catalog.format('Perhaps you meant the option "%s".', meant);
    ELSIF pg_catalog.cardinality(valid) > 0 THEN
      RAISE EXCEPTION USING ERRCODE = 'HV00J',
        MESSAGE = pg_catalog.format('invalid option "%s"', option);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'HV00J',
      MESSAGE = pg_catalog.format('invalid option "%s"', option),
      HINT = 'There are no valid options in this context.';
  END LOOP;
END $function$;
