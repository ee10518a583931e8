-- What stands in the way of setting dblink up is named. Nothing is run that is there already, and
-- nothing left to an owner who could change it later: he would become whoever calls it.
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
  SELECT format('%s belongs to role "%s"', o.object, r.rolname) INTO other
  FROM (
    SELECT 'schema dblink_gateway', n.nspowner FROM pg_namespace AS n
    WHERE n.nspname = 'dblink_gateway'
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure, p.proowner
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'dblink_gateway' OR n.nspname = target AND p.proname = ANY ({names})
    UNION ALL
    SELECT 'relation ' || c.oid::regclass, c.relowner
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'dblink_gateway'
    UNION ALL
    SELECT 'type ' || t.oid::regtype, t.typowner
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE n.nspname = target AND t.typname = 'dblink_pkey_results'
  ) AS o(object, owner)
  JOIN pg_roles AS r ON r.oid = o.owner
  WHERE r.rolname <> CURRENT_USER AND NOT r.rolsuper LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = other,
      HINT = 'Set dblink up as that role, or have what is there removed first.';
  END IF;
  IF to_regnamespace('dblink_gateway') IS NULL THEN
    CREATE SCHEMA dblink_gateway;
    RETURN;
  END IF;
  SELECT substring(p.prosrc FROM '[0-9]+') INTO present
  FROM pg_proc AS p WHERE p.oid = to_regprocedure('dblink_gateway.version()');
  IF present IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42P06',
      MESSAGE = 'schema "dblink_gateway" exists already, and is not one that was set up here';
  ELSIF present > {version} THEN
    RAISE EXCEPTION USING ERRCODE = '55000',
      MESSAGE = format('version %s of the functions is set up here, this is {version}', present),
      HINT = 'Use a newer release of the package.';
  END IF;
END
