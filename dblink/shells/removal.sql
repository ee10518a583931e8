-- Drops what was set up, unless something depends on it.
DECLARE
  names text;
  type oid;
BEGIN
  IF to_regnamespace('dblink_gateway') IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = 'dblink is not set up in this database';
  END IF;
  IF EXISTS (SELECT FROM pg_foreign_data_wrapper AS w JOIN pg_proc AS p ON p.oid = w.fdwvalidator
             WHERE w.fdwname = 'dblink_fdw' AND p.prosrc LIKE '%dblink_gateway%') THEN
    DROP FOREIGN DATA WRAPPER dblink_fdw {cascade};
  END IF;
  SELECT string_agg(p.oid::regprocedure::text, ', '), max(t.oid) INTO names, type
  FROM pg_proc AS p
  LEFT JOIN pg_type AS t ON t.oid = p.prorettype AND t.typname = 'dblink_pkey_results'
  WHERE p.proname = ANY ({names}) AND p.prosrc LIKE '%dblink_gateway%';
  IF names IS NOT NULL THEN
    EXECUTE 'DROP FUNCTION ' || names || ' {cascade}';
  END IF;
  IF type IS NOT NULL THEN
    EXECUTE 'DROP TYPE ' || type::regtype || ' {cascade}';
  END IF;
  -- Not all at once: the schema would take with it what somebody else has made of it.
  SELECT string_agg(c.oid::regclass::text, ', ') INTO names
  FROM pg_class AS c WHERE c.relnamespace = 'dblink_gateway'::regnamespace AND c.relkind = 'v';
  IF names IS NOT NULL THEN
    EXECUTE 'DROP VIEW ' || names || ' {cascade}';
  END IF;
  SELECT string_agg(c.oid::regclass::text, ', ') INTO names
  FROM pg_class AS c WHERE c.relnamespace = 'dblink_gateway'::regnamespace AND c.relkind = 'r';
  IF names IS NOT NULL THEN
    EXECUTE 'DROP TABLE ' || names || ' {cascade}';
  END IF;
  SELECT string_agg(p.oid::regprocedure::text, ', ') INTO names
  FROM pg_proc AS p WHERE p.pronamespace = 'dblink_gateway'::regnamespace;
  EXECUTE 'DROP ROUTINE ' || names || ' {cascade}';
  DROP SCHEMA dblink_gateway {cascade};
END
