-- What stands in the way of setting dblink up in the schema "{schema}", whatever it is, is named.
DECLARE
  present int4;
  target CONSTANT text := {schema};
  other text;
BEGIN
  IF current_setting('server_version_num')::int4 < 140000 THEN
    RAISE EXCEPTION USING ERRCODE = '0A000',
      MESSAGE = format('dblink needs PostgreSQL 14 or later, this is %s',
                       current_setting('server_version'));
  END IF;
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'this server is a hot standby',
      HINT = 'Set dblink up on its primary server.';
  END IF;
  IF to_regnamespace(quote_ident(target)) IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '3F000',
      MESSAGE = format('schema "%s" does not exist', target),
      HINT = 'Create it, or name the schema that the functions are to be in.';
  END IF;
  SELECT n.nspname INTO other FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
  WHERE e.extname = 'dblink';
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42710',
      MESSAGE = format('the extension dblink is in this database, in schema "%s"', other),
      HINT = 'It needs nothing else. To replace it: DROP EXTENSION dblink.';
  END IF;
  SELECT n.nspname INTO other FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
  WHERE p.proname = 'dblink_connect' AND p.prosrc LIKE '%dblink_gateway%' AND n.nspname <> target;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42710',
      MESSAGE = format('dblink is set up in schema "%s" already', other),
      HINT = 'Remove it first, or name that schema.';
  END IF;
  SELECT p.oid::regprocedure INTO other FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  WHERE n.nspname = target AND p.proname = ANY ({names}) AND p.prosrc NOT LIKE '%dblink_gateway%'
  ORDER BY 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42723', MESSAGE = format('function %s exists already', other),
      DETAIL = 'It is not one that was set up here, and would be replaced.',
      HINT = 'Name another schema.';
  END IF;
  IF to_regnamespace('dblink_gateway') IS NOT NULL THEN
    IF to_regprocedure('dblink_gateway.version()') IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = '42P06',
        MESSAGE = 'schema "dblink_gateway" exists already, and is not one that was set up here';
    END IF;
    EXECUTE 'SELECT dblink_gateway.version()' INTO present;
    IF present > {version} THEN
      RAISE EXCEPTION USING ERRCODE = '55000',
        MESSAGE = format('version %s of the functions is set up here, this is {version}', present),
        HINT = 'Use a newer release of the package.';
    END IF;
  ELSE
    CREATE SCHEMA dblink_gateway;
  END IF;
END
